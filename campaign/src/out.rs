//! Speaking to whoever watches: one line that changes on a terminal, a line every ten seconds elsewhere.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::{Mutex, PoisonError};

use local::out::say;
use tokio::time::{Duration, Instant};

/// Elsewhere a line comes this often.
const EVERY: Duration = Duration::from_secs(10);

/// The screen.
pub(crate) struct Screen {
    terminal: bool,
    last: Mutex<Option<Instant>>,
}

// === impl Screen ===

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            terminal: stdout().is_terminal(),
            last: Mutex::new(None),
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, line: &str) {
        self.wipe();
        say(line);
    }

    /// A line that the next one replaces.
    pub(crate) fn live(&self, line: &str) {
        if self.terminal {
            let mut out = stdout();
            // Nobody listens any more: that is not what is tried here.
            write!(out, "\r\x1b[K{line}").and_then(|()| out.flush()).ok();
            return;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            say(line);
        }
    }

    /// What is waited for.
    pub(crate) fn waiting(&self, left: &str) {
        if !left.is_empty() {
            self.live(&format!("waiting: {left}"));
        }
    }

    /// Makes room for a line that stays.
    pub(crate) fn wipe(&self) {
        if self.terminal {
            let mut out = stdout();
            write!(out, "\r\x1b[K").and_then(|()| out.flush()).ok();
        }
    }
}

/// `53,211`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let shown = [0, 999, 1000, 53_211, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "53,211", "1,234,567"]);
    }
}
