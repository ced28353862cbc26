//! After the last fault: everything accepted ends, every queue empties, and then nothing is written any more.

use std::sync::Arc;
use std::time::Duration;

use checker::Writes;
use local::wait::until;
use seedwork::{IdCorrelacion, Phase};
use tokio::time::{Instant, sleep, timeout_at};

use crate::book::{Book, Payment};
use crate::clock::{Clock, Millis};
use crate::etcd::{EVENTS, Etcd, SAGAS};
use crate::out::Screen;
use crate::recorder::Recorder;
use crate::redis;
use crate::system::System;
use crate::tables::Tables;
use crate::{Outcome, text};

/// How long the operator may take to see a payment that a person made and holds.
const SEEN: Duration = Duration::from_secs(30);
/// It has done what there was to do about it when nothing was written for so long.
const QUIET: Millis = 2_000;

/// Counts the payments that have not ended, without asking about those that have.
pub(crate) struct Open {
    known: usize,
    open: Vec<Payment>,
    ended: usize,
}

// === impl Open ===

impl Open {
    pub(crate) fn new() -> Self {
        Self {
            known: 0,
            open: Vec::new(),
            ended: 0,
        }
    }

    /// Looks again.
    pub(crate) fn look(&mut self, book: &Book, recorder: &Recorder) {
        let new = book.since(self.known);
        self.known += new.len();
        self.open.extend(new);
        let before = self.open.len();
        self.open.retain(|payment| !has_ended(recorder, payment));
        self.ended += before - self.open.len();
    }

    /// How many have ended.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    /// Those that have not.
    pub(crate) fn open(&self) -> &[Payment] {
        &self.open
    }
}

/// A chargeback may open it again; that is waited for on its own.
fn has_ended(recorder: &Recorder, payment: &Payment) -> bool {
    let phase = recorder.last(&payment.id).and_then(|version| version.phase);
    matches!(phase, Some(Phase::Completed | Phase::Compensated))
}

/// What is looked at.
pub(crate) struct Sight<'a> {
    pub(crate) clock: Clock,
    pub(crate) system: &'a System,
    pub(crate) book: &'a Book,
    pub(crate) recorder: &'a Arc<Recorder>,
    pub(crate) tables: &'a Tables,
    pub(crate) etcd: &'a Etcd,
    pub(crate) redis_password: &'a str,
}

impl Sight<'_> {
    /// Waits until all has come to rest. The error says what had not.
    pub(crate) async fn rest(&self, patience: Duration, screen: &Screen) -> Outcome {
        let rested = until("rest", patience, async || {
            let left = self.left().await;
            screen.waiting(&left);
            // Looking costs something, too.
            sleep(Duration::from_millis(300)).await;
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        rested.await.map_err(text)
    }

    /// What has not come to rest, in words.
    async fn left(&self) -> String {
        let mut left = Vec::new();
        if let Err(why) = self.system.until_ready(Duration::ZERO).await {
            left.push(why);
        }
        let busy = self.book.count().busy;
        note(&mut left, Ok(count(busy)), "requests and deeds under way");
        let mut open = Open::new();
        open.look(self.book, self.recorder);
        note(&mut left, Ok(count(open.open().len())), "payments that have not ended");
        let turned = self
            .book
            .contracargos()
            .into_iter()
            .filter(|id| self.recorder.last(id).and_then(|version| version.phase) != Some(Phase::Compensated));
        note(
            &mut left,
            Ok(count(turned.count())),
            "payments charged back and not undone",
        );
        note(
            &mut left,
            self.tables.open_requests().await,
            "open requests at the doors",
        );
        note(
            &mut left,
            self.tables.unconfirmed_ends().await,
            "ends that the BFF has not confirmed",
        );
        note(
            &mut left,
            self.tables.open_chargebacks().await,
            "chargebacks that are not acknowledged",
        );
        note(
            &mut left,
            self.tables.pending_notifications().await,
            "notifications to settle",
        );
        let keys = self.etcd.count(SAGAS).await.map(|(keys, _)| keys);
        note(&mut left, keys, "resources in etcd");
        let streams = redis::streams(self.system.ports.redis(), self.redis_password).await;
        // Not those that nobody has read: Redis counts them from numbers that its own kill puts out of step.
        let pending = streams.map(|streams| streams.iter().map(|stream| stream.pending).sum());
        note(&mut left, pending, "messages delivered and not acknowledged");
        left.join(", ")
    }

    /// Waits until these have been seen, and nothing was written since for a moment.
    pub(crate) async fn seen(&self, held: &[IdCorrelacion]) -> Outcome {
        let seen = until("payments that are held to be seen", SEEN, async || {
            let unseen = held.iter().filter(|id| self.recorder.last(id).is_none());
            let quiet = self.clock.now().saturating_sub(self.recorder.written().1);
            match unseen.count() {
                0 if quiet >= QUIET => Ok(()),
                unseen => Err(format!("{unseen} are not; the last write was {quiet} ms ago")),
            }
        });
        seen.await.map_err(text)
    }

    /// Counts what is written while nothing is asked for.
    pub(crate) async fn idle(&self, lasts: Duration) -> Outcome<Vec<Writes>> {
        let (_, from) = self.etcd.count(EVENTS).await?;
        let mut events = self.etcd.watch(EVENTS, from + 1).await?;
        let before = self.recorder.written().0;
        let mut written = 0;
        let end = Instant::now() + lasts;
        // Until the time is up: then there is nothing more to read.
        while let Ok(changes) = timeout_at(end, events.next(EVENTS)).await {
            written += count(changes?.iter().filter(|change| change.value.is_some()).count());
        }
        let seconds = lasts.as_secs();
        Ok(vec![
            Writes {
                what: format!("paymentsagas in {seconds} s"),
                before,
                after: self.recorder.written().0,
            },
            Writes {
                what: format!("events in {seconds} s"),
                before: 0,
                after: written,
            },
        ])
    }
}

fn note(left: &mut Vec<String>, how_many: Outcome<u64>, what: &str) {
    match how_many {
        Ok(0) => {}
        Ok(how_many) => left.push(format!("{how_many} {what}")),
        Err(why) => left.push(format!("{what}: {why}")),
    }
}

fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
