//! `local down`: the supervisor stops its parts. What an earlier supervisor left behind when it was killed is ended too.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::Signal;

use super::{others, typed};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::out::say;
use crate::process::{self, Identity};
use crate::settings::Profile;
use crate::status::{State, Status};
use crate::supervisor::{self, GRACE};
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
    for other in others(profiles) {
        if runs(Layout::new(root, other).state())? {
            say(format!(
                "the `{}` system runs too: {} stops it",
                other.name(),
                typed(other, "down")
            ));
        }
    }
    Ok(())
}

/// Whether any process of this system runs.
pub(super) fn runs(state: &Path) -> Result<bool> {
    Ok(Status::of_running(state)?.is_some() || !left_behind(state).is_empty())
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
    .map_err(|late| Error::advice(format!("{late}\nstop it again, or end process {}", supervisor.pid)))?;
    reap(state).await;
    Ok(true)
}

/// Ends what a supervisor that was killed left behind, or one whose `status.json` is gone, and says so. Answers how
/// many processes that were.
pub(super) async fn reap(state: &Path) -> usize {
    let left = left_behind(state);
    // A supervisor first: it would start again what is ended here, and it stops its own parts, layer by layer.
    for (part, process) in left.iter().filter(|(part, _)| part == supervisor::NAME) {
        end(part, process, PATIENCE).await;
    }
    let still = left_behind(state);
    join_all(still.iter().map(|(part, process)| end(part, process, GRACE))).await;
    left.len()
}

/// What runs without a supervisor that says so. Known twice over: by id and start time from `status.json`, and by the
/// mark in the environment, for what it had no time to write down.
pub(super) fn left_behind(state: &Path) -> Vec<(String, Identity)> {
    let mut left = process::marked(state);
    // Started by somebody else since the caller looked: all of it is at work.
    if matches!(Status::of_running(state), Ok(Some(_))) {
        return Vec::new();
    }
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

async fn end(part: &str, process: &Identity, grace: Duration) {
    process.stop(grace).await;
    let outcome = if process.alive() { "still runs" } else { "ended" };
    say(format!(
        "  {part:<24} was left behind (process {}): {outcome}",
        process.pid
    ));
}
