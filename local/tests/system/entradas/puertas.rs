//! The tables of bad input, one per door.

mod otras;
mod pagos;

use serde_json::{Value, json};

pub(super) use self::otras::{cliente, contracargo, notificacion};
pub(super) use self::pagos::{mutation, pago};

/// A request that is wrong in some way.
pub(super) struct Bad {
    pub(super) body: Body,
    /// What it is answered with.
    pub(super) status: u16,
    /// The sentences it is answered with, each by what must be in it: the field and the rule.
    pub(super) says: Vec<&'static str>,
}

/// What is sent.
pub(super) struct Body {
    pub(super) text: String,
    pub(super) content_type: Option<&'static str>,
    pub(super) idempotency_key: Option<String>,
}

const JSON: &str = "application/json";

/// More than any door reads.
const OVERSIZED: usize = 70_000;

// === impl Bad ===

impl Bad {
    #[expect(clippy::needless_pass_by_value, reason = "a table of bodies made on the spot")]
    fn new(text: impl ToString, status: u16, says: &[&'static str]) -> Self {
        let body = Body {
            text: text.to_string(),
            content_type: Some(JSON),
            idempotency_key: None,
        };
        Self {
            body,
            status,
            says: says.to_vec(),
        }
    }

    fn typed(mut self, content_type: Option<&'static str>) -> Self {
        self.body.content_type = content_type;
        self
    }

    fn keyed(mut self, key: impl Into<String>) -> Self {
        self.body.idempotency_key = Some(key.into());
        self
    }

    /// Whether these are the sentences, in any order, and no other.
    pub(super) fn says_all(&self, sentences: &[&str]) -> bool {
        self.says.len() == sentences.len()
            && self
                .says
                .iter()
                .all(|part| sentences.iter().any(|sentence| sentence.contains(part)))
    }
}

/// What is wrong before any field is looked at; `good` is a body that the door would take.
fn unreadable(good: &Value) -> Vec<Bad> {
    let mut large = good.clone();
    large["relleno"] = json!("x".repeat(OVERSIZED));
    let cut: String = good.to_string().chars().take(12).collect();
    vec![
        Bad::new("", 400, &["JSON"]),
        Bad::new("{", 400, &["JSON"]),
        Bad::new(cut, 400, &["JSON"]),
        Bad::new("[]", 400, &["JSON"]),
        Bad::new("null", 400, &["JSON"]),
        Bad::new("\"clave-de-prueba\"", 400, &["JSON"]),
        Bad::new("\u{0}\u{1}", 400, &["JSON"]),
        Bad::new(large, 413, &["el cuerpo debe tener como máximo 65536 bytes"]),
        Bad::new(good, 415, &["application/json"]).typed(Some("text/plain")),
        Bad::new(good, 415, &["application/json"]).typed(Some("application/x-www-form-urlencoded")),
        Bad::new(good, 415, &["application/json"]).typed(None),
    ]
}

/// `good` with another value in a field; `None` leaves the field out.
fn with(good: &Value, field: &str, value: Option<Value>) -> Value {
    let mut body = good.clone();
    if let Some(fields) = body.as_object_mut() {
        match value {
            Some(value) => fields.insert(field.to_owned(), value),
            None => fields.remove(field),
        };
    }
    body
}

/// Every value that is no text, and none at all.
fn no_texts() -> Vec<Option<Value>> {
    vec![
        Some(json!(5)),
        Some(json!(true)),
        Some(json!(["x"])),
        Some(json!({"x": 1})),
    ]
}
