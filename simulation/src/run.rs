//! One world, from its seed to its verdict.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use checker::Check;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use seedwork::App;
use seedwork_runtime::{Expect, simulated};
use tokio::time::sleep;

use crate::judge::{self, Quiet};
use crate::model::post::CLIENTS;
use crate::people::{self, Deed};
use crate::plan::Plan;
use crate::system::Bases;
use crate::world::{Proc, World};

/// When every world begins, in milliseconds since the epoch: a moment in 2026.
const EPOCH_MS: i64 = 1_795_543_200_000;

/// How long everything may take after faults have stopped.
const BOUND: Duration = Duration::from_secs(30 * 60);

/// How often people look at what is stalled while faults happen.
const LOOKS: u32 = 8;

/// What became of one world.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many payments were judged.
    pub payments: usize,
    /// How many completed.
    pub completed: usize,
    /// How many were undone.
    pub compensated: usize,
    /// How many processes died.
    pub deaths: u64,
    /// How many changes of resources there were.
    pub writes: usize,
    /// How many messages were published.
    pub messages: usize,
    /// How much time passed in it.
    pub took: Duration,
    /// How long the judge took, of real time.
    pub judged_in: Duration,
    /// What was checked, on how many objects.
    pub checks: BTreeMap<Check, usize>,
    /// What people did to payments.
    pub deeds: BTreeMap<&'static str, Deed>,
    /// Every broken promise.
    pub violations: Vec<String>,
    /// What happened, if it was to be told.
    pub story: Vec<String>,
}

thread_local! {
    static PLAYING: Cell<bool> = const { Cell::new(false) };
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

static HOOK: Once = Once::new();

/// Plays a seed.
pub fn play(seed: u64, payments: Option<usize>, bases: &Arc<Bases>, tells: bool) -> Outcome {
    HOOK.call_once(|| {
        let outside = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if PLAYING.get() {
                PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
            } else {
                outside(panic);
            }
        }));
    });
    PANICS.take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    bases.wipe();
    PLAYING.set(true);
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(live(seed, payments, bases, tells))
    }));
    // What is left of the dead must not outlive their world.
    drop(runtime);
    PLAYING.set(false);
    let mut outcome = played.unwrap_or_default();
    outcome
        .violations
        .extend(PANICS.take().into_iter().map(|panic| format!("a panic: {panic}")));
    outcome
}

async fn live(seed: u64, payments: Option<usize>, bases: &Arc<Bases>, tells: bool) -> Outcome {
    let mut dice = SmallRng::seed_from_u64(seed);
    let plan = Plan::draw(&mut dice, payments);
    let _clock = simulated::begin(EPOCH_MS, seed ^ 0x5eed);
    let world = World::new(plan, seed.wrapping_add(1), Arc::clone(bases), tells);
    world.note(|| format!("{:?}", world.plan));
    for (client, _) in CLIENTS {
        let put = world.stores.put(
            App::GestionClientes,
            &format!("cliente:{client}"),
            b"{}".to_vec(),
            &Expect::Absent,
        );
        put.unwrap_or_else(|error| panic!("the clients cannot be made: {error}"));
    }
    for proc in Proc::all(world.plan.operators) {
        world.launch(proc);
    }
    people::begin(&world);
    if let Some((when, by_ms)) = world.plan.clock {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            sleep(when).await;
            world.note(|| format!("the clock is set by {by_ms} ms"));
            simulated::set_clock(by_ms);
        });
    }
    for _ in 0..LOOKS {
        sleep(world.plan.faults_until / LOOKS).await;
        judge::closed_early(&world);
        people::settle(&world);
    }
    world.calm_down();
    let calm_ms = seedwork_runtime::simulated::steady_ms();
    let quiet = settle(&world).await;
    if quiet.is_some() {
        people::obeyed(&world);
    }
    let began = std::time::Instant::now();
    let verdict = judge::judge(&world, calm_ms, BOUND, quiet.as_ref());
    let mut violations = world.take_broken();
    // Without rest nobody has looked whether it stays quiet and whether all has left.
    if quiet.is_none() {
        violations.push(format!("the world did not come to rest in {} s", BOUND.as_secs()));
    }
    violations.extend(verdict.violations.iter().map(ToString::to_string));
    if violations.is_empty() && !verdict.money_conserved() {
        violations.push(format!("held {}, owed {}", verdict.held, verdict.owed));
    }
    let outcome = Outcome {
        payments: verdict.payments,
        completed: verdict.completed,
        compensated: verdict.compensated,
        deaths: world.deaths(),
        writes: world.api.writes(),
        messages: world.broker.published(),
        took: world.elapsed(),
        judged_in: began.elapsed(),
        checks: verdict.checks,
        deeds: world.log.deeds(),
        violations,
        story: world.take_story(),
    };
    world.end();
    outcome
}

/// Waits until everything has ended and left, while people settle by hand what needs them; then looks whether it stays
/// quiet. Nothing if it does not come to rest.
async fn settle(world: &Arc<World>) -> Option<Quiet> {
    let calm = world.elapsed();
    while !is_done(world) {
        if world.elapsed() > calm + BOUND {
            return None;
        }
        people::settle(world);
        sleep(Duration::from_secs(2)).await;
    }
    judge::closed_early(world);
    let counters =
        || [world.api.writes(), world.broker.published()].map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    let before = counters();
    sleep(world.plan.idle).await;
    Some(Quiet {
        before,
        after: counters(),
        during: world.plan.idle,
    })
}

/// Whether everybody has their answer, every payment has left, and every table and the broker are done with it.
fn is_done(world: &World) -> bool {
    world.log.unfinished() == 0
        && world.api.is_empty()
        && world.api.under_way() == 0
        && world.broker.under_way() == 0
        && world.bases.undone().all(|(_, rows)| rows.is_empty())
}
