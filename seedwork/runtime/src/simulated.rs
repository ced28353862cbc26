//! The clock, the ids and the dice of a simulation: virtual, seeded, one world per thread. Only with `test-support`.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use tokio::time::Instant;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

struct World {
    epoch_ms: i64,
    /// By how much the wall clock was set since, in milliseconds.
    set_ms: i64,
    started: Instant,
    dice: SmallRng,
}

/// Ends the simulation of this thread when dropped.
#[must_use = "dropping it gives the thread its real clock back"]
pub struct Guard(());

/// From now on this thread's wall clock starts at `epoch_ms` and goes with tokio's clock, which should be paused; its
/// ids and its dice come from `seed`.
pub fn begin(epoch_ms: i64, seed: u64) -> Guard {
    let world = World {
        epoch_ms,
        set_ms: 0,
        started: Instant::now(),
        dice: SmallRng::seed_from_u64(seed),
    };
    WORLD.set(Some(world));
    Guard(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        WORLD.set(None);
    }
}

/// Sets this thread's wall clock on, or back; tokio's goes on as it does.
pub fn set_clock(by_ms: i64) {
    WORLD.with_borrow_mut(|world| {
        if let Some(world) = world {
            world.set_ms = world.set_ms.saturating_add(by_ms);
        }
    });
}

/// What the wall clock would show if nobody had set it: for whoever judges how long something took. Outside a simulation it is
/// the wall clock.
pub fn steady_ms() -> i64 {
    let steady = WORLD.with_borrow(|world| world.as_ref().map(World::steady_ms));
    steady.unwrap_or_else(crate::now_ms)
}

pub(crate) fn now_ms() -> Option<i64> {
    WORLD.with_borrow(|world| {
        let world = world.as_ref()?;
        Some(world.steady_ms().saturating_add(world.set_ms))
    })
}

// === impl World ===

impl World {
    fn steady_ms(&self) -> i64 {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.epoch_ms.saturating_add(passed)
    }
}

pub(crate) fn new_id() -> Option<uuid::Uuid> {
    let millis = u64::try_from(now_ms()?).unwrap_or_default();
    WORLD.with_borrow_mut(|world| {
        let mut random = [0; 10];
        world.as_mut()?.dice.fill_bytes(&mut random);
        Some(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    })
}

pub(crate) fn jitter_ms(below: i64) -> Option<i64> {
    WORLD.with_borrow_mut(|world| Some(world.as_mut()?.dice.random_range(0..below)))
}
