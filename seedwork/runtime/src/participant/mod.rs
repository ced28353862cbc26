//! A participant of the saga: the laws that every command handler obeys, written once.
//!
//! 1. A command that was answered is answered again from its stored reply; nothing happens twice.
//! 2. An undo succeeds when there is nothing to undo, and leaves a tombstone that refuses the late original.
//! 3. Only successes and definite refusals of a *do* are stored; an undo that failed is tried again at each delivery.
//! 4. What follows a call to the outside is recorded first, by compare-and-swap: a tombstone defeats it.

mod documento;
#[cfg(any(test, feature = "test-support"))]
pub mod laws;
mod participation;

use async_trait::async_trait;
use seedwork::contrato::Comando;
use seedwork::{Fault, IdCorrelacion, Outcome, Reason, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(test)]
mod tests;

pub use documento::{Documento, Standing};
pub use participation::{PATIENCE, Participation};

/// What a participant brings: its aggregate, and how to take one step towards a command's end.
#[async_trait]
pub trait Participant: Send + Sync + 'static {
    /// What it stores per payment.
    type Aggregate: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    /// What it has to tell people beside the record: shown with it, or lost with what keeps this from being shown.
    type Notes: Default + Send + Sync;

    /// The prefix of its documents' keys, e.g. `pago`.
    const DOCUMENT: &'static str;

    /// The step whose command nearly always finds no document yet: the read that would say so is saved, since the write
    /// says it as well.
    const FIRST: Step;

    /// Whether its commands call outside (a gateway, a mail server). Such a command frees its delivery first and
    /// goes on in a bounded task, so that a slow outside never blocks the inbox.
    const CALLS_OUTSIDE: bool;

    /// The next move for `comando`, given what is recorded. Called again after each [`Move::Checkpoint`], and when its
    /// record lost a race to one that changed the aggregate; a move that lost to any other is recorded as it is.
    ///
    /// For an undo the tombstone is already recorded: no *do* can record anything any more, but one may have a call
    /// under way, so an unknown outcome must be made definite before it is undone.
    async fn advance(
        &self,
        aggregate: Option<&Self::Aggregate>,
        comando: &Comando,
        notes: &mut Self::Notes,
    ) -> Result<Move<Self::Aggregate>, Fault>;

    /// Whether the outside does again what it is asked again. Then what was written is read, and its row of the read model in place
    /// for replicas to keep out of each other's way at, before each [`advance`](Self::advance).
    fn minds_repeats(&self) -> bool {
        false
    }

    /// Brings the read model up to `version` of the aggregate. Called before the reply and, where commands call outside, while a
    /// call takes long and after one without a definite answer; must be safe to repeat and must never go back to an older
    /// version.
    async fn project(
        &self,
        id: &IdCorrelacion,
        aggregate: &Self::Aggregate,
        version: u64,
        notes: &Self::Notes,
    ) -> Result<(), Fault> {
        let _ = (id, aggregate, version, notes);
        Ok(())
    }
}

/// One move of a participant.
#[derive(Debug, Clone, PartialEq)]
pub enum Move<A> {
    /// The command has ended: aggregate and outcome are recorded in one write, then the reply is sent.
    End {
        /// The aggregate from now on; `None` when there is nothing to keep.
        aggregate: Option<A>,
        /// How it ended.
        outcome: Outcome,
    },
    /// Record this, then ask again: the next move calls outside.
    Checkpoint(A),
    /// The outside gave no definite answer. Nothing is recorded; the next delivery tries again. An undo tells the
    /// operator why; a *do* stays silent, since silence is not a refusal.
    Unsettled(Reason),
}
