//! Typed identifiers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of one payment: the name of its resource, the key of every participant's document, the gateway's
/// idempotency keys and references all derive from it.
///
/// Lower-case DNS label, at most 58 characters, so that `pago-<id>` is a legal Kubernetes name and label value
/// (RFC 1123, 63 characters).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength" = 58))]
pub struct IdCorrelacion(String);

/// A client's identity as callers give it: opaque, any 1–128 printable characters. Whether such a client exists is
/// for step 1 of the saga to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("minLength" = 1, "maxLength" = 128))]
pub struct IdCliente(String);

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text is longer than the limit it carries, in characters.
    #[error("must be at most {0} characters long")]
    TooLong(usize),
    /// The text holds a character that is not allowed.
    #[error("must be made of lower-case letters, digits and inner hyphens")]
    NotDnsSafe,
    /// The text holds a control character.
    #[error("must hold printable characters only")]
    NotPrintable,
}

// === impl IdCorrelacion ===

impl IdCorrelacion {
    /// The longest id, in characters.
    pub const MAX: usize = 58;
    /// What the name of a payment's resource starts with.
    pub const RESOURCE_PREFIX: &'static str = "pago-";

    /// Reads an id from text.
    pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > Self::MAX {
            return Err(IdError::TooLong(Self::MAX));
        }
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.chars().all(inner) || text.starts_with('-') || text.ends_with('-') {
            return Err(IdError::NotDnsSafe);
        }
        Ok(Self(text))
    }

    /// The id of the payment that a resource of this name stands for; `None` for a foreign name.
    pub fn from_resource_name(name: &str) -> Option<Self> {
        Self::parse(name.strip_prefix(Self::RESOURCE_PREFIX)?).ok()
    }

    /// The name of the `PaymentSaga` resource.
    pub fn resource_name(&self) -> String {
        format!("{}{}", Self::RESOURCE_PREFIX, self.0)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<uuid::Uuid> for IdCorrelacion {
    fn from(id: uuid::Uuid) -> Self {
        // The hyphenated lower-case form of a UUID is a DNS label of 36 characters.
        Self(id.hyphenated().to_string())
    }
}

impl TryFrom<String> for IdCorrelacion {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl From<IdCorrelacion> for String {
    fn from(id: IdCorrelacion) -> Self {
        id.0
    }
}

impl fmt::Display for IdCorrelacion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl IdCliente ===

impl IdCliente {
    /// The longest id, in characters.
    pub const MAX: usize = 128;

    /// Reads a client's id from text.
    pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(IdError::Empty);
        }
        if text.chars().count() > Self::MAX {
            return Err(IdError::TooLong(Self::MAX));
        }
        if text.chars().any(char::is_control) {
            return Err(IdError::NotPrintable);
        }
        Ok(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IdCliente {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

impl From<IdCliente> for String {
    fn from(id: IdCliente) -> Self {
        id.0
    }
}

impl fmt::Display for IdCliente {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_no_resource_could_be_named_after_is_refused() {
        assert_eq!(IdCorrelacion::parse(""), Err(IdError::Empty));
        assert_eq!(IdCorrelacion::parse("a".repeat(59)), Err(IdError::TooLong(58)));
        for bad in ["Abc", "-a", "a-", "a b", "a_b", "ñ"] {
            assert_eq!(IdCorrelacion::parse(bad), Err(IdError::NotDnsSafe), "{bad}");
        }
        let id = IdCorrelacion::parse("4321-dcba").unwrap();
        assert_eq!(IdCorrelacion::from_resource_name(&id.resource_name()), Some(id));
        assert_eq!(IdCorrelacion::from_resource_name("other-1"), None);
    }

    #[test]
    fn a_client_id_is_any_printable_text_of_bounded_length() {
        for good in ["abcd-1234", "123", "Peña 7"] {
            assert!(IdCliente::parse(good).is_ok(), "{good}");
        }
        assert_eq!(IdCliente::parse("  "), Err(IdError::Empty));
        assert_eq!(IdCliente::parse("a\nb"), Err(IdError::NotPrintable));
        assert_eq!(IdCliente::parse("x".repeat(129)), Err(IdError::TooLong(128)));
    }
}
