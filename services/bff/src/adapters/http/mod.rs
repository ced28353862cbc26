//! The routes that browsers reach: GraphQL at `/v1`, events at `/stream`, what is served at `/spec`.

mod documented;
mod requests;
mod socket;
mod sse;

use std::net::IpAddr;
use std::sync::Arc;

use async_graphql::http::ALL_WEBSOCKET_PROTOCOLS;
use async_graphql::parser::types::OperationType;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::any;
use axum::{Json, Router};
use seedwork_runtime::problem::Problem;
use seedwork_runtime::serve::BODY_LIMIT;
use seedwork_runtime::spec::{self, Info, TooManyRequests};
use seedwork_runtime::{Auth, Caller, telemetry};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::documented::{Operacion, Respuesta};
use self::requests::{BadRequest, GetQuery, Refusal};
use super::graphql::Executor;
use super::limits::{Key, Limits, Usage};
use super::quien::Visita;
use super::tail::Tail;
use crate::Pace;
use crate::config::Network;

/// A page to try queries, mutations and subscriptions on. Our own: it loads nothing from elsewhere, so it works where
/// there is no internet, and no stranger's script runs beside payments.
const EXPLORER: &str = include_str!("explorer.html");

const INFO: Info = Info {
    title: "bff",
    description: "Where payments are asked for and watched. `/v1` is GraphQL (its schema: `schema.graphql`): queries and \
                  mutations by POST, queries by GET, subscriptions by WebSocket (graphql-transport-ws). `/stream` tells \
                  where each payment stays and how it ends, as server-sent events. With AUTH=jwt a client sees and pays \
                  for itself, an operator for all; streams end with the token they were opened with.",
};

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) executor: Executor,
    pub(crate) auth: Arc<Auth>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) proxies: Arc<[Network]>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) pace: Pace,
    /// Cancelled when the process stops.
    pub(crate) stop: CancellationToken,
    /// The open WebSockets.
    pub(crate) sockets: TaskTracker,
    /// The page to try operations on, where there is one.
    pub(crate) page: Option<Bytes>,
}

/// The routes, and the document and the page about them.
pub(crate) fn router(door: Door) -> Router {
    spec::finish(routes().with_state(door), INFO).route("/v1/", any(without_slash))
}

/// The page to try operations on, with the schema where it may be asked for.
pub(crate) fn page(executor: &Executor) -> Bytes {
    let sdl = executor.sdl().unwrap_or_default();
    EXPLORER.replace("{{SDL}}", &escape(&sdl)).into()
}

/// The document of the routes.
pub(crate) fn spec() -> String {
    spec::json(&spec::document(&routes(), INFO))
}

fn routes() -> OpenApiRouter<Door> {
    OpenApiRouter::default()
        .routes(routes!(by_get, by_post))
        .routes(routes!(sse::stream))
}

async fn without_slash(uri: Uri) -> Redirect {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Redirect::temporary(&format!("/v1{query}"))
}

// === impl Door ===

impl Door {
    fn address(&self, visita: &Visita) -> IpAddr {
        visita.address(&self.proxies)
    }

    fn usage(&self, visita: &Visita) -> Usage {
        visita.usage(self.address(visita))
    }
}

/// A query in the address, a WebSocket, or a page to try operations on
///
/// With `Upgrade: websocket` and one of the subprotocols graphql-transport-ws (or the older graphql-ws) this is where
/// subscriptions are made; a token comes in the Authorization header, or in the payload of connection_init as
/// `{"Authorization": "Bearer …"}`. Mutations are refused there (`MUTATION_BY_POST`). Without a query a browser gets a
/// page, where the deployment shows one.
#[utoipa::path(
    get, path = "/v1", operation_id = "consultar", tag = "graphql",
    params(
        ("query" = Option<String>, Query, min_length = 1, description = "A query; mutations go by POST"),
        ("variables" = Option<String>, Query, description = "The values of its variables, a JSON object"),
        ("operationName" = Option<String>, Query, description = "Which of its operations, if it has several"),
    ),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 200, description = "The answer, errors included", content(
            (Respuesta = "application/json"),
            (String = "text/html"),
        )),
        (status = 400, description = "Not a GraphQL query; the body is a sentence", body = String, content_type = "text/plain"),
        TooManyRequests,
    )
)]
async fn by_get(
    State(door): State<Door>,
    visita: Visita,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if let Ok(upgrade) = upgrade {
        return open_socket(door, &visita, upgrade, &headers);
    }
    if uri.query().unwrap_or_default().is_empty() {
        // The page itself asks nobody: what is asked for on it is.
        let page = door.page.ok_or(BadRequest::NoQuery)?;
        return Ok(Html(page).into_response());
    }
    door.limits.read(&door.usage(&visita))?;
    let quien = visita.quien()?;
    let Query(query): Query<GetQuery> = Query::try_from_uri(&uri).map_err(|_| BadRequest::NoQuery)?;
    let request = requests::by_get(&headers, query)?.data(quien.clone());
    let judged = door.executor.judge(request)?;
    match judged.kind() {
        Some(OperationType::Mutation) => return Err(BadRequest::NotByGet("mutations").into()),
        Some(OperationType::Subscription) => return Err(BadRequest::NotByGet("subscriptions").into()),
        Some(OperationType::Query) | None => {}
    }
    Ok(Json(door.executor.execute(judged).await).into_response())
}

fn open_socket(
    door: Door,
    visita: &Visita,
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let protocol = socket::protocol(headers).ok_or(BadRequest::Subprotocol)?;
    let address = door.address(visita);
    door.limits.read(&door.usage(visita))?;
    let quien = visita.quien().cloned();
    let key = match &quien {
        Ok(quien) => {
            refuse_other_sites(quien.caller(), headers)?;
            quien.key(address)
        }
        // What is shown must hold; who shows nothing may say later who they are, and is an address until then.
        Err(problem) if headers.contains_key(header::AUTHORIZATION) => return Err(problem.clone().into()),
        Err(_) => Some(Key::address(address)),
    };
    let mut place = door.limits.place()?;
    place.give_to(key)?;
    let traceparent = telemetry::traceparent_in(headers).map(str::to_owned);
    let upgrade = upgrade
        .protocols(ALL_WEBSOCKET_PROTOCOLS)
        .max_message_size(BODY_LIMIT)
        .max_frame_size(BODY_LIMIT);
    let sockets = door.sockets.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        let talk = socket::serve(socket, protocol, door, address, quien, place, traceparent);
        sockets.track_future(talk)
    }))
}

/// A browser lets any page open a socket anywhere, and says from what site: where nobody is asked who they are, a page
/// from elsewhere would read what is here.
fn refuse_other_sites(caller: &Caller, headers: &HeaderMap) -> Result<(), Problem> {
    match caller {
        Caller::Anyone => {}
        // No page of a stranger's has a token to show.
        Caller::Cliente { .. } | Caller::Operador { .. } | Caller::App(_) => return Ok(()),
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let site = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if let (Some((_, site)), Some(host)) = (site, host)
        && site.eq_ignore_ascii_case(host)
    {
        return Ok(());
    }
    let sentence = "una página de otro sitio no puede abrir aquí un WebSocket";
    Err(Problem::of(StatusCode::FORBIDDEN, sentence))
}

/// A query or a mutation
///
/// GraphQL errors are answered with 200 and `errors`, each with a stable `extensions.code`. With Idempotency-Key a
/// repeated mutation is the same payment; the same key with another payment is refused, and so is a repeat while the first
/// is being answered.
#[utoipa::path(
    post, path = "/v1", operation_id = "ejecutar", tag = "graphql",
    params(("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 characters: repeats of a mutation under one key are one payment. Another length is \
                           answered as a GraphQL error")),
    request_body = Operacion,
    responses(
        (status = 200, description = "The answer, errors included", body = Respuesta),
        (status = 400, description = "Not a GraphQL request, or one of several mutations; the body is a sentence", body = String,
         content_type = "text/plain"),
        (status = 413, description = "The body is too large", body = String, content_type = "text/plain"),
        (status = 415, description = "The body is not JSON", body = String, content_type = "text/plain"),
        TooManyRequests,
    )
)]
async fn by_post(
    State(door): State<Door>,
    visita: Visita,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let usage = door.usage(&visita);
    door.limits.read(&usage)?;
    let quien = visita.quien()?;
    if !requests::is_json(&headers) {
        return Err(BadRequest::MediaType.into());
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => BadRequest::TooLarge,
        _ => BadRequest::Unread,
    })?;
    let request = requests::by_post(&headers, &body)?.data(quien.clone());
    let judged = door.executor.judge(request)?;
    match judged.changes() {
        None => {}
        Some(0 | 1) => door.limits.write(&usage, 1)?,
        // If one fails there is no data, and so nothing of what the others did; nor is one key enough for two payments.
        Some(_) => return Err(BadRequest::Mutations.into()),
    }
    let span = server_span("POST", judged.kind(), telemetry::traceparent_in(&headers));
    Ok(Json(door.executor.execute(judged).instrument(span).await).into_response())
}

/// The span of an operation: a payment's trace begins here. A query that nobody traces has none, or every page that polls
/// would bury the payments.
fn server_span(method: &str, kind: Option<OperationType>, traceparent: Option<&str>) -> Span {
    let kind = match kind {
        Some(OperationType::Mutation) => "mutation",
        Some(OperationType::Subscription) => "subscription",
        Some(OperationType::Query) | None => "query",
    };
    if kind == "query" && traceparent.is_none() {
        return Span::none();
    }
    let name = format!("{method} /v1 {kind}");
    let span = tracing::info_span!("graphql", otel.name = name, otel.kind = "server");
    telemetry::continue_trace(&span, traceparent);
    span
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_no_faults() {
        assert_eq!(spec::faults(&spec::document(&routes(), INFO)), [""; 0]);
    }
}
