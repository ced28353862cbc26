//! What to do without an answer: at a person's word, or because time passed.

use std::time::Duration;

use seedwork::{Action, Reason};

use crate::apply::given_up;
use crate::politica::Backoff;
use crate::state::{Aviso, Cause, CauseKind, SILENCE, Saga, StepState};

/// What people ask of a payment, read from its resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Controls {
    /// `spec.cancel`: undo everything, if it has not ended.
    pub cancel: bool,
    /// `spec.suspend`: publish nothing and let no clock run. Answers are applied all the same.
    pub suspend: bool,
    /// The resource is being deleted: undo everything, if it has not ended.
    pub deleted: bool,
    /// The retry annotation: try again now, with fresh clocks. Acted on once per value.
    pub retry_requested: Option<String>,
    /// The annotation that takes a failing undo over by hand: who, and why. Acted on once per value, and spent where
    /// nothing fails, so that it cannot take over what fails later.
    pub resolved_by: Option<String>,
}

/// What one replica remembers of one written value. Lost with the replica, which only makes it look again sooner or
/// give up later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Since it first saw this `secuencia`, on its own monotonic clock, suspension excluded.
    pub elapsed: Duration,
    /// How often it published the outstanding command of this `secuencia`.
    pub sends: u32,
    /// When it last did, in terms of `elapsed`.
    pub last_send: Option<Duration>,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision does nothing by itself"]
pub enum Next {
    /// Write this value, then ask again.
    Record(Saga),
    /// Publish this command, whose issuing is recorded. No write. After the end, too, what is [owed](Saga::owed).
    Send(Action),
    /// Nothing before this much time has passed.
    Wait(Duration),
    /// Nothing before something changes: suspended.
    Rest,
    /// Nothing any more, unless a chargeback comes: it may leave.
    Ended,
}

/// When an outstanding command is published, and how long it may go without success.
struct Clock {
    /// The first publication, in terms of [`Memory::elapsed`].
    first: Duration,
    /// The next ones.
    again: Backoff,
    /// The end of patience; `None` for an undo that a person was already told of.
    deadline: Option<Duration>,
}

/// What to do now. Safe to ask any number of times, by any number of replicas.
pub fn next(saga: &Saga, controls: &Controls, memory: &Memory) -> Next {
    if saga.ended() {
        return after_the_end(saga, controls, memory);
    }
    // People are obeyed while suspended too: it publishes nothing, and an answer must not overtake a cancellation.
    if let Some(obeyed) = obey(saga, controls) {
        return Next::Record(obeyed);
    }
    if controls.suspend {
        return Next::Rest;
    }
    let Some(action) = saga.outstanding() else {
        return Next::Rest;
    };
    let Memory {
        elapsed,
        sends,
        last_send,
    } = *memory;
    let Clock { first, again, deadline } = clock(saga, action);
    if deadline.is_some_and(|deadline| elapsed >= deadline) {
        return Next::Record(out_of_time(saga, action));
    }
    let due = if sends == 0 {
        first
    } else {
        last_send.unwrap_or_default() + again.after(sends)
    };
    if elapsed >= due {
        return Next::Send(action);
    }
    Next::Wait(deadline.map_or(due, |deadline| deadline.min(due)) - elapsed)
}

/// Of what is owed one after the other, as slowly as what fails.
fn after_the_end(saga: &Saga, controls: &Controls, memory: &Memory) -> Next {
    let owed: Vec<Action> = saga.owed().collect();
    let turn = usize::try_from(memory.sends).unwrap_or_default();
    let Some(action) = turn.checked_rem(owed.len()).and_then(|place| owed.get(place)) else {
        return Next::Ended;
    };
    if controls.suspend {
        return Next::Rest;
    }
    let due = memory.last_send.unwrap_or_default() + Duration::from_secs(saga.politica.undo.max_seconds.into());
    match due.saturating_sub(memory.elapsed) {
        Duration::ZERO => Next::Send(*action),
        early => Next::Wait(early),
    }
}

/// What a person's word changes, if it has not been acted on. Ended payments obey nobody.
#[must_use]
pub fn obey(saga: &Saga, controls: &Controls) -> Option<Saga> {
    let Controls {
        cancel,
        suspend: _,
        deleted,
        retry_requested,
        resolved_by,
    } = controls;
    if saga.ended() {
        return None;
    }
    let word = if *deleted {
        Some((CauseKind::Deleted, "Eliminado", "eliminó"))
    } else if *cancel {
        Some((CauseKind::Cancelled, "Cancelado", "canceló"))
    } else {
        None
    };
    if let Some((kind, code, done)) = word
        && saga.cause.is_none()
    {
        let cause = Cause {
            kind,
            step: None,
            reason: Reason::new(code, format!("El pago se {done} antes de terminar.")),
        };
        return Some(saga.changed(|next| next.turn_back(cause)));
    }
    if let Some(who) = resolved_by
        && saga.resolved_by.as_ref() != Some(who)
    {
        return Some(saga.changed(|next| {
            next.outnumber();
            if let Some(failing) = saga.failing() {
                next.set(failing.nombre, StepState::Resolved, failing.motivo.clone());
                next.unwind();
            }
            next.resolved_by = Some(who.clone());
        }));
    }
    if let Some(request) = retry_requested
        && saga.retry_seen.as_ref() != Some(request)
    {
        return Some(saga.changed(|next| {
            next.outnumber();
            if let Some(failing) = saga.failing() {
                next.set(failing.nombre, StepState::Undoing, None);
            }
            next.retry_seen = Some(request.clone());
        }));
    }
    None
}

fn clock(saga: &Saga, action: Action) -> Clock {
    let politica = &saga.politica;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let failed_before = saga
        .pasos
        .iter()
        .any(|paso| paso.estado == StepState::Undoing && paso.motivo.is_some());
    match action {
        Action::Do(step) => Clock {
            first: Duration::ZERO,
            again: politica.reenvio,
            deadline: Some(seconds(politica.paso(step).deadline_seconds)),
        },
        // Not at once: a new value is written for a new reason, and two of them may take turns for ever.
        Action::Undo(_) if saga.failing().is_some() => {
            let most = politica.undo.max_seconds;
            Clock {
                first: seconds(most),
                again: Backoff {
                    first_seconds: most,
                    max_seconds: most,
                },
                deadline: None,
            }
        }
        Action::Undo(_) => Clock {
            first: Duration::ZERO,
            // Lost messages are made good quickly; an answer that says "failed" asks for patience.
            again: if failed_before { politica.undo } else { politica.reenvio },
            deadline: Some(seconds(politica.stall_after_seconds)),
        },
        Action::AvisarReversion => Clock {
            first: Duration::ZERO,
            again: politica.reenvio,
            deadline: Some(seconds(politica.aviso_deadline_seconds)),
        },
    }
}

/// What an outstanding command becomes whose time is up.
fn out_of_time(saga: &Saga, action: Action) -> Saga {
    match action {
        Action::Do(step) => {
            let seconds = saga.politica.paso(step).deadline_seconds;
            let reason = Reason::new("PlazoVencido", format!("{step} no tuvo respuesta en {seconds} s."));
            given_up(saga, step, CauseKind::Expired, StepState::Expired, reason)
        }
        Action::Undo(step) => {
            let seconds = saga.politica.stall_after_seconds;
            let silent = || {
                let command = action.command_type();
                Reason::new(SILENCE, format!("{command} no tuvo respuesta en {seconds} s."))
            };
            let known = saga.paso(step).and_then(|paso| paso.motivo.clone());
            saga.changed(|next| next.set(step, StepState::UndoFailing, Some(known.unwrap_or_else(silent))))
        }
        Action::AvisarReversion => saga.changed(|next| next.aviso = Aviso::Failed),
    }
}
