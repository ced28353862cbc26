//! What the replicas wrote down: every delivery, as it was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use local::wait::until;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Which replica got it.
    pub(crate) replica: usize,
    /// CloudEvent `id`.
    pub(crate) id: String,
    /// CloudEvent `subject`.
    pub(crate) subject: String,
    /// CloudEvent `traceparent`.
    pub(crate) traceparent: String,
    /// What was answered.
    pub(crate) verdict: Verdict,
}

/// What a replica answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// Handled.
    Success,
    /// To be delivered again.
    Retry,
    /// To the dead letters.
    Drop,
    /// Without our token.
    Refused,
}

/// The journals of all replicas.
pub(crate) struct Journal {
    pub(crate) files: Vec<PathBuf>,
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn of(status: &str) -> Self {
        match status {
            "SUCCESS" => Self::Success,
            "RETRY" => Self::Retry,
            _ => Self::Drop,
        }
    }
}

// === impl Journal ===

impl Journal {
    /// Everything that was delivered so far. A last line that is only half there comes with the next look.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let texts = self.files.iter().filter_map(|file| fs::read_to_string(file).ok());
        texts
            .flat_map(|text| {
                text.lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect::<Vec<Entry>>()
            })
            .collect()
    }

    /// The deliveries of one payment.
    pub(crate) fn of(&self, subject: &str) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.subject == subject);
        entries
    }

    /// How often each payment was handled, by replica.
    pub(crate) fn handled(&self) -> BTreeMap<String, Vec<usize>> {
        let mut handled: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for entry in self.entries() {
            if entry.verdict == Verdict::Success {
                handled.entry(entry.subject).or_default().push(entry.replica);
            }
        }
        handled
    }

    /// Waits until each of these was handled at least once; says which were not, and which of those are dead letters.
    pub(crate) async fn all_handled(
        &self,
        subjects: &[String],
        letters: impl Fn() -> BTreeSet<String>,
        patience: Duration,
    ) -> Result<()> {
        let missing = || {
            let handled = self.handled();
            subjects
                .iter()
                .filter(|subject| !handled.contains_key(*subject))
                .cloned()
                .collect::<Vec<_>>()
        };
        let waited = until("every message to be handled", patience, async || {
            match missing().len() {
                0 => Ok(()),
                count => Err(count.to_string()),
            }
        });
        if waited.await.is_ok() {
            return Ok(());
        }
        let missing = missing();
        let letters = letters();
        let dead = missing.iter().filter(|subject| letters.contains(*subject)).count();
        Err(Failure(format!(
            "{} of {} not handled after {} s, {dead} of them in the dead letters",
            missing.len(),
            subjects.len(),
            patience.as_secs()
        )))
    }
}
