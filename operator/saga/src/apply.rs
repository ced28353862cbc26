//! What an answer changes.

use seedwork::contrato::Respuesta;
use seedwork::{Action, Outcome, Phase, Reason, Step};

use crate::politica::OnExhausted;
use crate::state::{Aviso, Cause, CauseKind, Saga, StepState};

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a changed saga exists only once it is written"]
pub enum Applied {
    /// Write this. It already holds the next command as issued: the answer and what follows from it are one write, which
    /// [may wait](crate::may_wait) for some.
    Changed(Saga),
    /// Nothing to write.
    Ignored(Ignored),
}

/// Why an answer changes nothing. None of these is an error: messages are repeated, reordered and late by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ignored {
    /// It is recorded already.
    Duplicate,
    /// The step has been given up, or is being undone: what its command did no longer matters.
    Late,
    /// This command was never issued.
    NotIssued,
    /// The payment has ended.
    AfterEnd,
    /// The attempt failed, which is known; it is tried again.
    StillFailing,
    /// Another answer is recorded for the same command. A participant's bug.
    Contradiction,
    /// This command has no such answer. A participant's bug.
    Impossible,
    /// The payment has no such step.
    UnknownStep,
    /// The money is on its way back already.
    AlreadyCompensating,
    /// The money is back already.
    AlreadyReversed,
}

/// Applies a participant's answer. The answer must be to a command of this very payment. An answer that is ignored on
/// what is remembered must be judged again on what is read.
pub fn apply(saga: &Saga, reply: &Respuesta) -> Applied {
    // Whose answer it is, is for the shell to match.
    let Respuesta {
        action,
        id_correlacion: _,
        outcome,
    } = reply;
    if let Some(settled) = settled(saga, *action, outcome) {
        return Applied::Changed(settled);
    }
    if saga.ended() {
        return Applied::Ignored(Ignored::AfterEnd);
    }
    match (action, outcome) {
        (Action::Do(step), Outcome::Done) => answered(saga, *step, None),
        (Action::Do(step), Outcome::Refused(reason)) => answered(saga, *step, Some(reason)),
        (Action::Undo(step), Outcome::Done) => undone(saga, *step),
        (Action::Undo(step), Outcome::Failed(reason)) => undo_failed(saga, *step, reason),
        (Action::AvisarReversion, Outcome::Done) => told(saga, true),
        (Action::AvisarReversion, Outcome::Failed(_)) => told(saga, false),
        (Action::Do(_), Outcome::Failed(_)) | (Action::Undo(_) | Action::AvisarReversion, Outcome::Refused(_)) => {
            Applied::Ignored(Ignored::Impossible)
        }
    }
}

/// The client's bank took the money back: whatever was done is undone. The reason is the bank's.
pub fn chargeback(saga: &Saga, reason: Reason) -> Applied {
    match saga.phase() {
        Phase::Pending | Phase::Running | Phase::Completed => {
            let cause = Cause {
                kind: CauseKind::Chargeback,
                step: None,
                reason,
            };
            Applied::Changed(saga.changed(|next| next.turn_back(cause)))
        }
        Phase::Compensating | Phase::Stalled => Applied::Ignored(Ignored::AlreadyCompensating),
        Phase::Compensated => Applied::Ignored(Ignored::AlreadyReversed),
    }
}

/// A step's command was done, or refused for a reason.
fn answered(saga: &Saga, step: Step, refusal: Option<&Reason>) -> Applied {
    let Some(paso) = saga.paso(step) else {
        return Applied::Ignored(Ignored::UnknownStep);
    };
    let ignored = match (paso.estado, refusal) {
        (StepState::Issued, None) => {
            return Applied::Changed(saga.changed(|next| {
                next.set(step, StepState::Done, None);
                next.go_on();
            }));
        }
        (StepState::Issued, Some(reason)) => {
            return Applied::Changed(given_up(
                saga,
                step,
                CauseKind::Refused,
                StepState::Refused,
                reason.clone(),
            ));
        }
        // An answer to what was issued without a record proves everything before it.
        (StepState::Pending, _) => match saga.caught_up_to(step) {
            Some(caught_up) => return answered(&caught_up, step, refusal),
            None => Ignored::NotIssued,
        },
        (StepState::Done, None) | (StepState::Refused, Some(_)) => Ignored::Duplicate,
        (StepState::Done, Some(_)) | (StepState::Refused, None) => Ignored::Contradiction,
        (
            StepState::Expired | StepState::Undoing | StepState::UndoFailing | StepState::Undone | StepState::Resolved,
            _,
        ) => Ignored::Late,
    };
    Applied::Ignored(ignored)
}

/// An issued step will not be done: go on without it or undo everything, as its policy says.
pub(crate) fn given_up(saga: &Saga, step: Step, kind: CauseKind, left: StepState, reason: Reason) -> Saga {
    saga.changed(|next| match saga.politica.paso(step).on_exhausted {
        OnExhausted::Continue => {
            next.set(step, left, Some(reason));
            next.go_on();
        }
        OnExhausted::Compensate => next.turn_back(Cause {
            kind,
            step: Some(step),
            reason,
        }),
    })
}

/// The participant answers at last to the undo of a step that a person settled: it has heard of it. Before the payment's
/// end or after it.
fn settled(saga: &Saga, action: Action, outcome: &Outcome) -> Option<Saga> {
    let Action::Undo(step) = action else { return None };
    if !saga.owed().any(|owed| owed == action) {
        return None;
    }
    match outcome {
        Outcome::Done => Some(saga.changed(|next| next.set(step, StepState::Undone, saga.cause_at(step)))),
        Outcome::Failed(reason) => Some(saga.changed(|next| next.set(step, StepState::Resolved, Some(reason.clone())))),
        Outcome::Refused(_) => None,
    }
}

fn undone(saga: &Saga, step: Step) -> Applied {
    let Some(paso) = saga.paso(step) else {
        return Applied::Ignored(Ignored::UnknownStep);
    };
    let ignored = match paso.estado {
        StepState::Undoing | StepState::UndoFailing => {
            return Applied::Changed(saga.changed(|next| {
                next.set(step, StepState::Undone, saga.cause_at(step));
                next.unwind();
            }));
        }
        StepState::Pending | StepState::Issued | StepState::Done | StepState::Refused | StepState::Expired => {
            Ignored::NotIssued
        }
        StepState::Undone => Ignored::Duplicate,
        StepState::Resolved => Ignored::Late,
    };
    Applied::Ignored(ignored)
}

/// An attempt to undo failed. Shown, never obeyed: the undo stays outstanding.
fn undo_failed(saga: &Saga, step: Step, reason: &Reason) -> Applied {
    let reason = &reason.clone().with_declive(None); // as it is recorded
    let Some(paso) = saga.paso(step) else {
        return Applied::Ignored(Ignored::UnknownStep);
    };
    let ignored = match (paso.estado, &paso.motivo) {
        // Two failures that take turns must neither cost a write each nor keep starting the clock towards
        // `UndoFailing` anew: until then only the first is recorded, from then on retries are `undo.max` apart.
        (StepState::Undoing, None) => return Applied::Changed(failing_because(saga, step, paso.estado, reason)),
        (StepState::UndoFailing, known) if known.as_ref() != Some(reason) => {
            return Applied::Changed(failing_because(saga, step, paso.estado, reason));
        }
        (StepState::Undoing | StepState::UndoFailing, _) => Ignored::StillFailing,
        (StepState::Pending | StepState::Issued | StepState::Done | StepState::Refused | StepState::Expired, _) => {
            Ignored::NotIssued
        }
        (StepState::Undone | StepState::Resolved, _) => Ignored::Late,
    };
    Applied::Ignored(ignored)
}

fn failing_because(saga: &Saga, step: Step, estado: StepState, reason: &Reason) -> Saga {
    saga.changed(|next| next.set(step, estado, Some(reason.clone())))
}

fn told(saga: &Saga, done: bool) -> Applied {
    let ignored = match saga.aviso {
        Aviso::Issued if done => return Applied::Changed(saga.changed(|next| next.aviso = Aviso::Done)),
        Aviso::Issued => Ignored::StillFailing,
        Aviso::NotNeeded | Aviso::Pending => Ignored::NotIssued,
        Aviso::Done | Aviso::Skipped | Aviso::Failed => Ignored::AfterEnd,
    };
    Applied::Ignored(ignored)
}
