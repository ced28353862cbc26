//! The one document that a participant keeps per payment. Pure.

use std::collections::BTreeMap;

use seedwork::{Action, Outcome, Reason};
use serde::{Deserialize, Serialize};

/// Aggregate, stored replies and tombstones: one Dapr state document, written by compare-and-swap, never expiring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Documento<A> {
    /// Grows by one per write; guards the projection.
    pub version: u64,
    /// What the participant itself keeps.
    pub agregado: Option<A>,
    /// What was answered, by the command type of the *do* (or of the notice).
    pub respuestas: BTreeMap<String, Outcome>,
    /// The undone, by the command type of the *do*; `false` while the undo is under way.
    pub tombstones: BTreeMap<String, bool>,
}

/// Where a command stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It was answered: answer the same again.
    Answered(Outcome),
    /// It is still to do.
    Open,
    /// It is an undo whose tombstone is not recorded yet.
    NeedsTombstone,
}

// === impl Documento ===

impl<A> Default for Documento<A> {
    fn default() -> Self {
        Self {
            version: 0,
            agregado: None,
            respuestas: BTreeMap::new(),
            tombstones: BTreeMap::new(),
        }
    }
}

impl<A> Documento<A> {
    /// Where `action` stands.
    pub fn standing(&self, action: Action) -> Standing {
        match action {
            Action::Undo(step) => match self.tombstones.get(step.as_str()) {
                Some(true) => Standing::Answered(Outcome::Done),
                Some(false) => Standing::Open,
                None => Standing::NeedsTombstone,
            },
            Action::Do(step) if self.tombstones.contains_key(step.as_str()) => {
                let reason = Reason::new("Revertido", "the step was undone before this command arrived");
                Standing::Answered(Outcome::Refused(reason))
            }
            Action::Do(_) | Action::AvisarReversion => self
                .respuestas
                .get(action.command_type())
                .cloned()
                .map_or(Standing::Open, Standing::Answered),
        }
    }

    /// Records that an undo has begun: from here on its *do* is refused.
    #[must_use]
    pub fn with_tombstone(mut self, action: Action) -> Self {
        if let Action::Undo(step) = action {
            self.tombstones.entry(step.as_str().to_owned()).or_insert(false);
            self.version += 1;
        }
        self
    }

    /// Records the end of an action. A failed outcome changes the aggregate only: it will be tried again.
    #[must_use]
    pub fn with_end(mut self, action: Action, agregado: Option<A>, outcome: &Outcome) -> Self {
        self.agregado = agregado;
        self.version += 1;
        match (action, outcome) {
            (Action::Undo(step), Outcome::Done) => {
                self.tombstones.insert(step.as_str().to_owned(), true);
            }
            (Action::Do(_), Outcome::Done | Outcome::Refused(_)) | (Action::AvisarReversion, Outcome::Done) => {
                self.respuestas
                    .insert(action.command_type().to_owned(), outcome.clone());
            }
            (_, Outcome::Failed(_)) | (Action::Undo(_) | Action::AvisarReversion, Outcome::Refused(_)) => {}
        }
        self
    }

    /// Records progress before a call to the outside.
    #[must_use]
    pub fn with_checkpoint(mut self, agregado: A) -> Self {
        self.agregado = Some(agregado);
        self.version += 1;
        self
    }
}
