//! The HTTP edge of a fault: problem+json (RFC 9457) with the original system's `error` member.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seedwork::Fault;
use serde::de::DeserializeOwned;

/// An error as a caller reads it.
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
    /// A problem with one sentence.
    pub fn new(status: StatusCode, title: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            errors: vec![sentence.into()],
            headers: Vec::new(),
        }
    }

    /// Input that breaks rules: 400 with a sentence for each.
    pub fn rejected(sentences: Vec<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "the request breaks a rule".to_owned(),
            errors: sentences,
            headers: Vec::new(),
        }
    }

    /// The same, with a header that its status asks for (`WWW-Authenticate`, `Retry-After`).
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// A body above the limit.
    pub fn too_large() -> Self {
        let sentence = format!("the body must be at most {} bytes", crate::serve::BODY_LIMIT);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", sentence)
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
            Fault::NotFound(what) => Self::new(StatusCode::NOT_FOUND, "not found", what.clone()),
            Fault::Conflict(what) => Self::new(StatusCode::CONFLICT, "conflict", what.clone()),
            Fault::Unavailable { .. } => {
                tracing::warn!(error = fault.chain(), "a part we depend on does not answer");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "not now",
                    "a part of the system does not answer; try again",
                )
            }
            Fault::Bug { .. } => {
                tracing::error!(error = fault.chain(), "a bug");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "our fault",
                    "something is wrong on our side",
                )
            }
        }
    }
}

// === impl Json ===

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

fn refuse(rejection: &JsonRejection) -> Problem {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large();
    }
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return Problem::new(status, "unsupported media type", "send the body as application/json");
    }
    Problem::rejected(vec![rejection.body_text()])
}
