//! Idle means idle, and what grew comes back.

use crate::evidence::{Evidence, Level, Writes};
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

pub(crate) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    let Evidence { idle, baseline, .. } = evidence;
    if let Some(counters) = idle {
        verdict.looked(Check::Idle, counters.len());
        verdict.found(counters.iter().filter_map(Writes::violation));
    }
    if let Some(levels) = baseline {
        verdict.looked(Check::Baseline, levels.len());
        verdict.found(levels.iter().filter_map(Level::violation));
    }
}

// === impl Writes ===

impl Writes {
    /// A counter that went back was started anew: somebody was not idle either.
    fn violation(&self) -> Option<Violation> {
        let Self { what, before, after } = self;
        (before != after).then(|| Violation::Busy {
            what: what.clone(),
            writes: before.abs_diff(*after),
        })
    }
}

// === impl Level ===

impl Level {
    fn violation(&self) -> Option<Violation> {
        let Self {
            what,
            before,
            after,
            allowed,
        } = self;
        let most = before.saturating_add(*allowed);
        (*after > most).then(|| Violation::NotBack {
            what: what.clone(),
            after: *after,
            most,
        })
    }
}
