//! Keeps a list of parts running: one future per part, which starts it when what it needs is there, starts it again when
//! it dies, and stops it when everything that needs it has stopped.

mod backoff;
mod board;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep, timeout};

use self::backoff::Backoff;
use self::board::Board;
use crate::error::{During, Error, Result};
use crate::layout;
use crate::out::say;
use crate::part::{Part, read_parts};
use crate::process::{Identity, MARK, mark};
use crate::ready;

/// How long a part may take to end once asked, before it is killed.
pub const GRACE: Duration = Duration::from_secs(10);
/// The supervisor's own name among the parts: of its log and of its mark.
pub const NAME: &str = "supervisor";
/// A log that is longer starts anew. Longer than any of a campaign, which reads them all when it is over.
const LONGEST_LOG: u64 = 50 * 1024 * 1024;
/// How often that is looked at.
const LOOKS_AT_LOGS: Duration = Duration::from_secs(60);

/// The command that has `program`, which must understand it, supervise a state dir. It carries a mark as its parts do,
/// by which it is found where `status.json` is gone.
pub fn command(program: &Path, state: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command
        .arg("supervise")
        .arg("--state")
        .arg(state)
        .env(MARK, mark(state, NAME))
        .stdin(Stdio::null());
    command
}

/// Runs the parts of a state dir until SIGTERM, then stops them and returns.
pub async fn run(state: &Path) -> Result<()> {
    // A session of its own: the terminal that it was started from may go away. Fails when it already leads one.
    setsid().ok();
    let _lock = lock(state)?;
    let parts = read_parts(state)?;
    let own = Identity::of(std::process::id()).ok_or_else(|| Error::advice("there is no /proc: this needs Linux"))?;
    let mut terminate = signal(SignalKind::terminate()).during("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).during("listen for SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).during("listen for SIGHUP")?;

    let board = Board::new(state.to_owned(), own, &parts);
    let (stop, stopping) = watch::channel(false);
    let keep_all = join_all(parts.iter().map(|part| {
        keep(
            state,
            part,
            dependents(&parts, &part.name),
            board.clone(),
            stopping.clone(),
        )
    }));
    tokio::pin!(keep_all);
    let mut logs_looked_at = interval(LOOKS_AT_LOGS);
    loop {
        tokio::select! {
            _ = &mut keep_all => return Ok(()),
            _ = terminate.recv() => { stop.send_replace(true); }
            _ = interrupt.recv() => { stop.send_replace(true); }
            _ = hang_up.recv() => {}
            _ = logs_looked_at.tick() => {
                let names = parts.iter().map(|part| part.name.as_str());
                names.chain([NAME]).for_each(|name| shorten(&layout::log_file(state, name)));
            }
        }
    }
}

/// Held until the file is dropped, by whatever end of the process.
fn lock(state: &Path) -> Result<File> {
    let path = layout::lock_file(state);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let file = file.during(format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::advice(
            "another supervisor runs here: look with `make status`, end it with `make down`",
        )),
        Err(TryLockError::Error(source)) => Err(source).during(format!("lock {}", path.display())),
    }
}

/// Has a log that grew too long start anew: whoever writes it writes at its end, wherever that is.
fn shorten(log: &Path) {
    if fs::metadata(log).is_ok_and(|log| log.len() > LONGEST_LOG) {
        // Looked at again soon.
        OpenOptions::new().write(true).truncate(true).open(log).ok();
    }
}

fn dependents(parts: &[Part], name: &str) -> Vec<String> {
    let names: BTreeSet<_> = parts
        .iter()
        .filter(|part| part.needs.iter().any(|need| need.part() == name))
        .map(|part| part.name.clone())
        .collect();
    names.into_iter().collect()
}

/// How a process of a part ended.
enum Ended {
    /// By itself, or at somebody else's hand.
    Died { how: String, ready_for: Duration },
    /// The whole system stops.
    Stopping,
}

async fn keep(state: &Path, part: &Part, dependents: Vec<String>, board: Board, mut stopping: watch::Receiver<bool>) {
    let name = part.name.as_str();
    let needs: Vec<_> = part.needs.iter().map(|need| need.part().to_owned()).collect();
    if !needs.is_empty() {
        board.waiting(name, needs.join(", "));
    }
    let start = tokio::select! {
        () = board.needs_met(&part.needs) => true,
        _ = stopping.wait_for(|stop| *stop) => false,
    };
    if start && run_again_and_again(state, part, &dependents, &board, &mut stopping).await {
        return;
    }
    board.stopped_all(&dependents).await;
    board.stopped(name, None);
}

/// Until everything stops. Answers whether the part ran when that came, and was stopped; if not, it was in between.
async fn run_again_and_again(
    state: &Path,
    part: &Part,
    dependents: &[String],
    board: &Board,
    stopping: &mut watch::Receiver<bool>,
) -> bool {
    let mut backoff = Backoff::default();
    loop {
        let ended = match spawn(state, part) {
            Ok(mut child) => live(part, &mut child, dependents, board, stopping).await,
            Err(error) => Ended::Died {
                how: ready::chain(&error),
                ready_for: Duration::ZERO,
            },
        };
        let Ended::Died { how, ready_for } = ended else {
            return true;
        };
        say(format!("{} {how}", part.name));
        board.died(&part.name, how);
        tokio::select! {
            () = sleep(backoff.pause(ready_for)) => {}
            _ = stopping.wait_for(|stop| *stop) => return false,
        }
    }
}

fn spawn(state: &Path, part: &Part) -> Result<Child> {
    let path = layout::log_file(state, &part.name);
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let log = log.during(format!("open {}", path.display()))?;
    let second = log.try_clone().during("share the log")?;
    let mut command = Command::new(&part.command);
    // Nothing of the caller's environment but what any program expects.
    command.args(&part.args).env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(&part.env).env(MARK, mark(state, &part.name));
    // A process group of its own: a Ctrl-C meant for somebody else does not reach it.
    command
        .current_dir(state)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(second);
    command.spawn().during(format!("start {}", part.command.display()))
}

/// One life of a part.
async fn live(
    part: &Part,
    child: &mut Child,
    dependents: &[String],
    board: &Board,
    stopping: &mut watch::Receiver<bool>,
) -> Ended {
    let name = part.name.as_str();
    board.started(name, child.id().and_then(Identity::of), part.ready.describe());
    let mut ready_since = None;
    loop {
        tokio::select! {
            status = child.wait() => {
                let ready_for = ready_since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
                return Ended::Died { how: describe(status), ready_for };
            }
            () = until_ready(part, board), if ready_since.is_none() => {
                ready_since = Some(Instant::now());
                board.ready(name);
            }
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
    board.stopping(name);
    let by_itself = tokio::select! {
        // Not started again: it is about to be stopped anyway.
        status = child.wait() => Some(describe(status)),
        () = board.stopped_all(dependents) => None,
    };
    let how = match by_itself {
        Some(how) => {
            board.stopped_all(dependents).await;
            how
        }
        None => end(child).await,
    };
    board.stopped(name, Some(how));
    Ended::Stopping
}

async fn until_ready(part: &Part, board: &Board) {
    let mut pause = Duration::from_millis(20);
    loop {
        let seen = match ready::check(&part.ready).await {
            Ok(()) => ready::prepare(&part.ready).await,
            not_yet => not_yet,
        };
        let Err(seen) = seen else { return };
        board.waiting(&part.name, format!("{} ({seen})", part.ready.describe()));
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(250));
    }
}

async fn end(child: &mut Child) -> String {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // Not collected yet, so the id is still its own.
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
    match timeout(GRACE, child.wait()).await {
        Ok(status) => describe(status),
        Err(_) => {
            child.kill().await.ok();
            format!("was killed: it did not end in {} s", GRACE.as_secs())
        }
    }
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("ended with status {code}"),
            (None, signal) => {
                let signal = signal.and_then(|number| Signal::try_from(number).ok());
                format!("ended by {}", signal.map_or("an unknown signal", Signal::as_str))
            }
        },
        Err(error) => format!("could not be waited for: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_that_grew_too_long_starts_anew_under_who_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.log");
        let mut log = OpenOptions::new().append(true).create(true).open(&file).unwrap();
        log.set_len(LONGEST_LOG).unwrap();
        shorten(&file);
        assert_eq!(fs::metadata(&file).unwrap().len(), LONGEST_LOG);
        log.write_all(b"one more\n").unwrap();
        shorten(&file);
        log.write_all(b"new\n").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new\n");
    }
}
