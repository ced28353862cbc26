//! Faults that overlap, at random times.

use std::sync::Arc;
use std::time::Duration;

use local::status::State;
use nix::sys::signal::Signal;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use saga::{Aviso, StepState};
use seedwork::{Action, App, Step};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::full::STORES;
use super::{Claim, Fault, Kind, Nemesis, Phase};
use crate::Outcome;
use crate::draws::generator;
use crate::proxy::Mode;
use crate::recorder::News;

/// A part is left alone for so long after it became ready, so that something can happen.
const FAIR: u64 = 2;
/// Longest freeze and partition.
const LONGEST: f64 = 12.0;
/// How long a write to kill after is waited for.
const AWAITS_WRITE: Duration = Duration::from_secs(8);

/// A write of a payment, to kill somebody right after.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// The payment was created: step 1 is issued.
    Created,
    /// A step is in this state for the first time.
    Step(Step, StepState),
    /// It completed.
    Completed,
    /// It was compensated.
    Compensated,
    /// The client is being told of the reversal.
    Notice,
    /// Somebody deletes it: a person, or the operator when it is archived.
    Deleting,
    /// Its finalizer was taken away, and with that it left.
    Left,
}

const WRITES: [Write; 17] = [
    Write::Created,
    Write::Step(Step::RealizarPago, StepState::Issued),
    Write::Step(Step::RealizarPago, StepState::Issued),
    Write::Step(Step::RealizarPago, StepState::Done),
    Write::Step(Step::ConfirmarFacturacion, StepState::Issued),
    Write::Step(Step::CrearNotificacion, StepState::Issued),
    Write::Step(Step::CrearFacturacion, StepState::Undoing),
    Write::Step(Step::RealizarPago, StepState::Undoing),
    Write::Step(Step::RealizarPago, StepState::Undoing),
    Write::Step(Step::RealizarPago, StepState::Undone),
    Write::Step(Step::ConfirmarFacturacion, StepState::Undoing),
    Write::Step(Step::CrearNotificacion, StepState::Undoing),
    Write::Completed,
    Write::Compensated,
    Write::Notice,
    Write::Deleting,
    Write::Left,
];

/// Who may be killed after it.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Operator,
    OperatorsSidecar,
    Participant,
    ParticipantsSidecar,
    Redis,
}

const VICTIMS: [Victim; 5] = [
    Victim::Operator,
    Victim::OperatorsSidecar,
    Victim::Participant,
    Victim::ParticipantsSidecar,
    Victim::Redis,
];

// === impl Nemesis ===

impl Nemesis {
    /// Breaks something every so many seconds on average, for as long as `lasts`; then everything is whole again.
    pub(crate) async fn storm(self: &Arc<Self>, seed: u64, every: f64, lasts: Duration) -> Outcome {
        let parts = self.scene.system.parts()?;
        let wires: Vec<String> = self.scene.system.wires.names().map(str::to_owned).collect();
        let (half, until) = (Instant::now() + lasts / 2, Instant::now() + lasts);
        let mut under_way = JoinSet::new();
        for round in 0_u64.. {
            let mut random = generator(seed, round);
            // Exponential gaps: sometimes several at once, sometimes none for a while.
            let gap = -every * random.random_range(f64::EPSILON..1.0_f64).ln();
            let wake = Instant::now() + Duration::from_secs_f64(gap.min(every * 4.0));
            tokio::time::sleep_until(wake.min(until)).await;
            if Instant::now() >= until {
                break;
            }
            while under_way.try_join_next().is_some() {}
            // What chance left out of the first half comes first in the second, every other time.
            let late = Instant::now() >= half && round.is_multiple_of(2);
            let owed = never_yet(&self.lock().faults).filter(|_| late);
            // One that found its target busy or down is drawn again.
            for _ in 0..10 {
                if self.strike(owed, &mut random, &parts, &wires, &mut under_way) {
                    break;
                }
            }
        }
        under_way.join_all().await;
        Ok(())
    }

    /// Draws a fault, of the kind that is owed if one is, and begins it, if its target can be had.
    fn strike(
        self: &Arc<Self>,
        owed: Option<Kind>,
        random: &mut StdRng,
        parts: &[String],
        wires: &[String],
        under_way: &mut JoinSet<()>,
    ) -> bool {
        let lasts = duration(random);
        let part = parts.choose(random).cloned().unwrap_or_default();
        match owed.unwrap_or_else(|| kind(random)) {
            Kind::Kill => self.while_fair(&part, random.random_bool(0.1), |nemesis, claim| {
                nemesis.strike_once(&claim, Kind::Kill, Signal::SIGKILL);
            }),
            Kind::Freeze => self.while_fair(&part, false, |nemesis, claim| {
                under_way.spawn(async move { nemesis.freeze(Phase::Storm, &claim.target, lasts).await });
            }),
            Kind::Restart => self.while_fair(&part, false, |nemesis, claim| {
                nemesis.strike_once(&claim, Kind::Restart, Signal::SIGTERM);
            }),
            Kind::Partition => {
                let wire = wires.choose(random).cloned().unwrap_or_default();
                let mode = mode(random);
                let Some(claim) = self.claim(&wire) else { return false };
                let nemesis = Arc::clone(self);
                under_way.spawn(async move { nemesis.cut(Phase::Storm, &claim.target, mode, lasts).await });
                true
            }
            Kind::Full => {
                let store = STORES.choose(random).copied().unwrap_or("redis");
                self.while_fair(store, false, |nemesis, claim| {
                    under_way.spawn(async move { nemesis.fill(Phase::Storm, &claim.target, lasts).await });
                })
            }
            Kind::KillAfterWrite => {
                let write = WRITES.choose(random).copied().unwrap_or(Write::Created);
                let victim = VICTIMS.choose(random).copied().unwrap_or(Victim::Operator);
                let part = victim.part(write);
                let nth = random.random_range(1..5);
                self.while_fair(&part, false, |nemesis, claim| {
                    under_way.spawn(async move { nemesis.after_write(claim, write, nth).await });
                })
            }
        }
    }

    fn strike_once(&self, claim: &Claim, kind: Kind, signal: Signal) {
        if self.signal(&claim.target, signal).is_some() {
            self.note(Phase::Storm, kind, &claim.target, "");
        }
    }

    /// Does it to a part that is ready and has had its chance, and that nobody else breaks now.
    fn while_fair(self: &Arc<Self>, part: &str, even_starting: bool, strike: impl FnOnce(Arc<Self>, Claim)) -> bool {
        let Ok(status) = self.scene.system.status() else {
            return false;
        };
        let now = self.scene.clock.wall(self.scene.clock.now()) / 1000;
        let fair = status.part(part).is_some_and(|part| match part.state {
            State::Ready => now.saturating_sub(part.since) >= FAIR,
            State::Starting => even_starting,
            State::Waiting | State::BackOff | State::Stopping | State::Stopped => false,
        });
        let Some(claim) = fair.then(|| self.claim(part)).flatten() else {
            return false;
        };
        strike(Arc::clone(self), claim);
        true
    }

    /// Kills a part as soon as the nth write of a kind is seen.
    async fn after_write(&self, claim: Claim, write: Write, nth: usize) {
        let mut news = self.scene.recorder.listen();
        // What the process is is looked up before, so that the signal is all there is to do.
        let Some((process, _)) = self.scene.system.process(&claim.target) else {
            return;
        };
        let seen = async {
            let mut left = nth;
            while left > 0 {
                // News that were missed are others' writes; the next will come.
                if let Ok(news) = news.recv().await
                    && write.is(&news)
                {
                    left -= 1;
                }
            }
        };
        if timeout(AWAITS_WRITE, seen).await.is_ok() && process.alive() {
            process.signal(Signal::SIGKILL);
            let detail = format!("{write}, nr. {nth}");
            self.note(Phase::Storm, Kind::KillAfterWrite, &claim.target, detail);
        }
        // Time for the supervisor to see it, before others take it for alive.
        sleep(Duration::from_millis(50)).await;
    }
}

fn kind(random: &mut StdRng) -> Kind {
    match random.random_range(0..100) {
        0..32 => Kind::Kill,
        32..50 => Kind::Freeze,
        50..64 => Kind::Restart,
        64..84 => Kind::Partition,
        84..88 => Kind::Full,
        _ => Kind::KillAfterWrite,
    }
}

/// A kind that there was no fault of.
fn never_yet(faults: &[Fault]) -> Option<Kind> {
    let mut kinds = Kind::ALL.into_iter();
    kinds.find(|kind| faults.iter().all(|fault| fault.kind != *kind))
}

/// Mostly short, sometimes long.
fn duration(random: &mut StdRng) -> Duration {
    let drawn = -2.5 * random.random_range(f64::EPSILON..1.0_f64).ln();
    Duration::from_secs_f64(drawn.clamp(0.2, LONGEST))
}

fn mode(random: &mut StdRng) -> Mode {
    match random.random_range(0..10) {
        0..3 => Mode::Refused,
        3..6 => Mode::Silent,
        6..9 => Mode::Deaf,
        _ => Mode::Slow(Duration::from_millis(random.random_range(50..500))),
    }
}

// === impl Write ===

impl Write {
    fn is(self, news: &News) -> bool {
        match self {
            Self::Created => news.before.is_none(),
            Self::Completed => self.first(news, |version| version.phase == Some(seedwork::Phase::Completed)),
            Self::Compensated => self.first(news, |version| version.phase == Some(seedwork::Phase::Compensated)),
            Self::Notice => self.first(news, |version| version.aviso == Aviso::Issued),
            Self::Deleting => self.first(news, |version| version.deleting),
            Self::Left => news.left,
            Self::Step(step, state) => {
                let place = Step::ALL.iter().position(|one| *one == step).unwrap_or_default();
                self.first(news, |version| version.steps.get(place) == Some(&state))
            }
        }
    }

    fn first(self, news: &News, such: impl Fn(&crate::recorder::Version) -> bool) -> bool {
        such(&news.now) && !news.before.as_ref().is_some_and(such)
    }

    fn participant(self) -> App {
        match self {
            Self::Created => App::GestionClientes,
            Self::Step(step, _) => step.participant(),
            Self::Completed | Self::Compensated => App::Bff,
            Self::Notice => Action::AvisarReversion.participant(),
            // It is the operator's own work.
            Self::Deleting | Self::Left => App::Operator,
        }
    }
}

impl std::fmt::Display for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Step(step, state) => write!(f, "{step} {state:?}"),
            Self::Completed => f.write_str("Completed"),
            Self::Compensated => f.write_str("Compensated"),
            Self::Notice => f.write_str("aviso Issued"),
            Self::Deleting => f.write_str("deleting"),
            Self::Left => f.write_str("left"),
        }
    }
}

// === impl Victim ===

impl Victim {
    fn part(self, write: Write) -> String {
        let app = write.participant().id();
        match self {
            Self::Operator => App::Operator.id().to_owned(),
            Self::OperatorsSidecar => format!("daprd-{}", App::Operator.id()),
            Self::Participant => app.to_owned(),
            Self::ParticipantsSidecar => format!("daprd-{app}"),
            Self::Redis => "redis".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use seedwork::IdCorrelacion;

    use super::*;
    use crate::recorder::Version;

    fn news(before: (Aviso, bool), now: (Aviso, bool), left: bool) -> News {
        let version = |(aviso, deleting)| Version {
            at: 1,
            revision: 1,
            phase: Some(seedwork::Phase::Compensating),
            secuencia: 1,
            steps: Vec::new(),
            aviso,
            reason: None,
            cancel: false,
            deleting,
        };
        News {
            id: IdCorrelacion::parse("p-1").unwrap(),
            before: Some(version(before)),
            now: version(now),
            origin: None,
            left,
        }
    }

    #[test]
    fn a_notice_a_deletion_and_a_leaving_are_each_seen_once() {
        let seen = |news: &News| -> Vec<String> {
            let seen = WRITES.into_iter().filter(|write| write.is(news));
            seen.map(|write| write.to_string()).collect()
        };
        let (pending, issued) = ((Aviso::Pending, false), (Aviso::Issued, false));
        assert_eq!(seen(&news(pending, issued, false)), ["aviso Issued"]);
        assert_eq!(seen(&news(issued, issued, false)), Vec::<String>::new());
        let deleting = (Aviso::Issued, true);
        assert_eq!(seen(&news(issued, deleting, false)), ["deleting"]);
        assert_eq!(seen(&news(deleting, deleting, true)), ["left"]);
    }

    #[test]
    fn a_kind_is_owed_until_there_was_one() {
        let mut faults: Vec<Fault> = Kind::ALL.map(Fault::of).to_vec();
        assert_eq!(never_yet(&faults), None);
        faults.retain(|fault| fault.kind != Kind::Full);
        assert_eq!(never_yet(&faults), Some(Kind::Full));
    }
}
