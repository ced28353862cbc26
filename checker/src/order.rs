//! What participants did, in the order in which they did it.
//!
//! The gateway's ledger and the log of effects are two accounts, each in an order of its own.

use std::collections::{BTreeMap, BTreeSet};

use saga::StepState;
use seedwork::{Action, IdCorrelacion, Phase, Step};

use crate::case::{Case, Cases};
use crate::evidence::Effect;
use crate::ledger::{Movimiento, TipoMovimiento};
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    if let Some(effects) = &cases.evidence.effects {
        verdict.looked(Check::Effects, effects.len());
        let by_id: BTreeMap<_, _> = cases.payments.iter().map(|case| (case.id, case)).collect();
        let mut accounts: BTreeMap<&IdCorrelacion, Account> = BTreeMap::new();
        for Effect { id, action, .. } in effects {
            let taken_over = |step| by_id.get(id).is_some_and(|case| case.was_taken_over(step));
            verdict.found(accounts.entry(id).or_default().effect(id, *action, taken_over));
        }
        for (id, account) in &accounts {
            let left = account.late.difference(&account.undone).next();
            verdict.found(left.map(|step| Violation::EffectAfterUndo((*id).clone(), *step)));
        }
        for case in &cases.payments {
            let Some(account) = accounts.get(case.id) else { continue };
            let unissued = account.done.iter().find(|step| case.never_issued(**step));
            let unissued = unissued.map(|step| Violation::Unissued(case.id.clone(), *step));
            verdict.found(unissued.or_else(|| not_undone(case, account)));
        }
    }
    if let Some(movimientos) = &cases.evidence.movimientos {
        verdict.looked(Check::Ledger, movimientos.len());
        let mut lines: BTreeMap<&str, Vec<&Movimiento>> = BTreeMap::new();
        for line in movimientos {
            lines.entry(&line.referencia).or_default().push(line);
        }
        for case in &cases.payments {
            let Some(lines) = lines.get(case.id.as_str()) else {
                continue;
            };
            let unissued = case.never_issued(Step::RealizarPago);
            let unissued = unissued.then(|| Violation::Unissued(case.id.clone(), Step::RealizarPago));
            verdict.found(unissued.or_else(|| gateway(case.id, lines)));
        }
    }
}

/// What was done and undone of one payment.
#[derive(Default)]
struct Account {
    done: BTreeSet<Step>,
    undone: BTreeSet<Step>,
    /// What was done and not undone when the client was told that all was undone.
    told: Option<BTreeSet<Step>>,
    /// Taken over by a person, and done after the client was told that all was undone.
    late: BTreeSet<Step>,
}

// === impl Account ===

impl Account {
    /// What a person took over may be done all the same, and is undone then, whatever was undone meanwhile.
    fn effect(&mut self, id: &IdCorrelacion, action: Action, taken_over: impl Fn(Step) -> bool) -> Option<Violation> {
        let id = || id.clone();
        match action {
            // Once the client is told that all was undone, everything was.
            Action::Do(step) if self.undone.contains(&step) || self.told.is_some() && !taken_over(step) => {
                self.done.insert(step);
                Some(Violation::EffectAfterUndo(id(), step))
            }
            Action::Do(step) => {
                self.late.extend(self.told.is_some().then_some(step));
                (!self.done.insert(step)).then(|| Violation::EffectTwice(id(), action))
            }
            Action::Undo(step) if !self.done.contains(&step) => Some(Violation::UndoOfNothing(id(), step)),
            Action::Undo(step) => {
                let earlier = self.undone.iter().next().copied();
                let earlier = earlier.filter(|earlier| *earlier < step && !taken_over(step));
                if !self.undone.insert(step) {
                    return Some(Violation::EffectTwice(id(), action));
                }
                earlier.map(|earlier| Violation::UndoOutOfOrder {
                    id: id(),
                    step: earlier,
                    before: step,
                })
            }
            Action::AvisarReversion => {
                let left = self.left();
                let again = self.told.replace(left).is_some();
                again.then(|| Violation::EffectTwice(id(), action))
            }
        }
    }

    /// What was done and not undone.
    fn left(&self) -> BTreeSet<Step> {
        self.done.difference(&self.undone).copied().collect()
    }
}

/// What was left of an undone payment when its client was told of it; in the end, where nobody was told.
fn not_undone(case: &Case<'_>, account: &Account) -> Option<Violation> {
    let left = match &account.told {
        Some(left) => left.clone(),
        None if case.ended && case.phase == Phase::Compensated => account.left(),
        None => return None,
    };
    let comes_back = |step: &Step| match step {
        Step::CrearFacturacion | Step::ConfirmarFacturacion => !case.was_taken_over(*step),
        // The ledger says what came back of the money; and what was said cannot be unsaid.
        Step::RealizarPago | Step::CrearNotificacion => false,
    };
    let step = left.into_iter().find(comes_back)?;
    Some(Violation::NotUndone(case.id.clone(), step))
}

/// The first thing that is wrong with the order of a payment's ledger lines. How much they come to is not asked here.
fn gateway(id: &IdCorrelacion, lines: &[&Movimiento]) -> Option<Violation> {
    const STEP: Step = Step::RealizarPago;
    let (mut authorised, mut captured, mut voided, mut refunded) = (false, false, false, false);
    for line in lines {
        let (after_undo, again, action) = match line.tipo {
            TipoMovimiento::Autorizacion => (
                voided || refunded,
                std::mem::replace(&mut authorised, true),
                Action::Do(STEP),
            ),
            // A second one is counted with the money.
            TipoMovimiento::Captura if captured => continue,
            TipoMovimiento::Captura => {
                captured = true;
                (voided || refunded, false, Action::Do(STEP))
            }
            // What was taken is set aside no longer.
            TipoMovimiento::Anulacion if !authorised || captured => {
                return Some(Violation::UndoOfNothing(id.clone(), STEP));
            }
            TipoMovimiento::Anulacion => (false, std::mem::replace(&mut voided, true), Action::Undo(STEP)),
            TipoMovimiento::Reembolso => {
                // Where more comes back than was taken, the money says so.
                (
                    false,
                    std::mem::replace(&mut refunded, true) && within(lines),
                    Action::Undo(STEP),
                )
            }
            // The bank's doing.
            TipoMovimiento::Contracargo => continue,
        };
        if after_undo {
            return Some(Violation::EffectAfterUndo(id.clone(), STEP));
        }
        if again {
            return Some(Violation::EffectTwice(id.clone(), action));
        }
    }
    None
}

/// Not more was given back than was taken.
fn within(lines: &[&Movimiento]) -> bool {
    let sum = |tipo| -> i64 {
        lines
            .iter()
            .filter(|line| line.tipo == tipo)
            .map(|line| line.monto)
            .sum()
    };
    sum(TipoMovimiento::Reembolso) <= sum(TipoMovimiento::Captura)
}

// === impl Case ===

impl Case<'_> {
    /// The record says that nobody was ever asked to do this step. Until the end it may lag behind.
    fn never_issued(&self, step: Step) -> bool {
        self.ended && self.paso(step).is_some_and(|paso| paso.estado == StepState::Pending)
    }
}
