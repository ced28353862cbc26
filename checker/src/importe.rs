//! An amount as somebody else wrote it down.

use std::fmt;

use seedwork::{Dinero, Moneda};

/// Minor units of a currency. Unlike [`Dinero`] it may be zero or negative: it is what was found, not what may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Importe {
    /// How much, in minor units.
    pub minor: i64,
    /// Of which currency.
    pub moneda: Moneda,
}

impl From<Dinero> for Importe {
    fn from(dinero: Dinero) -> Self {
        Self {
            minor: dinero.minor(),
            moneda: dinero.moneda(),
        }
    }
}

impl fmt::Display for Importe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minor, moneda } = self;
        match Dinero::from_minor(*minor, *moneda) {
            Ok(dinero) => dinero.fmt(f),
            Err(_) => write!(f, "{minor} minor units of {moneda}"),
        }
    }
}
