//! When and how each payment ended, as the API server's watch shows it. The watch is read as little as can be: it takes
//! its time from the same two cores as everything else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use kube::Client;
use kube::api::WatchEvent;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Before a watch that broke is begun again.
const PAUSE: Duration = Duration::from_millis(200);

/// A payment's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// When it was seen.
    pub(crate) at: Instant,
    /// Whether the payment was undone.
    pub(crate) compensated: bool,
}

/// The ends that were seen.
pub(crate) struct Ends {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Ends that nobody has asked for yet: the door's answer may come later.
    ended: HashMap<String, End>,
    waiting: HashMap<String, oneshot::Sender<End>>,
    /// The last version of each status that is there.
    secuencias: HashMap<String, u64>,
    /// Versions of statuses, over all payments.
    versions: u64,
    /// Events, over all payments.
    events: u64,
}

/// What is read of a `PaymentSaga`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Saga {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    resource_version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct Status {
    #[serde(default)]
    phase: String,
    #[serde(default)]
    secuencia: u64,
}

// === impl Ends ===

impl Ends {
    /// Watches from now on, for as long as the task lives.
    pub(crate) fn watch(kube: Client, tasks: &mut JoinSet<()>) -> Arc<Self> {
        let ends = Arc::new(Self { seen: Mutex::default() });
        let watching = Arc::clone(&ends);
        tasks.spawn(async move {
            let mut from = "0".to_owned();
            loop {
                // A watch ends after some minutes; the next goes on where it was.
                if let Err(why) = watching.follow(&kube, &mut from).await {
                    eprintln!("the watch ended and is begun again: {why}");
                    from = "0".to_owned();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        });
        ends
    }

    async fn follow(&self, kube: &Client, from: &mut String) -> Result<(), String> {
        let path = format!(
            "/apis/pagos.saludtech.dev/v1alpha1/namespaces/{}/paymentsagas?watch=true&resourceVersion={from}",
            local::kubernetes::NAMESPACE
        );
        let request = http::Request::get(path).body(Vec::new()).map_err(crate::text)?;
        let events = kube.request_events::<Saga>(request).await.map_err(crate::text)?;
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.try_next().await.map_err(crate::text)? {
            let now = Instant::now();
            match event {
                WatchEvent::Added(saga) | WatchEvent::Modified(saga) => {
                    from.clone_from(&saga.metadata.resource_version);
                    self.lock().see(saga, now);
                }
                WatchEvent::Deleted(saga) => {
                    *from = saga.metadata.resource_version;
                    self.lock().secuencias.remove(&saga.metadata.name);
                }
                WatchEvent::Bookmark(_) => {}
                WatchEvent::Error(status) => return Err(status.message),
            }
        }
        Ok(())
    }

    /// Waits for the end of a payment. Asked once for each.
    pub(crate) async fn of(&self, name: &str) -> End {
        let end = {
            let mut seen = self.lock();
            if let Some(end) = seen.ended.remove(name) {
                return end;
            }
            let (tell, end) = oneshot::channel();
            seen.waiting.insert(name.to_owned(), tell);
            end
        };
        match end.await {
            Ok(end) => end,
            // Nobody drops a sender without a word.
            Err(_) => std::future::pending().await,
        }
    }

    /// Versions of statuses and events seen so far.
    pub(crate) fn counted(&self) -> (u64, u64) {
        let seen = self.lock();
        (seen.versions, seen.events)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seen ===

impl Seen {
    fn see(&mut self, saga: Saga, at: Instant) {
        let Saga {
            metadata: Metadata { name, .. },
            status: Status { phase, secuencia },
        } = saga;
        self.events += 1;
        let compensated = phase == "Compensated";
        let last = self.secuencias.entry(name.clone()).or_insert(0);
        if secuencia <= *last {
            // Nothing new in the status: a finalizer that goes, or the watch begun again.
            return;
        }
        *last = secuencia;
        self.versions += 1;
        if !compensated && phase != "Completed" {
            return;
        }
        let end = End { at, compensated };
        match self.waiting.remove(&name) {
            // Who asked and gave up does not listen.
            Some(waiting) => drop(waiting.send(end)),
            None => drop(self.ended.insert(name, end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saga(name: &str, secuencia: u64, phase: &str) -> Saga {
        Saga {
            metadata: Metadata {
                name: name.to_owned(),
                resource_version: "7".to_owned(),
            },
            status: Status {
                phase: phase.to_owned(),
                secuencia,
            },
        }
    }

    #[test]
    fn of_an_event_only_what_is_needed_is_read_and_a_saga_without_status_has_none() {
        let line = r#"{"type":"MODIFIED","object":{"apiVersion":"pagos.saludtech.dev/v1alpha1","kind":"PaymentSaga","metadata":{"name":"pago-1","resourceVersion":"7","managedFields":[{}]},"spec":{"monto":"24.00"},"status":{"phase":"Running","secuencia":3,"steps":[{"nombre":"x"}]}}}"#;
        let event: WatchEvent<Saga> = serde_json::from_str(line).unwrap();
        assert!(matches!(event, WatchEvent::Modified(read) if read == saga("pago-1", 3, "Running")));
        let line = r#"{"type":"ADDED","object":{"metadata":{"name":"pago-1","resourceVersion":"7"}}}"#;
        let event: WatchEvent<Saga> = serde_json::from_str(line).unwrap();
        assert!(matches!(event, WatchEvent::Added(read) if read == saga("pago-1", 0, "")));
    }

    #[tokio::test]
    async fn an_end_is_told_to_who_asks_before_and_to_who_asks_after_and_is_the_first_that_was_seen() {
        let ends = Ends { seen: Mutex::default() };
        let first = Instant::now();
        let early = async { ends.of("a").await };
        let watching = async {
            ends.lock().see(saga("a", 1, "Running"), first);
            for (name, phase) in [("a", "Completed"), ("b", "Compensated")] {
                ends.lock().see(saga(name, 2, phase), first);
                ends.lock().see(saga(name, 2, phase), Instant::now());
            }
        };
        let (a, ()) = tokio::join!(early, watching);
        let b = ends.of("b").await;
        assert_eq!((a.at, a.compensated, b.at, b.compensated), (first, false, first, true));
        assert_eq!(ends.counted(), (3, 5));
        assert!(ends.lock().ended.is_empty() && ends.lock().waiting.is_empty());
    }
}
