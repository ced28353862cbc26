//! An ended saga is archived as it ended, and the engine gets there.

use std::collections::HashMap;

use saga::Saga;

use crate::case::{Case, Cases};
use crate::replay::leads;
use crate::verdict::{Check, Verdict};
use crate::version::Version;
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(archivo) = &cases.evidence.archivo else { return };
    // Most payments of a run end alike.
    let mut replayed = HashMap::new();
    for case in cases.ended() {
        verdict.looked(Check::Archive, 1);
        let found = match archivo.get(case.id) {
            Some(version) => archived(case, version, &mut replayed),
            None => Some(Violation::NotArchived(case.id.clone())),
        };
        verdict.found(found);
    }
}

fn archived(case: &Case<'_>, version: &Version, replayed: &mut HashMap<Saga, bool>) -> Option<Violation> {
    let id = || case.id.clone();
    let Some(saga) = &version.saga else {
        return Some(Violation::ArchiveDiffers(id()));
    };
    let last = case
        .history
        .and_then(|history| Some((history.last.as_ref()?, history.phase)));
    match last {
        Some((last, phase)) if last.secuencia >= saga.secuencia => {
            // The policy of a resource that was made again is not the archived one, and nothing of it is followed.
            let same = last.pasos == saga.pasos
                && (last.secuencia, last.aviso, &last.cause, &last.resolved_by, phase)
                    == (
                        saga.secuencia,
                        saga.aviso,
                        &saga.cause,
                        &saga.resolved_by,
                        version.phase,
                    );
            (!same).then(|| Violation::ArchiveDiffers(id()))
        }
        // The watch missed the end, or nobody watched.
        Some(_) | None => {
            let from = last.map_or_else(|| Saga::start(saga.politica.clone()), |(last, _)| last.clone());
            let leads = || leads(case.id, &from, saga) != Some(false);
            let gets_there = if last.is_some() {
                leads()
            } else {
                replayed.get(saga).copied().unwrap_or_else(leads)
            };
            if last.is_none() {
                replayed.insert(saga.clone(), gets_there);
            }
            let derived = version.phase == Some(saga.phase());
            (!gets_there || !derived).then(|| Violation::ArchiveNotReplayed(id()))
        }
    }
}
