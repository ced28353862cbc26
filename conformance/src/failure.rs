//! Why the suite cannot go on, or a property does not hold: a sentence.

use local::wait::TimedOut;
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::sidecar::SidecarError;

/// A sentence that says what went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(pub(crate) String);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// An error with what was being done.
pub(crate) trait During<T> {
    fn during(self, doing: impl std::fmt::Display) -> Result<T>;
}

impl<T, E: std::error::Error> During<T> for std::result::Result<T, E> {
    fn during(self, doing: impl std::fmt::Display) -> Result<T> {
        self.map_err(|error| Failure(format!("failed to {doing}: {}", chain(&error))))
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl From<TimedOut> for Failure {
    fn from(error: TimedOut) -> Self {
        Self(error.to_string())
    }
}

impl From<SidecarError> for Failure {
    fn from(error: SidecarError) -> Self {
        Self(chain(&error))
    }
}

impl From<StartupError> for Failure {
    fn from(error: StartupError) -> Self {
        Self(error.chain())
    }
}
