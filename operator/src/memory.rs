//! What this replica remembers of each record: when it first saw it, on its own monotonic clock, and what it sent.
//!
//! Nothing here is needed for correctness. A replica that forgets sends once more than needed, and counts deadlines
//! from when it looks again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga::Memory;
use tokio::time::Instant;

/// For how long after the start a record is taken for one whose writer is gone.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// A record that stays older than what was seen for this long is what there is: what we saw went ahead of it and was lost.
const STALE: Duration = Duration::from_secs(5);

/// A resource that was seen this recently may not be in the cache yet.
const LATELY: Duration = Duration::from_secs(60);

/// How often the BFF is told where a payment stands that rests. No command of its is sent, with which it would be told.
const TELL_RESTING: Duration = Duration::from_secs(60);

/// The memories of one replica, by the uid of the resource: one that is deleted and made again is remembered anew.
#[derive(Debug)]
pub struct Memories {
    started: Instant,
    by_uid: Mutex<HashMap<String, Remembered>>,
    /// Resources that are refused, of which a person was told.
    refused: Generations,
    /// Resources that are left alone, and were counted.
    left_alone: Generations,
}

/// In which generation of each resource something was done that is done once.
#[derive(Debug, Default)]
struct Generations(Mutex<HashMap<String, i64>>);

/// How far this replica has come with the removal of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// Its deletion was asked for.
    Deleted,
    /// Its finalizer was taken away.
    LetGo,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    secuencia: u64,
    seen: Instant,
    suspended: Duration,
    suspended_since: Option<Instant>,
    sends: u32,
    last_send: Option<Duration>,
    /// The one send that is counted is its writer's, who may be us and about to say so.
    presumed: bool,
    archived: bool,
    leaving: Option<Leaving>,
    /// Nothing of an earlier resource is in the archive.
    first_life: bool,
    /// When the BFF was last told where it rests, or since when we know that it does.
    rest_told: Option<Instant>,
    /// Since when only older records are seen.
    stale_since: Option<Instant>,
}

// === impl Memories ===

impl Memories {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            by_uid: Mutex::default(),
            refused: Generations::default(),
            left_alone: Generations::default(),
        }
    }

    /// What is remembered of this record. `None` for a record older than one already seen: a stale read.
    ///
    /// A record that appears while we run was published by whoever wrote it, so it counts as sent once; one that is
    /// found at the start has perhaps lost its writer, so it is sent at once.
    pub fn of(&self, uid: &str, secuencia: u64, suspended: bool, now: Instant) -> Option<Memory> {
        let mut by_uid = self.lock();
        let entry = by_uid
            .entry(uid.to_owned())
            .or_insert_with(|| self.first_sight(secuencia, now));
        if secuencia < entry.secuencia {
            if now.duration_since(*entry.stale_since.get_or_insert(now)) < STALE {
                return None;
            }
            *entry = Remembered::new(secuencia, now, true);
        }
        entry.stale_since = None;
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
        Some(Memory {
            elapsed: entry.elapsed(now),
            sends: entry.sends,
            last_send: entry.last_send,
        })
    }

    /// This resource was just made by us, who publish its first command.
    pub fn created(&self, uid: &str, now: Instant) {
        let mut by_uid = self.lock();
        let made = Remembered::new(1, now, false);
        let entry = by_uid.entry(uid.to_owned()).or_insert(made);
        // Its event came first, and at the start it was taken for one that had lost its writer.
        if entry.secuencia == 1 && entry.sends == 0 {
            *entry = made;
        }
    }

    /// Whether this resource is known to be its payment's first.
    pub fn is_first_life(&self, uid: &str) -> bool {
        self.lock().get(uid).is_some_and(|entry| entry.first_life)
    }

    /// This resource, which has no status yet, is its payment's first.
    pub fn first_life(&self, uid: &str, now: Instant) {
        let mut by_uid = self.lock();
        by_uid
            .entry(uid.to_owned())
            .or_insert_with(|| self.first_sight(1, now))
            .first_life = true;
    }

    /// The outstanding command of this record was published now.
    pub fn sent(&self, uid: &str, secuencia: u64, now: Instant) {
        let mut by_uid = self.lock();
        let entry = by_uid
            .entry(uid.to_owned())
            .or_insert_with(|| Remembered::new(secuencia, now, true));
        if secuencia < entry.secuencia {
            return;
        }
        if secuencia > entry.secuencia {
            *entry = Remembered::new(secuencia, now, true);
        }
        if !std::mem::take(&mut entry.presumed) {
            entry.sends += 1;
        }
        entry.last_send = Some(entry.elapsed(now));
    }

    /// Whether this record is known to be in the archive.
    pub fn is_archived(&self, uid: &str, secuencia: u64) -> bool {
        self.lock()
            .get(uid)
            .is_some_and(|entry| entry.archived && entry.secuencia == secuencia)
    }

    /// This record is in the archive.
    pub fn archived(&self, uid: &str, secuencia: u64, now: Instant) {
        let mut by_uid = self.lock();
        let entry = by_uid
            .entry(uid.to_owned())
            .or_insert_with(|| Remembered::new(secuencia, now, false));
        if secuencia > entry.secuencia {
            *entry = Remembered::new(secuencia, now, false);
        }
        entry.archived = entry.secuencia == secuencia;
    }

    /// Claims a step of the removal of this record; false when that was claimed already, which its own events would
    /// otherwise start again.
    pub fn begin_leaving(&self, uid: &str, secuencia: u64, step: Leaving, now: Instant) -> bool {
        let mut by_uid = self.lock();
        let entry = by_uid
            .entry(uid.to_owned())
            .or_insert_with(|| Remembered::new(secuencia, now, false));
        let begins = entry.leaving < Some(step);
        if begins {
            entry.leaving = Some(step);
        }
        begins
    }

    /// The removal failed: it is tried again at the next pass.
    pub fn stay(&self, uid: &str) {
        if let Some(entry) = self.lock().get_mut(uid) {
            entry.leaving = None;
        }
    }

    /// Claims that the BFF is told again where this record rests; false when it was told lately. The first time counts as told:
    /// what is new is told of itself.
    pub fn begin_telling(&self, uid: &str, now: Instant) -> bool {
        let mut by_uid = self.lock();
        let Some(entry) = by_uid.get_mut(uid) else {
            return false;
        };
        let told = entry.rest_told.get_or_insert(now);
        let begins = now.duration_since(*told) >= TELL_RESTING;
        if begins {
            *told = now;
        }
        begins
    }

    /// Whether this generation of a resource is refused for the first time.
    pub fn begin_refusing(&self, uid: &str, generation: i64) -> bool {
        self.refused.begin(uid, generation)
    }

    /// Nobody heard of it: it counts as the first time again.
    pub fn refuse_again(&self, uid: &str) {
        self.refused.lock().remove(uid);
    }

    /// Whether this generation of a resource is left alone for the first time.
    pub fn begin_letting_alone(&self, uid: &str, generation: i64) -> bool {
        self.left_alone.begin(uid, generation)
    }

    /// Forgets the resources that are gone: those neither in `present` nor seen lately.
    pub fn keep(&self, present: &HashSet<String>, now: Instant) {
        self.lock()
            .retain(|uid, entry| present.contains(uid) || now.duration_since(entry.seen) < LATELY);
        for once in [&self.refused, &self.left_alone] {
            once.lock().retain(|uid, _| present.contains(uid));
        }
    }

    fn first_sight(&self, secuencia: u64, now: Instant) -> Remembered {
        Remembered::new(secuencia, now, now.duration_since(self.started) < FIRST_LOOK)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Generations ===

impl Generations {
    /// Whether it was not done in this generation yet; from now on it was.
    fn begin(&self, uid: &str, generation: i64) -> bool {
        self.lock().insert(uid.to_owned(), generation) != Some(generation)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Remembered ===

impl Remembered {
    fn new(secuencia: u64, now: Instant, writer_gone: bool) -> Self {
        let (sends, last_send) = if writer_gone {
            (0, None)
        } else {
            (1, Some(Duration::ZERO))
        };
        Self {
            secuencia,
            seen: now,
            suspended: Duration::ZERO,
            suspended_since: None,
            sends,
            last_send,
            presumed: !writer_gone,
            archived: false,
            leaving: None,
            first_life: false,
            rest_told: None,
            stale_since: None,
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

    #[test]
    fn a_record_found_at_the_start_is_sent_at_once_and_a_later_one_was_sent_by_its_writer() {
        let start = Instant::now();
        let memories = Memories::new(start);
        assert_eq!(memories.of("u-1", 3, false, start).unwrap().sends, 0);
        let later = start + Duration::from_secs(60);
        assert_eq!(memories.of("u-1", 4, false, later).unwrap().sends, 1);
        assert_eq!(memories.of("u-2", 1, false, later).unwrap().sends, 1);
    }

    #[test]
    fn what_we_make_ourselves_at_the_start_is_sent_once() {
        let start = Instant::now();
        let memories = Memories::new(start);
        let first = memories.of("u-1", 1, false, start).unwrap();
        assert_eq!(first.sends, 0, "its event came first");
        memories.created("u-1", start);
        assert_eq!(
            memories.of("u-1", 1, false, start).unwrap().sends,
            1,
            "by us, in a moment"
        );
        memories.sent("u-1", 1, start);
        assert_eq!(memories.of("u-1", 1, false, start).unwrap().sends, 1, "the same one");
        memories.sent("u-1", 1, start);
        assert_eq!(memories.of("u-1", 1, false, start).unwrap().sends, 2);
    }

    #[test]
    fn a_stale_read_is_recognised() {
        let start = Instant::now();
        let memories = Memories::new(start);
        memories.sent("u-1", 4, start);
        assert_eq!(memories.of("u-1", 3, false, start), None);
        assert_eq!(memories.of("u-1", 4, false, start).unwrap().sends, 1);
    }

    #[test]
    fn a_number_that_no_record_comes_up_to_is_forgotten_after_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let memories = Memories::new(start);
        memories.sent("u-1", 4, at(0));
        assert_eq!(memories.of("u-1", 2, false, at(1)), None);
        assert_eq!(memories.of("u-1", 2, false, at(5)), None, "it may still come");
        assert_eq!(
            memories.of("u-1", 2, false, at(6)).unwrap().sends,
            0,
            "and is sent again at once"
        );
        assert_eq!(memories.of("u-1", 3, false, at(7)).unwrap().sends, 1);
    }

    #[test]
    fn suspension_stops_the_clock() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let memories = Memories::new(start);
        memories.of("u-1", 1, false, at(0));
        memories.of("u-1", 1, true, at(10));
        assert_eq!(
            memories.of("u-1", 1, true, at(100)).unwrap().elapsed,
            Duration::from_secs(10)
        );
        memories.of("u-1", 1, false, at(110));
        assert_eq!(
            memories.of("u-1", 1, false, at(115)).unwrap().elapsed,
            Duration::from_secs(15)
        );
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let start = Instant::now();
        let later = start + Duration::from_secs(61);
        let memories = Memories::new(start);
        memories.sent("gone", 4, start);
        memories.sent("there", 4, start);
        memories.sent("new", 4, later);
        memories.keep(&HashSet::from(["there".to_owned()]), later);
        let known: HashSet<String> = memories.lock().keys().cloned().collect();
        assert_eq!(known, HashSet::from(["there".to_owned(), "new".to_owned()]));
    }

    #[test]
    fn each_step_of_a_removal_is_begun_once() {
        let memories = Memories::new(Instant::now());
        let begins = |step| memories.begin_leaving("u-1", 5, step, Instant::now());
        assert!(begins(Leaving::Deleted));
        assert!(!begins(Leaving::Deleted));
        assert!(begins(Leaving::LetGo));
        assert!(!begins(Leaving::LetGo) && !begins(Leaving::Deleted));
        memories.stay("u-1");
        assert!(begins(Leaving::LetGo), "whoever did not get through tries again");
    }
}
