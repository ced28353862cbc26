//! The operator's rules around the engine.
//!
//! What a replica does ahead of the record is in the messages it sends and in what it remembers. The fresh replica
//! remembers nothing (it was killed, or the next answer goes to the other one), the stale one for as long as it likes.

use super::engine::{Asked, Decision, Engine, Question, Value};
use super::message::Message;
use super::world::World;

/// One of two replicas of the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Replica {
    /// Read the record just now.
    Fresh,
    /// Read it some time ago.
    Stale,
}

/// What this replica goes by.
fn seen(world: &World, replica: Replica) -> Value {
    match replica {
        Replica::Fresh => world.record,
        Replica::Stale => world.snapshot,
    }
}

/// Whether the second replica has read what is recorded and gone no further.
pub(crate) fn in_step(world: &World) -> bool {
    world.snapshot == world.record && world.base == world.record
}

/// Whether the second replica has gone further than what is recorded.
pub(crate) fn is_ahead(world: &World, engine: &Engine) -> bool {
    engine.view(world.snapshot).secuencia > engine.view(world.record).secuencia
}

/// Reads the record; what it had gone ahead to stays, unless the record is as far.
pub(crate) fn read(world: &World, engine: &Engine) -> World {
    World {
        snapshot: if is_ahead(world, engine) {
            world.snapshot
        } else {
            world.record
        },
        base: world.record,
        ..*world
    }
}

/// Asks the engine, writes, publishes. The worlds after it: at its end, if there is anything to do; at the point where it
/// may crash, and without the write, where there are such.
pub(crate) fn act(world: &World, engine: &mut Engine, replica: Replica, question: Question) -> [Option<World>; 3] {
    let read = seen(world, replica);
    match engine.ask(read, question) {
        Decision::Record(new) => {
            let [end, crash] = record_and_publish(world, engine, replica, new);
            [end, crash, None]
        }
        Decision::RunAhead(new) => {
            let [end, crash] = record_and_publish(world, engine, replica, new);
            let published = publish(world, engine, new);
            // While the second replica has read the same, it may as well be the one that acts.
            let remembers = replica == Replica::Stale || in_step(world);
            let remembered = World {
                snapshot: if remembers { new } else { world.snapshot },
                ..published
            };
            [end, crash, Some(remembered)]
        }
        Decision::Send(_) => [Some(publish(world, engine, read)), None, None],
        Decision::Nothing => [None, None, None],
    }
}

/// The write that had waited.
pub(crate) fn catch_up(world: &World, engine: &Engine) -> World {
    record(world, engine, Replica::Stale, world.snapshot).0
}

fn record_and_publish(world: &World, engine: &mut Engine, replica: Replica, new: Value) -> [Option<World>; 2] {
    let (recorded, ours) = record(world, engine, replica, new);
    if ours {
        [Some(publish(&recorded, engine, new)), Some(recorded)]
    } else {
        [Some(recorded), None]
    }
}

/// Compare-and-swap: the write succeeds only over the very value that was read. Otherwise: read again.
fn record(world: &World, engine: &Engine, replica: Replica, new: Value) -> (World, bool) {
    let base = match replica {
        Replica::Fresh => world.record,
        Replica::Stale => world.base,
    };
    let ours = world.record == base;
    let record = if ours { new } else { world.record };
    let after = World { record, ..*world };
    let after = match (replica, ours) {
        (Replica::Fresh, _) => after,
        (Replica::Stale, true) => World {
            snapshot: new,
            base: new,
            ..after
        },
        (Replica::Stale, false) => read(&after, engine),
    };
    (after, ours)
}

/// Publishes what a recorded value says is outstanding.
fn publish(world: &World, engine: &mut Engine, recorded: Value) -> World {
    match engine.ask(recorded, Question::Due(Asked::default())) {
        Decision::Send(action) => World {
            sent: world.sent.with(Message::Command(action)),
            ..*world
        },
        Decision::Record(_) | Decision::RunAhead(_) | Decision::Nothing => *world,
    }
}
