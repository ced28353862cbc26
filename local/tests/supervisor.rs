//! The supervisor with real processes, over a toy list of parts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local::layout::{self, Layout};
use local::part::{Need, Part};
use local::process::{Identity, mark, marked};
use local::settings::Profile;
use local::status::{State, Status};
use local::supervisor;
use local::wait::until;
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(20);

/// A checkout that holds nothing but a state dir, and the supervisor in it. Whatever it started ends with it.
struct System {
    root: tempfile::TempDir,
    state: PathBuf,
    supervisor: Child,
}

impl System {
    async fn start(parts: &[Part]) -> Self {
        Self::start_as(Profile::Up, parts).await
    }

    async fn start_as(profile: Profile, parts: &[Part]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path(), profile);
        layout.create().unwrap();
        let state = layout.state().to_owned();
        fs::write(layout::parts_file(&state), serde_json::to_vec(parts).unwrap()).unwrap();
        let supervisor = supervise(&state).spawn().unwrap();
        Self {
            root,
            state,
            supervisor,
        }
    }

    /// What `status.json` says once `condition` holds of it.
    async fn status_when(&self, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
        let seen = until(what, PATIENCE, async || match Status::of_running(&self.state) {
            Ok(Some(status)) if condition(&status) => Ok(status),
            other => Err(format!("{other:?}")),
        });
        seen.await.unwrap()
    }

    async fn all_ready(&self) -> Status {
        self.status_when("all to be ready", Status::all_ready).await
    }

    fn local(&self, words: &str) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_local"))
            .arg("--root")
            .arg(self.root.path())
            .args(words.split(' '))
            .output()
            .unwrap()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.supervisor.kill().ok();
        self.supervisor.wait().ok();
        marked(&self.state)
            .iter()
            .for_each(|(_, process)| process.signal(Signal::SIGKILL));
    }
}

fn supervise(state: &Path) -> Command {
    let mut command = supervisor::command(Path::new(env!("CARGO_BIN_EXE_local")), state);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs until it is asked to end, then writes its name into `order` and ends.
fn patient(name: &str) -> Part {
    let script = format!("trap 'kill $!; echo {name} >>order; exit 0' TERM; sleep 600 & wait");
    Part::new(name, "/bin/sh").arg("-c").arg(script)
}

fn chain() -> [Part; 3] {
    [
        patient("store"),
        patient("server").needs(Need::Ready("store".to_owned())),
        patient("client")
            .needs(Need::Ready("server".to_owned()))
            .needs(Need::Started("store".to_owned())),
    ]
}

fn process(status: &Status, part: &str) -> Identity {
    status.part(part).unwrap().process.unwrap()
}

async fn gone(processes: &[Identity]) {
    let check = until("the processes to end", PATIENCE, async || {
        let left: Vec<_> = processes.iter().filter(|process| process.alive()).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?} run"))
        }
    });
    check.await.unwrap();
}

fn processes(status: &Status) -> Vec<Identity> {
    status.parts.iter().filter_map(|part| part.process).collect()
}

#[tokio::test]
async fn a_part_that_is_killed_is_started_again_and_the_others_are_left_alone() {
    let system = System::start(&chain()).await;
    let before = system.all_ready().await;
    process(&before, "server").signal(Signal::SIGKILL);
    let after = system
        .status_when("the server to be back", |status| {
            status.all_ready() && status.part("server").unwrap().restarts == 1
        })
        .await;
    assert_ne!(process(&after, "server"), process(&before, "server"));
    assert_eq!(process(&after, "store"), process(&before, "store"));
    assert_eq!(process(&after, "client"), process(&before, "client"));
    assert_eq!(
        after.part("server").unwrap().last_exit.as_deref(),
        Some("ended by SIGKILL")
    );
}

#[tokio::test]
async fn down_stops_dependents_first_and_nothing_that_is_not_its_own() {
    let mut bystander = Command::new("sleep").arg("600").spawn().unwrap();
    let system = System::start(&chain()).await;
    let processes = processes(&system.all_ready().await);
    assert_eq!(processes.len(), 3);

    let down = system.local("down");
    assert!(down.status.success(), "{down:?}");
    gone(&processes).await;
    let order = fs::read_to_string(system.state.join("order")).unwrap();
    assert_eq!(order, "client\nserver\nstore\n");
    assert!(
        Status::read(&system.state)
            .unwrap()
            .unwrap()
            .parts
            .iter()
            .all(|part| part.state == State::Stopped)
    );
    assert_eq!(bystander.try_wait().unwrap(), None, "it was started by somebody else");
    bystander.kill().unwrap();
    bystander.wait().unwrap();

    let again = system.local("down");
    assert!(again.status.success());
    assert_eq!(String::from_utf8_lossy(&again.stdout), "nothing is running\n");
}

#[tokio::test]
async fn what_a_killed_supervisor_left_behind_is_ended_by_the_next_down_written_down_or_not() {
    // As they wrote it down; not at all; and as a power cut leaves it.
    let damages: [fn(&Path); 3] = [
        |_| (),
        |file| fs::remove_file(file).unwrap(),
        |file| fs::write(file, "{").unwrap(),
    ];
    for damage in damages {
        let mut system = System::start(&chain()).await;
        let left = processes(&system.all_ready().await);
        system.supervisor.kill().unwrap();
        system.supervisor.wait().unwrap();
        assert!(left.iter().all(Identity::alive));
        damage(&layout::status_file(&system.state));
        let down = system.local("down");
        assert!(down.status.success(), "{down:?}");
        gone(&left).await;
        assert!(marked(&system.state).is_empty(), "nor what they started themselves");
    }
}

#[tokio::test]
async fn a_supervisor_whose_state_dir_was_removed_is_found_and_ended_with_its_parts() {
    let mut system = System::start(&chain()).await;
    let parts = processes(&system.all_ready().await);
    fs::remove_dir_all(&system.state).unwrap();
    let down = system.local("down");
    assert!(down.status.success(), "{down:?}");
    assert!(
        system.supervisor.try_wait().unwrap().is_some(),
        "it would start its parts again"
    );
    gone(&parts).await;
    assert!(marked(&system.state).is_empty());
}

#[tokio::test]
async fn a_campaigns_system_is_shown_and_named_and_left_alone_by_who_does_not_name_it() {
    let system = System::start_as(Profile::Campaign, &chain()).await;
    let parts = processes(&system.all_ready().await);
    let says = |words: &str| {
        let output = system.local(words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(says("status").contains("the `campaign` system"));
    let how = "down --profile campaign`";
    for words in ["down", "reset"] {
        let said = says(words);
        assert!(
            said.contains("the `campaign` system runs too") && said.contains(how),
            "{said}"
        );
        assert!(parts.iter().all(Identity::alive) && system.state.exists());
    }
    says("down --profile campaign");
    gone(&parts).await;
    assert!(!says("down").contains("campaign"));
    // Only what it left behind is there.
    says("reset");
    assert!(!system.state.exists());
}

#[tokio::test]
async fn two_supervisors_never_run_one_state_dir() {
    let system = System::start(&chain()).await;
    let before = system.all_ready().await;
    let second = supervise(&system.state).stderr(Stdio::piped()).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another supervisor runs here"));
    assert_eq!(system.all_ready().await, before);
}

#[tokio::test]
async fn a_part_that_cannot_start_is_tried_again_and_says_why_while_its_dependents_wait() {
    let parts = [
        Part::new("missing", "/nowhere/program"),
        patient("dependent").needs(Need::Ready("missing".to_owned())),
    ];
    let system = System::start(&parts).await;
    let status = system
        .status_when("a second try", |status| {
            status.part("missing").is_some_and(|part| part.restarts >= 2)
        })
        .await;
    let missing = status.part("missing").unwrap();
    assert!(
        missing
            .last_exit
            .as_ref()
            .unwrap()
            .contains("failed to start /nowhere/program"),
        "{missing:?}"
    );
    let dependent = status.part("dependent").unwrap();
    assert_eq!((dependent.state, dependent.process), (State::Waiting, None));
    assert_eq!(dependent.waiting_for.as_deref(), Some("missing"));
    assert!(system.local("down").status.success());
}

#[tokio::test]
async fn nothing_of_the_callers_environment_reaches_a_part() {
    let dump = Part::new("dump", "/bin/sh")
        .arg("-c")
        .arg("env >environment.txt; exec sleep 600")
        .env("OWN", "1");
    let system = System::start(&[dump]).await;
    let file = system.state.join("environment.txt");
    let text = until("the environment", PATIENCE, async || match fs::read_to_string(&file) {
        Ok(text) if text.contains("OWN=1") => Ok(text),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    let own_mark = format!("LOCAL_PART={}", mark(&system.state, "dump"));
    assert!(text.lines().any(|line| line == own_mark), "{text}");
    let shells_own = ["PWD", "_", "SHLVL", "OLDPWD"];
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| !shells_own.contains(name))
        .collect();
    for name in &names {
        assert!(
            ["PATH", "HOME", "OWN", "LOCAL_PART"].contains(name),
            "{name} leaked in: {names:?}"
        );
    }
}
