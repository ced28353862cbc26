//! The whole system in one thread and virtual time, a world per seed.
//!
//! ```text
//!   people ──▶ doors (the real intake) ──▶ broker ──▶ the real handlers ──▶ sidecar: documents, messages
//!     │                                     (model)        │   │   └──▶ SQL: real SQLite, in this thread
//!     │ kubectl                                            │   └──▶ gateway, message provider (the services' own doubles)
//!     ▼                                                    ▼
//!   API server (model) ◀──────────────── the operator's real shell, archive and engine ◀── watch (model)
//!
//!   plan   what goes wrong, drawn from the seed       life   an await point: be slow, stand still, be refused, die
//!   laws   looked at while things happen              judge  what is left behind, for the checker
//!   coverage   what all worlds of a run looked at     people  ask, meddle, settle what nobody can undo
//! ```
//!
//! Real: the engine and the operator's shell (requests, replies, reconcile, record, retire, archive, the telling of
//! ends), the laws of participants and each participant, the intake, the BFF's read model, the chargebacks, every SQL
//! statement. In a tenth of the worlds events also pass the real inbox as JSON over HTTP.
//!
//! Modelled: Dapr and the broker (as `pubsub.redis` behaves), the API server with its rules, the watch and the queue of
//! kube's controller (whose order is not deterministic), the gateway, the message provider, time. Not here at all: the
//! BFF's streams and GraphQL, clients' registration, the drain, reminders and automatic retries, reconciliation with
//! the gateway.
//!
//! Architecture invariants: one thread, a paused clock and seeded dice, so a seed is one world and can be played again;
//! nothing in here reads a real clock, and no collection whose order is random is walked.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod controller;
pub mod coverage;
pub mod judge;
pub mod laws;
pub mod life;
pub mod model;
pub mod people;
pub mod plan;
pub mod run;
pub mod sql;
pub mod system;
pub mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use coverage::Coverage;
pub use run::{Outcome, play};
pub use system::Bases;

/// What a mutex holds. Whoever panicked with it in hand is told of elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
