//! The broker and the sidecars that read from it, as `pubsub.redis` behaves: at least once, in no order, to one process
//! of an application at a time. A delivery that fails is tried again by the sidecar's policy and then acknowledged all
//! the same: it is gone. So is, where the plan says so, a message that was never delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::Rng as _;
use seedwork::App;
use seedwork_runtime::sidecar::Event;

use crate::system::Answer;
use crate::world::{Part, World};

/// What is on its way.
#[derive(Default)]
pub struct Broker {
    under_way: AtomicUsize,
    published: AtomicUsize,
}

/// Counts a message as long as it is under way.
struct UnderWay(Arc<World>);

/// The longest that a message takes when nothing holds it up.
const PROMPT: Duration = Duration::from_millis(20);
/// The longest that one takes when something does.
const LATE: Duration = Duration::from_secs(60);
/// When the broker gives a message to another consumer, whose first one is gone.
const PROCESSING: Duration = Duration::from_secs(60);
/// The sidecar's policy of retries: as `dapr-components/local/resiliency.yaml` has it.
const RETRIES: u32 = 7;
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(4);

// === impl Broker ===

impl Broker {
    /// How many messages are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// How many were ever published.
    pub fn published(&self) -> usize {
        self.published.load(Ordering::Relaxed)
    }
}

impl UnderWay {
    fn begin(world: &Arc<World>) -> Self {
        world.broker.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(world))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.broker.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a message.
pub fn publish(world: &Arc<World>, topic: &str, event: Event) {
    world.broker.published.fetch_add(1, Ordering::Relaxed);
    let Some(app) = App::ALL.into_iter().find(|app| app.inbox() == topic) else {
        world.broken(format!("a message was published to {topic}, which nobody reads"));
        return;
    };
    let faults = world.plan.message;
    if world.chance(faults.duplicate) {
        deliver(world, app, event.clone(), world.upto(LATE));
    }
    if world.chance(faults.loss) {
        world.note(|| format!("the broker loses {} of {}", event.event_type, event.subject));
        return;
    }
    let most = if world.chance(faults.delay) { LATE } else { PROMPT };
    deliver(world, app, event, world.upto(most));
}

fn deliver(world: &Arc<World>, app: App, event: Event, after: Duration) {
    let under_way = UnderWay::begin(world);
    tokio::spawn(async move {
        let world = &under_way.0;
        tokio::time::sleep(after).await;
        let mut pause = FIRST_RETRY;
        let mut tries = 0;
        loop {
            while world.is_out(Part::Broker) {
                tokio::time::sleep(FIRST_RETRY).await;
            }
            if world.chance(world.plan.message.orphan) {
                world.note(|| format!("a sidecar of {app} dies with {} of {}", event.event_type, event.subject));
                tokio::time::sleep(PROCESSING).await;
                continue;
            }
            // Boxed: a message that is on its way is a small thing.
            match Box::pin(attempt(world, app, &event)).await {
                Answer::Success => return,
                Answer::Drop => {
                    world.note(|| format!("{app} sets {} of {} aside", event.event_type, event.subject));
                    return;
                }
                Answer::Retry => {}
            }
            tries += 1;
            if tries > RETRIES || !world.plan.redelivers {
                world.note(|| {
                    format!(
                        "{} of {} is given up by {app}'s sidecar",
                        event.event_type, event.subject
                    )
                });
                return;
            }
            let jitter = world.dice().random_range(0.5..1.5);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause = pause.mul_f64(1.5).min(LAST_RETRY);
        }
    });
}

/// One delivery to one process; a process that dies over it has not answered.
async fn attempt(world: &Arc<World>, app: App, event: &Event) -> Answer {
    let Some(incarnation) = world.any_running(app) else {
        return Answer::Retry;
    };
    tokio::select! {
        biased;
        () = incarnation.life().over() => Answer::Retry,
        answer = incarnation.receive(event) => answer,
    }
}
