//! Processes of this machine, told apart by id and start time: an id alone may be somebody else's by now.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::wait::until;

/// One process, for as long as the machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start: u64,
}

/// How a process ended that was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It had ended before.
    Before,
    /// When asked.
    Asked,
    /// It did not listen and was killed.
    Killed,
}

// === impl Identity ===

impl Identity {
    /// The process with this id now; none if there is none or it only waits to be collected by its parent.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        start_ticks(&stat).map(|start| Self { pid, start })
    }

    /// Whether it still runs.
    pub fn alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        if let (true, Ok(pid)) = (self.alive(), i32::try_from(self.pid)) {
            // Gone in between is as good as delivered.
            kill(Pid::from_raw(pid), signal).ok();
        }
    }

    /// Asks it to end, waits for `grace`, then insists.
    pub async fn stop(&self, grace: Duration) -> Ended {
        if !self.alive() {
            return Ended::Before;
        }
        self.signal(Signal::SIGTERM);
        if self.gone_within(grace).await {
            return Ended::Asked;
        }
        self.signal(Signal::SIGKILL);
        self.gone_within(grace).await;
        Ended::Killed
    }

    async fn gone_within(&self, patience: Duration) -> bool {
        until("the process to end", patience, async || {
            if self.alive() {
                Err(format!("process {} runs", self.pid))
            } else {
                Ok(())
            }
        })
        .await
        .is_ok()
    }

    /// Its share of memory in KiB: private pages, plus its part of the shared ones. Sums up over processes.
    pub fn memory_kib(&self) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    /// Whether the file it was started from was replaced since.
    pub fn executable_replaced(&self) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid))
            .is_ok_and(|target| target.to_string_lossy().ends_with(" (deleted)"))
    }

    /// The state dir and the part that its [`MARK`] names, if it has one that may be read.
    pub fn marked_as(&self) -> Option<(String, String)> {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).ok()?;
        let variables = environment.split(|byte| *byte == 0);
        let mut marks = variables.filter_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
        let mark = String::from_utf8_lossy(marks.next()?);
        let (state, part) = mark.rsplit_once(':')?;
        Some((state.to_owned(), part.to_owned()))
    }

    /// The name of its program, for messages.
    pub fn name(&self) -> String {
        fs::read_to_string(format!("/proc/{}/comm", self.pid))
            .map_or_else(|_| "?".to_owned(), |name| name.trim().into())
    }
}

/// Field 22 of `/proc/<pid>/stat`, unless the process is a zombie. The second field is the program's name in
/// parentheses and may hold anything, so fields are counted from the last parenthesis.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// The variable by which a supervisor, every part, and whatever a part starts itself, are recognised.
pub const MARK: &str = "LOCAL_PART";

/// The value of [`MARK`] for a part, or for the supervisor.
pub fn mark(state: &Path, part: &str) -> String {
    format!("{}:{part}", state.display())
}

/// Every supervisor of this state dir and every process that one started, with the name of its part: found by the mark
/// in its environment, so also what a supervisor had no time to write down before it was killed. The dir may be gone.
pub fn marked(state: &Path) -> Vec<(String, Identity)> {
    let state = state.display().to_string();
    all()
        .filter_map(|identity| {
            let (whose, part) = identity.marked_as()?;
            (whose == state && identity.alive()).then_some((part, identity))
        })
        .collect()
}

/// Every process that can be seen.
pub fn all() -> impl Iterator<Item = Identity> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Identity::of)
}

/// A process that a test has to kill, marked as this part.
#[cfg(test)]
pub(crate) fn marked_sleep(state: &Path, part: &str) -> (std::process::Child, Identity) {
    let mut sleep = std::process::Command::new("sleep");
    let child = sleep.arg("600").env(MARK, mark(state, part)).spawn().unwrap();
    let identity = Identity::of(child.id()).unwrap();
    // We go on before the kernel has laid out the new program's environment.
    while identity.marked_as().is_none() && identity.alive() {
        std::thread::yield_now();
    }
    (child, identity)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        assert_eq!(start_ticks(&format!("7 (a) b (c) {fields}")), Some(4242));
        assert_eq!(start_ticks(&format!("7 (gone) {}", fields.replacen('S', "Z", 1))), None);
    }

    #[test]
    fn an_id_with_another_start_time_is_another_process() {
        let own = Identity::of(std::process::id()).unwrap();
        assert!(own.alive());
        assert!(
            !Identity {
                start: own.start + 1,
                ..own
            }
            .alive()
        );
    }

    #[test]
    fn a_process_that_nobody_collected_does_not_count_as_alive() {
        let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
        while Identity::of(child.id()).is_some() {
            std::thread::yield_now();
        }
        assert!(Path::new(&format!("/proc/{}", child.id())).exists(), "it is a zombie");
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_that_does_not_listen_is_killed() {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", "trap '' TERM; echo; exec sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0];
        tokio::io::AsyncReadExt::read_exact(&mut child.stdout.take().unwrap(), &mut line)
            .await
            .unwrap();
        let identity = Identity::of(child.id().unwrap()).unwrap();
        assert_eq!(identity.stop(Duration::from_millis(50)).await, Ended::Killed);
        child.wait().await.unwrap();
        assert_eq!(identity.stop(Duration::from_millis(50)).await, Ended::Before);
    }

    #[test]
    fn a_program_that_was_built_anew_under_a_running_process_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (program, newer) = (folder.path().join("program"), folder.path().join("newer"));
        fs::copy("/bin/sleep", &program).unwrap();
        fs::copy("/bin/sleep", &newer).unwrap();
        let mut child = Command::new(&program).arg("600").spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(!identity.executable_replaced());
        fs::rename(newer, program).unwrap();
        assert!(identity.executable_replaced());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_mark_says_whose_part_a_process_is() {
        let state = Path::new("/a:b/.local/up");
        let (mut child, identity) = marked_sleep(state, "etcd");
        let expected = ("/a:b/.local/up".to_owned(), "etcd".to_owned());
        assert_eq!(identity.marked_as(), Some(expected));
        assert_eq!(marked(state), [("etcd".to_owned(), identity)]);
        assert!(marked(Path::new("/b/.local/up")).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn own_memory_is_not_nothing() {
        assert!(Identity::of(std::process::id()).unwrap().memory_kib().unwrap() > 100);
    }
}
