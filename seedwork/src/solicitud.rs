//! A payment request that has passed the door.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dinero::{Dinero, DineroError, Moneda};
use crate::ids::{IdCliente, IdCorrelacion, IdError};

/// A means of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum MedioPago {
    /// Credit card.
    TarjetaCredito,
    /// Debit card.
    TarjetaDebito,
    /// Colombian bank transfer (Pagos Seguros en Línea).
    #[serde(rename = "PSE")]
    Pse,
}

/// A request to pay: everything the request alone can show to be right has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SolicitudPago {
    /// Who pays.
    pub id_cliente: IdCliente,
    /// With what.
    pub medio_pago: MedioPago,
    /// How much.
    #[serde(flatten)]
    pub dinero: Dinero,
}

/// One rule that a request breaks. Displays as a sentence that names the field and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolicitudError {
    /// `idCliente` is no id.
    #[error("idCliente {0}")]
    IdCliente(#[from] IdError),
    /// `medioPago` is not one of the known means.
    #[error("medioPago must be one of TarjetaCredito, TarjetaDebito, PSE")]
    MedioPago,
    /// `monto` is no amount.
    #[error("monto {0}")]
    Monto(#[from] DineroError),
}

// === impl MedioPago ===

impl MedioPago {
    /// Every means of payment.
    pub const ALL: [Self; 3] = [Self::TarjetaCredito, Self::TarjetaDebito, Self::Pse];

    /// Reads a means of payment by its wire name.
    pub fn parse(text: &str) -> Result<Self, SolicitudError> {
        Self::ALL
            .into_iter()
            .find(|medio| medio.as_str() == text)
            .ok_or(SolicitudError::MedioPago)
    }

    /// Its wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TarjetaCredito => "TarjetaCredito",
            Self::TarjetaDebito => "TarjetaDebito",
            Self::Pse => "PSE",
        }
    }
}

impl fmt::Display for MedioPago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl SolicitudPago ===

impl SolicitudPago {
    /// Checks the fields as callers send them; every broken rule is reported, not only the first.
    pub fn parse(medio_pago: &str, id_cliente: &str, monto: &str, moneda: Moneda) -> Result<Self, Vec<SolicitudError>> {
        let medio_pago = MedioPago::parse(medio_pago);
        let id_cliente = IdCliente::parse(id_cliente).map_err(SolicitudError::from);
        let dinero = Dinero::parse(monto, moneda).map_err(SolicitudError::from);
        match (medio_pago, id_cliente, dinero) {
            (Ok(medio_pago), Ok(id_cliente), Ok(dinero)) => Ok(Self {
                id_cliente,
                medio_pago,
                dinero,
            }),
            (medio_pago, id_cliente, dinero) => Err([medio_pago.err(), id_cliente.err(), dinero.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }

    /// The id that an idempotency key stands for: the same key in the same scope is the same payment (UUIDv5).
    pub fn keyed_id(scope: &str, key: &str) -> IdCorrelacion {
        let name = format!("saludtech/pagos\0{scope}\0{key}");
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_is_named() {
        let errors = SolicitudPago::parse("Efectivo", "", "-5", Moneda::USD).unwrap_err();
        let sentences: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "medioPago must be one of TarjetaCredito, TarjetaDebito, PSE",
                "idCliente must not be empty",
                "monto must be greater than 0"
            ]
        );
    }

    #[test]
    fn the_same_key_in_the_same_scope_is_the_same_payment() {
        assert_eq!(SolicitudPago::keyed_id("c1", "k"), SolicitudPago::keyed_id("c1", "k"));
        assert_ne!(SolicitudPago::keyed_id("c1", "k"), SolicitudPago::keyed_id("c2", "k"));
        assert_ne!(SolicitudPago::keyed_id("c1", "k2"), SolicitudPago::keyed_id("c1k", "2"));
    }
}
