//! How many payments stand where, as a metric. From the watch's cache, at the moment it is asked for.

use std::sync::Arc;

use seedwork::Phase;

use crate::shell::{Shell, Watched};

/// Every phase, so that one without payments shows 0 rather than what it was.
const PHASES: [Phase; 6] = [
    Phase::Pending,
    Phase::Running,
    Phase::Compensating,
    Phase::Completed,
    Phase::Compensated,
    Phase::Stalled,
];

/// Sets the gauge `pagos_sagas{phase}`.
pub fn take(shell: &Shell) {
    for (phase, count) in count(&shell.cache.state()) {
        metrics::gauge!("pagos_sagas", "phase" => phase.as_str()).set(f64::from(count));
    }
}

/// Payments by phase; one without a status is pending. Resources that are no payments are not counted.
fn count(watched: &[Arc<Watched>]) -> [(Phase, u32); 6] {
    let phase_of = |watched: &Arc<Watched>| {
        let object = watched.0.as_ref().ok()?;
        Some(object.status.as_ref().map_or(Phase::Pending, |status| status.phase))
    };
    let phases: Vec<Phase> = watched.iter().filter_map(phase_of).collect();
    PHASES.map(|phase| {
        let count = phases.iter().filter(|one| **one == phase).count();
        (phase, u32::try_from(count).unwrap_or(u32::MAX))
    })
}
