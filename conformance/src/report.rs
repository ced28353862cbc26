//! One line per property, and a summary.

use std::time::Instant;

use crate::failure::{Failure, Result};
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

    /// The summary; whether everything held. Fails if nothing was asked: a typing error must not look like a success.
    pub(crate) fn end(&self) -> Result<bool> {
        println!("{}: {} passed, {} failed", self.name, self.passed, self.failed);
        if self.passed + self.failed == 0 {
            return Err(Failure(
                "nothing was asked: no property holds the words of --only".to_owned(),
            ));
        }
        Ok(self.failed == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_on_nothing_is_no_success() {
        let end = |passed, failed| {
            let name = "any".to_owned();
            Report { name, passed, failed }.end()
        };
        assert!(end(0, 0).is_err());
        assert_eq!((end(2, 0), end(2, 1), end(0, 1)), (Ok(true), Ok(false), Ok(false)));
    }
}
