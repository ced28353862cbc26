//! `local down`: the supervisor stops its parts. What an earlier supervisor left behind when it was killed is ended too.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::Signal;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::out::say;
use crate::process::{self, Identity};
use crate::settings::Profile;
use crate::status::{State, Status};
use crate::supervisor::GRACE;
use crate::wait::until;

/// How long the supervisor may take: a few layers of parts, each with its grace.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stops the systems of these profiles. Fine when nothing runs.
pub async fn down(root: &Path, profiles: &[Profile]) -> Result<()> {
    let mut ran = false;
    for profile in profiles {
        ran |= stop(Layout::new(root, *profile).state()).await?;
    }
    say(if ran {
        "everything is stopped"
    } else {
        "nothing is running"
    });
    Ok(())
}

/// Whether anything ran.
pub(super) async fn stop(state: &Path) -> Result<bool> {
    let Some(status) = Status::of_running(state)? else {
        return Ok(reap(state).await > 0);
    };
    let supervisor = status.supervisor;
    supervisor.signal(Signal::SIGTERM);
    let mut told = Vec::new();
    until("the supervisor to stop its parts", PATIENCE, async || {
        let still: Vec<String> = match Status::read(state) {
            Ok(Some(status)) => {
                for part in status.parts.iter().rev().filter(|part| part.state == State::Stopped) {
                    if !told.contains(&part.part) {
                        let how = part.last_exit.as_deref().unwrap_or("had not started");
                        say(format!("  {:<24} {how}", part.part));
                        told.push(part.part.clone());
                    }
                }
                let running = status.parts.into_iter().filter(|part| part.state != State::Stopped);
                running.map(|part| part.part).collect()
            }
            _ => Vec::new(),
        };
        if supervisor.alive() {
            Err(format!("still running: {}", still.join(", ")))
        } else {
            Ok(())
        }
    })
    .await
    .map_err(|late| {
        Error::advice(format!(
            "{late}\nrun `make down` again, or end process {}",
            supervisor.pid
        ))
    })?;
    reap(state).await;
    Ok(true)
}

/// Ends what a supervisor that was killed left behind, and says so. Answers how many processes that were.
pub(super) async fn reap(state: &Path) -> usize {
    let left = left_behind(state);
    join_all(left.iter().map(|(part, process)| end(part, process)))
        .await
        .len()
}

/// What still runs of a supervisor that is gone. Known twice over: by id and start time from `status.json`, and by the
/// mark in the environment, for what it had no time to write down.
pub(super) fn left_behind(state: &Path) -> Vec<(String, Identity)> {
    let mut left = process::marked(state);
    let recorded = Status::read(state)
        .ok()
        .flatten()
        .into_iter()
        .flat_map(|status| status.parts);
    for (part, process) in recorded.filter_map(|part| Some((part.part, part.process?))) {
        if process.alive() && !left.iter().any(|(_, known)| *known == process) {
            left.push((part, process));
        }
    }
    left
}

async fn end(part: &str, process: &Identity) {
    process.stop(GRACE).await;
    say(format!("  {part:<24} was left behind (process {}): ended", process.pid));
}
