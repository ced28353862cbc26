//! Which replica does a timed job: a document with an ETag that names a leader and until when.
//!
//! It saves work, it does not guard it: two replicas whose clocks differ may both lead for a moment, so a job must do no
//! harm when it runs twice.

use std::sync::Arc;
use std::time::Duration;

use seedwork::Fault;
use serde::{Deserialize, Serialize};

use crate::sidecar::{Document, Sidecar, load, save};

/// One job of one replica.
pub struct Leader {
    sidecar: Arc<dyn Sidecar>,
    key: String,
    who: String,
    ttl_ms: i64,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    who: String,
    until_ms: i64,
}

// === impl Leader ===

impl Leader {
    /// A candidate for the job `name`, unique within the application. Whoever leads keeps the job for `ttl` after it
    /// last said so: longer than a pause between two [`try_lead`](Self::try_lead) may take.
    pub fn new(sidecar: Arc<dyn Sidecar>, name: &str, ttl: Duration) -> Self {
        Self {
            sidecar,
            key: format!("leader:{name}"),
            who: crate::new_id().simple().to_string(),
            ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Takes the job or keeps it; false while another replica has it, and when the state store does not answer.
    pub async fn try_lead(&self) -> bool {
        match self.lead().await {
            Ok(ours) => ours,
            Err(fault) => {
                tracing::warn!(
                    key = self.key,
                    error = fault.chain(),
                    "unable to ask who leads; not us, then"
                );
                false
            }
        }
    }

    /// Takes the job or keeps it; false while another replica has it.
    ///
    /// # Errors
    /// When the state store does not answer.
    pub async fn lead(&self) -> Result<bool, Fault> {
        self.lead_at(crate::now_ms()).await
    }

    /// [`lead`](Self::lead) at a moment in milliseconds since the epoch.
    pub async fn lead_at(&self, now_ms: i64) -> Result<bool, Fault> {
        let until_ms = now_ms.saturating_add(self.ttl_ms);
        self.write(now_ms, until_ms).await
    }

    /// Leaves the job to whoever comes first. Not having it, or a store that does not answer, changes nothing: the
    /// lease ends by itself.
    pub async fn resign(&self) {
        let now_ms = crate::now_ms();
        if let Err(fault) = self.write(now_ms, now_ms).await {
            tracing::warn!(
                key = self.key,
                error = fault.chain(),
                "unable to resign; the lease ends by itself"
            );
        }
    }

    async fn write(&self, now_ms: i64, until_ms: i64) -> Result<bool, Fault> {
        match self.claim(now_ms, until_ms).await {
            Err(Fault::Conflict(_)) => Ok(false), // another replica was quicker
            outcome => outcome,
        }
    }

    async fn claim(&self, now_ms: i64, until_ms: i64) -> Result<bool, Fault> {
        let Document { value, expect } = load::<Lease>(self.sidecar.as_ref(), &self.key).await?;
        if value.is_some_and(|lease| lease.who != self.who && self.holds(&lease, now_ms)) {
            return Ok(false);
        }
        let who = self.who.clone();
        save(self.sidecar.as_ref(), &self.key, &Lease { who, until_ms }, expect).await?;
        Ok(true)
    }

    /// A lease that reaches further than a clock may differ was taken before that clock was set back, and is over.
    fn holds(&self, lease: &Lease, now_ms: i64) -> bool {
        let left_ms = lease.until_ms.saturating_sub(now_ms);
        left_ms > 0 && left_ms <= self.ttl_ms.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::MemorySidecar;

    const TTL: Duration = Duration::from_secs(60);

    fn two() -> (Arc<MemorySidecar>, Leader, Leader) {
        let sidecar = Arc::new(MemorySidecar::default());
        let leader = || Leader::new(sidecar.clone(), "job", TTL);
        (sidecar.clone(), leader(), leader())
    }

    #[tokio::test]
    async fn one_replica_leads_until_it_falls_silent() {
        let (_, one, other) = two();
        assert!(one.lead_at(0).await.unwrap());
        assert!(!other.lead_at(59_999).await.unwrap());
        assert!(one.lead_at(59_999).await.unwrap(), "the leader goes on");
        assert!(!other.lead_at(60_000).await.unwrap(), "its time began anew");
        assert!(other.lead_at(119_999).await.unwrap());
        assert!(!one.lead_at(120_000).await.unwrap());
    }

    #[tokio::test]
    async fn a_lease_of_a_clock_that_was_set_back_holds_nobody_up() {
        let (_, one, other) = two();
        assert!(one.lead_at(6 * 3_600_000).await.unwrap());
        assert!(other.lead_at(0).await.unwrap());
        assert!(!one.lead_at(1).await.unwrap(), "and the next one's holds");
    }

    #[tokio::test]
    async fn who_resigns_is_followed_at_once() {
        let (_, one, other) = two();
        assert!(one.try_lead().await);
        other.resign().await;
        assert!(!other.try_lead().await, "nobody resigns for another");
        one.resign().await;
        assert!(other.try_lead().await);
    }

    #[tokio::test]
    async fn who_loses_the_write_does_not_lead() {
        let (sidecar, one, _) = two();
        let quicker = serde_json::json!({"who": "quicker", "until_ms": 60_000}).to_string();
        sidecar.race_next_put("leader:job", quicker.into_bytes());
        assert!(!one.lead_at(0).await.unwrap());
    }

    #[tokio::test]
    async fn jobs_do_not_share_a_leader() {
        let (sidecar, one, _) = two();
        assert!(one.lead_at(0).await.unwrap());
        assert!(Leader::new(sidecar, "another", TTL).lead_at(0).await.unwrap());
    }
}
