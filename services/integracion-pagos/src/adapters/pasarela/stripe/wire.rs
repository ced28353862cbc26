//! Stripe's shapes, as far as we read them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The metadata member that carries the payment's identity.
pub(crate) const METADATA_ID: &str = "idCorrelacion";
/// The metadata member that tells our own refund from one made by hand.
pub(crate) const METADATA_CLAVE: &str = "clave";

/// Free text that we put on an object and get back with it.
pub(crate) type Metadata = BTreeMap<String, String>;

/// A payment intent: a promise, and what became of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Intento {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) amount_received: i64,
    pub(crate) currency: String,
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) metadata: Metadata,
    pub(crate) latest_charge: Option<Ligado>,
    pub(crate) last_payment_error: Option<Detalle>,
}

/// A charge, by its id or whole when it was asked to be expanded.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ligado {
    Id(String),
    Cargo(Cargo),
}

/// A charge.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cargo {
    pub(crate) id: String,
    pub(crate) amount_refunded: i64,
    #[serde(default)]
    pub(crate) disputed: bool,
}

/// A refund.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Devolucion {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) status: Option<String>,
    /// None of one that was made by hand, say.
    pub(crate) metadata: Option<Metadata>,
}

/// A page of a list, or of a search.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lista<T> {
    pub(crate) data: Vec<T>,
    #[serde(default)]
    pub(crate) has_more: bool,
}

/// What is not 2xx.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Error {
    pub(crate) error: Detalle,
}

/// Why a call was not done.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Detalle {
    #[serde(rename = "type", default)]
    pub(crate) tipo: String,
    pub(crate) code: Option<String>,
    pub(crate) decline_code: Option<String>,
    /// What Stripe advises after a decline.
    pub(crate) advice_code: Option<String>,
    pub(crate) param: Option<String>,
    pub(crate) message: Option<String>,
}

// === impl Ligado ===

impl Ligado {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Cargo(cargo) => &cargo.id,
        }
    }
}

// === impl Detalle ===

impl Detalle {
    /// Its code; empty when it has none.
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// The field that it is about; empty when it names none.
    pub(crate) fn param(&self) -> &str {
        self.param.as_deref().unwrap_or_default()
    }
}
