//! What a person can ask for.

mod demo;
mod down;
mod logs;
mod rebuild;
mod reset;
mod status;
mod token;
mod up;

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

pub use self::demo::{demo, judge};
pub use self::down::down;
pub use self::logs::logs;
pub use self::rebuild::rebuild;
pub use self::reset::reset;
pub use self::status::status;
pub use self::token::token;
pub use self::up::{up, up_changed};

/// The last lines of a file; none when it cannot be read.
fn tail(file: &Path, lines: usize) -> Vec<String> {
    const ENOUGH: u64 = 256 * 1024;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
