//! The verdict: every theme, one after the other.

use crate::evidence::Evidence;
use crate::verdict::{Check, Verdict};
use crate::{amounts, archive, ends, history, idle, money, notices, order, orphans, requests, views};

/// Judges a run that has come to rest.
pub fn judge(evidence: &Evidence) -> Verdict {
    let mut verdict = Verdict::default();
    let cases = requests::judge(evidence, &mut verdict);
    if verdict.judged(Check::Requests).is_some() {
        ends::judge(&cases, &mut verdict);
        // What moved, before what is said about it: views are not blamed for what was done.
        money::judge(&cases, &mut verdict);
        orphans::judge(&cases, &mut verdict);
        order::judge(&cases, &mut verdict);
        amounts::judge(&cases, &mut verdict);
        views::judge(&cases, &mut verdict);
        notices::judge(&cases, &mut verdict);
        archive::judge(&cases, &mut verdict);
    }
    if let Some(histories) = &evidence.histories {
        history::judge(histories, &mut verdict);
    }
    if let Some(scan) = &evidence.scan {
        verdict.looked(Check::Secrets, scan.texts);
        verdict.found(scan.leaks.iter().cloned().map(crate::Violation::Leaked));
    }
    idle::judge(evidence, &mut verdict);
    verdict
}
