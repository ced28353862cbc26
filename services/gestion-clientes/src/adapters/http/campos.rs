//! A JSON object as callers send it, read field by field, so that every broken field gets its own sentence.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::cliente::{Campo, CampoError};

/// The members of a JSON object, unread. Unknown ones are ignored, as the original did; a name that comes twice is
/// refused, since it is not for us to choose which one was meant.
pub(super) struct Campos(BTreeMap<String, Box<RawValue>>);

struct CamposVisitor;

// === impl Campos ===

impl Campos {
    /// A member as text. Absent and null are both empty.
    pub(super) fn text(&self, name: &'static str) -> Campo {
        let raw = self.raw(name);
        if raw.is_empty() || raw == "null" {
            return Err(CampoError::Empty(name));
        }
        serde_json::from_str(raw).map_err(|_| CampoError::NotText(name))
    }

    /// A member's own characters, for numbers that must be read exactly; empty when absent.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |raw| raw.get())
    }
}

impl<'de> Deserialize<'de> for Campos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CamposVisitor)
    }
}

impl<'de> Visitor<'de> for CamposVisitor {
    type Value = Campos;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Campos, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("{name} must be there once")));
            }
            members.insert(name, value);
        }
        Ok(Campos(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_own_characters() {
        let campos: Campos = serde_json::from_str(r#"{"monto": 24.10, "otro": [1, {"a": 2}]}"#).unwrap();
        assert_eq!(campos.raw("monto"), "24.10");
        assert_eq!(campos.raw("nada"), "");
    }

    #[test]
    fn a_text_is_a_text() {
        let campos: Campos = serde_json::from_str(r#"{"a": "Pe\u00f1a", "b": 5, "c": null}"#).unwrap();
        assert_eq!(campos.text("a"), Ok("Peña".to_owned()));
        assert_eq!(campos.text("b"), Err(CampoError::NotText("b")));
        assert_eq!(campos.text("c"), Err(CampoError::Empty("c")));
        assert_eq!(campos.text("d"), Err(CampoError::Empty("d")));
    }

    #[test]
    fn only_an_object_that_says_each_thing_once_is_read() {
        for bad in [
            r#"["PSE", "c-1", 24]"#,
            r#""PSE""#,
            "24",
            "null",
            r#"{"monto": 24, "monto": 240}"#,
        ] {
            assert!(serde_json::from_str::<Campos>(bad).is_err(), "{bad}");
        }
    }
}
