//! The port to Dapr: state with compare-and-swap, publish, invoke.

#[cfg(any(test, feature = "test-support"))]
pub mod contract;
mod dapr;
#[cfg(any(test, feature = "test-support"))]
mod memory;

use async_trait::async_trait;
use seedwork::{App, Fault, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::dapr::DaprSidecar;
#[cfg(any(test, feature = "test-support"))]
pub use memory::{Asked, MemorySidecar, Posted, Published};

/// A stored value and the version it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bytes as they were put.
    pub value: Vec<u8>,
    /// The version, opaque.
    pub etag: String,
}

/// What a conditional write expects to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing under this key.
    Absent,
    /// The version that was read.
    Version(String),
}

/// Why a call to the sidecar failed.
#[derive(Debug, thiserror::Error)]
pub enum SidecarError {
    /// A conditional write found another version than expected.
    #[error("{key} was changed by someone else")]
    Conflict {
        /// The key.
        key: String,
    },
    /// The sidecar, or what is behind it, does not answer or refuses.
    #[error("failed to {doing}")]
    Unavailable {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An event on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unique per attempt: some brokers drop an id they have seen.
    pub id: String,
    /// CloudEvent `type`.
    pub event_type: String,
    /// CloudEvent `source`: the sender's app id.
    pub source: String,
    /// CloudEvent `subject`: the payment.
    pub subject: String,
    /// W3C trace context of the sender's span.
    pub traceparent: Option<String>,
    /// The payload.
    pub data: serde_json::Value,
}

/// The answer to a service invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// HTTP status of the invoked application.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a service may ask of its Dapr sidecar. Held as `Arc<dyn Sidecar>`; its two implementations pass one contract
/// suite (`contract.rs`).
#[async_trait]
pub trait Sidecar: Send + Sync + 'static {
    /// Reads a value with strong consistency.
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError>;

    /// Writes a value if the store still holds what is expected.
    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError>;

    /// Publishes an event on a topic; returns once the broker has it.
    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError>;

    /// `GET path` on another application, by Dapr service invocation.
    async fn invoke_get(&self, app: App, path: &str) -> Result<Invoked, SidecarError>;

    /// `GET path` on another application for a caller of ours: `authorization` is the caller's own header, passed on,
    /// so that the other application judges the same token. Without one it is we who ask.
    async fn invoke_get_as(&self, app: App, path: &str, authorization: Option<&str>) -> Result<Invoked, SidecarError> {
        match authorization {
            None => self.invoke_get(app, path).await,
            // Asking in our own name instead would show a caller what is not theirs.
            Some(_) => Err(SidecarError::Unavailable {
                doing: format!("ask {app} for {path} in a caller's name"),
                source: "this sidecar passes no Authorization header on".into(),
            }),
        }
    }

    /// `POST path` with a JSON body on another application. `authorization` as in
    /// [`invoke_get_as`](Self::invoke_get_as). `key` is the `Idempotency-Key`: the call may be repeated on its way, so
    /// what makes something is only asked for under one.
    async fn invoke_post_as(
        &self,
        app: App,
        path: &str,
        authorization: Option<&str>,
        key: &str,
        body: &serde_json::Value,
    ) -> Result<Invoked, SidecarError> {
        let _ = (authorization, key, body);
        Err(SidecarError::Unavailable {
            doing: format!("ask {app} to take a POST on {path}"),
            source: "this sidecar only asks".into(),
        })
    }

    /// Whether the sidecar can publish and store now.
    async fn ready(&self) -> Result<(), SidecarError>;
}

/// A typed document and the version to write it back over.
#[derive(Debug, Clone)]
pub struct Document<T> {
    /// The value; `None` when there is none yet.
    pub value: Option<T>,
    /// What the next write expects.
    pub expect: Expect,
}

/// Reads a JSON document.
pub async fn load<T: DeserializeOwned>(sidecar: &dyn Sidecar, key: &str) -> Result<Document<T>, Fault> {
    match sidecar.get(key).await? {
        None => Ok(Document {
            value: None,
            expect: Expect::Absent,
        }),
        Some(Stored { value, etag }) => {
            let value = serde_json::from_slice(&value)
                .map_err(|error| Fault::bug(format!("failed to read the document {key}"), error))?;
            Ok(Document {
                value: Some(value),
                expect: Expect::Version(etag),
            })
        }
    }
}

/// Writes a JSON document if nobody wrote it since it was read; [`Fault::Conflict`] otherwise.
pub async fn save<T: Serialize>(sidecar: &dyn Sidecar, key: &str, value: &T, expect: Expect) -> Result<(), Fault> {
    let bytes =
        serde_json::to_vec(value).map_err(|error| Fault::bug(format!("failed to write the document {key}"), error))?;
    Ok(sidecar.put(key, bytes, expect).await?)
}

// === impl Event ===

impl Event {
    /// The event that carries a message; the current span is its parent.
    pub fn new(from: App, message: &Message) -> Result<Self, Fault> {
        let data = message
            .data()
            .map_err(|error| Fault::bug(format!("failed to write a {}", message.event_type()), error))?;
        Ok(Self {
            id: format!("{}/{}", message.key(), crate::new_id().simple()),
            event_type: message.event_type().to_owned(),
            source: from.id().to_owned(),
            subject: message.subject().to_string(),
            traceparent: crate::telemetry::current_traceparent(),
            data,
        })
    }
}

impl From<SidecarError> for Fault {
    fn from(error: SidecarError) -> Self {
        match error {
            SidecarError::Conflict { key } => Self::Conflict(key),
            SidecarError::Unavailable { doing, source } => Self::Unavailable {
                context: format!("failed to {doing}"),
                source: Some(source),
            },
        }
    }
}
