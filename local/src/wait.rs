//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A condition that did not come true in time.
#[derive(Debug, thiserror::Error)]
#[error("waited {} s for {what}: {last}", waited.as_secs())]
pub struct TimedOut {
    /// What was waited for.
    pub what: String,
    /// What stood in the way at the last look.
    pub last: String,
    /// How long it was waited for.
    pub waited: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Looks again and again until `check` answers `Ok`. An `Err` says what stands in the way.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, TimedOut> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let last = match check().await {
            Ok(value) => return Ok(value),
            Err(last) => last,
        };
        let waited = started.elapsed();
        if waited >= patience {
            return Err(TimedOut {
                what: what.to_owned(),
                last,
                waited,
            });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
