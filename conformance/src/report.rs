//! One line per property, and a summary.

use std::time::Instant;

use crate::failure::Result;
use crate::rig::Rig;

/// What was asked so far.
pub(crate) struct Report {
    name: String,
    passed: usize,
    failed: usize,
}

// === impl Report ===

impl Report {
    /// Says what is put to the test.
    pub(crate) fn begin(rig: &Rig) -> Self {
        println!("{}", rig.title);
        Self {
            name: rig.choice.name(),
            passed: 0,
            failed: 0,
        }
    }

    /// A line for a property that was asked since `started`.
    pub(crate) fn property(&mut self, sentence: &str, started: Instant, outcome: Result<String>) {
        let seconds = started.elapsed().as_secs_f32();
        let (word, detail) = match outcome {
            Ok(detail) => {
                self.passed += 1;
                ("pass", detail)
            }
            Err(failure) => {
                self.failed += 1;
                ("FAIL", failure.to_string())
            }
        };
        let detail = if detail.is_empty() {
            detail
        } else {
            format!(": {detail}")
        };
        println!("{word} {seconds:6.1} s  {sentence}{detail}");
    }

    /// The summary; whether everything held.
    pub(crate) fn end(&self) -> bool {
        println!("{}: {} passed, {} failed", self.name, self.passed, self.failed);
        self.failed == 0
    }
}
