//! How the parts are: what the supervisor writes to `status.json` at each change, and everybody else reads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{During, Error, Result};
use crate::layout;
use crate::process::Identity;

/// How a local system is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process that keeps the parts running.
    pub supervisor: Identity,
    /// The parts, in the order they were given.
    pub parts: Vec<PartStatus>,
}

/// How a part is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartStatus {
    /// Its name.
    pub part: String,
    /// What it is at.
    pub state: State,
    /// Its process, while it has one.
    #[serde(flatten)]
    pub process: Option<Identity>,
    /// How often it was started again.
    pub restarts: u32,
    /// Since when it is in this state, in seconds since 1970.
    pub since: u64,
    /// What it waits for, unless it is ready.
    pub waiting_for: Option<String>,
    /// How its last process ended, if one did.
    pub last_exit: Option<String>,
    /// The port to tell people.
    pub port: Option<u16>,
}

/// What a part is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Not started yet: what it needs is not there.
    Waiting,
    /// Its process runs and is not ready yet.
    Starting,
    /// At work.
    Ready,
    /// It died and will be started again soon.
    BackOff,
    /// It was asked to end.
    Stopping,
    /// It ended because it was asked to.
    Stopped,
}

// === impl Status ===

impl Status {
    /// What the last supervisor of this state dir wrote; none if there never was one.
    pub fn read(state: &Path) -> Result<Option<Self>> {
        let file = layout::status_file(state);
        let text = match fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.during(format!("read {}", file.display()))?,
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|source| json(&file, source))
    }

    /// What it wrote, while that supervisor lives.
    pub fn of_running(state: &Path) -> Result<Option<Self>> {
        match Self::read(state) {
            Ok(status) => Ok(status.filter(|status| status.supervisor.alive())),
            // Empty after a power cut, or of another version: as good as none. What runs is found by its mark.
            Err(Error::Json { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file as one step, so that no reader sees half of it.
    pub fn write(&self, state: &Path) -> Result<()> {
        let file = layout::status_file(state);
        let text = serde_json::to_vec_pretty(self).map_err(|source| json(&file, source))?;
        write_atomically(&file, &text)
    }

    /// One part.
    pub fn part(&self, name: &str) -> Option<&PartStatus> {
        self.parts.iter().find(|part| part.part == name)
    }

    /// Whether every part is ready.
    pub fn all_ready(&self) -> bool {
        self.parts.iter().all(|part| part.state == State::Ready)
    }

    /// Whether it is being stopped.
    pub fn stops(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| matches!(part.state, State::Stopping | State::Stopped))
    }
}

// === impl State ===

impl State {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::BackOff => "back-off",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// Writes a file that only its owner may read, in one step.
pub fn write_atomically(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, false)
}

/// The same for what is made once: a power cut does not leave it empty.
pub fn write_durably(file: &Path, content: &[u8]) -> Result<()> {
    replace(file, content, true)
}

fn replace(file: &Path, content: &[u8], durably: bool) -> Result<()> {
    let partial = file.with_extension("partial");
    let write = || -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut handle = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        handle.write_all(content)?;
        if durably {
            handle.sync_all()?;
        }
        fs::rename(&partial, file)
    };
    write().during(format!("write {}", file.display()))
}

fn json(file: &Path, source: serde_json::Error) -> Error {
    Error::Json {
        what: file.display().to_string(),
        source,
    }
}
