//! What is kept.

use checker::Violation;
use saga::StepState;
use seedwork::Phase;

use super::{Wrong, archived, wrong};
use crate::run::id;

pub(super) fn wrongs() -> Vec<Wrong> {
    vec![
        wrong(
            "an ended payment is not archived",
            |run| drop(run.evidence.archivo.as_mut().unwrap().remove(&id("done"))),
            Violation::NotArchived(id("done")),
        ),
        wrong(
            "the archive has an older state",
            |run| {
                let older = run.versions_of("done")[3].clone();
                *archived(run, "done") = older;
            },
            Violation::ArchiveDiffers(id("done")),
        ),
        wrong(
            "the archive has a person's word that the resource had not",
            |run| archived(run, "done").saga.as_mut().unwrap().retry_seen = Some("now".to_owned()),
            Violation::ArchiveDiffers(id("done")),
        ),
        wrong(
            "the archive has an end that the engine does not get to",
            |run| {
                run.versions.retain(|version| version.id != id("undone"));
                archived(run, "undone").saga.as_mut().unwrap().pasos[1].estado = StepState::Done;
            },
            Violation::ArchiveNotReplayed(id("undone")),
        ),
        wrong(
            "the archive has a phase that its steps do not say",
            |run| {
                run.versions.retain(|version| version.id != id("undone"));
                archived(run, "undone").phase = Some(Phase::Stalled);
            },
            Violation::ArchiveNotReplayed(id("undone")),
        ),
    ]
}
