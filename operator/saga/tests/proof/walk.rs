//! Many disturbances at random points, on the engine's own clock, with any number of requests by people. Then calm.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use saga::{Backoff, OnExhausted, Politica};

use crate::model::engine::View;
use crate::model::message::Message;
use crate::model::participants::{Call, Luck};
use crate::model::simulation::{Looked, Simulation};
use crate::model::{laws, report};

/// Random steps in one run of the test.
const STEPS: u64 = 1_500_000;

/// splitmix64: small, and the same everywhere.
struct Random(u64);

#[test]
fn a_payment_disturbed_at_random_ends_once_it_is_left_alone() {
    let (start, seed) = (Instant::now(), seed());
    let (mut steps, mut walks) = (0, 0);
    while steps < STEPS {
        // Each walk prints its own number if it fails; all of them follow from the seed.
        let mut random = Random(seed.wrapping_add(walks));
        steps += walk(&mut random, &format!("SEED={seed}, walk {walks}"));
        walks += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    report(&format!(
        "random walks: {steps} steps in {walks} payments, in {seconds:.1} s; SEED={seed} replays"
    ));
}

/// One payment. How many steps it took.
fn walk(random: &mut Random, title: &str) -> u64 {
    let mut sim = Simulation::new(politica(random), 1 + random.below(3));
    sim.note(|| title.to_owned());
    let chaos = 20 + random.below(200);
    for step in 0..chaos {
        disturb(&mut sim, random, step);
    }
    // From here on nothing goes wrong any more.
    sim.controls.suspend = false;
    if sim.participants.gateway.charged_back {
        sim.bag.push_back(Message::Chargeback);
    }
    sim.note(|| "calm".to_owned());
    let (limit, mut calm) = (sim.clock + Duration::from_hours(24 * 7), 0);
    while sim.clock < limit && sim.step(limit) {
        calm += 1;
        assert!(calm < 1_000, "{title}: busy for ever");
    }
    sim.check(laws::rest(&View::of(&sim.record), sim.participants));
    u64::try_from(chaos).unwrap_or_default() + calm
}

/// Something happens.
fn disturb(sim: &mut Simulation, random: &mut Random, step: usize) {
    let replica = random.below(sim.replicas.len());
    match random.below(100) {
        0..35 => deliver(sim, random, replica),
        35..60 => match sim.look(replica) {
            Looked::Waits(time) if random.chance(60) => sim.advance(time),
            Looked::Acted | Looked::Waits(_) | Looked::Rests => {}
        },
        60..72 => sim.watch(replica),
        72..84 => {
            let calls = [Call::Answered, Call::Answered, Call::Unheard, Call::Held, Call::Failed];
            let call = calls[random.below(calls.len())];
            sim.work(call, random.chance(85));
        }
        84..86 => {
            if let Some(gateway) = sim.participants.gateway.land(random.chance(85)) {
                sim.note(|| "the late capture arrives".to_owned());
                sim.participants.gateway = gateway;
            }
        }
        86..91 => {
            let seconds = [1, 5, 60, 120, 600][random.below(5)];
            sim.advance(Duration::from_secs(seconds));
        }
        91..94 => sim.crash(replica),
        94 => sim.charge_back(),
        95 => sim.controls.cancel |= random.chance(30),
        96 => sim.controls.deleted |= random.chance(20),
        97 => sim.controls.suspend = !sim.controls.suspend,
        98 => sim.controls.retry_requested = Some(step.to_string()),
        _ => {
            if random.chance(20) {
                sim.controls.resolved_by = Some(format!("ana: {step}"));
            }
        }
    }
}

/// A message from anywhere in the bag is delivered, lost, or delivered and kept.
fn deliver(sim: &mut Simulation, random: &mut Random, replica: usize) {
    if sim.bag.is_empty() {
        return;
    }
    let place = random.below(sim.bag.len());
    let message = sim.bag[place];
    if !random.chance(25) {
        sim.bag.remove(place);
    }
    if random.chance(20) {
        sim.note(|| format!("{message} is lost"));
        return;
    }
    match message {
        Message::Command(action) => sim.handle(action, if random.chance(15) { Luck::Bad } else { Luck::Good }),
        Message::Reply(_) | Message::Chargeback => {
            let read = if random.chance(50) {
                sim.record.clone()
            } else {
                sim.replicas[replica].seen.clone()
            };
            sim.receive_having_read(message, &read);
        }
    }
}

fn politica(random: &mut Random) -> Politica {
    let notificacion = if random.chance(50) {
        OnExhausted::Compensate
    } else {
        OnExhausted::Continue
    };
    let mut politica = Politica::standard(notificacion);
    if random.chance(20) {
        politica.pasos.truncate(2 + random.below(3));
    }
    if random.chance(30) {
        politica.undo = Backoff {
            first_seconds: 700,
            max_seconds: 900,
        };
    }
    politica
}

/// From the environment, or a new one.
fn seed() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a failed walk is replayed by its seed")]
    let given = std::env::var("SEED").ok();
    let new = || std::hash::RandomState::new().build_hasher().finish();
    given.map_or_else(new, |seed| seed.parse().expect("SEED is a number"))
}

// === impl Random ===

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(1);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
