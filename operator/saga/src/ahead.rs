//! Running ahead of the record: which values need not be written before their command goes out.
//!
//! Between two steps that must be recorded (the first, by the resource's creation, and the one that moves money) an
//! answer that is lost can be had again: the step before is asked again, its participant repeats its stored answer, and
//! so on up to where it was. Four rules make that safe:
//!
//! 1. The step that moves money is issued by a recorded compare-and-swap, always.
//! 2. What turns the payment round undoes every step that may have been issued, recorded or not ([`Saga::turn_back`]);
//!    only a refusal proves that nothing after it was.
//! 3. A success of a step proves all earlier ones, on any replica ([`Saga::caught_up_to`]): a step is asked for only
//!    once those before it are done.
//! 4. Policy and deadlines are in the resource from its creation.
//!
//! `secuencia` counts transitions, not writes, so that whoever comes to a value, by whatever way, gives it the same
//! number.

use std::ops::Range;

use seedwork::Step;

use crate::state::{Cause, CauseKind, Saga, StepState};

/// Whether `after`, reached from `before`, may be acted on before it is written: if it is forgotten, asking again leads
/// to it again. It should be written soon all the same, so that people see it.
pub fn may_wait(before: &Saga, after: &Saga) -> bool {
    if after.cause.is_some() || after.ended() {
        return false;
    }
    let Some(issued) = after.issued() else { return false };
    // A step that is gone on without is a decision, which nobody would repeat.
    let only_successes = before.pasos.iter().zip(&after.pasos).take(issued);
    before.perhaps_issued().contains(&issued)
        && only_successes
            .into_iter()
            .all(|(old, new)| new.estado == StepState::Done || new.estado == old.estado)
}

// === impl Saga ===

impl Saga {
    /// The place of the step that is being done.
    fn issued(&self) -> Option<usize> {
        self.pasos.iter().position(|paso| paso.estado == StepState::Issued)
    }

    /// The steps after the one being done that may have been issued without a record: those up to the next one that
    /// moves money.
    fn perhaps_issued(&self) -> Range<usize> {
        let all = self.pasos.len();
        let start = self.issued().map_or(all, |issued| issued + 1);
        let end = self.pasos.iter().skip(start).position(|paso| paso.nombre.moves_money());
        start..end.map_or(all, |skipped| start + skipped)
    }

    /// This payment with everything before `step` done and `step` issued, if it may have come to that: the step was
    /// answered.
    pub(crate) fn caught_up_to(&self, step: Step) -> Option<Self> {
        let issued = self.issued()?;
        let place = self.perhaps_issued().find(|place| self.pasos[*place].nombre == step)?;
        let mut saga = self.clone();
        for paso in &mut saga.pasos[issued..place] {
            paso.estado = StepState::Done;
            saga.secuencia += 1;
        }
        saga.pasos[place].estado = StepState::Issued;
        Some(saga)
    }

    /// Before what no replica that ran ahead knows of: each step that may have been issued counts as a transition, so that
    /// none has reached the number of what follows, or writes over it.
    pub(crate) fn outnumber(&mut self) {
        for _ in self.perhaps_issued() {
            self.secuencia += 1;
        }
    }

    /// Before the payment turns round: whatever may have been issued counts as issued, and is [outnumbered](Self::outnumber).
    pub(crate) fn own_up(&mut self, cause: &Cause) {
        match cause.kind {
            // Nobody goes on after a refusal: a step's answer is one and the same for whoever asks.
            CauseKind::Refused => return,
            CauseKind::Expired | CauseKind::Cancelled | CauseKind::Deleted | CauseKind::Chargeback => {}
        }
        self.outnumber();
        let perhaps = self.perhaps_issued();
        let Some(issued) = self.issued().filter(|_| !perhaps.is_empty()) else {
            return;
        };
        for paso in &mut self.pasos[issued..perhaps.end] {
            paso.estado = StepState::Expired;
        }
    }
}
