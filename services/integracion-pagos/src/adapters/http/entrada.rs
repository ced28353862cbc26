//! What callers send.

use seedwork::{IdCliente, IdCorrelacion};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::adapters::read_model::Cursor;

/// The query of a list, as it arrives.
#[derive(Default, Deserialize)]
pub(super) struct Parametros {
    limite: Option<String>,
    cursor: Option<String>,
    #[serde(rename = "idCliente")]
    id_cliente: Option<String>,
}

/// Which part of the list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pagina {
    pub(super) limite: usize,
    pub(super) cursor: Option<Cursor>,
    pub(super) id_cliente: Option<IdCliente>,
}

/// A chargeback as its test door is told of it. What else the body holds is ignored.
#[derive(utoipa::ToSchema)]
#[schema(as = Contracargo)]
#[expect(
    dead_code,
    reason = "the shape of the document; the body is read by hand, so that each rule gets its sentence"
)]
pub(super) struct AvisoEntrada {
    /// Which payment
    #[schema(
        rename = "idCorrelacion",
        min_length = 1,
        max_length = 58,
        pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
    )]
    id_correlacion: Option<String>,
    /// The bank's words
    #[schema(max_length = 256, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$")]
    motivo: Option<String>,
}

/// A chargeback as the webhook brings it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Aviso {
    pub(super) id: IdCorrelacion,
    pub(super) motivo: String,
}

const LIMITE: usize = 50;
const LIMITE_MAX: usize = 100;

/// The longest `motivo` of a chargeback, in characters.
const MOTIVO_MAX: usize = 256;

/// The words of a chargeback that came without any.
const MOTIVO: &str = "El banco del cliente devolvió el dinero";

// === impl Pagina ===

impl Pagina {
    /// Checks the query; every broken rule is reported.
    pub(super) fn parse(parametros: Parametros) -> Result<Self, Vec<String>> {
        let Parametros {
            limite,
            cursor,
            id_cliente,
        } = parametros;
        let limite = limite
            .map_or(Some(LIMITE), |text| text.parse().ok())
            .filter(|n| (1..=LIMITE_MAX).contains(n));
        let limite = limite.ok_or_else(|| format!("limite debe ser un número de 1 a {LIMITE_MAX}"));
        let cursor = cursor.map(|text| Cursor::parse(&text).ok_or("cursor debe ser uno que haya respondido una lista"));
        let cursor = cursor.transpose().map_err(str::to_owned);
        let id_cliente = id_cliente
            .map(IdCliente::parse)
            .transpose()
            .map_err(|error| format!("idCliente {}", error.frase()));
        match (limite, cursor, id_cliente) {
            (Ok(limite), Ok(cursor), Ok(id_cliente)) => Ok(Self {
                limite,
                cursor,
                id_cliente,
            }),
            (limite, cursor, id_cliente) => Err([limite.err(), cursor.err(), id_cliente.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }
}

// === impl Aviso ===

impl Aviso {
    /// Reads the body; `None` when it names no payment.
    pub(super) fn parse(body: &[u8]) -> Result<Option<Self>, Vec<String>> {
        if matches!(body.trim_ascii(), b"" | b"null") {
            return Ok(None);
        }
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| vec!["el cuerpo debe ser un objeto JSON".to_owned()])?;
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(format!("{name} debe ser un texto"))
            }
        };
        let id = text("idCorrelacion").and_then(|text| {
            text.map(IdCorrelacion::parse)
                .transpose()
                .map_err(|error| format!("idCorrelacion {}", error.frase()))
        });
        let motivo = text("motivo").map(Option::unwrap_or_default).and_then(|text| {
            let fits = text.chars().count() <= MOTIVO_MAX && !text.chars().any(char::is_control);
            let rule = || format!("motivo debe tener como máximo {MOTIVO_MAX} caracteres imprimibles");
            let words = Some(text.trim()).filter(|words| !words.is_empty());
            fits.then_some(words.unwrap_or(MOTIVO)).ok_or_else(rule)
        });
        match (id, motivo) {
            (Ok(id), Ok(motivo)) => Ok(id.map(|id| Self {
                id,
                motivo: motivo.to_owned(),
            })),
            (id, motivo) => Err([id.err(), motivo.err()].into_iter().flatten().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;

    use super::*;

    fn pagina(query: &str) -> Result<Pagina, Vec<String>> {
        let uri = format!("/pagos?{query}").parse().unwrap();
        Pagina::parse(Query::try_from_uri(&uri).unwrap().0)
    }

    #[test]
    fn a_page_has_one_to_a_hundred_payments_and_fifty_unless_told() {
        assert_eq!(
            pagina(""),
            Ok(Pagina {
                limite: 50,
                cursor: None,
                id_cliente: None
            })
        );
        assert_eq!(pagina("limite=100&cursor=5.p-1&idCliente=c-1").unwrap().limite, 100);
        for bad in ["0", "101", "-1", "x", "", "1.5"] {
            assert_eq!(pagina(&format!("limite={bad}")).unwrap_err().len(), 1, "{bad}");
        }
        assert_eq!(pagina("limite=0&cursor=x&idCliente=").unwrap_err().len(), 3);
    }

    #[test]
    fn a_chargeback_without_a_payment_is_about_nothing() {
        for body in [
            "",
            " \n",
            "{}",
            r#"{"idCorrelacion": null}"#,
            r#"{"otra": 1}"#,
            r#"{"motivo": "x"}"#,
        ] {
            assert_eq!(Aviso::parse(body.as_bytes()), Ok(None), "{body}");
        }
    }

    #[test]
    fn a_malformed_chargeback_gets_a_sentence_for_each_rule() {
        for body in [
            "{",
            "[]",
            "5",
            "\"p-1\"",
            r#"{"idCorrelacion": 5}"#,
            r#"{"idCorrelacion": "No Es"}"#,
        ] {
            assert_eq!(Aviso::parse(body.as_bytes()).unwrap_err().len(), 1, "{body}");
        }
        let long = "x".repeat(257);
        let body = format!(r#"{{"idCorrelacion": "", "motivo": "{long}"}}"#);
        assert_eq!(Aviso::parse(body.as_bytes()).unwrap_err().len(), 2);
    }

    #[test]
    fn a_chargeback_without_words_gets_ours() {
        let id = IdCorrelacion::parse("p-1").unwrap();
        let read = |body: &str| Aviso::parse(body.as_bytes()).unwrap().unwrap();
        assert_eq!(
            read(r#"{"idCorrelacion": "p-1"}"#),
            Aviso {
                id: id.clone(),
                motivo: MOTIVO.into()
            }
        );
        assert_eq!(
            read(r#"{"idCorrelacion": "p-1", "motivo": " Fraude "}"#),
            Aviso {
                id,
                motivo: "Fraude".into()
            }
        );
    }
}
