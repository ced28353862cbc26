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

use clap::ValueEnum;

use crate::settings::Profile;

pub use self::demo::{demo, judge};
pub use self::down::down;
pub use self::logs::logs;
pub use self::rebuild::rebuild;
pub use self::reset::reset;
pub use self::status::status;
pub use self::token::token;
pub use self::up::{up, up_changed};

/// What else there is for who names no profile, and so means those of [`Profile::ALL`].
fn others(profiles: &[Profile]) -> impl Iterator<Item = Profile> {
    let none_named = profiles == Profile::ALL;
    let every = Profile::value_variants().iter().copied();
    every.filter(move |profile| none_named && !Profile::ALL.contains(profile))
}

/// What a person types to ask for something about the system of a profile: `make` speaks of those of [`Profile::ALL`].
fn typed(profile: Profile, words: &str) -> String {
    if Profile::ALL.contains(&profile) {
        return format!("`make {words}`");
    }
    // Beside this program, which may be another one that starts systems.
    let own = std::env::current_exe().unwrap_or_default();
    let local = own.with_file_name("local");
    format!("`{} {words} --profile {}`", local.display(), profile.name())
}

/// The same for the log of a part.
fn typed_logs(profile: Profile, part: &str) -> String {
    let by_make = Profile::ALL.contains(&profile);
    typed(profile, &format!("logs {}{part}", if by_make { "S=" } else { "" }))
}

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
