//! The operator: one `PaymentSaga` resource per payment, reconciled by the pure engine in `saga`.
//!
//! ```text
//!  requests ── SolicitarPago ──▶ create ─┐                       ┌─▶ participants' inboxes
//!  replies ─── FacturacionCreada … ─▶ saga::apply ──────▶ record ─┤
//!  reconcile ─ watch, timers ──────────▶ saga::next ────▶ record ─┴─▶ announce (BFF) ─▶ archive ─▶ leave etcd
//! ```
//!
//! crd        the resource and the rules the API server enforces
//! resource   resource ⇄ engine state, pure
//! resources  the port to the API server
//! record     the only writer: compare-and-swap, and the proof that it happened
//! memory     what this replica remembers of each record (monotonic clock, sends)
//! ahead      how far this replica has brought the running payments, which of them stay somewhere, how long answers take
//! room       how many may be under way, and the requests that wait for room
//! intake     whether new payments are taken: not while a release is drained
//! census     how many payments stand where, as a metric
//! shell      what the three paths share: publish a command, announce a state, raise an event
//!
//! Architecture invariants: a command is published only with a [`record::Recorded`] in hand; a reply is ignored
//! only on a fresh read, duplicates apart; losing a write race means reading again, never forcing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ahead;
pub mod app;
pub mod archive;
pub mod census;
pub mod config;
pub mod crd;
pub mod drain;
pub mod fault;
pub mod inbox;
pub mod intake;
pub mod memory;
pub mod reconcile;
pub mod record;
pub mod replies;
pub mod requests;
pub mod resource;
pub mod resources;
pub mod retire;
pub mod room;
pub mod shell;
