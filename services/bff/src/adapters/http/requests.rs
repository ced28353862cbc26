//! A GraphQL request as HTTP carries it.

use async_graphql::{Request, Variables};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seedwork_runtime::problem::Problem;
use seedwork_runtime::serve::BODY_LIMIT;
use serde::Deserialize;
use serde_json::Value;

use crate::adapters::graphql::{self, IdempotencyHeader};
use crate::adapters::limits::Excess;
use crate::adapters::numbers;

/// Why a request over HTTP is no GraphQL request. The texts are the original's, as far as it had one; ours are Spanish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("Unable to parse request body as JSON")]
    Json,
    #[error("No GraphQL query found in the request")]
    NoQuery,
    #[error("variables debe ser un objeto JSON")]
    Variables,
    #[error("envíe una operación por petición: no se atienden en lote")]
    Batch,
    #[error("envíe una mutación por petición: cada pago es una petición, con su propia Idempotency-Key")]
    Mutations,
    #[error("{0} are not allowed when using GET")]
    NotByGet(&'static str),
    #[error("Unsupported Media Type")]
    MediaType,
    #[error("el cuerpo debe tener como máximo {BODY_LIMIT} bytes")]
    TooLarge,
    #[error("el cuerpo no se pudo leer entero; envíelo de nuevo")]
    Unread,
    #[error("Idempotency-Key solo puede tener caracteres ASCII imprimibles")]
    IdempotencyKey,
    #[error("ofrezca uno de los subprotocolos graphql-transport-ws, graphql-ws")]
    Subprotocol,
}

/// Why a request is not executed.
pub(super) enum Refusal {
    /// It is no GraphQL request.
    Bad(BadRequest),
    /// Who asks may not, or not now.
    Problem(Problem),
    /// It is GraphQL that is not executed: the answer to it.
    Answer(Box<async_graphql::Response>),
}

/// What `GET /v1` may carry in its address.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetQuery {
    pub(super) query: Option<String>,
    pub(super) variables: Option<String>,
    pub(super) operation_name: Option<String>,
}

/// The request in a body.
pub(super) fn by_post(headers: &HeaderMap, body: &[u8]) -> Result<Request, Refusal> {
    // What cannot be told from another number after parsing is found before.
    let exact = std::str::from_utf8(body).ok().and_then(numbers::first_inexact);
    let mut body: Value = serde_json::from_slice(body).map_err(|_| BadRequest::Json)?;
    if body.is_array() {
        return Err(BadRequest::Batch.into());
    }
    let mut take = |member: &str| body.get_mut(member).map(Value::take).unwrap_or_default();
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (query, variables, operation_name) = (take("query"), take("variables"), take("operationName"));
    let request = request(text(query), variables, text(operation_name), headers)?;
    // What is no request at all is not answered as one.
    match exact {
        Some(number) => Err(Refusal::Answer(Box::new(graphql::inexact(number)))),
        None => Ok(request),
    }
}

/// The request in an address.
pub(super) fn by_get(headers: &HeaderMap, query: GetQuery) -> Result<Request, Refusal> {
    let GetQuery {
        query,
        variables,
        operation_name,
    } = query;
    let variables = match variables.as_deref() {
        None | Some("") => Value::Null,
        Some(text) => {
            let value = serde_json::from_str(text).map_err(|_| BadRequest::Json)?;
            if let Some(number) = numbers::first_inexact(text) {
                return Err(Refusal::Answer(Box::new(graphql::inexact(number))));
            }
            value
        }
    };
    request(query, variables, operation_name, headers)
}

fn request(
    query: Option<String>,
    variables: Value,
    operation_name: Option<String>,
    headers: &HeaderMap,
) -> Result<Request, Refusal> {
    let mut request = Request::new(query.filter(|text| !text.is_empty()).ok_or(BadRequest::NoQuery)?);
    if !(variables.is_null() || variables.is_object()) {
        return Err(BadRequest::Variables.into());
    }
    request = request.variables(Variables::from_json(variables));
    if let Some(name) = operation_name.filter(|name| !name.is_empty()) {
        request = request.operation_name(name);
    }
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().map_err(|_| BadRequest::IdempotencyKey)?;
        request = request.data(IdempotencyHeader(key.to_owned()));
    }
    Ok(request)
}

/// Whether the body says that it is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

// === impl BadRequest ===

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        let status = match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Json
            | Self::Unread
            | Self::NoQuery
            | Self::Variables
            | Self::Batch
            | Self::Mutations
            | Self::NotByGet(_)
            | Self::IdempotencyKey
            | Self::Subprotocol => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}

// === impl Refusal ===

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(bad) => bad.into_response(),
            Self::Problem(problem) => problem.into_response(),
            // As any answer to a GraphQL request that was understood as one.
            Self::Answer(answer) => axum::Json(answer).into_response(),
        }
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        Self::Bad(bad)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Excess> for Refusal {
    fn from(excess: Excess) -> Self {
        Self::Problem(excess.into())
    }
}

impl From<Box<async_graphql::Response>> for Refusal {
    fn from(answer: Box<async_graphql::Response>) -> Self {
        Self::Answer(answer)
    }
}
