//! The load: an open loop of clients who ask for payments, repeat what was not answered, cancel, delete, suspend, and whose
//! banks take money back.

mod deeds;
mod doors;
mod orders;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use checker::{Answer, Door};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use local::kubernetes::NAMESPACE;
use local::wait::until;
use local::world::World;
use rand::Rng as _;
use seedwork::{IdCliente, IdCorrelacion, SolicitudPago};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::book::Book;
use crate::clock::millis;
use crate::draws::generator;
use crate::recorder::Recorder;
use crate::scene::Scene;
use crate::{Outcome, text};

pub(crate) use self::deeds::DEEDS;
pub(crate) use self::orders::{Deed, Order};

/// How long a client waits for an answer before it asks again.
const ANSWER: Duration = Duration::from_secs(10);
/// The pause before it does, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long the payments that a person holds may take to be there, and to be let go on, all of them. Nothing is broken then.
const HOLDING: Duration = Duration::from_secs(120);

/// The clients.
pub(crate) struct Load {
    world: World,
    sagas: Api<DynamicObject>,
    book: Arc<Book>,
    recorder: Arc<Recorder>,
    payers: Vec<Payer>,
    /// Payments a second.
    rate: f64,
    /// How many payments are open.
    open: AtomicUsize,
    /// No payment is asked for while so many are.
    most: AtomicUsize,
    /// No new payments.
    stopped: AtomicBool,
    /// Milliseconds for which no payment was asked for since too many were open.
    held_back: AtomicU64,
}

/// Who pays.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    /// Its identity; nobody knows the last ones.
    pub(crate) id: IdCliente,
    /// What kind of client it is.
    pub(crate) kind: Kind,
}

/// Kinds of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its card and its address work, unless the amount says otherwise.
    Plain,
    /// Its mail is refused; there are other media.
    NoMail,
    /// Nothing reaches it.
    Unreachable,
    /// Its messages are answered late.
    Late,
    /// Its card is always declined.
    Broke,
    /// Nobody knows it.
    Unknown,
}

/// How many payments a person holds while nothing else is asked for.
const HELD: usize = 5;

/// How many of each kind.
const PAYERS: [(Kind, usize, &str); 6] = [
    (Kind::Plain, 40, ""),
    (Kind::NoMail, 4, "+rechaza"),
    (Kind::Unreachable, 2, "-rechaza-todo"),
    (Kind::Late, 2, "-lento"),
    (Kind::Broke, 4, ""),
    (Kind::Unknown, 2, ""),
];

// === impl Load ===

impl Load {
    /// Clients are made first, by as many calls.
    pub(crate) async fn prepare(scene: &Scene, rate: f64, most: usize) -> Outcome<Arc<Self>> {
        let world = scene.system.world.clone();
        let mut payers = Vec::new();
        for (kind, count, address) in PAYERS {
            for number in 0..count {
                let name = format!("{kind:?}-{number}");
                let id = if kind == Kind::Unknown {
                    IdCliente::parse(format!("nadie-{number}")).map_err(text)?
                } else {
                    let correo = format!("{}{address}@example.com", name.to_lowercase());
                    // A new system answers its first calls late.
                    until("a client", Duration::from_secs(30), async || {
                        world.cliente(&name, &correo, &name).await.map_err(text)
                    })
                    .await
                    .map_err(text)?
                };
                payers.push(Payer { id, kind });
            }
        }
        let (book, recorder) = (Arc::clone(&scene.book), Arc::clone(&scene.recorder));
        let load = Self::new(world, book, recorder, payers, rate);
        load.set_most(most);
        Ok(Arc::new(load))
    }

    /// These clients, who ask for nothing yet.
    fn new(world: World, book: Arc<Book>, recorder: Arc<Recorder>, payers: Vec<Payer>, rate: f64) -> Self {
        let kind = GroupVersionKind::gvk("pagos.saludtech.dev", "v1alpha1", "PaymentSaga");
        let resource = ApiResource::from_gvk_with_plural(&kind, "paymentsagas");
        let sagas = Api::namespaced_with(world.kube().clone(), NAMESPACE, &resource);
        Self {
            world,
            sagas,
            book,
            recorder,
            payers,
            rate: rate.clamp(0.001, 1000.0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            held_back: AtomicU64::new(0),
        }
    }

    /// The clients that exist.
    pub(crate) fn known_payers(&self) -> impl Iterator<Item = &IdCliente> {
        let known = self.payers.iter().filter(|payer| payer.kind != Kind::Unknown);
        known.map(|payer| &payer.id)
    }

    /// So many payments are open now.
    pub(crate) fn see_open(&self, open: usize) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// How many payments were open at the last look.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// No payment is asked for while so many are open, from now on.
    pub(crate) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// No new payments from now on; what was asked for is asked for until it is answered.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// For how long no payment was asked for since too many were open.
    pub(crate) fn held_back(&self) -> Duration {
        Duration::from_millis(self.held_back.load(Ordering::Relaxed))
    }

    /// Asks for payments until it is stopped: one after the other at its rate, whatever became of the others. While too many
    /// are open none is asked for.
    pub(crate) async fn run(self: Arc<Self>, seed: u64) {
        let pursue = |order: Order| {
            tokio::spawn(Arc::clone(&self).pursue(order));
        };
        self.in_turn(seed, pursue).await;
    }

    /// Each order when its time has come. Which is the nth follows from the seed, however often any was held back.
    async fn in_turn(&self, seed: u64, mut ask: impl FnMut(Order)) {
        let mut next = Instant::now();
        for number in 0_u64.. {
            let mut random = generator(seed, number);
            // Clients do not ask in step.
            let gap = random.random_range(0.2..1.8_f64) / self.rate;
            next += Duration::from_secs_f64(gap);
            sleep_until(next).await;
            if self.is_full() {
                let full = Instant::now();
                while self.is_full() && !self.is_stopped() {
                    sleep(Duration::from_millis(100)).await;
                }
                self.held_back.fetch_add(millis(full.elapsed()), Ordering::Relaxed);
                // What was not asked for meanwhile is not made up for.
                next = Instant::now();
            }
            if self.is_stopped() {
                return;
            }
            ask(Order::draw(number, seed, &mut random, &self.payers));
        }
    }

    fn is_full(&self) -> bool {
        self.open() >= self.most.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Makes a few payments that a person holds, so that there is something to look after while nothing is asked for. Those that
    /// may be there are in `held`; the error says that not all are.
    pub(crate) async fn hold_some(&self, seed: u64, held: &mut Vec<IdCorrelacion>) -> Outcome {
        let plain = self.payers.iter().filter(|payer| payer.kind == Kind::Plain);
        let asking = async {
            for (number, payer) in plain.take(HELD).enumerate() {
                let order = Order::held(number, seed, payer);
                held.push(order.id.clone());
                self.asked(&order, order.door).await;
            }
        };
        let late = |_| format!("payments that a person holds were not taken in {} s", HOLDING.as_secs());
        timeout(HOLDING, asking).await.map_err(late)
    }

    /// Lets them go on.
    pub(crate) async fn resume(&self, held: &[IdCorrelacion]) -> Outcome {
        let resuming = async {
            for id in held {
                deeds::let_go_on(self, id).await;
            }
        };
        let late = |_| {
            format!(
                "payments that a person holds could not go on for {} s",
                HOLDING.as_secs()
            )
        };
        timeout(HOLDING, resuming).await.map_err(late)
    }

    /// One payment, from the first request to the last thing that is done to it.
    async fn pursue(self: Arc<Self>, order: Order) {
        let _busy = self.book.busy();
        if !self.asked(&order, order.door).await {
            return;
        }
        if order.again {
            // Another request under the same key, at another door where there is one: the same payment.
            let door = match order.door {
                Door::Bff => Door::GestionClientes,
                Door::GestionClientes => Door::Bff,
                Door::Kubernetes => Door::Kubernetes,
            };
            self.asked(&order, door).await;
        }
        if order.other && order.door != Door::Kubernetes {
            self.asks_for_something_else(&order).await;
        }
        match order.deed {
            Deed::None | Deed::Hold => {}
            Deed::Cancel { after } => deeds::cancel(&self, &order.id, after).await,
            Deed::Delete { after } => deeds::delete(&self, &order.id, after).await,
            Deed::Suspend { after, lasts } => deeds::suspend(&self, &order.id, after, lasts).await,
            Deed::Chargeback { when } => deeds::charge_back(&self, &order.id, when).await,
        }
    }

    /// Asks until there is an answer. Answers whether it was yes.
    async fn asked(&self, order: &Order, door: Door) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            let number = self.book.asks(&order.id, &order.key, door, &order.solicitud);
            let answer = timeout(ANSWER, doors::ask(self, order, door, &order.solicitud)).await;
            let answer = answer.unwrap_or(Answer::Lost);
            self.book.told(number, answer.clone());
            match answer {
                Answer::Accepted(_) => return true,
                Answer::Refused(_) => return false,
                Answer::Lost => sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Another amount under a key that was used: it must be refused, at whichever door.
    async fn asks_for_something_else(&self, order: &Order) {
        let dinero = order.solicitud.dinero;
        let Ok(more) = seedwork::Dinero::from_minor(dinero.minor() + 100, dinero.moneda()) else {
            return;
        };
        let other = SolicitudPago {
            dinero: more,
            ..order.solicitud.clone()
        };
        for _ in 0..20 {
            let answer = timeout(ANSWER, doors::ask(self, order, order.door, &other)).await;
            match answer.unwrap_or(Answer::Lost) {
                Answer::Accepted(id) => {
                    let what = format!("{id}: a door took another amount under a key that was used");
                    return self.book.wrong(what);
                }
                Answer::Refused(_) => return,
                Answer::Lost => sleep(FIRST_PAUSE).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use local::ports::Ports;
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    /// Longer than anything may take, on a clock that nobody waits for.
    const AN_HOUR: Duration = Duration::from_secs(3600);

    /// A client of a system where nobody listens.
    async fn in_vain(folder: &Path) -> Load {
        let kubeconfig = folder.join("kubeconfig");
        let config = json!({
            "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "none", "user": "nobody"}}],
            "current-context": "here",
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let world = World::new(Ports::from_base(23_000).unwrap(), &kubeconfig)
            .await
            .unwrap();
        let book = Book::new(Clock::start(), &folder.join("clients.jsonl")).unwrap();
        let payer = |kind| Payer {
            id: IdCliente::parse("c-1").unwrap(),
            kind,
        };
        // One of each kind is drawn from; another one holds a payment, too.
        let mut payers = PAYERS.map(|(kind, _, _)| payer(kind)).to_vec();
        payers.push(payer(Kind::Plain));
        Load::new(world, Arc::new(book), Arc::new(Recorder::after(0)), payers, 1.0)
    }

    /// What is asked for in so many minutes and one more, if the first half of each but the last is held back.
    async fn orders(load: &Load, held_back: usize) -> Vec<String> {
        let mut orders = Vec::new();
        let asking = load.in_turn(7, |order| orders.push(format!("{order:?}")));
        let meanwhile = async {
            for _ in 0..held_back {
                load.set_most(0);
                sleep(Duration::from_secs(30)).await;
                load.set_most(1);
                sleep(Duration::from_secs(30)).await;
            }
            load.set_most(1);
            sleep(Duration::from_secs(60)).await;
            load.stop();
        };
        tokio::join!(meanwhile, asking);
        orders
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_back_is_asked_for_all_the_same_and_all_of_the_wait_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (free, full) = (in_vain(folder.path()).await, in_vain(folder.path()).await);
        let (all, later) = (orders(&free, 0).await, orders(&full, 2).await);
        let both = all.len().min(later.len());
        assert!(both > 30, "{both}");
        assert_eq!(all[..both], later[..both]);
        assert_eq!(free.held_back(), Duration::ZERO);
        // Each wait begins with the next order, which is 1.8 s away at most, and ends with the next look.
        let held_back = full.held_back().as_secs();
        assert!((56..=60).contains(&held_back), "{held_back} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_system_that_takes_nothing_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let load = in_vain(folder.path()).await;
        let mut held = Vec::new();
        let holding = timeout(AN_HOUR, load.hold_some(7, &mut held)).await.unwrap();
        assert!(holding.is_err());
        // Nobody answered, and it may have been taken.
        assert_eq!(held.len(), 1);
        let twice = [held.clone(), held].concat();
        assert!(timeout(AN_HOUR, load.resume(&twice)).await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deed_that_nobody_takes_is_wrong_unless_the_payment_ends_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let load = in_vain(folder.path()).await;
        let id = IdCorrelacion::parse("p-1").unwrap();
        let mut resource = json!({
            "metadata": {"name": id.resource_name()},
            "spec": {"idCliente": "c-1", "medioPago": "PSE", "monto": "24.00", "moneda": "USD"},
        });
        load.recorder.add(10, 1, id.clone(), Some(&resource)).unwrap();
        deeds::cancel(&load, &id, Duration::ZERO).await;
        deeds::delete(&load, &id, Duration::ZERO).await;
        let wrong = load.book.all_wrong();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        resource["status"] = json!({"phase": "Completed", "secuencia": 5, "steps": [], "aviso": "NotNeeded"});
        load.recorder.add(20, 2, id.clone(), Some(&resource)).unwrap();
        deeds::cancel(&load, &id, Duration::ZERO).await;
        assert_eq!(load.book.all_wrong().len(), 2);
    }
}
