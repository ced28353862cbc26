//! The judge of demo, kill matrix, simulation, campaign and cluster: what was promised, held against what a run left
//! behind.
//!
//! ```text
//!   the clients' own log ───────────────▶ Request ──╮
//!   a watch of every PaymentSaga ─▶ Version ─▶ Histories ──╮
//!   the gateway's ledger ──▶ Movimiento   ├─▶ Evidence ─▶ judge() ─▶ Verdict: violations, and what was judged at all
//!   the services' rows ────▶ Factura, Pago, Notificacion, plans ───┤
//!   the message provider's ledger ──▶ Mensaje ──╯
//!   the archive ───▶ Version   logs, traces ─▶ Scanner ─▶ Scan   counters ─▶ Writes, Level
//! ```
//!
//! | theme | what must hold |
//! |---|---|
//! | `requests` | an accepted request has exactly one saga, an unanswered one at most one, and nothing is done unasked |
//! | `ends` | everything asked for has ended, or is stalled with a reason, within the bound; what the bank took back is not completed |
//! | `history`, `replay` | `secuencia` only grows, phases move as the engine's table allows, undo goes from the last step to the first, and each write is one that the engine makes |
//! | `order`: `effects`, `ledger` | at most one effect per saga, step and direction; none of a step after its undo; none left when all is said to be undone; none unrecorded; undoing nothing changes nothing |
//! | `money` | at most one capture, refunds never above it, captured − refunded = amount or 0 |
//! | `orphans` | money, rows, messages and effects belong to a saga |
//! | `amounts` | the amount is the same at every hop |
//! | `views`, `notices` | invoice, plan, payment, notification and screen say what the saga says, and the provider delivered each notification once |
//! | `archive` | an ended saga is archived as it ended, and the engine gets there |
//! | `secrets` | no secret, token or card number in what people and machines read |
//! | `idle` | idle means idle, and tables and queues return to where they were |
//!
//! Pure: the caller gathers what was seen, the checker compares. Evidence that was not gathered (`None`) is not judged,
//! and the verdict says so: a check that judged nothing must not look like one that found nothing. Of money it trusts
//! no part of the system but the gateway's own ledger. Where one wrong shows in several places of a theme, the verdict
//! names the wrong and not its consequences.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod amounts;
mod archive;
mod case;
mod ends;
mod evidence;
mod history;
mod idle;
mod importe;
mod judge;
mod ledger;
mod money;
mod notices;
mod order;
mod orphans;
mod replay;
mod requests;
mod secrets;
mod sentence;
mod verdict;
mod version;
mod views;
mod violation;

pub use evidence::{
    Accepted, Answer, Bound, Door, Effect, Evidence, Factura, Level, Mensaje, Notificacion, Pago, Request, Seen, Writes,
};
pub use history::{Histories, History};
pub use importe::Importe;
pub use judge::judge;
pub use ledger::{Movimiento, Saldo, TipoMovimiento, saldos};
pub use replay::{Way, way};
pub use secrets::{Kind, Leak, Scan, Scanner};
pub use verdict::{Check, Verdict};
pub use version::{Unfit, Version};
pub use violation::{Hop, Place, Violation};
