//! A notification, and the calls that deliver it.

use seedwork::{IdCliente, IdCorrelacion, Reason};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Estado, Intento, Medio, Texto, Tipo, TransicionIlegal, Veredicto, plantilla};

/// A notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notificacion {
    /// Its identity.
    pub id: Uuid,
    /// What it is about.
    pub tipo: Tipo,
    /// Whom it is for; `None` when the caller named nobody.
    #[serde(default)]
    pub id_cliente: Option<IdCliente>,
    /// What it says.
    pub valor: String,
    /// How far it got.
    pub estado: Estado,
    /// When it was made: RFC 3339, UTC, to the second.
    pub fecha_creacion: String,
    /// When it last changed: RFC 3339, UTC, to the second.
    pub fecha_actualizacion: String,
}

/// One call to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mensaje {
    /// The notification, for providers that know no keys.
    pub id: Uuid,
    /// The idempotency key: the same call has the same key, however often it is made.
    pub clave: String,
    /// The payment, or the notification itself if it tells of none; for whoever reads the provider's ledger.
    pub referencia: String,
    /// By which medium.
    pub medio: Medio,
    /// To where.
    pub destino: String,
    /// The subject line, where the medium has one.
    pub asunto: Option<String>,
    /// What to say.
    pub texto: String,
}

// === impl Notificacion ===

impl Notificacion {
    /// The identity of the notification of this kind for a payment (UUIDv5): the same however often it is made.
    pub fn id_de(pago: &IdCorrelacion, tipo: &Tipo) -> Uuid {
        let name = format!("saludtech/notificaciones\0{pago}\0{tipo}");
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }

    /// A notification for a payment, ready for its first medium.
    pub fn preparar(
        pago: &IdCorrelacion,
        tipo: Tipo,
        id_cliente: IdCliente,
        correo: String,
        texto: Texto,
        ahora: String,
    ) -> Self {
        let Texto { asunto, cuerpo } = texto;
        Self {
            id: Self::id_de(pago, &tipo),
            tipo,
            id_cliente: Some(id_cliente),
            valor: cuerpo,
            estado: Estado::Preparada {
                medio: Medio::Correo,
                correo,
                asunto,
                intentos: Vec::new(),
            },
            fecha_creacion: ahora.clone(),
            fecha_actualizacion: ahora,
        }
    }

    /// The accepted notification once the client's address is known; any other as it was.
    #[must_use]
    pub fn dirigir(self, correo: String, ahora: String) -> Self {
        let Estado::Aceptada { medio } = self.estado else {
            return self;
        };
        let estado = Estado::Preparada {
            medio,
            correo,
            asunto: plantilla::asunto(&self.tipo).to_owned(),
            intentos: Vec::new(),
        };
        Self {
            estado,
            fecha_actualizacion: ahora,
            ..self
        }
    }

    /// Given up, on the medium where it stands; one that is not under way stays as it was.
    #[must_use]
    pub fn abandonar(self, motivo: Reason, ahora: String) -> Self {
        let medio = self.estado.medio();
        let mut intentos = match &self.estado {
            Estado::Aceptada { .. } => Vec::new(),
            Estado::Preparada { intentos, .. } => intentos.clone(),
            Estado::Registrada { .. } | Estado::Entregada { .. } | Estado::Rechazada { .. } => return self,
        };
        intentos.push(Intento { medio, motivo });
        Self {
            estado: Estado::Rechazada { intentos },
            fecha_actualizacion: ahora,
            ..self
        }
    }

    /// The call that is to be made for the payment it tells of, if it tells of one; `None` when there is none.
    pub fn mensaje(&self, pago: Option<&IdCorrelacion>) -> Option<Mensaje> {
        match &self.estado {
            Estado::Preparada {
                medio,
                correo,
                asunto,
                intentos: _,
            } => Some(Mensaje {
                id: self.id,
                // A caller's own kind is any text and no good as a part of a key.
                clave: match pago {
                    Some(pago) => format!("{pago}/{}/{medio}", self.tipo),
                    None => format!("{}/{medio}", self.id),
                },
                referencia: pago.map_or_else(|| self.id.to_string(), ToString::to_string),
                medio: *medio,
                destino: medio.destino(correo),
                asunto: (*medio == Medio::Correo).then(|| asunto.clone()),
                texto: self.valor.clone(),
            }),
            Estado::Registrada { .. }
            | Estado::Aceptada { .. }
            | Estado::Entregada { .. }
            | Estado::Rechazada { .. } => None,
        }
    }

    /// The notification after the provider's answer.
    pub fn tras(self, veredicto: Veredicto, ahora: String) -> Result<Self, TransicionIlegal> {
        let estado = self.estado.tras(veredicto)?;
        Ok(Self {
            estado,
            fecha_actualizacion: ahora,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Nueva;

    fn de_prueba() -> (IdCorrelacion, Notificacion) {
        let pago = IdCorrelacion::parse("p-1").unwrap();
        let texto = Texto {
            asunto: "Pago".into(),
            cuerpo: "Su pago".into(),
        };
        let ahora = "2026-11-24T18:00:00Z".to_owned();
        let cliente = IdCliente::parse("c-1").unwrap();
        let notificacion = Notificacion::preparar(&pago, Tipo::Alerta, cliente, "ana@x.co".into(), texto, ahora);
        (pago, notificacion)
    }

    #[test]
    fn each_medium_is_called_under_its_own_key_with_the_same_words() {
        let (pago, mut notificacion) = de_prueba();
        let mut calls = Vec::new();
        while let Some(mensaje) = notificacion.mensaje(Some(&pago)) {
            assert_eq!(
                (mensaje.referencia.as_str(), mensaje.texto.as_str()),
                ("p-1", "Su pago")
            );
            calls.push((mensaje.clave, mensaje.destino, mensaje.asunto.is_some()));
            notificacion = notificacion
                .tras(Veredicto::Rechazado(Reason::new("MedioRechazado", "m")), String::new())
                .unwrap();
        }
        let expected = [
            ("p-1/ALERTA/correo", "ana@x.co", true),
            ("p-1/ALERTA/sms", "sms:ana@x.co", false),
            ("p-1/ALERTA/push", "push:ana@x.co", false),
        ];
        assert_eq!(
            calls,
            expected.map(|(clave, destino, asunto)| (clave.into(), destino.into(), asunto))
        );
    }

    #[test]
    fn one_that_tells_of_no_payment_is_called_under_its_own_id_from_the_medium_it_was_asked_for() {
        let nueva = Nueva::parse("Vale \u{1f600}", "sms", "Hola", Some("c-1"), None).unwrap();
        let id = Uuid::from_u128(7);
        let aceptada = nueva.registrar(id, String::new());
        assert_eq!(aceptada.mensaje(None), None, "its address is not known");
        let mut notificacion = aceptada.dirigir("ana@x.co".into(), String::new());
        let mut calls = Vec::new();
        while let Some(mensaje) = notificacion.mensaje(None) {
            assert_eq!((mensaje.id, mensaje.referencia), (id, id.to_string()));
            calls.push((mensaje.clave, mensaje.destino));
            let rechazado = Veredicto::Rechazado(Reason::new("MedioRechazado", "m"));
            notificacion = notificacion.tras(rechazado, String::new()).unwrap();
        }
        let expected = [
            (format!("{id}/sms"), "sms:ana@x.co".to_owned()),
            (format!("{id}/push"), "push:ana@x.co".to_owned()),
        ];
        assert_eq!(calls, expected);
    }

    #[test]
    fn what_is_given_up_is_refused_with_its_reason_and_nothing_else_can_be() {
        let (_, preparada) = de_prueba();
        let motivo = Reason::new("SinRespuesta", "m");
        let given_up = preparada.abandonar(motivo.clone(), "2026-11-24T18:00:09Z".into());
        let intentos = vec![Intento {
            medio: Medio::Correo,
            motivo: motivo.clone(),
        }];
        assert_eq!(given_up.estado, Estado::Rechazada { intentos });
        assert_eq!(given_up.clone().abandonar(motivo.clone(), String::new()), given_up);
        let registrada = Nueva::parse("t", "sms", "v", None, None).unwrap();
        let registrada = registrada.registrar(Uuid::nil(), String::new());
        assert_eq!(registrada.clone().abandonar(motivo, String::new()), registrada);
        assert_eq!(registrada.clone().dirigir("ana@x.co".into(), String::new()), registrada);
    }

    #[test]
    fn a_change_moves_only_the_date_of_change() {
        let (_, before) = de_prueba();
        let after = before
            .clone()
            .tras(Veredicto::Entregado, "2026-11-24T18:00:09Z".into())
            .unwrap();
        assert_eq!(after.fecha_creacion, before.fecha_creacion);
        assert_eq!(after.fecha_actualizacion, "2026-11-24T18:00:09Z");
    }

    #[test]
    fn ids_differ_by_payment_and_by_kind_and_by_nothing_else() {
        let id = |pago: &str, tipo| Notificacion::id_de(&IdCorrelacion::parse(pago).unwrap(), &tipo);
        assert_eq!(id("p-1", Tipo::Alerta), id("p-1", Tipo::Alerta));
        assert_ne!(id("p-1", Tipo::Alerta), id("p-2", Tipo::Alerta));
        assert_ne!(id("p-1", Tipo::Alerta), id("p-1", Tipo::AlertaReversion));
    }
}
