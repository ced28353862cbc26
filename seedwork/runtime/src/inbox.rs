//! Events in: daprd posts each to `/inbox`; we route by CloudEvent `type`.
//!
//! Every answer is an explicit `{"status": …}`: daprd takes any 2xx without one for a success, and a 404 for a drop.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use seedwork::{App, Fault, Message};
use serde::Deserialize;
use tracing::Instrument as _;

use crate::config::{Secret, ServiceArgs};

/// A message that has arrived, and who says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The CloudEvent `source`, where it is one of ours.
    pub source: Option<App>,
}

/// What a service does with its messages. Must be safe to repeat: every message can come again.
#[async_trait]
pub trait Inbox: Send + Sync + 'static {
    /// Handles one message. A retryable fault is delivered again a bounded number of times and then dead-lettered;
    /// any other is dead-lettered at once. Nothing is lost by that: what matters has an owner who asks again.
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault>;
}

#[derive(Clone)]
struct Desk {
    inbox: Arc<dyn Inbox>,
    token: Option<Secret>,
}

/// The parts of a CloudEvent that we read.
#[derive(Deserialize)]
struct CloudEvent {
    id: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    source: Option<String>,
    traceparent: Option<String>,
    #[serde(default)]
    data: serde_json::Value,
}

enum Ack {
    Success,
    Retry,
    Drop,
}

/// The routes that daprd calls: `GET /dapr/subscribe` and `POST /inbox`.
pub fn router(app: App, args: &ServiceArgs, inbox: Arc<dyn Inbox>) -> Router {
    let subscriptions = serde_json::json!([{
        "pubsubname": args.pubsub_name,
        "topic": app.inbox(),
        "route": "/inbox",
        "deadLetterTopic": app.dead_letters(),
    }]);
    let desk = Desk {
        inbox,
        token: args.app_api_token.clone(),
    };
    Router::new()
        .route("/dapr/subscribe", get(move || async move { axum::Json(subscriptions) }))
        .route("/inbox", post(deliver))
        // Whole states and dead letters are larger than what a stranger may post.
        .layer(axum::extract::DefaultBodyLimit::max(1024 * 1024))
        .with_state(desk)
}

async fn deliver(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    let shown = headers.get("dapr-api-token").map(axum::http::HeaderValue::as_bytes);
    if let Some(token) = &desk.token
        && !shown.is_some_and(|shown| token.matches(shown))
    {
        tracing::warn!("an event without our token was refused");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let event: CloudEvent = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => {
            tracing::warn!(%error, "an event that cannot be read goes to the dead letters");
            return Ack::Drop.into_response();
        }
    };
    let CloudEvent {
        id,
        event_type,
        source,
        traceparent,
        data,
    } = event;
    let name = format!("receive {}", beginning(&event_type, 64));
    let span = tracing::info_span!(
        "inbox",
        otel.name = name,
        otel.kind = "consumer",
        id_correlacion = tracing::field::Empty
    );
    let header = crate::telemetry::traceparent_in(&headers);
    crate::telemetry::continue_trace(&span, header.or(traceparent.as_deref()));
    handle(&desk, id.as_deref(), &event_type, source, data)
        .instrument(span)
        .await
        .into_response()
}

async fn handle(
    desk: &Desk,
    event_id: Option<&str>,
    event_type: &str,
    source: Option<String>,
    data: serde_json::Value,
) -> Ack {
    let message = match Message::decode(event_type, data) {
        Ok(message) => message,
        Err(error) => {
            let detail = std::error::Error::source(&error).map(|source| beginning(&source.to_string(), 256));
            tracing::warn!(event_id, %error, detail, "a message that cannot be read goes to the dead letters");
            return Ack::Drop;
        }
    };
    let id = message.subject().clone();
    tracing::Span::current().record("id_correlacion", id.as_str());
    let delivery = Delivery {
        message,
        source: source.as_deref().and_then(App::from_id),
    };
    // A panic in a handler must not be taken for anything but "try again, then set aside".
    let inbox = Arc::clone(&desk.inbox);
    let task = tokio::spawn(async move { inbox.receive(delivery).await }.in_current_span());
    match task.await {
        Ok(Ok(())) => Ack::Success,
        Ok(Err(fault)) if fault.retryable() => {
            tracing::warn!(%id, event_type, error = fault.chain(), "unable to handle a message now");
            Ack::Retry
        }
        Ok(Err(fault)) => {
            tracing::warn!(%id, event_type, error = fault.chain(), "a message goes to the dead letters");
            Ack::Drop
        }
        Err(error) => {
            tracing::error!(%id, event_type, %error, "a handler panicked");
            Ack::Retry
        }
    }
}

/// The beginning of a text that a stranger may have written, for a log or a trace; printable.
fn beginning(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

impl IntoResponse for Ack {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Success => "SUCCESS",
            Self::Retry => "RETRY",
            Self::Drop => "DROP",
        };
        axum::Json(serde_json::json!({ "status": status })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::Body;
    use axum::http::Request;
    use clap::Parser;
    use seedwork::{IdCorrelacion, Reason};
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        service: ServiceArgs,
    }

    #[derive(Default)]
    struct Recorder {
        seen: Mutex<Vec<Delivery>>,
        fault: Mutex<Option<Fault>>,
        panics: bool,
    }

    #[async_trait]
    impl Inbox for Recorder {
        async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
            assert!(!self.panics, "planted by the test");
            self.seen.lock().unwrap().push(delivery);
            self.fault.lock().unwrap().take().map_or(Ok(()), Err)
        }
    }

    async fn post(inbox: Arc<Recorder>, token: &str, body: &str) -> (StatusCode, serde_json::Value) {
        let args = Args::parse_from([
            "test",
            "--port",
            "1",
            "--database-url",
            "sqlite::memory:",
            "--app-api-token",
            "t",
        ]);
        let request = Request::post("/inbox")
            .header("dapr-api-token", token)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = router(App::Bff, &args.service, inbox).oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn event() -> String {
        let id = IdCorrelacion::parse("p-1").unwrap();
        let message = Message::SolicitudRechazada {
            id_correlacion: id,
            reason: Reason::new("R", "r"),
        };
        serde_json::json!({"type": message.event_type(), "source": "operator", "data": message.data().unwrap()})
            .to_string()
    }

    #[tokio::test]
    async fn a_message_is_handed_over_with_its_source_and_acknowledged() {
        let inbox = Arc::new(Recorder::default());
        let (status, body) = post(Arc::clone(&inbox), "t", &event()).await;
        assert_eq!((status, body["status"].as_str()), (StatusCode::OK, Some("SUCCESS")));
        assert_eq!(inbox.seen.lock().unwrap()[0].source, Some(App::Operator));
    }

    #[tokio::test]
    async fn an_event_without_the_token_never_reaches_the_handler() {
        let inbox = Arc::new(Recorder::default());
        let (status, _) = post(Arc::clone(&inbox), "wrong", &event()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(inbox.seen.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_dropped_to_the_dead_letters() {
        for body in [
            "",
            "{",
            "[]",
            r#"{"type":"Nada","data":{}}"#,
            r#"{"type":"FinalRecibido","data":{"x":1}}"#,
        ] {
            let (status, answer) = post(Arc::default(), "t", body).await;
            assert_eq!(
                (status, answer["status"].as_str()),
                (StatusCode::OK, Some("DROP")),
                "{body}"
            );
        }
    }

    #[tokio::test]
    async fn a_fault_that_may_pass_is_retried_and_one_that_cannot_is_dropped() {
        for (fault, expected) in [
            (Fault::Conflict("x".into()), "RETRY"),
            (Fault::unavailable("x", "y"), "RETRY"),
            (Fault::Rejected(vec!["x".into()]), "DROP"),
        ] {
            let inbox = Arc::new(Recorder {
                fault: Mutex::new(Some(fault)),
                ..Recorder::default()
            });
            let (_, answer) = post(inbox, "t", &event()).await;
            assert_eq!(answer["status"].as_str(), Some(expected));
        }
    }

    #[tokio::test]
    async fn a_panicking_handler_is_a_retry_not_an_acknowledgement() {
        let (status, answer) = post(
            Arc::new(Recorder {
                panics: true,
                ..Recorder::default()
            }),
            "t",
            &event(),
        )
        .await;
        assert_eq!((status, answer["status"].as_str()), (StatusCode::OK, Some("RETRY")));
    }
}
