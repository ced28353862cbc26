//! The clients: those who wait for a payment's end before they ask for the next (closed), and those who come when they
//! come (open).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{try_join, try_join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use local::world::World;
use seedwork::IdCliente;
use tokio::sync::watch;

use crate::arrivals::Gaps;
use crate::ends::Ends;
use crate::stats::is_one_of;
use crate::{Outcome, text};

/// How long a payment may take before the run is void.
const PATIENCE: Duration = Duration::from_secs(60);

/// How payments are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// By so many clients, each one payment at a time.
    Closed(usize),
    /// At so many a second, whatever became of those before.
    Open(f64),
}

/// One payment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment {
    /// When it was to be asked for. In an open loop the asking itself may come later, which is part of the waiting.
    pub(crate) asked: Instant,
    /// When the door had answered.
    pub(crate) accepted: Instant,
    /// When its end was seen.
    pub(crate) ended: Instant,
    /// Whether it was undone.
    pub(crate) compensated: bool,
    /// Whether it should have been.
    pub(crate) declined: bool,
}

/// Everybody who pays.
pub(crate) struct Payers {
    world: World,
    ends: Arc<Ends>,
    cliente: IdCliente,
    /// Payments in a hundred that are declined.
    declined: usize,
    next: AtomicUsize,
    paid: Mutex<Vec<Payment>>,
    /// How many have ended.
    ended: watch::Sender<usize>,
}

// === impl Payers ===

impl Payers {
    /// Who pay as this client.
    pub(crate) fn new(world: World, ends: Arc<Ends>, cliente: IdCliente, declined: usize) -> Self {
        Self {
            world,
            ends,
            cliente,
            declined,
            next: AtomicUsize::new(0),
            paid: Mutex::default(),
            ended: watch::channel(0).0,
        }
    }

    /// Keeps the load up while something is done, and then waits until what was begun has ended.
    pub(crate) async fn under<T>(&self, load: Load, during: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let stop = AtomicBool::new(false);
        let during = async {
            let done = during.await;
            stop.store(true, Ordering::Relaxed);
            done
        };
        let (done, ()) = try_join(during, self.keep(load, &stop)).await?;
        Ok(done)
    }

    async fn keep(&self, load: Load, stop: &AtomicBool) -> Outcome {
        match load {
            Load::Closed(clients) => {
                let clients = (0..clients).map(async |_| -> Outcome {
                    while !stop.load(Ordering::Relaxed) {
                        self.pay(Instant::now()).await?;
                    }
                    Ok(())
                });
                try_join_all(clients).await.map(drop)
            }
            Load::Open(per_second) => {
                let mut gaps = Gaps::at(per_second);
                let mut due = Some(Instant::now());
                let mut under_way = FuturesUnordered::new();
                loop {
                    due = due.filter(|_| !stop.load(Ordering::Relaxed));
                    if due.is_none() && under_way.is_empty() {
                        return Ok(());
                    }
                    let arrival = async {
                        match due {
                            Some(due) => tokio::time::sleep_until(due.into()).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = arrival => {
                            if let Some(at) = due {
                                under_way.push(self.pay(at));
                                due = gaps.next().map(|gap| at + gap);
                            }
                        }
                        Some(paid) = under_way.next() => paid?,
                    }
                }
            }
        }
    }

    /// One payment, from when it is to be asked for to its end on the watch.
    async fn pay(&self, asked: Instant) -> Outcome {
        let declined = is_one_of(self.next.fetch_add(1, Ordering::Relaxed), self.declined);
        let monto = if declined { "24.01" } else { "24.00" };
        let payment = self.world.pagar(&self.cliente, monto).await.map_err(text)?;
        let accepted = Instant::now();
        let name = payment.id.resource_name();
        let end = tokio::time::timeout(PATIENCE, self.ends.of(&name)).await;
        let end = end.map_err(|_| format!("{} has not ended in {} s", payment.id, PATIENCE.as_secs()))?;
        let payment = Payment {
            asked,
            accepted,
            // The watch may be faster than the door's answer.
            ended: end.at.max(accepted),
            compensated: end.compensated,
            declined,
        };
        self.paid.lock().unwrap_or_else(PoisonError::into_inner).push(payment);
        self.ended.send_modify(|ended| *ended += 1);
        Ok(())
    }

    /// Waits until so many have ended since the beginning.
    pub(crate) async fn until_ended(&self, count: usize) -> Outcome {
        let mut ended = self.ended.subscribe();
        ended.wait_for(|ended| *ended >= count).await.map(drop).map_err(text)
    }

    /// How many have ended since the beginning.
    pub(crate) fn ended(&self) -> usize {
        *self.ended.borrow()
    }

    /// All payments that have ended.
    pub(crate) fn paid(&self) -> Vec<Payment> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
