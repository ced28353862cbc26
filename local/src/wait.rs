//! Waiting for a condition, never for a time.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

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

/// How long any look may take, also one that begins when patience is nearly at its end.
const LOOK: Duration = Duration::from_secs(10);

/// Looks again and again until `check` answers `Ok`. An `Err` says what stands in the way. A look that has no answer when
/// patience ends, and had 10 s at least, is given up.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, TimedOut> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let left = patience.saturating_sub(started.elapsed()).max(LOOK);
        let last = match timeout(left, check()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(last)) => last,
            Err(_) => format!("no answer in {} s", left.as_secs()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_never_answered_ends() {
        for (patience, waited) in [(0, 10), (3, 10), (60, 60)] {
            let patience = Duration::from_secs(patience);
            let never = async || std::future::pending::<Result<(), String>>().await;
            let late = until("it", patience, never).await.unwrap_err().to_string();
            assert_eq!(late, format!("waited {waited} s for it: no answer in {waited} s"));
        }
    }
}
