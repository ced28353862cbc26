//! What is asked of a gateway, and what it can answer.

use std::fmt;

use seedwork::{Dinero, IdCorrelacion, MedioPago, Reason};
use serde::{Deserialize, Serialize};

/// Why a text is not an id of the gateway's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct IdInvalido;

/// One type per kind of id: an authorisation can't be refunded and a charge can't be voided.
macro_rules! id_de_pasarela {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads an id as the gateway gave it.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdInvalido> {
                let text = text.into();
                let legal = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
                legal.then_some(Self(text)).ok_or(IdInvalido)
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdInvalido;
            fn try_from(text: String) -> Result<Self, IdInvalido> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id_de_pasarela! {
    /// The gateway's id of an authorisation: money promised, not moved.
    IdAutorizacion
}
id_de_pasarela! {
    /// The gateway's id of a charge: money taken.
    IdCargo
}
id_de_pasarela! {
    /// The gateway's id of a refund: money given back.
    IdReembolso
}

/// The four calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operacion {
    /// Have the money promised.
    Autorizar,
    /// Take it.
    Capturar,
    /// Give the promise back.
    Anular,
    /// Give the money back.
    Reembolsar,
}

/// A call with all that it carries. The same payment always makes the same call, so a repeat under the same key has
/// the same body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Llamada {
    /// Have the money promised.
    Autorizar {
        /// With what the client pays.
        medio_pago: MedioPago,
        /// How much.
        dinero: Dinero,
    },
    /// Take what was promised.
    Capturar {
        /// The promise.
        autorizacion: IdAutorizacion,
        /// How much.
        dinero: Dinero,
    },
    /// Give the promise back.
    Anular {
        /// The promise.
        autorizacion: IdAutorizacion,
    },
    /// Give the money back.
    Reembolsar {
        /// What was taken.
        cargo: IdCargo,
        /// How much of it.
        dinero: Dinero,
    },
}

/// Money that was taken, as the gateway says it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cobro {
    /// The promise it came from.
    pub autorizacion: IdAutorizacion,
    /// The charge.
    pub cargo: IdCargo,
    /// What was really taken, which may not be what was asked for.
    pub dinero: Dinero,
}

/// The answer to a [`Llamada`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contestacion {
    /// The money is promised.
    Autorizada(IdAutorizacion),
    /// The money is taken.
    Capturada(Cobro),
    /// The promise is given back.
    Anulada,
    /// The money is given back.
    Reembolsada(IdReembolso),
    /// It definitely was not done and this call will never do it.
    Rechazada(Reason),
    /// Nobody knows whether it was done: silence, a broken connection, an error of the gateway's.
    Incierta(Reason),
}

// === impl Operacion ===

impl Operacion {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Autorizar, Self::Capturar, Self::Anular, Self::Reembolsar];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Autorizar => "autorizar",
            Self::Capturar => "capturar",
            Self::Anular => "anular",
            Self::Reembolsar => "reembolsar",
        }
    }

    /// The idempotency key of this operation on a payment. It derives from the payment's identity alone, so whoever
    /// repeats the call, after whatever crash, repeats it under the same key.
    pub fn clave(self, id: &IdCorrelacion) -> String {
        format!("{id}/{self}")
    }
}

impl fmt::Display for Operacion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Llamada ===

impl Llamada {
    /// Have this promised.
    pub fn autorizar(medio_pago: MedioPago, dinero: Dinero) -> Self {
        Self::Autorizar { medio_pago, dinero }
    }

    /// Take this from a promise.
    pub fn capturar(autorizacion: &IdAutorizacion, dinero: Dinero) -> Self {
        let autorizacion = autorizacion.clone();
        Self::Capturar { autorizacion, dinero }
    }

    /// Give a promise back.
    pub fn anular(autorizacion: &IdAutorizacion) -> Self {
        let autorizacion = autorizacion.clone();
        Self::Anular { autorizacion }
    }

    /// Give back all that was taken.
    pub fn reembolsar(cobro: &Cobro) -> Self {
        let (cargo, dinero) = (cobro.cargo.clone(), cobro.dinero);
        Self::Reembolsar { cargo, dinero }
    }

    /// Which operation it is.
    pub fn operacion(&self) -> Operacion {
        match self {
            Self::Autorizar { .. } => Operacion::Autorizar,
            Self::Capturar { .. } => Operacion::Capturar,
            Self::Anular { .. } => Operacion::Anular,
            Self::Reembolsar { .. } => Operacion::Reembolsar,
        }
    }
}
