//! The routes that browsers reach: GraphQL at `/v1`, events at `/stream`, what is served at `/spec`.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql::parser::types::{DocumentOperations, OperationType};
use async_graphql::{Request, Variables};
use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use seedwork_runtime::serve::BODY_LIMIT;
use seedwork_runtime::telemetry;
use serde::Deserialize;
use serde_json::Value;
use tracing::{Instrument as _, Span};

use super::graphql::{Esquema, IdempotencyHeader};
use super::sse::{self, Streams};
use super::tail::Tail;

/// A page to try queries, mutations and subscriptions on. Our own: it loads nothing from elsewhere, so it works where
/// there is no internet, and no stranger's script runs beside payments.
const EXPLORER: &str = include_str!("explorer.html");

/// What is served, as OpenAPI.
const SPEC: &str = include_str!("../../openapi.json");

/// Why a request over HTTP is no GraphQL request. The texts are the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadRequest {
    #[error("Unable to parse request body as JSON")]
    Json,
    #[error("No GraphQL query found in the request")]
    NoQuery,
    #[error("Variables are not a JSON object")]
    Variables,
    #[error("{0} are not allowed when using GET")]
    NotByGet(&'static str),
    #[error("Unsupported Media Type")]
    MediaType,
    #[error("The request body must be at most {BODY_LIMIT} bytes")]
    TooLarge,
    #[error("Idempotency-Key must be made of printable ASCII characters")]
    IdempotencyKey,
    #[error("Offer one of the subprotocols graphql-transport-ws, graphql-ws")]
    Subprotocol,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetQuery {
    query: Option<String>,
    variables: Option<String>,
    operation_name: Option<String>,
}

/// The routes.
pub(crate) fn router(schema: Esquema, tail: Arc<Tail>, ping: Duration) -> Router {
    let graphql = Router::new().route("/v1", get(by_get).post(by_post)).with_state(schema);
    let stream = Router::new()
        .route("/stream", get(sse::stream))
        .with_state(Streams { tail, ping });
    graphql.merge(stream).route("/v1/", any(without_slash)).route(
        "/spec",
        get(|| async { ([(header::CONTENT_TYPE, "application/json")], SPEC) }),
    )
}

async fn without_slash(uri: Uri) -> Redirect {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(&format!("/v1{query}"))
}

/// A browser (the explorer), a query in the address, or a WebSocket.
async fn by_get(
    State(schema): State<Esquema>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    protocol: Result<GraphQLProtocol, StatusCode>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, BadRequest> {
    if let Ok(upgrade) = upgrade {
        let protocol = protocol.map_err(|_| BadRequest::Subprotocol)?;
        let upgrade = upgrade.protocols(ALL_WEBSOCKET_PROTOCOLS).max_message_size(BODY_LIMIT);
        return Ok(upgrade.on_upgrade(move |socket| GraphQLWebSocket::new(socket, schema, protocol).serve()));
    }
    if uri.query().unwrap_or_default().is_empty() {
        return Ok(Html(EXPLORER.replace("{{SDL}}", &escape(&schema.sdl()))).into_response());
    }
    let Query(GetQuery {
        query,
        variables,
        operation_name,
    }) = Query::try_from_uri(&uri).map_err(|_| BadRequest::NoQuery)?;
    let variables = match variables.as_deref() {
        None | Some("") => Value::Null,
        Some(text) => serde_json::from_str(text).map_err(|_| BadRequest::Json)?,
    };
    let mut request = graphql_request(query, variables, operation_name, &headers)?;
    if let Some(kind) = not_a_query(&mut request) {
        return Err(BadRequest::NotByGet(kind));
    }
    Ok(Json(schema.execute(request).await).into_response())
}

async fn by_post(
    State(schema): State<Esquema>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, BadRequest> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(BadRequest::MediaType);
    }
    let body = body.map_err(|_| BadRequest::TooLarge)?;
    let mut body: Value = serde_json::from_slice(&body).map_err(|_| BadRequest::Json)?;
    let mut take = |member: &str| body.get_mut(member).map(Value::take).unwrap_or_default();
    let text = |value| match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let (query, variables, operation_name) = (take("query"), take("variables"), take("operationName"));
    let mut request = graphql_request(text(query), variables, text(operation_name), &headers)?;
    let span = server_span(&mut request, &headers);
    Ok(Json(schema.execute(request).instrument(span).await).into_response())
}

/// The span of a request: a payment's trace begins here. A query that nobody traces has none, or every page that polls
/// would bury the payments.
fn server_span(request: &mut Request, headers: &HeaderMap) -> Span {
    let traceparent = telemetry::traceparent_in(headers);
    let kind = not_a_query(request).map_or("query", |_| "mutation");
    if kind == "query" && traceparent.is_none() {
        return Span::none();
    }
    let name = format!("POST /v1 {kind}");
    let span = tracing::info_span!("graphql", otel.name = name, otel.kind = "server");
    telemetry::continue_trace(&span, traceparent);
    span
}

fn graphql_request(
    query: Option<String>,
    variables: Value,
    operation_name: Option<String>,
    headers: &HeaderMap,
) -> Result<Request, BadRequest> {
    let mut request = Request::new(query.filter(|text| !text.is_empty()).ok_or(BadRequest::NoQuery)?);
    if !(variables.is_null() || variables.is_object()) {
        return Err(BadRequest::Variables);
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

/// The operation that would be executed, if it is no query. What cannot be parsed is left to the executor to explain.
fn not_a_query(request: &mut Request) -> Option<&'static str> {
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    let operation = match &document.operations {
        DocumentOperations::Single(operation) => operation,
        DocumentOperations::Multiple(operations) => operations.get(name?.as_str())?,
    };
    match operation.node.ty {
        OperationType::Query => None,
        OperationType::Mutation => Some("mutations"),
        OperationType::Subscription => Some("subscriptions"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

// === impl BadRequest ===

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        let status = match self {
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Json
            | Self::NoQuery
            | Self::Variables
            | Self::NotByGet(_)
            | Self::IdempotencyKey
            | Self::Subprotocol => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}
