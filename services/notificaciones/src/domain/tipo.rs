//! What a notification is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of notification. Those that have words of their own are named; callers may ask for any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Tipo {
    /// The payment is confirmed.
    Alerta,
    /// The payment was undone.
    AlertaReversion,
    /// An invoice falls due, or did.
    Recordatorio,
    /// Whatever a caller named.
    Otro(String),
}

const ALERTA: &str = "ALERTA";
const ALERTA_REVERSION: &str = "ALERTA-REVERSION";
const RECORDATORIO: &str = "RECORDATORIO";

// === impl Tipo ===

impl Tipo {
    /// Its wire name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Alerta => ALERTA,
            Self::AlertaReversion => ALERTA_REVERSION,
            Self::Recordatorio => RECORDATORIO,
            Self::Otro(text) => text,
        }
    }
}

impl From<String> for Tipo {
    fn from(text: String) -> Self {
        match text.as_str() {
            ALERTA => Self::Alerta,
            ALERTA_REVERSION => Self::AlertaReversion,
            // The original's own comments write it in both ways.
            _ if text.eq_ignore_ascii_case(RECORDATORIO) => Self::Recordatorio,
            _ => Self::Otro(text),
        }
    }
}

impl From<Tipo> for String {
    fn from(tipo: Tipo) -> Self {
        tipo.as_str().to_owned()
    }
}

impl fmt::Display for Tipo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
