//! What this replica remembers of each record: when it first saw it, on its own monotonic clock, and what it sent.
//!
//! Nothing here is needed for correctness. A replica that forgets sends once more than needed, and counts deadlines
//! from when it looks again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use saga::Memory;
use seedwork::IdCorrelacion;

/// For how long after the start a record is taken for one whose writer is gone.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// The memories of one replica.
#[derive(Debug)]
pub struct Memories {
    started: Instant,
    by_payment: Mutex<HashMap<IdCorrelacion, Remembered>>,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    secuencia: u64,
    seen: Instant,
    suspended: Duration,
    suspended_since: Option<Instant>,
    sends: u32,
    last_send: Option<Duration>,
    archived: bool,
    leaving: bool,
}

// === impl Memories ===

impl Memories {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self { started: now, by_payment: Mutex::default() }
    }

    /// What is remembered of this record. `None` for a record older than one already seen: a stale read.
    ///
    /// A record that appears while we run was published by whoever wrote it, so it counts as sent once; one that is
    /// found at the start has perhaps lost its writer, so it is sent at once.
    pub fn of(&self, id: &IdCorrelacion, secuencia: u64, suspended: bool, now: Instant) -> Option<Memory> {
        let mut by_payment = self.lock();
        let found_at_start = now.duration_since(self.started) < FIRST_LOOK;
        let entry = by_payment.entry(id.clone()).or_insert_with(|| Remembered::new(secuencia, now, found_at_start));
        if secuencia < entry.secuencia {
            return None;
        }
        if secuencia > entry.secuencia {
            *entry = Remembered::new(secuencia, now, false);
        }
        match (suspended, entry.suspended_since) {
            (true, None) => entry.suspended_since = Some(now),
            (false, Some(since)) => {
                entry.suspended += now.duration_since(since);
                entry.suspended_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        Some(Memory { elapsed: entry.elapsed(now), sends: entry.sends, last_send: entry.last_send })
    }

    /// The outstanding command of this record was published now.
    pub fn sent(&self, id: &IdCorrelacion, secuencia: u64, now: Instant) {
        let mut by_payment = self.lock();
        let entry = by_payment.entry(id.clone()).or_insert_with(|| Remembered::new(secuencia, now, true));
        if secuencia < entry.secuencia {
            return;
        }
        if secuencia > entry.secuencia {
            *entry = Remembered::new(secuencia, now, true);
            entry.sends = 0;
        }
        entry.sends += 1;
        entry.last_send = Some(entry.elapsed(now));
    }

    /// Whether this record is known to be in the archive.
    pub fn is_archived(&self, id: &IdCorrelacion, secuencia: u64) -> bool {
        self.lock().get(id).is_some_and(|entry| entry.archived && entry.secuencia == secuencia)
    }

    /// This record is in the archive.
    pub fn archived(&self, id: &IdCorrelacion, secuencia: u64, now: Instant) {
        let mut by_payment = self.lock();
        let entry = by_payment.entry(id.clone()).or_insert_with(|| Remembered::new(secuencia, now, false));
        if secuencia > entry.secuencia {
            *entry = Remembered::new(secuencia, now, false);
        }
        entry.archived = entry.secuencia == secuencia;
    }

    /// Claims the removal of this record; false when it is being removed already, which its own events would otherwise
    /// start again.
    pub fn begin_leaving(&self, id: &IdCorrelacion, secuencia: u64, now: Instant) -> bool {
        let mut by_payment = self.lock();
        let entry = by_payment.entry(id.clone()).or_insert_with(|| Remembered::new(secuencia, now, false));
        !std::mem::replace(&mut entry.leaving, true)
    }

    /// The removal failed: it is tried again at the next pass.
    pub fn stay(&self, id: &IdCorrelacion) {
        if let Some(entry) = self.lock().get_mut(id) {
            entry.leaving = false;
        }
    }

    /// The resource is gone.
    pub fn forget(&self, id: &IdCorrelacion) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IdCorrelacion, Remembered>> {
        self.by_payment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Remembered ===

impl Remembered {
    fn new(secuencia: u64, now: Instant, writer_gone: bool) -> Self {
        let (sends, last_send) = if writer_gone { (0, None) } else { (1, Some(Duration::ZERO)) };
        Self {
            secuencia,
            seen: now,
            suspended: Duration::ZERO,
            suspended_since: None,
            sends,
            last_send,
            archived: false,
            leaving: false,
        }
    }

    fn elapsed(&self, now: Instant) -> Duration {
        let now = self.suspended_since.unwrap_or(now);
        now.duration_since(self.seen).saturating_sub(self.suspended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> IdCorrelacion {
        IdCorrelacion::parse("p-1").unwrap()
    }

    #[test]
    fn a_record_found_at_the_start_is_sent_at_once_and_a_later_one_was_sent_by_its_writer() {
        let start = Instant::now();
        let memories = Memories::new(start);
        assert_eq!(memories.of(&id(), 3, false, start).unwrap().sends, 0);
        let later = start + Duration::from_secs(60);
        assert_eq!(memories.of(&id(), 4, false, later).unwrap().sends, 1);
        let other = IdCorrelacion::parse("p-2").unwrap();
        assert_eq!(memories.of(&other, 1, false, later).unwrap().sends, 1);
    }

    #[test]
    fn a_stale_read_is_recognised() {
        let start = Instant::now();
        let memories = Memories::new(start);
        memories.sent(&id(), 4, start);
        assert_eq!(memories.of(&id(), 3, false, start), None);
        assert_eq!(memories.of(&id(), 4, false, start).unwrap().sends, 1);
    }

    #[test]
    fn suspension_stops_the_clock() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let memories = Memories::new(start);
        memories.of(&id(), 1, false, at(0));
        memories.of(&id(), 1, true, at(10));
        assert_eq!(memories.of(&id(), 1, true, at(100)).unwrap().elapsed, Duration::from_secs(10));
        memories.of(&id(), 1, false, at(110));
        assert_eq!(memories.of(&id(), 1, false, at(115)).unwrap().elapsed, Duration::from_secs(15));
    }
}
