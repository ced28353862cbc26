//! What goes wrong in one world, drawn from its seed.
//!
//! Swarm testing: each kind of fault is on in some worlds and off in others, and its rate varies by orders of magnitude.
//! A world where everything fails all the time would never get far enough to show a bug of the later steps.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::world::{Part, Proc};

/// How one world is made. By default nobody asks for anything and nothing goes wrong by itself; there is no operator, nor the
/// times that one is told, and a delivery that fails does not come again.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// How many payments are asked for.
    pub payments: usize,
    /// For how long payments are asked for.
    pub trouble: Duration,
    /// For how long faults happen: as long, or in some worlds so much longer that deadlines pass, undos fail and people settle
    /// what nobody can undo while they do.
    pub faults_until: Duration,
    /// Operators: 1 or 2.
    pub operators: u8,
    /// Deadline of every step, in seconds.
    pub deadline_seconds: u32,
    /// How long an undo may fail before it shows as Stalled, in seconds.
    pub stall_after_seconds: u32,
    /// How long an ended payment stays in the API server, in seconds.
    pub ttl_seconds: u32,
    /// Whether a notification that every medium refuses undoes the payment.
    pub notification_compensates: bool,
    /// Whether events pass the real inbox as JSON over HTTP; otherwise its handler gets them read already.
    pub wire: bool,
    /// For how long nothing may happen when all is done.
    pub idle: Duration,
    /// Whether the sidecars have a policy of retries; without one the broker acknowledges a failed delivery.
    pub redelivers: bool,
    /// Rates of what happens to a message.
    pub message: MessageFaults,
    /// Rates of what happens to a call.
    pub call: CallFaults,
    /// Rate of death per await point.
    pub crash: f64,
    /// One death at exactly this await point of this process.
    pub crash_at: Option<(Proc, u64)>,
    /// Rate of a long pause per await point.
    pub pause: f64,
    /// The longest pause.
    pub longest_pause: Duration,
    /// The longest lag of a watch.
    pub watch_lag: Duration,
    /// Rate at which a watch breaks and lists anew, per event.
    pub watch_break: f64,
    /// When which part does not answer at all.
    pub outages: Vec<Spell<Part>>,
    /// When which process stands still, with all that it has in hand.
    pub freezes: Vec<Spell<Proc>>,
    /// Rates of what people do to a payment.
    pub people: People,
    /// When the machines' wall clock is set, and by how many milliseconds.
    pub clock: Option<(Duration, i64)>,
}

/// Rates of what happens to a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessageFaults {
    /// It is lost though its publication was acknowledged.
    pub loss: f64,
    /// It comes again.
    pub duplicate: f64,
    /// It comes late, up to a minute.
    pub delay: f64,
    /// The sidecar dies with it: the broker delivers it again a minute later.
    pub orphan: f64,
}

/// Rates of what happens to a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallFaults {
    /// It fails and did nothing.
    pub fails: f64,
    /// It fails and did what it was to do.
    pub loses_answer: f64,
    /// It fails and does what it was to do later on, up to half a minute: sent by a process that then stood still, or held up
    /// on the way. Of calls to the API server.
    pub late: f64,
}

/// A while for which something is not as it should be.
#[derive(Debug, Clone, Copy)]
pub struct Spell<T> {
    /// What.
    pub of: T,
    /// From when.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
}

/// Rates of what people do, per payment.
#[derive(Debug, Clone, Copy, Default)]
pub struct People {
    /// Cancels it.
    pub cancel: f64,
    /// Suspends it for a while.
    pub suspend: f64,
    /// Deletes it.
    pub delete: f64,
    /// Asks for a retry.
    pub retry: f64,
    /// Has the bank take the money back.
    pub chargeback: f64,
    /// Makes it with kubectl instead of at a door.
    pub kubectl: f64,
    /// Asks twice under one key.
    pub repeat: f64,
    /// Settles what would have healed, at each look at it while faults happen.
    pub hasty: f64,
}

/// The await point that an exact death comes before: a process of a big world has about as many.
const LAST_POINT: u64 = 5_000;

// === impl Plan ===

impl Plan {
    /// The plan of a world.
    pub fn draw(dice: &mut SmallRng, payments: Option<usize>) -> Self {
        let operators = if dice.random_bool(0.3) { 2 } else { 1 };
        let trouble = Duration::from_secs(dice.random_range(5..=30));
        let message = MessageFaults {
            loss: rate(dice, 0.002, 0.5),
            duplicate: rate(dice, 0.005, 0.5),
            delay: rate(dice, 0.005, 0.5),
            orphan: rate(dice, 0.002, 0.1),
        };
        let call = CallFaults {
            fails: rate(dice, 0.001, 0.2),
            loses_answer: rate(dice, 0.001, 0.2),
            late: rate(dice, 0.001, 0.2),
        };
        let calm = dice.random_bool(0.1);
        let lasting = !calm && dice.random_bool(0.4);
        let faults_until = trouble + Duration::from_secs(if lasting { dice.random_range(0..=150) } else { 0 });
        let exact = dice.random_bool(0.25);
        let crash_at = exact.then(|| {
            let proc = Proc::all(operators)[dice.random_range(0..Proc::all(operators).len())];
            // Each order of magnitude as likely: the first points are those of its start, the last those of undos.
            let most = LAST_POINT >> dice.random_range(0..10_u32);
            (proc, dice.random_range(0..most))
        });
        let quiet = calm || exact;
        let outages = if quiet {
            Vec::new()
        } else {
            Spell::draw(dice, &Part::SHARED, faults_until)
        };
        let freezes = if quiet {
            Vec::new()
        } else {
            Spell::draw(dice, &Proc::all(operators), faults_until)
        };
        Self {
            payments: payments.unwrap_or_else(|| dice.random_range(16..=48)),
            trouble,
            faults_until,
            operators,
            deadline_seconds: dice.random_range(5..=60),
            stall_after_seconds: dice.random_range(10..=60),
            ttl_seconds: dice.random_range(0..=20),
            notification_compensates: dice.random_bool(0.5),
            wire: dice.random_bool(0.1),
            // Nothing happens in it and it costs time: a whole minute in some worlds is enough.
            idle: Duration::from_secs(if dice.random_bool(0.2) { 60 } else { 5 }),
            redelivers: dice.random_bool(0.8),
            message: if quiet { MessageFaults::default() } else { message },
            call: if quiet { CallFaults::default() } else { call },
            crash: if quiet { 0.0 } else { rate(dice, 0.000_2, 0.01) },
            crash_at,
            pause: if quiet { 0.0 } else { rate(dice, 0.000_5, 0.05) },
            longest_pause: Duration::from_millis(dice.random_range(1..=20_000)),
            watch_lag: Duration::from_millis(if dice.random_bool(0.5) {
                0
            } else {
                dice.random_range(1..=5_000)
            }),
            watch_break: if quiet { 0.0 } else { rate(dice, 0.001, 0.1) },
            outages,
            freezes,
            people: People {
                cancel: rate(dice, 0.01, 0.5),
                suspend: rate(dice, 0.01, 0.5),
                delete: rate(dice, 0.01, 0.5),
                retry: rate(dice, 0.01, 0.5),
                chargeback: rate(dice, 0.01, 0.5),
                kubectl: rate(dice, 0.05, 0.5),
                repeat: rate(dice, 0.05, 0.5),
                hasty: rate(dice, 0.05, 0.5),
            },
            // Back by less than a world is given to come to rest: what has ended stays in the API server for as much longer.
            clock: (!calm && dice.random_bool(0.2)).then(|| {
                let when = faults_until.mul_f64(dice.random_range(0.1..0.9));
                (when, dice.random_range(-900_000..=3_600_000))
            }),
        }
    }
}

/// Off in more than half of the worlds; else between the two, each order of magnitude as likely.
fn rate(dice: &mut SmallRng, least: f64, most: f64) -> f64 {
    let exponent: f64 = dice.random_range(least.ln()..most.ln());
    if dice.random_bool(0.6) { 0.0 } else { exponent.exp() }
}

// === impl Spell ===

impl<T: Copy + PartialEq> Spell<T> {
    /// In most worlds none; else up to three, each of one of these and somewhere in the time of faults.
    fn draw(dice: &mut SmallRng, all: &[T], faults: Duration) -> Vec<Self> {
        if !dice.random_bool(0.25) {
            return Vec::new();
        }
        let count = dice.random_range(1..=3);
        let spells = (0..count).map(|_| {
            let of = all[dice.random_range(0..all.len())];
            let from = faults.mul_f64(dice.random_range(0.0..0.8));
            let until = (from + Duration::from_millis(dice.random_range(100..=25_000))).min(faults);
            Self { of, from, until }
        });
        spells.collect()
    }

    /// Whether it is so of this one now.
    pub fn holds(&self, of: T, now: Duration) -> bool {
        self.of == of && self.from <= now && now < self.until
    }

    /// How long it is so.
    pub fn lasts(&self) -> Duration {
        self.until - self.from
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn faults_outlast_the_requests_in_some_worlds_and_deaths_come_late_too() {
        let plans: Vec<Plan> = (0..400)
            .map(|seed| Plan::draw(&mut SmallRng::seed_from_u64(seed), None))
            .collect();
        let lasting = plans.iter().filter(|plan| plan.faults_until > plan.trouble).count();
        assert!((100..200).contains(&lasting), "{lasting} of 400");
        let points: Vec<u64> = plans.iter().filter_map(|plan| Some(plan.crash_at?.1)).collect();
        let late = points.iter().filter(|point| **point > 300).count();
        let early = points.iter().filter(|point| **point <= 30).count();
        assert!(late >= 15 && early >= 15, "{points:?}");
        for plan in plans {
            let last = plan.outages.iter().map(|outage| outage.until);
            let last = last.chain(plan.freezes.iter().map(|freeze| freeze.until)).max();
            assert!(last.is_none_or(|last| last <= plan.faults_until), "{plan:?}");
        }
    }
}
