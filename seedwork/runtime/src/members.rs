//! The members of a JSON object as callers send it, read one by one, so that each broken one gets its own sentence.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::problem;

/// The members of a JSON object, unread: each is its own characters still, and no amount passes through a float. A name
/// that comes twice is refused, since it is not for us to choose which one was meant.
#[derive(Debug)]
pub struct Members(BTreeMap<String, Box<RawValue>>);

/// A member is there and is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotText;

struct MembersVisitor;

/// How much of a name that a caller made is told back, in characters, and of how many: one as long as the body helps
/// nobody.
const NAME_MAX: usize = 64;
const UNKNOWN_MAX: usize = 16;

/// What is said of a name that comes twice, after the name.
pub(crate) const TWICE: &str = " debe aparecer una sola vez";

// === impl Members ===

impl Members {
    /// A member as text; `None` when it is absent or null, which mean the same.
    pub fn text(&self, name: &str) -> Result<Option<String>, NotText> {
        serde_json::from_str(self.raw(name)).map_err(|_| NotText)
    }

    /// A member's own characters, for numbers that must be read exactly; `null` when it is absent.
    pub fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("null", |raw| raw.get())
    }

    /// A member as an object; `None` when it is absent or null. What is none, or has a member twice, is told in a
    /// sentence.
    pub fn object(&self, name: &str) -> Result<Option<Self>, String> {
        serde_json::from_str(self.raw(name)).map_err(|error| match problem::own_words(&error) {
            Some(sentence) => format!("{name}.{sentence}"),
            None => format!("{name} debe ser un objeto"),
        })
    }

    /// The names of members that are none of `known`, as they may be told back: the first few.
    pub fn unknown(&self, known: &[&str]) -> impl Iterator<Item = String> {
        let unknown = self.0.keys().filter(|name| !known.contains(&name.as_str()));
        unknown.map(|name| told(name)).take(UNKNOWN_MAX)
    }
}

/// A caller's own name as it is told back: in part, and printable.
fn told(name: &str) -> String {
    let short: String = name.chars().take(NAME_MAX).collect();
    short.escape_debug().to_string()
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("{}{TWICE}", told(&name))));
            }
            members.insert(name, value);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Members {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_number_keeps_its_own_characters() {
        let members = read(r#"{"monto": 24.10, "otro": [1, {"a": 2}]}"#);
        assert_eq!(members.raw("monto"), "24.10");
        assert_eq!(members.raw("nada"), "null");
    }

    #[test]
    fn a_text_is_a_text() {
        let members = read(r#"{"a": "Pe\u00f1a", "b": 5, "c": null, "d": "\ud800"}"#);
        assert_eq!(members.text("a"), Ok(Some("Peña".to_owned())));
        assert_eq!(members.text("b"), Err(NotText));
        assert_eq!(members.text("c"), Ok(None));
        assert_eq!(members.text("d"), Err(NotText), "half a character");
        assert_eq!(members.text("e"), Ok(None));
    }

    #[test]
    fn an_object_is_an_object_that_says_each_thing_once() {
        let members = read(r#"{"a": {"b": 24.10}, "c": [], "d": null, "e": {"f": 1, "f": 2}, "g": "{}"}"#);
        let inner = members.object("a").unwrap().unwrap();
        assert_eq!(inner.raw("b"), "24.10");
        for absent in ["d", "x"] {
            assert!(members.object(absent).unwrap().is_none(), "{absent}");
        }
        for (name, sentence) in [
            ("c", "c debe ser un objeto"),
            ("e", "e.f debe aparecer una sola vez"),
            ("g", "g debe ser un objeto"),
        ] {
            assert_eq!(members.object(name).unwrap_err(), sentence);
        }
    }

    #[test]
    fn what_is_not_asked_for_is_named_in_part_and_not_without_end() {
        let members = read(r#"{"a": 1, "b": 2, "c\n": 3}"#);
        assert_eq!(members.unknown(&["b"]).collect::<Vec<_>>(), ["a", "c\\n"]);
        let long = read(&format!(r#"{{"{}": 1}}"#, "ñ".repeat(1_000)));
        assert_eq!(long.unknown(&[]).collect::<Vec<_>>(), ["ñ".repeat(64)]);
        let many: Vec<_> = (0..1_000).map(|n| format!(r#""{n}": 0"#)).collect();
        let many = read(&format!("{{{}}}", many.join(",")));
        assert_eq!(many.unknown(&["0"]).count(), 16);
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
            assert!(serde_json::from_str::<Members>(bad).is_err(), "{bad}");
        }
        let long = "x".repeat(1_000);
        let twice = serde_json::from_str::<Members>(&format!(r#"{{"{long}": 1, "{long}": 2}}"#));
        let said = twice.unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}{TWICE}", "x".repeat(64))), "{said}");
    }
}
