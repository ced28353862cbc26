//! An invoice, and everything that may happen to it.
//!
//! ```text
//! crear ──▶ Emitida ◀──confirmar / revertir_confirmacion──▶ Confirmada
//!              └───────────────── revertir ────────────────────┘──▶ Cancelada (final)
//! ```

use seedwork::{Dinero, IdCliente, IdCorrelacion, MedioPago, Reason, SolicitudPago};
use serde::{Deserialize, Serialize};

use super::instante::Instante;

/// How long a confirmed invoice pays for, in days.
pub const PERIODO_DIAS: i64 = 30;

/// An invoice issued to a client for one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Factura {
    /// The payment it is for, which is also its own identity.
    pub id: IdCorrelacion,
    /// Who pays.
    pub id_cliente: IdCliente,
    /// With what.
    pub medio_pago: MedioPago,
    /// How much.
    pub dinero: Dinero,
    /// Where it stands.
    pub estado: EstadoFactura,
    /// When it was issued; `None` for one of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emitida: Option<Instante>,
    /// Why and when it was cancelled; `None` while it is not, and where nobody said why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelacion: Option<Cancelacion>,
    /// Which automatic retry it is; `None` for what a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reintento: Option<Reintento>,
}

/// The end of an invoice that was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelacion {
    /// Why, in the words of whoever caused it.
    pub reason: Reason,
    /// When.
    pub cuando: Instante,
}

/// An automatic retry of a declined payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reintento {
    /// The payment that was declined first.
    pub de: IdCorrelacion,
    /// Which attempt it is, from 1.
    pub intento: u32,
}

/// Where an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EstadoFactura {
    /// Issued; the payment is under way.
    #[serde(rename = "PAGO_ENVIADO")]
    Emitida,
    /// Paid.
    #[serde(rename = "CONFIRMADO", rename_all = "camelCase")]
    Confirmada {
        /// When the period that it pays for ends.
        periodo_fin: Instante,
    },
    /// Cancelled: nothing is owed and nothing was kept.
    #[serde(rename = "CANCELADO")]
    Cancelada,
}

/// Issues the invoice of a payment. What the request alone can show to be wrong cannot get here, since a
/// [`SolicitudPago`] cannot be read without passing those rules; whether the client exists is decided here.
pub fn crear(
    id: &IdCorrelacion,
    solicitud: &SolicitudPago,
    cliente_existe: bool,
    reintento: Option<Reintento>,
    ahora: Instante,
) -> Result<Factura, Reason> {
    let SolicitudPago {
        id_cliente,
        medio_pago,
        dinero,
    } = solicitud;
    if !cliente_existe {
        return Err(Reason::new(
            "ClienteInexistente",
            format!("no existe un cliente con el id {id_cliente}"),
        ));
    }
    Ok(Factura {
        id: id.clone(),
        id_cliente: id_cliente.clone(),
        medio_pago: *medio_pago,
        dinero: *dinero,
        estado: EstadoFactura::Emitida,
        emitida: Some(ahora),
        cancelacion: None,
        reintento,
    })
}

/// Marks an invoice paid; its period starts at `ahora`. One that is paid already keeps its period.
pub fn confirmar(factura: Option<&Factura>, id: &IdCorrelacion, ahora: Instante) -> Result<Factura, Reason> {
    let Some(factura) = factura else {
        return Err(Reason::new(
            "FacturaInexistente",
            format!("no existe una factura para el pago {id}"),
        ));
    };
    let estado = match factura.estado {
        EstadoFactura::Emitida => EstadoFactura::Confirmada {
            periodo_fin: ahora.plus_days(PERIODO_DIAS),
        },
        EstadoFactura::Confirmada { periodo_fin } => EstadoFactura::Confirmada { periodo_fin },
        EstadoFactura::Cancelada => {
            return Err(Reason::new(
                "FacturaCancelada",
                format!("la factura del pago {id} está cancelada"),
            ));
        }
    };
    Ok(Factura {
        estado,
        ..factura.clone()
    })
}

/// Takes a confirmation back. A cancelled invoice stays cancelled.
#[must_use]
pub fn revertir_confirmacion(factura: Factura) -> Factura {
    let estado = match factura.estado {
        EstadoFactura::Emitida | EstadoFactura::Confirmada { .. } => EstadoFactura::Emitida,
        EstadoFactura::Cancelada => EstadoFactura::Cancelada,
    };
    Factura { estado, ..factura }
}

/// Cancels an invoice at `ahora`, whatever its state, and keeps why. One that is cancelled already keeps its reason.
#[must_use]
pub fn revertir(factura: Factura, reason: Option<&Reason>, ahora: Instante) -> Factura {
    let cancelacion = factura.cancelacion.or_else(|| {
        reason.map(|reason| Cancelacion {
            reason: reason.clone(),
            cuando: ahora,
        })
    });
    Factura {
        estado: EstadoFactura::Cancelada,
        cancelacion,
        ..factura
    }
}

// === impl Factura ===

impl Factura {
    /// When it falls due again: the end of the period that it pays for, while it is paid. From then on the client is
    /// ATRASADO, unless another invoice of theirs pays for longer.
    pub fn vence(&self) -> Option<Instante> {
        self.estado.periodo_fin()
    }

    /// The request that it was issued for.
    pub fn solicitud(&self) -> SolicitudPago {
        SolicitudPago {
            id_cliente: self.id_cliente.clone(),
            medio_pago: self.medio_pago,
            dinero: self.dinero,
        }
    }
}

// === impl EstadoFactura ===

impl EstadoFactura {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emitida => "PAGO_ENVIADO",
            Self::Confirmada { .. } => "CONFIRMADO",
            Self::Cancelada => "CANCELADO",
        }
    }

    /// The end of the period that it pays for, while it is paid.
    pub fn periodo_fin(self) -> Option<Instante> {
        match self {
            Self::Confirmada { periodo_fin } => Some(periodo_fin),
            Self::Emitida | Self::Cancelada => None,
        }
    }

    /// Reads a state from its wire name and its period; `None` when the two make no state.
    pub fn read(name: &str, periodo_fin: Option<Instante>) -> Option<Self> {
        match (name, periodo_fin) {
            ("PAGO_ENVIADO", None) => Some(Self::Emitida),
            ("CONFIRMADO", Some(periodo_fin)) => Some(Self::Confirmada { periodo_fin }),
            ("CANCELADO", None) => Some(Self::Cancelada),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use seedwork::Moneda;

    use super::*;

    const AHORA: Instante = Instante::from_ms(1_000);
    const PAGADA: EstadoFactura = EstadoFactura::Confirmada {
        periodo_fin: AHORA.plus_days(30),
    };

    fn id() -> IdCorrelacion {
        IdCorrelacion::parse("p-1").unwrap()
    }

    fn factura(estado: EstadoFactura) -> Factura {
        let solicitud = SolicitudPago::parse("PSE", "c-1", "24.10", Moneda::USD).unwrap();
        Factura {
            estado,
            ..crear(&id(), &solicitud, true, None, AHORA).unwrap()
        }
    }

    #[test]
    fn an_invoice_is_issued_for_exactly_what_was_asked() {
        let factura = factura(EstadoFactura::Emitida);
        assert_eq!((factura.id.as_str(), factura.id_cliente.as_str()), ("p-1", "c-1"));
        assert_eq!((factura.dinero.minor(), factura.medio_pago), (2410, MedioPago::Pse));
    }

    #[test]
    fn a_client_that_does_not_exist_is_refused_by_name() {
        let solicitud = SolicitudPago::parse("PSE", "c-9", "24", Moneda::USD).unwrap();
        let reason = crear(&id(), &solicitud, false, None, AHORA).unwrap_err();
        assert_eq!(
            reason,
            Reason::new("ClienteInexistente", "no existe un cliente con el id c-9")
        );
    }

    #[test]
    fn only_an_issued_invoice_is_confirmed_and_a_paid_one_keeps_its_period() {
        let later = AHORA.plus_days(7);
        let confirmed = |estado| confirmar(Some(&factura(estado)), &id(), later).map(|f| f.estado);
        assert_eq!(
            confirmed(EstadoFactura::Emitida),
            Ok(EstadoFactura::Confirmada {
                periodo_fin: AHORA.plus_days(37)
            })
        );
        assert_eq!(confirmed(PAGADA), Ok(PAGADA));
        assert_eq!(
            confirmed(EstadoFactura::Cancelada).unwrap_err().motivo,
            "FacturaCancelada"
        );
        assert_eq!(confirmar(None, &id(), later).unwrap_err().motivo, "FacturaInexistente");
    }

    #[test]
    fn undoing_never_makes_a_cancelled_invoice_alive_again() {
        for (before, unconfirmed, reverted) in [
            (EstadoFactura::Emitida, EstadoFactura::Emitida, EstadoFactura::Cancelada),
            (PAGADA, EstadoFactura::Emitida, EstadoFactura::Cancelada),
            (
                EstadoFactura::Cancelada,
                EstadoFactura::Cancelada,
                EstadoFactura::Cancelada,
            ),
        ] {
            assert_eq!(revertir_confirmacion(factura(before)).estado, unconfirmed, "{before:?}");
            assert_eq!(revertir(factura(before), None, AHORA).estado, reverted, "{before:?}");
        }
    }

    #[test]
    fn a_cancelled_invoice_keeps_the_first_reason() {
        let declined = Reason::new("FondosInsuficientes", "no alcanza");
        let once = revertir(factura(EstadoFactura::Emitida), Some(&declined), AHORA);
        let kept = Some(Cancelacion {
            reason: declined,
            cuando: AHORA,
        });
        assert_eq!(once.cancelacion, kept);
        let again = revertir(once, Some(&Reason::new("Otra", "x")), AHORA.plus_days(1));
        assert_eq!(again.cancelacion, kept);
        assert_eq!(revertir(factura(PAGADA), None, AHORA).cancelacion, None);
    }

    #[test]
    fn a_document_of_before_is_still_an_invoice() {
        let mut old = serde_json::to_value(factura(PAGADA)).unwrap();
        let members = old.as_object_mut().unwrap();
        members.remove("emitida").unwrap();
        assert!(!members.contains_key("cancelacion") && !members.contains_key("reintento"));
        let read: Factura = serde_json::from_value(old).unwrap();
        assert_eq!((read.estado, read.emitida), (PAGADA, None));
        assert_eq!(read.vence(), PAGADA.periodo_fin());
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for estado in [EstadoFactura::Emitida, PAGADA, EstadoFactura::Cancelada] {
            assert_eq!(EstadoFactura::read(estado.as_str(), estado.periodo_fin()), Some(estado));
        }
        assert_eq!(EstadoFactura::read("CONFIRMADO", None), None);
        assert_eq!(EstadoFactura::read("PAGADO", None), None);
    }
}
