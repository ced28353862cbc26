//! `local up`: everything that can be wrong is looked at first, then the supervisor is started and followed.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::down::{reap, stop};
use super::status::addresses;
use super::{tail, typed, typed_logs};
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
use crate::supervisor;
use crate::tools::{self, Tools};

/// How long all may take to be ready.
const PATIENCE: Duration = Duration::from_secs(180);
/// A part that died this often without ever being ready will not get better by waiting.
const HOPELESS: u32 = 5;
/// When nothing becomes ready for this long, it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// Brings a local system up, or what is missing of it, and returns when every part is ready.
pub async fn up(root: &Path, settings: Settings) -> Result<()> {
    up_changed(root, settings, |_, parts| Ok(parts)).await
}

/// The same with parts that the caller has changed: other addresses, more in their environment. The program that calls
/// this must understand `supervise --state`, as `local` does.
pub async fn up_changed(
    root: &Path,
    settings: Settings,
    change: impl FnOnce(&Context, Vec<Part>) -> Result<Vec<Part>>,
) -> Result<()> {
    let started = Instant::now();
    let layout = Layout::new(root, settings.profile);
    layout.create()?;
    let down = typed(settings.profile, "down");
    match Status::of_running(layout.state())? {
        // A `down` is under way: nobody joins what ends.
        Some(status) if status.stops() => {
            stop(layout.state()).await?;
        }
        // Before keys are made for these ports, which those that run would not know.
        Some(_) if !credentials::are_for(&layout, settings.ports.kube_apiserver()) => {
            let status = typed(settings.profile, "status");
            return Err(Error::advice(format!(
                "it runs already, on other ports ({status}): give the same PORT_BASE, or run {down} first"
            )));
        }
        Some(_) | None => {}
    }
    let context = context(layout, settings)?;
    let state = context.layout.state();
    let parts = change(&context, parts::all(&context))?;
    let leaving = if let Some(status) = Status::of_running(state)? {
        if !parts::are_written(&context, &parts)? {
            return Err(Error::advice(format!(
                "it runs already, with other settings: run {down} first"
            )));
        }
        restart_rebuilt(&status)
    } else {
        reap(state).await;
        refuse_taken_ports(root, &context.settings, &parts)?;
        parts::write(&context, &parts)?;
        start_supervisor(state)?;
        Vec::new()
    };
    follow(&context.layout, &leaving, started, PATIENCE).await?;
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
    let ours = tools::ours()?;
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
    let shares = |profile: Profile| profile != settings.profile && !profile.has_own_ports();
    let others: Vec<Profile> = Profile::ALL.into_iter().filter(|other| shares(*other)).collect();
    if !settings.profile.has_own_ports()
        && let Some(other) = Layout::running(root, &others)?
    {
        return Err(Error::advice(format!(
            "the `{}` system of this checkout runs: run `make down` first",
            other.profile().name()
        )));
    }
    let taken: Vec<String> = parts
        .iter()
        .flat_map(|part| part.ports.iter().map(move |port| (part, *port)))
        .filter(|(_, port)| holders::taken(*port))
        .map(|(part, port)| {
            format!(
                "  port {port}, meant for {}, is held by {}",
                part.name,
                holders::held_by(port)
            )
        })
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let base = settings.ports.base();
    let other = if base < 60_000 { base + 1000 } else { 17_000 };
    Err(Error::advice(format!(
        "ports are taken:\n{}\nEnd what holds them (a local system: `make down` in its checkout), or use other \
         ports: {} (everything listens between there and 100 above)",
        taken.join("\n"),
        settings.profile.moved(other)
    )))
}

fn start_supervisor(state: &Path) -> Result<()> {
    let log = layout::log_file(state, supervisor::NAME);
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
    supervisor::command(&own, state)
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

/// Prints a line per part as it becomes ready; one whose process is among the leaving counts when it has another. Times
/// are told since `started`; what was done before this begins is not held against the parts.
async fn follow(layout: &Layout, leaving: &[PartStatus], started: Instant, patience: Duration) -> Result<()> {
    let launched = Instant::now();
    let mut told: BTreeMap<String, (State, u32)> = BTreeMap::new();
    let mut last_news = Instant::now();
    let mut seen_running = false;
    loop {
        let status = Status::of_running(layout.state())?;
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
                let logs = typed_logs(layout.profile(), &part.part);
                say(format!("  {:<24} {how}; see {logs}", part.part));
                last_news = Instant::now();
            }
            if hopeless(part, leaving) {
                return Err(failed(layout, "a part dies again and again", status.as_ref()));
            }
        }
        match &status {
            Some(status) if status.parts.iter().all(|part| ready(part, leaving)) => return Ok(()),
            None if seen_running || launched.elapsed() > SILENCE * 2 => {
                return Err(failed(layout, "the supervisor ended", None));
            }
            _ => {}
        }
        if launched.elapsed() > patience {
            let text = format!("not ready in {} s", patience.as_secs());
            return Err(failed(layout, &text, status.as_ref()));
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
fn failed(layout: &Layout, what: &str, status: Option<&Status>) -> Error {
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
        if let Some(exit) = &part.last_exit {
            text.push_str(&format!("; its last process {exit}"));
        }
    }
    let names = troubled.iter().map(|part| part.part.as_str());
    for name in names.chain(status.is_none().then_some(supervisor::NAME)) {
        let log = layout::log_file(layout.state(), name);
        text.push_str(&format!("\n--- the end of its log: {}", log.display()));
        for line in tail(&log, 8) {
            text.push_str(&format!("\n    {line}"));
        }
    }
    let profile = layout.profile();
    let [status, down, reset] = ["status", "down", "reset"].map(|words| typed(profile, words));
    let logs = typed_logs(profile, "<part>");
    text.push_str(&format!(
        "\nTo look at what runs: {status}, {logs}; to end it: {down}; to end it and forget what it stored: {reset}."
    ));
    Error::advice(text)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;
    use crate::ports::Ports;
    use crate::process::marked_sleep;

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

    /// An empty checkout where `up` runs, as far as it can be seen: its API server on port 17003, its supervisor `pid`.
    fn run_by(pid: u32, parts: Vec<PartStatus>) -> (tempfile::TempDir, Layout) {
        let checkout = tempfile::tempdir().unwrap();
        let layout = Layout::new(checkout.path(), Profile::Up);
        layout.create().unwrap();
        credentials::cluster(&layout, 17003).unwrap();
        let supervisor = Identity::of(pid).unwrap();
        Status { supervisor, parts }.write(layout.state()).unwrap();
        (checkout, layout)
    }

    fn settings(profile: Profile, base: u16) -> Settings {
        Settings::of(profile, Ports::from_base(base).unwrap())
    }

    #[tokio::test]
    async fn who_asks_on_other_ports_leaves_the_keys_of_what_runs_alone() {
        let (checkout, layout) = run_by(std::process::id(), Vec::new());
        let keys = fs::read(layout.admin_kubeconfig()).unwrap();
        let refusal = up(checkout.path(), settings(Profile::Up, 18000)).await.unwrap_err();
        assert!(refusal.to_string().contains("other ports"), "{refusal}");
        assert_eq!(fs::read(layout.admin_kubeconfig()).unwrap(), keys);
        // On the same ports it is not that which stands in the way of an empty checkout.
        let other = up(checkout.path(), settings(Profile::Up, 17000)).await.unwrap_err();
        assert!(!other.to_string().contains("other ports"), "{other}");
    }

    #[tokio::test]
    async fn what_is_being_stopped_is_waited_for_and_not_joined() {
        let mut supervisor = Command::new("sleep").arg("600").spawn().unwrap();
        let parts = vec![part(State::Ready, None, 0), part(State::Stopping, None, 0)];
        let (checkout, layout) = run_by(supervisor.id(), parts);
        // Nothing can be started from an empty checkout, on whichever ports.
        let why = up(checkout.path(), settings(Profile::Up, 18000)).await.unwrap_err();
        assert!(!why.to_string().contains("it runs already"), "{why}");
        assert_eq!(Status::of_running(layout.state()).unwrap(), None);
        assert!(supervisor.try_wait().unwrap().is_some());
    }

    #[tokio::test]
    async fn what_came_before_the_supervisor_is_not_held_against_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), Profile::Up);
        layout.create().unwrap();
        let supervisor = Identity::of(std::process::id()).unwrap();
        let parts = vec![part(State::Ready, Some(supervisor), 0)];
        let writes = async {
            sleep(Duration::from_millis(200)).await;
            Status { supervisor, parts }.write(layout.state()).unwrap();
        };
        // Redis was installed.
        let started = Instant::now() - Duration::from_secs(30);
        let (followed, ()) = tokio::join!(follow(&layout, &[], started, Duration::from_secs(5)), writes);
        followed.unwrap();
    }

    #[test]
    fn who_finds_ports_taken_is_told_how_to_start_the_same_system_on_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let parts = [Part::new("bff", "bff").ports([listener.local_addr().unwrap().port()])];
        let checkout = tempfile::tempdir().unwrap();
        for (profile, command) in [
            (Profile::Up, "PORT_BASE=18000 make up "),
            (Profile::Demo, "PORT_BASE=18000 make demo "),
            (Profile::Test, "TEST_PORT_BASE=18000 make test "),
            (Profile::Campaign, "PORT_BASE=18000 make campaign "),
        ] {
            let refusal = refuse_taken_ports(checkout.path(), &settings(profile, 17000), &parts).unwrap_err();
            assert!(refusal.to_string().contains(&format!(": {command}")), "{refusal}");
        }
    }

    #[test]
    fn who_finds_a_port_held_by_another_checkout_is_told_which() {
        let state = Path::new("/elsewhere/.local/up");
        let (mut child, holder) = marked_sleep(state, "etcd");
        let holder = holders::described(holder);
        let whose = "of the local system in /elsewhere/.local/up";
        assert!(holder.ends_with(whose), "{holder}");
        child.kill().unwrap();
        child.wait().unwrap();
        let own = holders::described(Identity::of(std::process::id()).unwrap());
        assert!(own.ends_with(&format!("(process {})", std::process::id())), "{own}");
    }

    #[test]
    fn what_failed_is_looked_at_by_commands_that_mean_its_system() {
        let folder = tempfile::tempdir().unwrap();
        let advice = |profile| failed(&Layout::new(folder.path(), profile), "x", None).to_string();
        let up = advice(Profile::Up);
        assert!(
            up.contains("`make logs S=<part>`") && up.contains("`make down`"),
            "{up}"
        );
        let campaign = advice(Profile::Campaign);
        assert!(!campaign.contains("`make"), "{campaign}");
        for words in ["status", "logs <part>", "down", "reset"] {
            let command = format!("/local {words} --profile campaign`");
            assert!(campaign.contains(&command), "{campaign}");
        }
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
