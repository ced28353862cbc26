//! What kube's controller does for an operator, in one deterministic order (its own queue is in no order): watches, and
//! runs the real `reconcile`, one pass per resource at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kube::Resource as _;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;
use operator::reconcile::{on_error, reconcile};
use operator::shell::{Shell, Watched};
use seedwork::Fault;
use tokio::time::Instant;

use crate::life::Life;
use crate::lock;
use crate::world::Part;

struct Controller {
    life: Arc<Life>,
    shell: Arc<Shell>,
    slots: Mutex<BTreeMap<String, Slot>>,
}

/// The work on one resource.
#[derive(Default)]
struct Slot {
    running: bool,
    /// It changed while a pass ran.
    again: bool,
    /// When it is looked at without a change.
    due: Option<Instant>,
}

/// How often every resource is looked at, as `operator::app` says.
const LOOK_AT_ALL: Duration = Duration::from_secs(10);

/// The longest that a list takes to come in.
const LISTING: Duration = Duration::from_millis(50);

/// How long a watch that broke waits before it lists again.
const RELIST: Duration = Duration::from_secs(1);

/// Watches and reconciles for the rest of a life.
pub fn run(life: &Arc<Life>, writer: Writer<Watched>, shell: &Arc<Shell>) {
    let controller = Arc::new(Controller {
        life: Arc::clone(life),
        shell: Arc::clone(shell),
        slots: Mutex::default(),
    });
    tokio::spawn(look_at_all(Arc::clone(&controller)));
    tokio::spawn(watch(controller, writer));
}

/// Looks at every resource of the cache now and then, whatever the watch says.
async fn look_at_all(controller: Arc<Controller>) {
    loop {
        tokio::time::sleep(LOOK_AT_ALL).await;
        controller.life.alive().await;
        let names = controller
            .shell
            .cache
            .state()
            .into_iter()
            .filter_map(|object| object.meta().name.clone());
        let names: BTreeSet<String> = names.collect();
        names.iter().for_each(|name| controller.trigger(name));
    }
}

/// Lists, then follows the changes, late; lists again whenever the watch breaks.
async fn watch(controller: Arc<Controller>, mut cache: Writer<Watched>) {
    let life = Arc::clone(&controller.life);
    let world = life.world();
    let mut listed_before = false;
    loop {
        while world.is_out(Part::ApiServer) {
            tokio::time::sleep(RELIST).await;
        }
        life.alive().await;
        let (objects, mut seen) = world.api.list();
        let names = || objects.iter().filter_map(|object| object.metadata.name.as_deref());
        cache.apply_watcher_event(&watcher::Event::Init);
        for object in &objects {
            cache.apply_watcher_event(&watcher::Event::InitApply(DeserializeGuard(Ok((**object).clone()))));
        }
        if listed_before {
            // As kube does it: whoever is woken now looks into the old cache.
            names().for_each(|name| controller.trigger(name));
            tokio::time::sleep(world.upto(LISTING)).await;
            life.alive().await;
        }
        cache.apply_watcher_event(&watcher::Event::InitDone);
        if !listed_before {
            // The first passes wait until there is a cache.
            names().for_each(|name| controller.trigger(name));
            listed_before = true;
        }
        'following: loop {
            world.api.changed(seen).await;
            if !world.plan.watch_lag.is_zero() && !world.is_calm() {
                tokio::time::sleep(world.upto(world.plan.watch_lag)).await;
            }
            life.alive().await;
            for change in world.api.changes(seen) {
                if world.chance(world.plan.watch_break) || world.is_out(Part::ApiServer) {
                    world.note(|| format!("the watch of {} breaks", life.proc()));
                    break 'following;
                }
                seen += 1;
                let object = DeserializeGuard(Ok((*change.object).clone()));
                if change.gone {
                    cache.apply_watcher_event(&watcher::Event::Delete(object));
                } else {
                    cache.apply_watcher_event(&watcher::Event::Apply(object));
                    controller.trigger(change.object.metadata.name.as_deref().unwrap_or_default());
                }
            }
        }
        tokio::time::sleep(world.upto(RELIST)).await;
    }
}

// === impl Controller ===

impl Controller {
    /// Something changed: a pass now, or right after the one that runs.
    fn trigger(self: &Arc<Self>, name: &str) {
        let mut slots = self.slots();
        let slot = slots.entry(name.to_owned()).or_default();
        slot.due = None;
        if slot.running {
            slot.again = true;
            return;
        }
        slot.running = true;
        let this = Arc::clone(self);
        let name = name.to_owned();
        tokio::spawn(async move { this.work(&name).await });
    }

    async fn work(self: Arc<Self>, name: &str) {
        loop {
            self.life.alive().await;
            let key = ObjectRef::<Watched>::new(name).within(&self.shell.settings.namespace);
            let requeue = match self.shell.cache.get(&key) {
                Some(object) => {
                    // Boxed, or every wake-up without a pass would carry the room for one about.
                    let pass = Box::pin(reconcile(Arc::clone(&object), Arc::clone(&self.shell))).await;
                    let action = pass.unwrap_or_else(|fault| {
                        self.look(name, &fault);
                        on_error(object, &fault, Arc::clone(&self.shell))
                    });
                    requeue_after(&action)
                }
                None => None,
            };
            let mut slots = self.slots();
            let slot = slots.entry(name.to_owned()).or_default();
            if let Some(after) = requeue {
                let due = Instant::now() + after;
                // The earlier one stays.
                if slot.due.is_none_or(|known| due < known) {
                    slot.due = Some(due);
                    let this = Arc::clone(&self);
                    let name = name.to_owned();
                    tokio::spawn(async move { this.wake(&name, due).await });
                }
            }
            if !std::mem::take(&mut slot.again) {
                slot.running = false;
                return;
            }
            slot.due = None;
        }
    }

    async fn wake(self: Arc<Self>, name: &str, due: Instant) {
        tokio::time::sleep_until(due).await;
        self.life.alive().await;
        let still = self.slots().get(name).is_some_and(|slot| slot.due == Some(due));
        if still {
            self.trigger(name);
        }
    }

    fn look(&self, name: &str, fault: &Fault) {
        self.life
            .world()
            .note(|| format!("{} fails at {name}: {}", self.life.proc(), fault.chain()));
        if let Fault::Bug { .. } = fault {
            self.life.world().broken(format!("{name}: {}", fault.chain()));
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        lock(&self.slots)
    }
}

/// What a pass asks for. kube keeps it private, and shows it: `Action { requeue_after: Some(1.5s) }`.
fn requeue_after(action: &Action) -> Option<Duration> {
    if *action == Action::await_change() {
        return None;
    }
    let shown = format!("{action:?}");
    let text = shown.split("Some(").nth(1)?.split(')').next()?;
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let scale = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        _ => 1e-9,
    };
    Some(Duration::from_secs_f64(number * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pass_asks_for_is_read_as_it_is_shown() {
        assert_eq!(requeue_after(&Action::await_change()), None);
        for wanted in [0, 1, 1_500, 200_000, 1_000_000, 1_500_000, 3_600_000_000, 12_345_678] {
            let wanted = Duration::from_micros(wanted);
            assert_eq!(requeue_after(&Action::requeue(wanted)), Some(wanted));
        }
    }
}
