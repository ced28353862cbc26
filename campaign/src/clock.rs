//! One clock for everything that is written down: milliseconds since the campaign began.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When the campaign began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    /// The same moment, in milliseconds since 1970.
    wall_ms: u64,
}

/// Milliseconds since the campaign began.
pub(crate) type Millis = u64;

// === impl Clock ===

impl Clock {
    /// It begins now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the campaign is shell: its times are compared with what other processes wrote"
    )]
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            began: Instant::now(),
            wall_ms: millis(wall),
        }
    }

    /// Now.
    pub(crate) fn now(self) -> Millis {
        millis(self.began.elapsed())
    }

    /// A moment in milliseconds since 1970.
    pub(crate) fn wall(self, at: Millis) -> u64 {
        self.wall_ms + at
    }
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `3:07.2`, as a story shows a moment.
pub(crate) fn show(at: Millis) -> String {
    format!("{}:{:02}.{:01}", at / 60_000, at / 1000 % 60, at / 100 % 10)
}
