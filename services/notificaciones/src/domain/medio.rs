//! The ways to reach a client.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Medio {
    /// Mail.
    Correo,
    /// Text message to a phone.
    Sms,
    /// Push message to the client's app.
    Push,
}

// === impl Medio ===

impl Medio {
    /// Every medium, in the order they are tried.
    pub const ALL: [Self; 3] = [Self::Correo, Self::Sms, Self::Push];

    /// Reads a medium by its wire name; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|medio| medio.as_str() == text)
    }

    /// Its wire name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Correo => "correo",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }

    /// The medium to try when this one refuses; `None` after the last.
    pub fn siguiente(self) -> Option<Self> {
        match self {
            Self::Correo => Some(Self::Sms),
            Self::Sms => Some(Self::Push),
            Self::Push => None,
        }
    }

    /// Where the provider reaches a client on this medium. A client is known by mail address only; the provider keeps
    /// phones and devices under it.
    pub fn destino(self, correo: &str) -> String {
        match self {
            Self::Correo => correo.to_owned(),
            Self::Sms => format!("sms:{correo}"),
            Self::Push => format!("push:{correo}"),
        }
    }
}

impl fmt::Display for Medio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_media_visits_each_once() {
        let chain: Vec<_> = std::iter::successors(Some(Medio::ALL[0]), |medio| medio.siguiente()).collect();
        assert_eq!(chain, Medio::ALL);
    }

    #[test]
    fn a_medium_is_read_by_its_exact_name() {
        for medio in Medio::ALL {
            assert_eq!(Medio::parse(medio.as_str()), Some(medio));
        }
        for bad in ["", "fax", "Correo", "SMS", "correo "] {
            assert_eq!(Medio::parse(bad), None, "{bad}");
        }
    }
}
