//! Colours, on a terminal only.

use std::io::IsTerminal as _;

/// Knows whether to colour.
#[derive(Debug, Clone, Copy)]
pub struct Paint(bool);

// === impl Paint ===

impl Paint {
    /// Colours if stdout is a terminal and nobody asked for none (NO_COLOR, no-color.org).
    pub fn of_terminal() -> Self {
        Self(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none())
    }

    fn with(self, code: &str, text: impl std::fmt::Display) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    /// As hoped for.
    pub fn good(self, text: impl std::fmt::Display) -> String {
        self.with("32", text)
    }

    /// Not as hoped for.
    pub fn bad(self, text: impl std::fmt::Display) -> String {
        self.with("31", text)
    }

    /// A heading.
    pub fn strong(self, text: impl std::fmt::Display) -> String {
        self.with("1", text)
    }

    /// Beside the point.
    pub fn faint(self, text: impl std::fmt::Display) -> String {
        self.with("2", text)
    }
}
