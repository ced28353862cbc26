//! How many payments stand where: as a metric, and for the limits. From the watch's cache.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seedwork::Phase;
use tokio::time::Instant;

use crate::shell::{Shell, Watched};

/// How old a count may be. Every look at a payment asks for one, and counting looks at all of them.
const FRESH: Duration = Duration::from_millis(100);

/// Payments by what the limits are about, counted when they are asked for, but not again within a tenth of a second.
#[derive(Debug, Default)]
pub struct Census(Mutex<Option<(Instant, Counted)>>);

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Payments that have ended and stay: what is deleted is on its way already.
    pub finished: usize,
    /// Payments that have not.
    pub live: usize,
}

// === impl Census ===

impl Census {
    /// The counts of what `shell` has in its cache.
    pub fn of(&self, shell: &Shell) -> Counted {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((_, counted)) = last.filter(|(at, _)| now.duration_since(*at) < FRESH) {
            return counted;
        }
        let counted = Counted::among(&shell.cache.state());
        *last = Some((now, counted));
        counted
    }
}

impl Counted {
    fn among(watched: &[Arc<Watched>]) -> Self {
        let mut counted = Self::default();
        for saga in watched.iter().filter_map(|object| object.0.as_ref().ok()) {
            if !saga.has_ended() {
                counted.live += 1;
            } else if saga.metadata.deletion_timestamp.is_none() {
                counted.finished += 1;
            }
        }
        counted
    }
}

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
    Phase::ALL.map(|phase| {
        let count = phases.iter().filter(|one| **one == phase).count();
        (phase, u32::try_from(count).unwrap_or(u32::MAX))
    })
}
