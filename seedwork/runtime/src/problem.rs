//! The HTTP edge of a fault: problem+json (RFC 9457) with the original system's `error` member; and the readers of what
//! every door is sent, which answer with it.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seedwork::Fault;
use serde::de::DeserializeOwned;

use crate::intake::{IdempotencyKey, KeyInUse};
use crate::members::TWICE;
use crate::serve::BODY_LIMIT;

/// An error as a caller reads it: the words are Spanish, as all that clients read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    title: String,
    errors: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A JSON body. What is not the JSON we asked for is answered with a [`Problem`].
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

// === impl Problem ===

impl Problem {
    /// A problem with one sentence; its title is what its status means.
    pub fn of(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            title: title(status).to_owned(),
            errors: vec![sentence.into()],
            headers: Vec::new(),
        }
    }

    /// Input that breaks rules: 400 with a sentence for each.
    pub fn rejected(sentences: Vec<String>) -> Self {
        Self {
            errors: sentences,
            ..Self::of(StatusCode::BAD_REQUEST, "")
        }
    }

    /// With a title of its own.
    #[must_use]
    pub fn titled(self, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// The `Idempotency-Key` stands for another request: 422.
    pub fn key_reused() -> Self {
        let sentence = "Idempotency-Key ya se usó con otra petición";
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, sentence).titled("la clave es de otra petición")
    }

    /// The same, with a header that its status asks for (`WWW-Authenticate`, `Retry-After`).
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A body that was not read, at a door where one may have as many bytes as `limit`.
    pub fn unread(rejection: &BytesRejection, limit: usize) -> Self {
        let status = rejection.status();
        let sentence = match status {
            StatusCode::PAYLOAD_TOO_LARGE => format!("el cuerpo debe tener como máximo {limit} bytes"),
            _ => "el cuerpo no se pudo leer entero; envíelo de nuevo".to_owned(),
        };
        Self::of(status, sentence)
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its sentences, joined.
    pub fn detail(&self) -> String {
        self.errors.join("; ")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let detail = self.detail();
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": detail,
            "error": detail,
            "errors": self.errors,
        });
        let content = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, content, body.to_string()).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        match &fault {
            Fault::Rejected(sentences) => Self::rejected(sentences.clone()),
            Fault::NotFound(what) => Self::of(StatusCode::NOT_FOUND, what.clone()),
            Fault::Conflict(what) => Self::of(StatusCode::CONFLICT, what.clone()),
            Fault::Unavailable { .. } => {
                tracing::warn!(error = fault.chain(), "a part we depend on does not answer");
                Self::of(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "una parte del sistema no responde; intente de nuevo",
                )
            }
            Fault::Bug { .. } => {
                tracing::error!(error = fault.chain(), "a bug");
                Self::of(StatusCode::INTERNAL_SERVER_ERROR, "algo falla de nuestro lado")
            }
        }
    }
}

impl From<KeyInUse> for Problem {
    fn from(in_use: KeyInUse) -> Self {
        Self::of(StatusCode::CONFLICT, in_use.to_string())
            .with_header(header::RETRY_AFTER, HeaderValue::from(KeyInUse::RETRY_AFTER))
    }
}

impl From<BytesRejection> for Problem {
    /// Where no door says otherwise, the limit is [`BODY_LIMIT`].
    fn from(rejection: BytesRejection) -> Self {
        Self::unread(&rejection, BODY_LIMIT)
    }
}

impl From<QueryRejection> for Problem {
    /// The query of an address is texts, whose rules are checked one by one; what axum itself refuses is one that is
    /// there twice, or no text.
    fn from(_: QueryRejection) -> Self {
        let sentence = "cada parámetro de la dirección debe aparecer una sola vez y ser un texto UTF-8";
        Self::rejected(vec![sentence.to_owned()])
    }
}

/// What a status means, in a word or two.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "la petición incumple una regla",
        StatusCode::UNAUTHORIZED => "sin autenticar",
        StatusCode::FORBIDDEN => "no permitido",
        StatusCode::NOT_FOUND => "no existe",
        StatusCode::METHOD_NOT_ALLOWED => "método no permitido",
        StatusCode::CONFLICT => "conflicto",
        StatusCode::PRECONDITION_FAILED => "cambió entretanto",
        StatusCode::PAYLOAD_TOO_LARGE => "demasiado grande",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "tipo de contenido no admitido",
        StatusCode::UNPROCESSABLE_ENTITY => "no se puede hacer",
        StatusCode::TOO_MANY_REQUESTS => "demasiadas solicitudes",
        StatusCode::SERVICE_UNAVAILABLE => "ahora no",
        StatusCode::INTERNAL_SERVER_ERROR => "algo falla",
        _ => "no se atendió",
    }
}

// === impl Json ===

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::of(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "envíe el cuerpo como application/json",
            ));
        }
        let body = Bytes::from_request(request, state).await?;
        let read = serde_json::from_slice(&body);
        read.map(Self)
            .map_err(|error| Problem::rejected(vec![sentence(&error)]))
    }
}

/// The `Idempotency-Key` of a request, within `scope`; `None` without one.
pub fn idempotency_key<'a>(headers: &'a HeaderMap, scope: &'a str) -> Result<Option<IdempotencyKey<'a>>, Fault> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().map_err(|_| {
        let sentence = "Idempotency-Key solo puede tener caracteres ASCII imprimibles";
        Fault::Rejected(vec![sentence.to_owned()])
    })?;
    IdempotencyKey::parse(scope, key).map(Some)
}

/// Whether a body says that it is JSON, or one of the types that are made of it.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

/// What is wrong with a body, in a sentence.
fn sentence(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    if !error.is_data() {
        return format!("el cuerpo no es JSON: línea {line}, columna {column}");
    }
    own_words(error).unwrap_or_else(|| "el cuerpo debe ser un objeto JSON".to_owned())
}

/// What a reader of ours said of what it read; `None` where the words are serde_json's, which are English.
pub(crate) fn own_words(error: &serde_json::Error) -> Option<String> {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let said = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    // Known by its end: it begins with a name that a caller made, which may be like a word of theirs.
    let ours = said.ends_with(TWICE)
        || !["invalid ", "missing ", "unknown "]
            .into_iter()
            .any(|theirs| said.starts_with(theirs));
    (error.is_data() && ours).then(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::response::IntoResponse as _;
    use serde_json::Value;

    use super::*;
    use crate::members::Members;

    async fn refused(body: &'static str) -> (StatusCode, Value) {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body));
        let read = Json::<Members>::from_request(request.unwrap(), &()).await;
        let response = read.err().unwrap().into_response();
        let status = response.status();
        let body: Bytes = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_is_told_so_in_the_words_of_clients() {
        for (body, sentence) in [
            ("", "el cuerpo no es JSON: línea 1, columna 0"),
            ("{\"b\":\n x}", "el cuerpo no es JSON: línea 2, columna 2"),
            ("[]", "el cuerpo debe ser un objeto JSON"),
            ("5", "el cuerpo debe ser un objeto JSON"),
            ("{\"a\": 1, \"a\": 2}", "a debe aparecer una sola vez"),
            (
                "{\"invalid x\": 1, \"invalid x\": 2}",
                "invalid x debe aparecer una sola vez",
            ),
        ] {
            let (status, problem) = refused(body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert_eq!(problem["title"], "la petición incumple una regla");
            assert_eq!(problem["errors"], serde_json::json!([sentence]), "{body}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_told_the_limit_of_its_door() {
        // Above what is read where no limit is set.
        let request = Request::new(Body::from(vec![0_u8; 3 * 1024 * 1024]));
        let rejection = Bytes::from_request(request, &()).await.err().unwrap();
        let problem = Problem::unread(&rejection, 1_048_576);
        assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(problem.detail(), "el cuerpo debe tener como máximo 1048576 bytes");
        let problem = Problem::from(rejection);
        assert_eq!(problem.detail(), "el cuerpo debe tener como máximo 65536 bytes");
    }

    #[tokio::test]
    async fn a_body_says_that_it_is_json() {
        for (content_type, status) in [
            ("application/json", 400),
            ("Application/JSON; charset=utf-8", 400),
            ("application/merge-patch+json", 400),
            ("text/plain", 415),
            ("json", 415),
            ("", 415),
        ] {
            let request = Request::post("/").header(header::CONTENT_TYPE, content_type);
            let read = Json::<Members>::from_request(request.body(Body::from("[]")).unwrap(), &()).await;
            assert_eq!(read.err().unwrap().status(), status, "{content_type}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_told_the_one_rule_that_it_breaks() {
        let read = |key: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("idempotency-key", HeaderValue::from_str(key).unwrap());
            let read = idempotency_key(&headers, "s").map(|key| key.map(|key| key.key.to_owned()));
            read.map_err(|fault| Problem::from(fault).detail())
        };
        assert_eq!(read("k-1"), Ok(Some("k-1".to_owned())));
        let (long, length) = ("k".repeat(256), "Idempotency-Key debe tener de 1 a 255 caracteres");
        let ascii = "Idempotency-Key solo puede tener caracteres ASCII imprimibles";
        for (bad, sentence) in [("", length), (long.as_str(), length), ("clave-ñ", ascii)] {
            assert_eq!(read(bad), Err(sentence.to_owned()), "{bad}");
        }
        assert!(idempotency_key(&HeaderMap::new(), "s").unwrap().is_none());
    }

    #[test]
    fn a_request_whose_key_is_being_answered_is_to_come_back() {
        let response = Problem::from(KeyInUse).into_response();
        assert_eq!(response.status(), StatusCode::CONFLICT);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
