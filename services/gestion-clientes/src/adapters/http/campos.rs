//! A body as callers send it, read field by field, so that every broken field gets its own sentence.

use seedwork_runtime::members::{Members, NotText};
use serde::Deserialize;

use crate::domain::cliente::{Campo, CampoError};

/// The members of a body, unread.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Campos(Members);

// === impl Campos ===

impl Campos {
    /// A member as text. Absent and null are both empty.
    pub(super) fn text(&self, name: &'static str) -> Campo {
        match self.0.text(name) {
            Ok(text) => text.ok_or(CampoError::Empty(name)),
            Err(NotText) => Err(CampoError::NotText(name)),
        }
    }

    /// A sentence for each member that is none of `known`, for the first few. Members that the original's clients send
    /// and that we ignore are known.
    pub(super) fn unknown(&self, known: &[&str]) -> impl Iterator<Item = CampoError> {
        self.0.unknown(known).map(CampoError::Desconocido)
    }

    /// A member's own characters, for numbers that must be read exactly; no number's when absent.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.raw(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
