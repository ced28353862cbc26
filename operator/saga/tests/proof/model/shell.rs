//! The operator's rules around the engine.

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

/// What this replica believes to be recorded.
fn seen(world: &World, replica: Replica) -> Value {
    match replica {
        Replica::Fresh => world.record,
        Replica::Stale => world.snapshot,
    }
}

/// Asks the engine, writes, publishes. The worlds after it: at the point where it may crash, if there is one, and at its
/// end, if there is anything to do.
pub(crate) fn act(world: &World, engine: &mut Engine, replica: Replica, question: Question) -> [Option<World>; 2] {
    let read = seen(world, replica);
    match engine.ask(read, question) {
        Decision::Record(new) => {
            let (recorded, ours) = record(world, replica, read, new);
            if !ours {
                return [None, Some(recorded)];
            }
            let published = publish(&recorded, engine, new);
            [Some(recorded), Some(published)]
        }
        Decision::Send(_) => [None, Some(publish(world, engine, read))],
        Decision::Nothing => [None, None],
    }
}

/// Compare-and-swap: the write succeeds only over the very value that was read. Otherwise: read again.
fn record(world: &World, replica: Replica, read: Value, new: Value) -> (World, bool) {
    let ours = world.record == read;
    let record = if ours { new } else { world.record };
    let snapshot = match replica {
        Replica::Fresh => world.snapshot,
        Replica::Stale => record,
    };
    (
        World {
            record,
            snapshot,
            ..*world
        },
        ours,
    )
}

/// Publishes what a recorded value says is outstanding.
fn publish(world: &World, engine: &mut Engine, recorded: Value) -> World {
    match engine.ask(recorded, Question::Due(Asked::default())) {
        Decision::Send(action) => World {
            sent: world.sent.with(Message::Command(action)),
            ..*world
        },
        Decision::Record(_) | Decision::Nothing => *world,
    }
}
