//! How long to leave a part that died before it is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// A part that was ready for this long had recovered: its next death is a first one.
const RECOVERED: Duration = Duration::from_secs(30);

/// Doubles with each death.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    deaths: u32,
}

// === impl Backoff ===

impl Backoff {
    /// The pause after a death, told how long the part had been ready before it.
    pub(super) fn pause(&mut self, ready_for: Duration) -> Duration {
        if ready_for >= RECOVERED {
            self.deaths = 0;
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.deaths)).min(LONGEST);
        self.deaths = self.deaths.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(backoff: &mut Backoff, deaths: usize) -> Vec<u128> {
        (0..deaths).map(|_| backoff.pause(Duration::ZERO).as_millis()).collect()
    }

    #[test]
    fn the_pause_doubles_up_to_ten_seconds() {
        let mut backoff = Backoff::default();
        assert_eq!(
            pauses(&mut backoff, 8),
            [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        assert_eq!(pauses(&mut backoff, 100).last(), Some(&10_000));
    }

    #[test]
    fn half_a_minute_at_work_starts_it_over() {
        let mut backoff = Backoff::default();
        pauses(&mut backoff, 5);
        assert_eq!(backoff.pause(Duration::from_secs(29)).as_millis(), 6400);
        assert_eq!(backoff.pause(Duration::from_secs(30)).as_millis(), 200);
    }
}
