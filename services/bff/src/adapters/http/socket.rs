//! GraphQL over a WebSocket: subscriptions, and queries that a client sends on it, under the same guards as over HTTP.
//! Mutations go by POST: a client that connects again repeats what it sent, and could not say that it is a repeat.
//!
//! ```text
//! socket ──frames──▶ looked at ──▶ the protocol (connection_init, subscribe, …) ──▶ Session ──▶ the schema
//!   ▲ └── closed when the token ends, when nobody says who they are, or is there any   │
//!   │     more, and when the process stops                                             │
//!   └──────────────────────────────── answers ◀────────────────────────────────────────┘
//! ```

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_graphql::http::{WebSocket as Conversation, WebSocketProtocols, WsMessage};
use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Request, Response};
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use futures::future::Either;
use futures::stream::{BoxStream, SplitSink};
use futures::{FutureExt as _, SinkExt as _, Stream, StreamExt as _, future, stream};
use seedwork_runtime::problem::Problem;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tracing::Span;

use super::{Door, server_span};
use crate::adapters::graphql::{self, Code, coded};
use crate::adapters::limits::{Excess, Place, Usage};
use crate::adapters::numbers;
use crate::adapters::quien::Quien;

/// How many operations may be under way on one socket.
const OPERATIONS: usize = 20;

/// How many frames may wait to be looked at.
const WAITING: usize = 16;

/// How many refused operations may wait to be answered on one socket. While as many do, no frame is read.
const REFUSALS: usize = 16;

/// How many pings in a row may be followed by silence. After that nobody is there.
const PINGS: u32 = 2;

/// Nobody said who they are, or the token has ended (graphql-transport-ws, "Unauthorized").
const UNAUTHORIZED: u16 = 4401;

/// Who it is may not (graphql-transport-ws, "Forbidden").
const FORBIDDEN: u16 = 4403;

/// No connection_init came (graphql-transport-ws).
const INIT_TIMEOUT: u16 = 4408;

/// The longest reason that fits in a frame, in bytes (RFC 6455, 5.5.1: 125 with the code).
const REASON: usize = 123;

/// The guards around the schema, for one socket.
#[derive(Clone)]
struct Session {
    door: Door,
    address: IpAddr,
    /// Known from connection_init on.
    quien: Arc<OnceLock<Quien>>,
    operations: Arc<Semaphore>,
    /// The refused operations that are not answered yet.
    refusals: TaskTracker,
    /// The trace that the upgrade came with.
    traceparent: Option<Arc<str>>,
}

/// Answers connection_init.
struct Greeting {
    door: Door,
    address: IpAddr,
    /// Who the upgrade's own headers say it is.
    by_header: Result<Quien, Problem>,
    quien: Arc<OnceLock<Quien>>,
    place: Arc<Mutex<Place>>,
    /// With what code the socket is closed after a refusal.
    refused: Arc<OnceLock<u16>>,
    known: oneshot::Sender<Quien>,
}

/// The first subprotocol that a client offers and we speak.
pub(super) fn protocol(headers: &HeaderMap) -> Option<WebSocketProtocols> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    offered.split(',').find_map(|name| name.trim().parse().ok())
}

/// Talks until either side has had enough, the token ends, the process stops, or nobody is there any more.
pub(super) async fn serve(
    socket: WebSocket,
    protocol: WebSocketProtocols,
    door: Door,
    address: IpAddr,
    by_header: Result<Quien, Problem>,
    place: Place,
    traceparent: Option<String>,
) {
    let (frames, input) = mpsc::channel::<Vec<u8>>(WAITING);
    let (known, knows) = oneshot::channel();
    let quien = Arc::new(OnceLock::new());
    let refused = Arc::new(OnceLock::new());
    let place = Arc::new(Mutex::new(place));
    let pace = door.pace;
    let stop = door.stop.clone();
    let refusals = TaskTracker::new();
    let session = Session {
        door: door.clone(),
        address,
        quien: Arc::clone(&quien),
        operations: Arc::new(Semaphore::new(OPERATIONS)),
        refusals: refusals.clone(),
        traceparent: traceparent.map(Arc::from),
    };
    let greeting = Greeting {
        door,
        address,
        by_header,
        quien,
        place: Arc::clone(&place),
        refused: Arc::clone(&refused),
        known,
    };
    let conversation = Conversation::new(session, ReceiverStream::new(input), protocol)
        .on_connection_init(move |payload| greeting.answer(payload));
    let mut conversation = std::pin::pin!(conversation);
    let mut ended = std::pin::pin!(ended(knows, pace.hello));
    let mut pings = tokio::time::interval_at(Instant::now() + pace.ping, pace.ping);
    // After one that comes late there is as much time to answer as after any.
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let (mut out, mut source) = socket.split();
    let close = loop {
        // A frame is read when there is room for it, and for the refusal that it may become, so that a flood waits at the
        // socket and not in memory.
        let read = async {
            let room = frames.reserve().await;
            (room, source.next().await)
        };
        // One is not to keep the other waiting: a question may be to end what answers without a pause. Where frames wait for
        // refusals there is always one to be said, and they are counted again after it.
        let talk = async {
            tokio::select! {
                said = conversation.next() => Either::Left(said),
                heard = read, if refusals.len() < REFUSALS => Either::Right(heard),
            }
        };
        // In this order: an end is not put off by what else there is to do, and silent is only who sent nothing that waits
        // to be read.
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => break Some((close_code::RESTART, "el servicio se reinicia".to_owned())),
            (code, reason) = &mut ended => break Some((code, reason.to_owned())),
            talk = talk => match talk {
                // Subscriptions end when the process stops. Told that they are complete, a client would not come back.
                Either::Left(Some(WsMessage::Text(_))) if stop.is_cancelled() => continue,
                Either::Left(Some(WsMessage::Text(text))) => Message::Text(text.into()),
                Either::Left(Some(WsMessage::Close(code, reason))) => {
                    break Some((refused.get().copied().unwrap_or(code), reason));
                }
                Either::Left(None) => break None,
                Either::Right((room, frame)) => {
                    unanswered = 0;
                    let frame = match frame {
                        Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                        Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    };
                    let Some(answer) = inexact(&frame, protocol) else {
                        if let Ok(room) = room {
                            room.send(frame);
                        }
                        continue;
                    };
                    Message::Text(answer.into())
                }
            },
            _ = pings.tick() => {
                if unanswered == PINGS {
                    return;
                }
                unanswered += 1;
                Message::Ping(Bytes::new())
            },
        };
        if !sent(&mut out, message, pace.ping).await {
            return;
        }
    };
    let close = close.map(|(code, reason)| CloseFrame {
        code,
        reason: short(reason).into(),
    });
    // Who has gone already is not told.
    let _ = sent(&mut out, Message::Close(close), pace.ping).await;
}

/// Whether a message was sent in time: who takes none is as good as gone.
async fn sent(out: &mut SplitSink<WebSocket, Message>, message: Message, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, out.send(message)).await, Ok(Ok(())))
}

/// When the socket ends by itself: nobody says who they are, or the token of who did ends.
async fn ended(knows: oneshot::Receiver<Quien>, patience: Duration) -> (u16, &'static str) {
    match tokio::time::timeout(patience, knows).await {
        Ok(Ok(quien)) => {
            quien.expired().await;
            (UNAUTHORIZED, "el token ha terminado")
        }
        Ok(Err(_)) => future::pending().await, // refused: the conversation ends it
        Err(_) => (INIT_TIMEOUT, "Connection initialisation timeout"),
    }
}

/// The answer to a frame with a number that would be read as another one. Such a frame goes no further.
fn inexact(frame: &[u8], protocol: WebSocketProtocols) -> Option<String> {
    let number = std::str::from_utf8(frame).ok().and_then(numbers::first_inexact)?;
    let message: Value = serde_json::from_slice(frame).ok()?;
    let id = message.get("id")?.as_str()?;
    let errors = &graphql::inexact(number).errors;
    let answer = match protocol {
        WebSocketProtocols::GraphQLWS => json!({"type": "error", "id": id, "payload": errors}),
        WebSocketProtocols::SubscriptionsTransportWS => json!({"type": "error", "id": id, "payload": errors.first()}),
    };
    Some(answer.to_string())
}

fn short(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON));
    reason
}

// === impl Greeting ===

impl Greeting {
    async fn answer(self, payload: Value) -> async_graphql::Result<Data> {
        let refused = Arc::clone(&self.refused);
        self.judge(&payload).await.map_err(|problem| {
            let code = match problem.status() {
                StatusCode::UNAUTHORIZED => UNAUTHORIZED,
                StatusCode::FORBIDDEN => FORBIDDEN,
                _ => close_code::AGAIN,
            };
            let _ = refused.set(code);
            async_graphql::Error::new(problem.detail())
        })
    }

    /// The token in the payload counts before that of the header: a browser can send no header here.
    async fn judge(self, payload: &Value) -> Result<Data, Problem> {
        let Self {
            door,
            address,
            by_header,
            quien,
            place,
            refused: _,
            known,
        } = self;
        let shown = ["Authorization", "authorization"]
            .iter()
            .find_map(|name| payload.get(*name));
        let judged = match shown {
            None => by_header?,
            Some(shown) => {
                // What is no text is no token, and is refused as such.
                let shown = shown.as_str().unwrap_or_default();
                let caller = door.auth.judge_bearer(shown).await?;
                Quien::new(caller, Some(shown))
            }
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        place.give_to(judged.key(address))?;
        let _ = quien.set(judged.clone());
        let _ = known.send(judged.clone());
        let mut data = Data::default();
        data.insert(judged);
        Ok(data)
    }
}

// === impl Session ===

impl Session {
    /// Whether an operation may be executed; a refusal is the answer to it.
    fn admit(&self, request: Request) -> Result<(Request, Span, OwnedSemaphorePermit), Box<Response>> {
        let refuse = |excess| Box::new(graphql::excess(excess));
        // Nothing is executed before it is known.
        let usage = self
            .quien
            .get()
            .map_or_else(Usage::default, |quien| quien.usage(self.address));
        self.door.limits.read(&usage).map_err(refuse)?;
        let judged = self.door.executor.judge(request)?;
        match judged.kind() {
            Some(OperationType::Mutation) => return Err(Box::new(graphql::by_post())),
            Some(OperationType::Query | OperationType::Subscription) | None => {}
        }
        let span = server_span("WS", judged.kind(), self.traceparent.as_deref());
        let operations = Arc::clone(&self.operations);
        let permit = operations.try_acquire_owned().map_err(|_| refuse(Excess::Streams))?;
        Ok((judged.into_request(), span, permit))
    }
}

impl async_graphql::Executor for Session {
    async fn execute(&self, request: Request) -> Response {
        let mut answers = self.execute_stream(request, None);
        answers.next().await.unwrap_or_default()
    }

    fn execute_stream(&self, request: Request, data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match self.admit(request) {
            Err(answer) => held_by(stream::once(future::ready(*answer)), self.refusals.token()),
            Ok((request, span, permit)) => {
                let schema = self.door.executor.schema();
                let mut answers = async_graphql::Executor::execute_stream(schema, request, data);
                // Whatever is done for it is done within its span, which ends with it.
                let answers = stream::poll_fn(move |cx| span.in_scope(|| answers.poll_next_unpin(cx)));
                held_by(answers.map(|answer| coded(answer, Code::Validation)), permit)
            }
        }
    }
}

/// Answers, and what is given back when they have ended or the operation was stopped.
fn held_by<H: Send + 'static>(
    answers: impl Stream<Item = Response> + Send + 'static,
    held: H,
) -> BoxStream<'static, Response> {
    answers
        .chain(
            async move { drop(held) }
                .into_stream()
                .filter_map(|()| future::ready(None)),
        )
        .boxed()
}
