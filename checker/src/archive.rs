//! An ended saga is archived as it ended, and the engine gets there.

use std::collections::HashMap;

use saga::Saga;

use crate::case::{Case, Cases};
use crate::replay::{Beyond, leads};
use crate::verdict::{Check, Verdict};
use crate::version::Version;
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(archivo) = &cases.evidence.archivo else { return };
    // Most payments of a run end alike.
    let mut replayed = HashMap::new();
    for case in cases.ended() {
        let found = match archivo.get(case.id) {
            Some(version) => archived(case, version, &mut replayed),
            None => Ok(Some(Violation::NotArchived(case.id.clone()))),
        };
        // What the search does not reach is not judged.
        verdict.looked(Check::Archive, usize::from(found.is_ok()));
        verdict.found(found.unwrap_or_default());
    }
}

fn archived(
    case: &Case<'_>,
    version: &Version,
    replayed: &mut HashMap<Saga, Option<bool>>,
) -> Result<Option<Violation>, Beyond> {
    let id = || case.id.clone();
    let Some(saga) = &version.saga else {
        return Ok(Some(Violation::ArchiveDiffers(id())));
    };
    let last = case
        .history
        .and_then(|history| Some((history.last.as_ref()?, history.phase)));
    match last {
        Some((last, phase)) if last.secuencia >= saga.secuencia => {
            // The policy of a resource that was made again is not the archived one, and nothing of it is followed.
            let mut archived = saga.clone();
            archived.politica.clone_from(&last.politica);
            let same = archived == *last && version.phase == phase;
            Ok((!same).then(|| Violation::ArchiveDiffers(id())))
        }
        // The watch missed the end, or nobody watched.
        Some(_) | None => {
            let from = last.map_or_else(|| Saga::start(saga.politica.clone()), |(last, _)| last.clone());
            let leads = || leads(case.id, &from, saga);
            let gets_there = match last {
                Some(_) => leads(),
                None => *replayed.entry(saga.clone()).or_insert_with(leads),
            };
            let derived = version.phase == Some(saga.phase());
            match gets_there {
                Some(true) if derived => Ok(None),
                None if derived => Err(Beyond),
                Some(_) | None => Ok(Some(Violation::ArchiveNotReplayed(id()))),
            }
        }
    }
}
