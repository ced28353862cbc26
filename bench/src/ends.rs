//! When each payment ended, as the API server's watch shows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::TryStreamExt as _;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;

/// The ends that were seen.
pub(crate) struct Ends {
    seen: Mutex<HashMap<String, Instant>>,
    /// Changes whenever there is another.
    changed: watch::Sender<()>,
}

// === impl Ends ===

impl Ends {
    /// Watches from now on, for as long as the process lives.
    pub(crate) fn watch(kube: Client) -> Arc<Self> {
        let ends = Arc::new(Self {
            seen: Mutex::default(),
            changed: watch::channel(()).0,
        });
        let watching = Arc::clone(&ends);
        tokio::spawn(async move {
            loop {
                // A watch ends after some minutes and whenever the API server likes; the next begins with what is there.
                if let Err(error) = watching.follow(&kube).await {
                    eprintln!("the watch ended and is begun again: {error}");
                }
            }
        });
        ends
    }

    async fn follow(&self, kube: &Client) -> Result<(), kube::Error> {
        let kind = GroupVersionKind::gvk("pagos.saludtech.dev", "v1alpha1", "PaymentSaga");
        let sagas: Api<DynamicObject> = Api::namespaced_with(
            kube.clone(),
            local::kubernetes::NAMESPACE,
            &ApiResource::from_gvk(&kind),
        );
        let mut events = std::pin::pin!(sagas.watch(&WatchParams::default(), "0").await?);
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Added(saga) | WatchEvent::Modified(saga) = event
                && matches!(saga.data["status"]["phase"].as_str(), Some("Completed" | "Compensated"))
            {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.entry(saga.name_any()).or_insert_with(Instant::now);
                drop(seen);
                self.changed.send_replace(());
            }
        }
        Ok(())
    }

    /// Waits for the end of a payment.
    pub(crate) async fn of(&self, name: &str) -> Instant {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(at) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(name) {
                return at;
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }
}
