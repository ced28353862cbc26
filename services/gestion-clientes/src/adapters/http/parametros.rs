//! What a caller puts in the address.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use seedwork::Fault;
use seedwork_runtime::problem::Problem;
use serde::{Deserialize, Serialize};

/// An id in the path, unread. One that is not even text is an unknown one.
pub(super) struct Id(pub(super) String);

/// Which part of a list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pagina {
    /// At most this many; 1 to [`LIMITE_MAX`].
    pub(super) limite: usize,
    /// After this id; empty for the first page.
    pub(super) cursor: String,
    /// Of this client; empty when the caller named none.
    pub(super) id_cliente: String,
}

#[derive(Default, Deserialize)]
struct Parametros {
    limite: Option<String>,
    cursor: Option<String>,
    #[serde(rename = "idCliente")]
    id_cliente: Option<String>,
}

const LIMITE: usize = 50;
const LIMITE_MAX: usize = 100;
/// The longest cursor, in characters: an id is no longer.
const CURSOR_MAX: usize = 128;

// === impl Id ===

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let unknown = |_| Problem::of(StatusCode::NOT_FOUND, "no hay nada con este id");
        path.map(|Path(id)| Self(id)).map_err(unknown)
    }
}

// === impl Pagina ===

impl<S: Send + Sync> FromRequestParts<S> for Pagina {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Parametros>::from_request_parts(parts, state).await;
        let Query(parametros) = query?;
        Self::parse(parametros).map_err(Problem::rejected)
    }
}

impl Pagina {
    fn parse(parametros: Parametros) -> Result<Self, Vec<String>> {
        let Parametros {
            limite,
            cursor,
            id_cliente,
        } = parametros;
        let mut broken = Vec::new();
        let number = limite.map_or(Some(LIMITE), |text| text.parse().ok());
        let limite = number
            .filter(|limite| (1..=LIMITE_MAX).contains(limite))
            .unwrap_or_else(|| {
                broken.push(format!("limite debe ser un número de 1 a {LIMITE_MAX}"));
                LIMITE
            });
        let cursor = cursor.unwrap_or_default();
        if cursor.chars().count() > CURSOR_MAX || cursor.chars().any(char::is_control) {
            broken.push("cursor debe ser uno que haya respondido una lista".to_owned());
        }
        let pagina = Self {
            limite,
            cursor,
            id_cliente: id_cliente.unwrap_or_default(),
        };
        if broken.is_empty() { Ok(pagina) } else { Err(broken) }
    }

    /// How many rows to read: one more than asked for tells whether there is another page.
    pub(super) fn rows(&self) -> i64 {
        i64::try_from(self.limite).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Answers with a page of `found`; `X-Next-Cursor` is there while more follows. The cursor is the id of the page's
    /// last element, so a caller that cannot read headers (service invocation) can make it.
    pub(super) fn answer<T, V: Serialize>(
        &self,
        mut found: Vec<T>,
        id: impl Fn(&T) -> &str,
        vista: impl Fn(&T) -> Result<V, Problem>,
    ) -> Result<Response, Problem> {
        let more = found.len() > self.limite;
        found.truncate(self.limite);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| [("x-next-cursor", id(last).to_owned())]);
        let body = found.iter().map(vista).collect::<Result<Vec<_>, _>>()?;
        Ok((next.map(axum::response::AppendHeaders), axum::Json(body)).into_response())
    }
}

/// A conflict about a key is the caller's mistake, not a race: 422.
pub(super) fn reused(fault: Fault) -> Problem {
    match fault {
        Fault::Conflict(_) => Problem::key_reused(),
        fault @ (Fault::Rejected(_) | Fault::NotFound(_) | Fault::Unavailable { .. } | Fault::Bug { .. }) => {
            fault.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(limite: Option<&str>, cursor: Option<&str>) -> Result<Pagina, Vec<String>> {
        Pagina::parse(Parametros {
            limite: limite.map(str::to_owned),
            cursor: cursor.map(str::to_owned),
            id_cliente: None,
        })
    }

    #[test]
    fn a_page_has_one_to_a_hundred_elements_and_fifty_unless_told() {
        assert_eq!(parse(None, None).unwrap().limite, 50);
        for (text, limite) in [("1", 1), ("100", 100)] {
            assert_eq!(parse(Some(text), None).unwrap().limite, limite);
        }
        for bad in ["0", "101", "-1", "x", "", "1.5"] {
            assert_eq!(
                parse(Some(bad), None).unwrap_err(),
                ["limite debe ser un número de 1 a 100"],
                "{bad}"
            );
        }
        assert_eq!(parse(Some("x"), Some("a\0")).unwrap_err().len(), 2);
    }
}
