//! How far a notification got.
//!
//! ```text
//! Preparada{correo} ─refused─▶ Preparada{sms} ─refused─▶ Preparada{push} ─refused─▶ Rechazada
//!        └──────────delivered──────────┴──────────delivered──────┴────▶ Entregada
//! Aceptada{medio} ─address known─▶ Preparada{medio}      made over HTTP for a client
//! Registrada: made over HTTP for nobody; kept, never delivered
//! ```

use seedwork::Reason;
use serde::{Deserialize, Serialize};

use super::Medio;

/// How far a notification got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "nombre")]
pub enum Estado {
    /// Kept because a caller asked for that; it is not for delivery.
    Registrada {
        /// The medium that the caller named.
        medio: Medio,
    },
    /// Made over HTTP for a client whose address is yet to be asked for.
    Aceptada {
        /// The medium to begin with.
        medio: Medio,
    },
    /// About to be delivered; may have been, if the answer was lost.
    Preparada {
        /// The medium to call.
        medio: Medio,
        /// The client's mail address.
        correo: String,
        /// The subject line. Kept, because a repeated call must say exactly the same.
        asunto: String,
        /// The media that refused so far.
        intentos: Vec<Intento>,
    },
    /// The provider has taken it.
    Entregada {
        /// By which medium.
        medio: Medio,
        /// To where.
        destino: String,
        /// The media that refused before.
        intentos: Vec<Intento>,
    },
    /// Every medium refused.
    Rechazada {
        /// Each with its reason, in order.
        intentos: Vec<Intento>,
    },
}

/// A medium that refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intento {
    /// Which medium.
    pub medio: Medio,
    /// Why, in the provider's words. They may name the address, so they stay in our document.
    pub motivo: Reason,
}

/// A definite answer of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Veredicto {
    /// It has taken the message.
    Entregado,
    /// It has not and will not.
    Rechazado(Reason),
}

/// A notification that is not under way cannot get an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a notification that is {estado} got an answer")]
pub struct TransicionIlegal {
    /// Where it stands.
    pub estado: &'static str,
}

// === impl Estado ===

impl Estado {
    /// Its name in the read model.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Registrada { .. } => "REGISTRADA",
            Self::Aceptada { .. } => "ACEPTADA",
            Self::Preparada { .. } => "PREPARADA",
            Self::Entregada { .. } => "ENTREGADA",
            Self::Rechazada { .. } => "RECHAZADA",
        }
    }

    /// The medium it stands on: the one named, to call, that delivered, or tried last.
    pub fn medio(&self) -> Medio {
        match self {
            Self::Registrada { medio }
            | Self::Aceptada { medio }
            | Self::Preparada { medio, .. }
            | Self::Entregada { medio, .. } => *medio,
            // Never empty: it takes a refusal to get here.
            Self::Rechazada { intentos } => intentos.last().map_or(Medio::Push, |intento| intento.medio),
        }
    }

    /// The state after the provider's answer.
    pub fn tras(self, veredicto: Veredicto) -> Result<Self, TransicionIlegal> {
        match (self, veredicto) {
            (
                Self::Preparada {
                    medio,
                    correo,
                    asunto: _,
                    intentos,
                },
                Veredicto::Entregado,
            ) => Ok(Self::Entregada {
                medio,
                destino: medio.destino(&correo),
                intentos,
            }),
            (
                Self::Preparada {
                    medio,
                    correo,
                    asunto,
                    mut intentos,
                },
                Veredicto::Rechazado(motivo),
            ) => {
                intentos.push(Intento { medio, motivo });
                Ok(match medio.siguiente() {
                    Some(medio) => Self::Preparada {
                        medio,
                        correo,
                        asunto,
                        intentos,
                    },
                    None => Self::Rechazada { intentos },
                })
            }
            (
                other @ (Self::Registrada { .. }
                | Self::Aceptada { .. }
                | Self::Entregada { .. }
                | Self::Rechazada { .. }),
                _,
            ) => Err(TransicionIlegal { estado: other.as_str() }),
        }
    }
}

/// Why a notification that every medium refused was not delivered. Names media and codes only: the reason travels to
/// the saga, which may not carry the client's address.
pub fn medios_rechazados(intentos: &[Intento]) -> Reason {
    let intentos: Vec<_> = intentos
        .iter()
        .map(|i| format!("{} ({})", i.medio, i.motivo.motivo))
        .collect();
    Reason::new(
        "MediosRechazados",
        format!("ningún medio aceptó el aviso: {}", intentos.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn motivo() -> Reason {
        Reason::new("MedioRechazado", "El destino ana@x.co no recibe mensajes")
    }

    fn intentos(medios: &[Medio]) -> Vec<Intento> {
        medios
            .iter()
            .map(|medio| Intento {
                medio: *medio,
                motivo: motivo(),
            })
            .collect()
    }

    fn preparada(medio: Medio, previos: &[Medio]) -> Estado {
        Estado::Preparada {
            medio,
            correo: "ana@x.co".into(),
            asunto: "Pago".into(),
            intentos: intentos(previos),
        }
    }

    fn entregada(medio: Medio, destino: &str, previos: &[Medio]) -> Estado {
        Estado::Entregada {
            medio,
            destino: destino.into(),
            intentos: intentos(previos),
        }
    }

    #[test]
    fn every_state_and_answer_has_its_next_state() {
        use Medio::{Correo, Push, Sms};
        use Veredicto::{Entregado, Rechazado};
        let rechazada = Estado::Rechazada {
            intentos: intentos(&[Correo, Sms, Push]),
        };
        let illegal = |estado| Err(TransicionIlegal { estado });
        let table = [
            (
                preparada(Correo, &[]),
                Entregado,
                Ok(entregada(Correo, "ana@x.co", &[])),
            ),
            (
                preparada(Correo, &[]),
                Rechazado(motivo()),
                Ok(preparada(Sms, &[Correo])),
            ),
            (
                preparada(Sms, &[Correo]),
                Entregado,
                Ok(entregada(Sms, "sms:ana@x.co", &[Correo])),
            ),
            (
                preparada(Sms, &[Correo]),
                Rechazado(motivo()),
                Ok(preparada(Push, &[Correo, Sms])),
            ),
            (
                preparada(Push, &[Correo, Sms]),
                Entregado,
                Ok(entregada(Push, "push:ana@x.co", &[Correo, Sms])),
            ),
            (
                preparada(Push, &[Correo, Sms]),
                Rechazado(motivo()),
                Ok(rechazada.clone()),
            ),
            (
                entregada(Sms, "sms:ana@x.co", &[Correo]),
                Entregado,
                illegal("ENTREGADA"),
            ),
            (
                entregada(Sms, "sms:ana@x.co", &[Correo]),
                Rechazado(motivo()),
                illegal("ENTREGADA"),
            ),
            (rechazada.clone(), Entregado, illegal("RECHAZADA")),
            (rechazada, Rechazado(motivo()), illegal("RECHAZADA")),
            (Estado::Registrada { medio: Sms }, Entregado, illegal("REGISTRADA")),
            (Estado::Aceptada { medio: Sms }, Entregado, illegal("ACEPTADA")),
            (
                Estado::Aceptada { medio: Sms },
                Rechazado(motivo()),
                illegal("ACEPTADA"),
            ),
            (
                Estado::Registrada { medio: Sms },
                Rechazado(motivo()),
                illegal("REGISTRADA"),
            ),
        ];
        for (estado, veredicto, expected) in table {
            assert_eq!(
                estado.clone().tras(veredicto.clone()),
                expected,
                "{estado:?} + {veredicto:?}"
            );
        }
    }

    #[test]
    fn the_reason_for_the_saga_names_media_and_no_address() {
        let reason = medios_rechazados(&intentos(&Medio::ALL));
        assert_eq!(reason.motivo, "MediosRechazados");
        let expected = "correo (MedioRechazado), sms (MedioRechazado), push (MedioRechazado)";
        assert!(reason.mensaje.ends_with(expected), "{reason}");
        assert!(!reason.mensaje.contains("ana@x.co"), "{reason}");
    }
}
