//! A JSON object as callers send it, read field by field, so that every broken field gets its own sentence.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::domain::cliente::{Campo, CampoError};

/// The members of a JSON object, unread. A name that comes twice is refused, since it is not for us to choose which one
/// was meant.
pub(super) struct Campos(BTreeMap<String, Box<RawValue>>);

struct CamposVisitor;

/// How much of the name of an unknown member is said, in characters, and of how many.
const NAME_MAX: usize = 64;
const UNKNOWN_MAX: usize = 16;

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

    /// A sentence for each member that is none of `known`. Members that the original's clients send and that we ignore
    /// are known.
    pub(super) fn unknown(&self, known: &[&str]) -> impl Iterator<Item = CampoError> {
        let unknown = self.0.keys().filter(|name| !known.contains(&name.as_str()));
        // A name as long as the body helps nobody.
        let short = |name: &String| CampoError::Desconocido(name.chars().take(NAME_MAX).collect());
        unknown.map(short).take(UNKNOWN_MAX)
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
                return Err(A::Error::custom(format!("{name} debe aparecer una sola vez")));
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
    fn what_is_not_asked_for_is_named() {
        let campos: Campos = serde_json::from_str(r#"{"a": 1, "b": 2, "c": 3}"#).unwrap();
        let sentences: Vec<_> = campos.unknown(&["b"]).map(|error| error.to_string()).collect();
        let expected = ["a no es un campo de esta petición", "c no es un campo de esta petición"];
        assert_eq!(sentences, expected);
        let long: Campos = serde_json::from_str(&format!(r#"{{"{}": 1}}"#, "x".repeat(1_000))).unwrap();
        assert!(long.unknown(&[]).all(|error| error.to_string().len() < 128));
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
