//! `local up`: everything that can be wrong is looked at first, then the supervisor is started and followed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::down::reap;
use super::status::addresses;
use super::tail;
use crate::credentials;
use crate::error::{During, Error, Result};
use crate::holders;
use crate::issuer::Issuer;
use crate::kubernetes::MANIFESTS;
use crate::layout::{self, Layout};
use crate::out::say;
use crate::part::Part;
use crate::parts::{self, Context};
use crate::process::Identity;
use crate::settings::{Profile, Settings};
use crate::status::{PartStatus, State, Status};
use crate::tools::{self, Tools};

/// Logs longer than this start anew at `up`.
const LONGEST_LOG: u64 = 10 * 1024 * 1024;
/// A part that died this often without ever being ready will not get better by waiting.
const HOPELESS: u32 = 5;
/// When nothing becomes ready for this long, it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// Brings a local system up, or what is missing of it, and returns when every part is ready.
pub async fn up(root: &Path, settings: Settings, patience: Duration) -> Result<()> {
    up_changed(root, settings, patience, |_, parts| Ok(parts)).await
}

/// The same with parts that the caller has changed: other addresses, more in their environment. The program that calls
/// this must understand `supervise --state`, as `local` does.
pub async fn up_changed(
    root: &Path,
    settings: Settings,
    patience: Duration,
    change: impl FnOnce(&Context, Vec<Part>) -> Result<Vec<Part>>,
) -> Result<()> {
    let started = Instant::now();
    let layout = Layout::new(root, settings.profile);
    layout.create()?;
    let context = context(layout, settings)?;
    let state = context.layout.state().to_owned();
    let parts = change(&context, parts::all(&context))?;
    let leaving = if let Some(status) = Status::of_running(&state)? {
        if !parts::are_written(&context, &parts)? {
            return Err(Error::advice(
                "it runs already, with other settings: run `make down` first",
            ));
        }
        restart_rebuilt(&status)
    } else {
        reap(&state).await;
        refuse_taken_ports(root, &context.settings, &parts)?;
        shorten_logs(&state)?;
        parts::write(&context, &parts)?;
        start_supervisor(&state)?;
        Vec::new()
    };
    follow(&state, &leaving, started, patience).await?;
    say(format!(
        "\n{} parts ready in {:.1} s\n",
        parts.len(),
        started.elapsed().as_secs_f64()
    ));
    say(addresses(&context.layout, &parts));
    Ok(())
}

fn context(layout: Layout, settings: Settings) -> Result<Context> {
    let root = layout.root();
    let tools = Tools::find(root)?;
    let ours = if settings.infrastructure_only {
        PathBuf::new()
    } else {
        tools::ours()?
    };
    let manifests: Vec<PathBuf> = MANIFESTS.iter().map(|file| root.join(file)).collect();
    if let Some(missing) = manifests.iter().find(|file| !file.is_file()) {
        return Err(Error::advice(format!(
            "{} is not there: run `make generate`",
            missing.display()
        )));
    }
    let tokens = credentials::tokens(&layout)?;
    Issuer::of(&layout)?;
    let server = credentials::cluster(&layout, settings.ports.kube_apiserver())?;
    Ok(Context {
        settings,
        layout,
        tools,
        ours,
        tokens,
        server,
        manifests,
    })
}

/// Parts whose program was built anew since they were started are started again; nothing else is touched. Answers how they
/// were when they were told to end.
fn restart_rebuilt(status: &Status) -> Vec<PartStatus> {
    let mut leaving = Vec::new();
    for part in &status.parts {
        if let Some(process) = part.process.filter(Identity::executable_replaced) {
            say(format!("  {:<24} was built anew: starting it again", part.part));
            process.signal(Signal::SIGTERM);
            leaving.push(part.clone());
        }
    }
    leaving
}

fn refuse_taken_ports(root: &Path, settings: &Settings, parts: &[Part]) -> Result<()> {
    let others = Profile::ALL
        .into_iter()
        .filter(|profile| *profile != settings.profile && !profile.has_own_ports());
    for profile in others.filter(|_| !settings.profile.has_own_ports()) {
        if Status::of_running(Layout::new(root, profile).state())?.is_some() {
            let name = profile.name();
            return Err(Error::advice(format!(
                "the `{name}` system of this checkout runs: run `make down` first"
            )));
        }
    }
    let taken: Vec<String> = parts
        .iter()
        .flat_map(|part| part.ports.iter().map(move |port| (part, *port)))
        .filter(|(_, port)| holders::taken(*port))
        .map(|(part, port)| {
            let holder = holders::holder(port).map_or_else(
                || "a process that is not yours".to_owned(),
                |holder| format!("{} (process {})", holder.name(), holder.pid),
            );
            format!("  port {port}, meant for {}, is held by {holder}", part.name)
        })
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let base = settings.ports.base();
    let other = if base < 60_000 { base + 1000 } else { 17_000 };
    Err(Error::advice(format!(
        "ports are taken:\n{}\nEnd what holds them, or use other ports: PORT_BASE={other} make up (everything listens between there and \
         100 above)",
        taken.join("\n")
    )))
}

fn shorten_logs(state: &Path) -> Result<()> {
    for entry in fs::read_dir(layout::logs(state))
        .during("read the folder of logs")?
        .flatten()
    {
        if entry.metadata().is_ok_and(|metadata| metadata.len() > LONGEST_LOG) {
            OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(entry.path())
                .during("shorten a log")?;
        }
    }
    Ok(())
}

fn start_supervisor(state: &Path) -> Result<()> {
    let log = layout::log_file(state, "supervisor");
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(log)
        .during("open the supervisor's log")?;
    let errors = log.try_clone().during("share the supervisor's log")?;
    let own = std::env::current_exe().during("find the own executable")?;
    // What the last supervisor wrote is not news of this one.
    fs::remove_file(layout::status_file(state)).ok();
    Command::new(own)
        .arg("supervise")
        .arg("--state")
        .arg(state)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .during("start the supervisor")
        .map(drop)
}

/// Whether its process was told to end and has not yet: its state is still what it was.
fn leaves(part: &PartStatus, leaving: &[PartStatus]) -> bool {
    leaving.iter().any(|old| old.process == part.process)
}

/// Whether it is at work, with a process that stays.
fn ready(part: &PartStatus, leaving: &[PartStatus]) -> bool {
    part.state == State::Ready && !leaves(part, leaving)
}

/// Whether it dies again and again. What was before it was told to end is not counted: while a system stays up, its
/// programs are built anew any number of times.
fn hopeless(part: &PartStatus, leaving: &[PartStatus]) -> bool {
    let old = leaving.iter().find(|old| old.part == part.part);
    part.state == State::BackOff && part.restarts >= old.map_or(0, |old| old.restarts) + HOPELESS
}

/// Prints a line per part as it becomes ready; one whose process is among the leaving counts when it has another.
async fn follow(state: &Path, leaving: &[PartStatus], started: Instant, patience: Duration) -> Result<()> {
    let mut told: BTreeMap<String, (State, u32)> = BTreeMap::new();
    let mut last_news = Instant::now();
    let mut seen_running = false;
    loop {
        let status = Status::of_running(state)?;
        seen_running |= status.is_some();
        for part in status.iter().flat_map(|status| &status.parts) {
            if leaves(part, leaving) {
                continue;
            }
            let now = (part.state, part.restarts);
            let before = told.insert(part.part.clone(), now);
            if before == Some(now) {
                continue;
            }
            if part.state == State::Ready {
                say(format!(
                    "  {:<24} ready  {:>5.1} s",
                    part.part,
                    started.elapsed().as_secs_f64()
                ));
                last_news = Instant::now();
            } else if part.restarts > before.map_or(0, |(_, restarts)| restarts) {
                let how = part.last_exit.as_deref().unwrap_or("ended");
                say(format!("  {:<24} {how}; see `make logs S={}`", part.part, part.part));
                last_news = Instant::now();
            }
            if hopeless(part, leaving) {
                return Err(failed(state, "a part dies again and again", status.as_ref()));
            }
        }
        match &status {
            Some(status) if status.parts.iter().all(|part| ready(part, leaving)) => return Ok(()),
            None if seen_running || started.elapsed() > SILENCE * 2 => {
                return Err(failed(state, "the supervisor ended", None));
            }
            _ => {}
        }
        if started.elapsed() > patience {
            let text = format!("not ready in {} s", patience.as_secs());
            return Err(failed(state, &text, status.as_ref()));
        }
        if last_news.elapsed() > SILENCE {
            for line in status.iter().flat_map(|status| waiting(status, leaving)) {
                say(format!("  waiting: {line}"));
            }
            last_news = Instant::now();
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn waiting(status: &Status, leaving: &[PartStatus]) -> Vec<String> {
    let lines = status.parts.iter().filter(|part| !ready(part, leaving));
    lines
        .map(|part| format!("{} for {}", part.part, part.waiting_for.as_deref().unwrap_or("itself")))
        .collect()
}

/// What went wrong, what is not ready, and the last words of each.
fn failed(state: &Path, what: &str, status: Option<&Status>) -> Error {
    let mut text = what.to_owned();
    let parts = status.iter().flat_map(|status| &status.parts);
    let troubled: Vec<_> = parts
        .filter(|part| matches!(part.state, State::Starting | State::BackOff))
        .collect();
    for part in &troubled {
        text.push_str(&format!(
            "\n{} waits for {}",
            part.part,
            part.waiting_for.as_deref().unwrap_or("itself")
        ));
    }
    let names = troubled.iter().map(|part| part.part.as_str());
    for name in names.chain(status.is_none().then_some("supervisor")) {
        text.push_str(&format!(
            "\n--- the end of its log: {}",
            layout::log_file(state, name).display()
        ));
        for line in tail(&layout::log_file(state, name), 8) {
            text.push_str(&format!("\n    {line}"));
        }
    }
    text.push_str("\nWhat runs was left running: `make status`, `make logs S=<part>`, `make down`.");
    Error::advice(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Identity = Identity { pid: 7, start: 1 };
    const NEW: Identity = Identity { pid: 7, start: 2 };

    fn part(state: State, process: Option<Identity>, restarts: u32) -> PartStatus {
        PartStatus {
            part: "bff".to_owned(),
            state,
            process,
            restarts,
            since: 0,
            waiting_for: None,
            last_exit: None,
            port: None,
        }
    }

    #[test]
    fn a_part_is_not_ready_while_the_process_that_was_told_to_end_is_still_its_own() {
        let leaving = [part(State::Ready, Some(OLD), 0)];
        assert!(!ready(&part(State::Ready, Some(OLD), 0), &leaving));
        assert!(!ready(&part(State::BackOff, None, 1), &leaving));
        assert!(!ready(&part(State::Starting, Some(NEW), 1), &leaving));
        assert!(ready(&part(State::Ready, Some(NEW), 1), &leaving));
        assert!(ready(&part(State::Ready, Some(OLD), 0), &[]));
    }

    #[test]
    fn what_is_still_to_end_is_waited_for() {
        let old = part(State::Ready, Some(OLD), 0);
        let status = Status {
            supervisor: Identity { pid: 1, start: 1 },
            parts: vec![old.clone()],
        };
        assert_eq!(waiting(&status, &[old]), ["bff for itself"]);
        assert!(waiting(&status, &[]).is_empty());
    }

    #[test]
    fn a_part_that_is_started_again_for_its_program_is_not_given_up_for_what_was_before() {
        let leaving = [part(State::Ready, Some(OLD), HOPELESS)];
        assert!(hopeless(&part(State::BackOff, None, HOPELESS), &[]));
        assert!(!hopeless(&part(State::BackOff, None, HOPELESS + 1), &leaving));
        assert!(hopeless(&part(State::BackOff, None, 2 * HOPELESS), &leaving));
        assert!(!hopeless(&part(State::Starting, Some(NEW), 2 * HOPELESS), &leaving));
    }
}
