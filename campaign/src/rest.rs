//! After the last fault: everything accepted ends, every queue empties, and then nothing is written any more.

use std::time::Duration;

use checker::Writes;
use local::wait::until;
use seedwork::{IdCorrelacion, Phase};
use tokio::time::{Instant, sleep, timeout_at};

use crate::clock::Millis;
use crate::ends::Open;
use crate::etcd::{EVENTS, SAGAS};
use crate::recorder::Recorder;
use crate::scene::Scene;
use crate::{Outcome, text};

/// How long the operator may take to see a payment that a person made and holds.
const SEEN: Duration = Duration::from_secs(30);
/// It has done what there was to do about it when nothing was written for so long.
const QUIET: Millis = 2_000;

// === impl Scene ===

impl Scene {
    /// Waits until all has come to rest. The error says what had not.
    pub(crate) async fn rest(&self, patience: Duration) -> Outcome {
        let rested = until("rest", patience, async || {
            let left = self.left().await;
            self.screen.waiting(&left);
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
        // First: whoever is done by now has written down what the rest is asked about.
        let busy = self.book.count().busy;
        let mut open = Open::default();
        open.look(&self.book, &self.recorder);
        let turned = self
            .book
            .contracargos()
            .into_iter()
            .filter(|id| self.recorder.last(id).and_then(|version| version.phase) != Some(Phase::Compensated));
        for (what, how_many) in [
            ("requests and deeds under way", busy),
            ("payments that have not ended", open.count()),
            ("payments charged back and not undone", turned.count()),
        ] {
            note(&mut left, what, Ok(count(how_many)));
        }
        for (what, how_many) in self.tables.left().await {
            note(&mut left, what, how_many);
        }
        let keys = self.etcd.count(SAGAS).await.map(|(keys, _)| keys);
        note(&mut left, "resources in etcd", keys);
        let streams = self.redis.streams().await;
        // Not those that nobody has read: Redis counts them from numbers that its own kill puts out of step.
        let pending = streams.map(|streams| streams.iter().map(|stream| stream.pending).sum());
        note(&mut left, "messages delivered and not acknowledged", pending);
        left.join(", ")
    }

    /// Waits until the operator has taken these up, and nothing was written since for a moment.
    pub(crate) async fn seen(&self, held: &[IdCorrelacion]) -> Outcome {
        let seen = until("payments that are held to be seen", SEEN, async || {
            let quiet = self.clock.now().saturating_sub(self.recorder.written().1);
            match unseen(&self.recorder, held) {
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

/// How many of these the operator has not taken up. All that it writes about them is their policy, with what belongs to it: one
/// that is held from its creation on has no status.
fn unseen(recorder: &Recorder, held: &[IdCorrelacion]) -> usize {
    let taken_up = |id: &IdCorrelacion| recorder.last(id).is_some_and(|version| version.has_policy());
    held.iter().filter(|id| !taken_up(id)).count()
}

fn note(left: &mut Vec<String>, what: &str, how_many: Outcome<u64>) {
    match how_many {
        Ok(0) => {}
        Ok(how_many) => left.push(format!("{how_many} {what}")),
        Err(why) => left.push(format!("{what}: {why}")),
    }
}

fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use saga::{OnExhausted, Politica};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_held_payment_is_seen_when_it_has_a_policy() {
        let recorder = Recorder::after(0);
        let held = [IdCorrelacion::parse("p-1").unwrap()];
        assert_eq!(unseen(&recorder, &held), 1);
        let mut resource = json!({
            "metadata": {"name": held[0].resource_name()},
            "spec": {"idCliente": "c-1", "medioPago": "PSE", "monto": "24.00", "moneda": "USD", "suspend": true},
        });
        recorder.add(10, 1, held[0].clone(), Some(&resource)).unwrap();
        assert_eq!(unseen(&recorder, &held), 1);
        resource["spec"]["politica"] = json!(Politica::standard(OnExhausted::Compensate));
        recorder.add(20, 2, held[0].clone(), Some(&resource)).unwrap();
        assert_eq!(unseen(&recorder, &held), 0);
    }
}
