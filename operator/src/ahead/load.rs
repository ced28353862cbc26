//! How long answers take now, and what follows from it: when a command may be sent again, and how many payments may be begun.
//!
//! What is slow because there is much of it gets slower by there being more of it. So an overload is answered with less: longer
//! pauses, and fewer payments under way.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use seedwork::{Action, IdCorrelacion, Step};

use super::held::{Held, Holding};
use crate::record::Recorded;
use crate::room::Limit;

/// A command is not sent again before this many times what answers take now, up to the most.
const PATIENCE: u32 = 3;
const MOST_PATIENCE: Duration = Duration::from_secs(15);

/// With this many payments under way of which half have waited this long for an answer, another one only makes all of them
/// wait longer, and past their deadlines at last.
const MANY: usize = 32;
const LONG: Duration = Duration::from_secs(5);

/// What answers have shown.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// What they take: a moving average over the last few.
    answers_take: Duration,
    /// How many may wait for an answer of ours.
    limit: Limit,
}

// === impl Held ===

impl Held {
    /// An answer came that brings this payment on: how long it took is remembered.
    pub(crate) fn answered(&self, payment: &Recorded) {
        let by_id = self.lock();
        let Some(asked) = by_id.get(&payment.payment().id) else {
            return;
        };
        if asked.payment.secuencia() == payment.secuencia() && !asked.is_suspended() {
            let took = asked.since.elapsed();
            let mut load = self.load();
            load.answers_take = (load.answers_take * 7 + took) / 8;
            if asked.waits_for_ours() {
                load.limit.answered(took, waiting_for_ours(&by_id));
            }
        }
    }

    /// How long to wait at least before a command is sent again.
    pub(crate) fn pace(&self) -> Duration {
        let average = self.load().answers_take;
        (average * PATIENCE).min(MOST_PATIENCE)
    }

    /// How many more payments may be begun now. What calls nobody outside takes milliseconds: who waits long for it waits in
    /// a queue. What calls outside may take its time, but not all payments for ever.
    pub fn room(&self) -> usize {
        let by_id = self.lock();
        if is_stuck(&by_id) {
            return 0;
        }
        self.load().limit.places().saturating_sub(waiting_for_ours(&by_id))
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many wait for a step that is done without asking anybody outside.
fn waiting_for_ours(by_id: &BTreeMap<IdCorrelacion, Holding>) -> usize {
    by_id.values().filter(|holding| holding.waits_for_ours()).count()
}

/// Whether half of many have waited for long.
fn is_stuck(by_id: &BTreeMap<IdCorrelacion, Holding>) -> bool {
    let waiting = by_id.values().filter(|holding| holding.waits_for().is_some());
    let mut ages: Vec<Duration> = waiting.map(|holding| holding.since.elapsed()).collect();
    if ages.len() < MANY {
        return false;
    }
    let middle = ages.len() / 2;
    *ages.select_nth_unstable(middle).1 > LONG
}

// === impl Holding ===

impl Holding {
    /// The step whose answer it waits for.
    fn waits_for(&self) -> Option<Step> {
        match self.payment.saga()?.outstanding()? {
            Action::Do(step) if !self.is_suspended() => Some(step),
            Action::Do(_) | Action::Undo(_) | Action::AvisarReversion => None,
        }
    }

    /// Whether it waits for a step that is done without asking anybody outside.
    fn waits_for_ours(&self) -> bool {
        match self.waits_for() {
            Some(Step::CrearFacturacion | Step::ConfirmarFacturacion) => true,
            Some(Step::RealizarPago | Step::CrearNotificacion) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ahead::BEHIND;
    use crate::ahead::fixture::{payment, second, suspended};

    #[tokio::test(start_paused = true)]
    async fn the_pace_follows_what_answers_take() {
        let held = Held::default();
        assert_eq!(held.pace(), Duration::ZERO);
        for number in 0..50 {
            let payment = payment(&format!("p-{number}"));
            held.keep(&payment);
            tokio::time::advance(Duration::from_secs(2)).await;
            held.answered(&payment);
        }
        let seconds = held.pace().as_secs_f64();
        assert!((5.9..=6.0).contains(&seconds), "three times two seconds, not {seconds}");
        for number in 0..50 {
            let payment = payment(&format!("q-{number}"));
            held.keep(&payment);
            tokio::time::advance(Duration::from_secs(60)).await;
            held.answered(&payment);
        }
        assert_eq!(held.pace(), MOST_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_what_nobody_outside_is_asked_takes_room() {
        let held = Held::default();
        let all = held.room();
        let first = payment("p-1");
        held.keep(&first);
        assert_eq!(held.room(), all - 1);
        held.keep(&suspended(&payment("p-2")));
        assert_eq!(held.room(), all - 1, "whoever is suspended waits for no answer");
        held.keep(&second(&first));
        assert_eq!(held.room(), all, "a gateway may take its time");
        for number in 0..all {
            held.keep(&payment(&format!("q-{number}")));
        }
        assert_eq!(held.room(), 0);
        tokio::time::advance(BEHIND * 2).await;
        for number in 0..all {
            let asked = payment(&format!("q-{number}"));
            held.answered(&asked);
            held.keep(&second(&asked));
        }
        assert_eq!(held.room(), all / 2, "they had waited in a queue");
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_no_room_while_half_of_many_have_waited_for_long() {
        let held = Held::default();
        let outside = |name: &str| second(&payment(name));
        for number in 0..MANY - 1 {
            held.keep(&outside(&format!("p-{number}")));
        }
        tokio::time::advance(LONG * 2).await;
        assert!(held.room() > 0, "few may be slow");
        held.keep(&outside("one-more"));
        assert_eq!(held.room(), 0);
        let paused = Held::default();
        for number in 0..MANY * 2 {
            paused.keep(&suspended(&outside(&format!("p-{number}"))));
        }
        tokio::time::advance(LONG * 2).await;
        assert!(paused.room() > 0, "whoever is suspended waits for no answer");
        for number in 0..MANY * 2 {
            let resumed = outside(&format!("p-{number}"));
            paused.keep(&resumed);
            paused.answered(&resumed);
        }
        assert!(paused.room() > 0, "and when it goes on, it waits from then");
        assert_eq!(paused.pace(), Duration::ZERO);
        for number in 0..MANY * 2 {
            held.keep(&outside(&format!("q-{number}")));
        }
        assert!(held.room() > 0, "most are quick");
    }
}
