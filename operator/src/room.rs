//! Requests that wait for room, in the order they came, and how much room there is.
//!
//! Nothing here is needed for correctness: each door keeps its requests and asks again. It saves the wait for that question,
//! and it keeps an overload from feeding itself: what is slow because there is much of it costs more, since progress that
//! would have needed no write of its own is written so that people see it, and commands are sent again.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use seedwork::IdCorrelacion;
use seedwork::contrato::SolicitarPago;
use tokio::sync::Notify;
use tracing::{Instrument as _, Span};

use crate::ahead::BEHIND;
use crate::requests;
use crate::shell::Shell;

/// At most so many wait, a fraction of a mebibyte of them; others are left to their doors.
const MOST: usize = 1024;

/// How often whoever waits looks for room.
const LOOK: Duration = Duration::from_millis(20);

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Room {
    waiting: Mutex<Waiting>,
    entered: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with the span in which it came: its trace shows the wait.
    queue: VecDeque<(SolicitarPago, Span)>,
    /// Who they are: a door may ask again meanwhile.
    ids: HashSet<IdCorrelacion>,
}

/// How many payments may wait for an answer at a time, found as TCP finds its congestion window (RFC 5681, additive increase,
/// multiplicative decrease; RFC 7661, no increase of what is not used): a window of quick answers makes room for one more, and
/// one of slow answers for half as many. In millionths.
#[derive(Debug)]
pub(crate) struct Limit(usize);

// === impl Room ===

impl Room {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Lets a request wait, in the current span. False when there was no place for it.
    pub fn enter(&self, solicitar: &SolicitarPago) -> bool {
        let mut waiting = self.lock();
        if waiting.ids.contains(&solicitar.id_correlacion) {
            return true;
        }
        if waiting.queue.len() >= MOST {
            return false;
        }
        waiting.ids.insert(solicitar.id_correlacion.clone());
        waiting.queue.push_back((solicitar.clone(), Span::current()));
        self.entered.notify_one();
        true
    }

    /// Those who have waited longest, so many at most.
    fn take(&self, most: usize) -> Vec<(SolicitarPago, Span)> {
        let mut waiting = self.lock();
        let count = most.min(waiting.queue.len());
        let taken: Vec<_> = waiting.queue.drain(..count).collect();
        for (solicitar, _) in &taken {
            waiting.ids.remove(&solicitar.id_correlacion);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins the payments that wait as soon as there is room.
pub async fn admit(shell: Arc<Shell>) {
    loop {
        if shell.room.is_empty() {
            shell.room.entered.notified().await;
        }
        tokio::time::sleep(LOOK).await;
        let admitted = shell.room.take(shell.held.room());
        join_all(admitted.into_iter().map(|(solicitar, span)| {
            let shell = &shell;
            let begin = async move {
                if let Err(fault) = requests::admitted(shell, &solicitar).await {
                    let id = &solicitar.id_correlacion;
                    tracing::warn!(%id, error = fault.chain(), "unable to begin a payment now; its door asks again");
                }
            };
            begin.instrument(span)
        }))
        .await;
    }
}

// === impl Limit ===

impl Limit {
    /// Enough for a start, and enough to find out whether there is room again.
    const FIRST: usize = 32_000_000;
    const LEAST: usize = 8_000_000;
    const MOST: usize = 512_000_000;

    /// An answer took so long, while so many payments waited for one. Within the time that progress may wait for its write it
    /// cost nothing but itself.
    pub(crate) fn answered(&mut self, took: Duration, waited: usize) {
        if took > BEHIND {
            self.0 = (self.0 - 500_000).max(Self::LEAST);
        } else if waited >= self.places() {
            self.0 = (self.0 + 1_000_000_000_000 / self.0).min(Self::MOST);
        }
    }

    /// How many.
    pub(crate) fn places(&self) -> usize {
        self.0 / 1_000_000
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

#[cfg(test)]
mod tests {
    use seedwork::{App, Moneda, SolicitudPago};

    use super::*;

    fn solicitar(id: &str) -> SolicitarPago {
        SolicitarPago {
            id_correlacion: IdCorrelacion::parse(id).unwrap(),
            solicitud: SolicitudPago::parse("PSE", "c-1", "24", Moneda::USD).unwrap(),
            origen: App::Bff,
        }
    }

    fn taken(room: &Room, most: usize) -> Vec<String> {
        let taken = room.take(most).into_iter();
        taken
            .map(|(solicitar, _)| solicitar.id_correlacion.to_string())
            .collect()
    }

    #[test]
    fn who_came_first_goes_first_and_nobody_waits_twice() {
        let room = Room::default();
        for id in ["a", "b", "a", "c"] {
            assert!(room.enter(&solicitar(id)));
        }
        assert_eq!(taken(&room, 0), [""; 0]);
        assert_eq!(taken(&room, 2), ["a", "b"]);
        assert!(room.enter(&solicitar("a")), "it may come again once it has left");
        assert_eq!(taken(&room, 9), ["c", "a"]);
        assert!(room.is_empty());
    }

    #[test]
    fn it_holds_so_many_and_no_more() {
        let room = Room::default();
        for number in 0..MOST {
            assert!(room.enter(&solicitar(&format!("p-{number}"))));
        }
        assert!(!room.enter(&solicitar("one-more")));
        assert!(room.enter(&solicitar("p-0")), "who waits already is not turned away");
        taken(&room, 1);
        assert!(room.enter(&solicitar("one-more")));
    }

    #[test]
    fn quick_answers_make_room_and_slow_ones_take_it() {
        let mut limit = Limit::default();
        let first = limit.places();
        for _ in 0..1000 {
            limit.answered(BEHIND, first - 1);
        }
        assert_eq!(limit.places(), first, "what is not used says nothing");
        for _ in 0..=first {
            limit.answered(BEHIND, limit.places());
        }
        assert_eq!(limit.places(), first + 1, "one more for a window of quick answers");
        for _ in 0..=first {
            limit.answered(BEHIND + Duration::from_millis(1), limit.places());
        }
        assert_eq!(limit.places(), first / 2, "half for a window of slow ones");
        for _ in 0..1000 {
            limit.answered(Duration::MAX, limit.places());
        }
        assert_eq!(limit.places(), 8, "but never none");
    }
}
