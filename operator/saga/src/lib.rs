//! The saga engine: what a payment does next, from recorded state alone.
//!
//! ```text
//!   reply ──▶ apply(&Saga, &Respuesta) ──▶ Changed(Saga) │ Ignored(why)
//!   bank  ──▶ chargeback(&Saga, Reason) ─▶ Changed(Saga) │ Ignored(why)
//!   time  ──▶ next(&Saga, &Controls, &Memory) ──▶ Record(Saga) │ Send(Action) │ Wait │ Rest │ Ended
//!
//!   forward    Pending ▶ Issued ▶ Done                     every step Done ............ Completed
//!                          ╰────▶ Refused, Expired         only where the policy says to go on without the step
//!   backward   (issued, whatever came of it) ▶ Undoing ▶ Undone    last step first; then the client is told
//!                                   ╰─▶ UndoFailing ▶ Undone, Resolved       shown as Stalled, retried for ever
//!                                                     Resolved ▶ Undone      where the participant was silent: still asked
//! ```
//!
//! The shell's part is fixed: write the value that [`apply`] or [`next`] gave with the version that was read (a
//! conflict means: read again, decide again), and only then publish what [`Saga::outstanding`] says; a value that
//! [`may_wait`] for its write is published first and written soon. Publishing is never recorded: the outstanding command
//! is published again, by any replica, until its answer is.
//!
//! Architecture invariants: the manifest lists no runtime, client, clock or randomness; a step that was issued is
//! undone whatever was answered, and one that may have been is too; `secuencia` counts transitions; the phase
//! is derived, never stored here.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ahead;
mod apply;
mod next;
mod phase;
mod politica;
mod state;

pub use ahead::may_wait;
pub use apply::{Applied, Ignored, apply, chargeback};
pub use next::{Controls, Memory, Next, next, obey};
pub use phase::{PHASE_MOVES, allowed};
pub use politica::{Backoff, OnExhausted, Politica, PoliticaError, PoliticaPaso};
pub use state::{Aviso, Cause, CauseKind, Paso, Saga, StepState};
