//! Everything ends, in time, or says why it waits for a person; and what the bank took back ends undone.

use seedwork::Phase;

use crate::case::{Case, Cases};
use crate::evidence::Bound;
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    verdict.looked(Check::Ends, cases.payments.len());
    verdict.payments = cases.payments.len();
    for case in &cases.payments {
        match (case.phase, case.ended) {
            (Phase::Completed, true) => verdict.completed += 1,
            (Phase::Compensated, true) => verdict.compensated += 1,
            (Phase::Stalled, _) if case.says_why() => verdict.stalled += 1,
            (Phase::Stalled, _) => verdict.found([Violation::StalledWithoutReason(case.id.clone())]),
            (phase, _) => verdict.found([Violation::NotEnded(case.id.clone(), phase)]),
        }
        let forgotten = case.forgot_its_bank();
        verdict.found(forgotten.then(|| Violation::ChargebackForgotten(case.id.clone())));
    }
    if let Some(bound) = cases.evidence.bound {
        let timed = cases
            .payments
            .iter()
            .filter_map(|case| Some((case, case.took_ms(bound)?)));
        for (case, took_ms) in timed {
            verdict.looked(Check::Bound, 1);
            let id = case.id.clone();
            verdict.found((took_ms > bound.within_ms).then_some(Violation::Late { id, took_ms }));
        }
    }
}

// === impl Case ===

impl Case<'_> {
    /// Where nobody looked at the resource, nobody can say that it does not.
    fn says_why(&self) -> bool {
        self.history.is_none_or(|history| history.reason.is_some())
    }

    /// How long it took to an end, or to a person's desk, from when it was asked for or could last be disturbed.
    fn took_ms(&self, bound: Bound) -> Option<i64> {
        let settled = self.history?.settled_ms?;
        Some(settled - self.asked.at_ms.max(bound.since_ms))
    }
}
