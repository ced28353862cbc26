//! The shell of every service: everything that touches the outside, once.
//!
//! ```text
//!             daprd ──POST /inbox──▶ inbox ──▶ a service's handler ──▶ participant (the laws)
//!               ▲                                                     │
//!               └──────────── sidecar (state, publish, invoke) ◀──────┘
//! auth        who asks                              spec       the OpenAPI document and its page
//! config      what every binary is told             serve      listen, health, stop
//! intake      requests, durable before the answer   sql        the pool behind read models and intake
//! problem     problem+json, the HTTP edge           telemetry  one trace per payment
//! members     a JSON object, read member by member
//! http        the client towards what is not behind the sidecar
//! leader      which replica does a timed job
//! fitness     what the components behind the sidecar must be able to do
//! ```
//!
//! Architecture invariant: no other crate names dapr, tonic or opentelemetry (the simulated gateway, which shares no
//! crate with us, apart).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod auth;
pub mod config;
pub mod fitness;
#[cfg(any(test, feature = "test-support"))]
pub mod fuzz;
pub mod http;
pub mod inbox;
pub mod intake;
pub mod leader;
pub mod members;
pub mod participant;
pub mod problem;
pub mod serve;
pub mod sidecar;
#[cfg(any(test, feature = "test-support"))]
pub mod simulated;
pub mod spec;
pub mod sql;
pub mod telemetry;

use seedwork::{App, Fault, Message};

pub use auth::{Auth, AuthArgs, Caller};
pub use config::{Secret, ServiceArgs};
pub use inbox::{Delivery, Inbox};
pub use sidecar::{Expect, Sidecar};

/// Sends a message to an application's inbox. The current span becomes the receiver's parent.
pub async fn send(sidecar: &dyn Sidecar, from: App, to: App, message: &Message) -> Result<(), Fault> {
    let event = sidecar::Event::new(from, message)?;
    sidecar.publish(&to.inbox(), event).await?;
    Ok(())
}

/// Milliseconds since the Unix epoch: the clock of rows that must outlive a process.
pub fn now_ms() -> i64 {
    #[cfg(any(test, feature = "test-support"))]
    if let Some(virtual_ms) = simulated::now_ms() {
        return virtual_ms;
    }
    #[expect(clippy::disallowed_methods, reason = "the shell's one wall clock")]
    chrono::Utc::now().timestamp_millis()
}

/// The current time as RFC 3339 in UTC, to the second: `2026-11-24T18:00:00Z`.
pub fn now_text() -> String {
    let now = chrono::DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
    now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// A random pause below `below` milliseconds, so that those who ask do not ask all at once.
pub fn jitter_ms(below: i64) -> i64 {
    #[cfg(any(test, feature = "test-support"))]
    if let Some(thrown) = simulated::jitter_ms(below) {
        return thrown;
    }
    rand::Rng::random_range(&mut rand::rng(), 0..below)
}

/// A new identity, ordered by time.
pub fn new_id() -> uuid::Uuid {
    #[cfg(any(test, feature = "test-support"))]
    if let Some(seeded) = simulated::new_id() {
        return seeded;
    }
    #[expect(clippy::disallowed_methods, reason = "the shell's one source of ids")]
    uuid::Uuid::now_v7()
}
