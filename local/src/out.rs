//! Speaking to the person at the terminal.

use std::fmt::Display;
use std::io::{Write, stdout};

/// Prints a line. Unlike `println!` it does not panic when nobody listens any more (`local up | head`), it says so.
pub fn say(line: impl Display) -> bool {
    writeln!(stdout(), "{line}").is_ok()
}
