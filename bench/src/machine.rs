//! Where and with what was measured: figures without it say nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use local::layout::Layout;
use local::process::{Identity, MARK};
use local::status::Status;
use serde::Serialize;

use crate::{Outcome, text};

/// The machine.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_mib: u64,
    kernel: String,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Build {
    /// `release` or `dev`.
    profile: &'static str,
    /// The commit; `-dirty` with changes that are in none.
    commit: String,
}

/// One process of the system, as it was started.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    part: String,
    command: Vec<String>,
    /// Secrets are named and not shown.
    environment: BTreeMap<String, String>,
    /// The settings that it reads from a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<String>,
}

// === impl Machine ===

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
            value.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let kib = field(&read("/proc/meminfo"), "MemTotal");
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            memory_mib: kib.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// On one line.
    pub(crate) fn line(&self) -> String {
        let Self {
            cores,
            cpu,
            memory_mib,
            kernel,
        } = self;
        format!("{cores} cores of {cpu}, {memory_mib} MiB, Linux {kernel}")
    }
}

// === impl Build ===

impl Build {
    /// This program's, which is built with the others.
    pub(crate) fn this(root: &Path) -> Self {
        let mut git = Command::new("git");
        git.current_dir(root).args(["describe", "--always", "--dirty"]);
        let said = git.output().ok().filter(|output| output.status.success());
        Self {
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            commit: said.map_or_else(String::new, |output| {
                String::from_utf8_lossy(&output.stdout).trim().to_owned()
            }),
        }
    }

    /// On one line.
    pub(crate) fn line(&self) -> String {
        format!("profile {}, commit {}", self.profile, self.commit)
    }
}

// === impl Process ===

impl Process {
    /// Every process of a running system, as the kernel knows it.
    pub(crate) fn all(layout: &Layout) -> Outcome<Vec<Self>> {
        let status = Status::of_running(layout.state()).map_err(text)?;
        let parts = status.ok_or("the system does not run")?.parts;
        let running = parts
            .into_iter()
            .filter_map(|part| Some((part.process?, part.part)))
            .map(|(process, part)| Self::of(layout, part, process));
        running.collect()
    }

    fn of(layout: &Layout, part: String, process: Identity) -> Outcome<Self> {
        let read = |file: &str| {
            let text = fs::read(format!("/proc/{}/{file}", process.pid)).map_err(text)?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let words = text.split_terminator('\0').map(str::to_owned);
            Ok::<_, String>(words.collect::<Vec<_>>())
        };
        let environment = read("environ")?;
        let settings = fs::read_to_string(layout.redis_config()).unwrap_or_default();
        Ok(Self {
            command: read("cmdline")?,
            environment: environment.iter().filter_map(|entry| shown(entry)).collect(),
            settings: if part == "redis" {
                settings
                    .lines()
                    .filter(|line| is_shown(line))
                    .map(str::to_owned)
                    .collect()
            } else {
                Vec::new()
            },
            part,
        })
    }

    /// Its program and what it is told beside where things are.
    pub(crate) fn line(&self) -> String {
        /// Longer words are cut.
        const LONGEST: usize = 60;
        let words = self.command.iter().skip(1).chain(&self.settings);
        let words = words.filter(|word| !is_about_where(word)).cloned();
        let go = self.environment.iter().filter(|(name, _)| name.starts_with("GO"));
        let go = go.map(|(name, value)| format!("{name}={value}"));
        let words = words.chain(go).map(|word| match word.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", word.get(..end).unwrap_or_default()),
            None => word,
        });
        let program = self.command.first().map(Path::new).and_then(Path::file_name);
        let program = program.unwrap_or_default().to_string_lossy();
        let words: Vec<String> = words.collect();
        format!("{:<24} {program} {}", self.part, words.join(" "))
    }
}

/// A variable as it is shown: none that every part has, and of a secret its name.
fn shown(entry: &str) -> Option<(String, String)> {
    let (name, value) = entry.split_once('=')?;
    if ["PATH", "HOME", MARK].contains(&name) {
        return None;
    }
    let secret = ["TOKEN", "PASSWORD", "SECRET", "KEY"]
        .iter()
        .any(|word| name.contains(word))
        || value.contains('@');
    let value = if secret { "(secret)" } else { value };
    Some((name.to_owned(), value.to_owned()))
}

/// Whether a line of Redis' settings is one, and no secret.
fn is_shown(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#') && !line.starts_with("requirepass")
}

/// Files, addresses and ports differ from run to run and cost nothing.
fn is_about_where(word: &str) -> bool {
    let (name, value) = word.split_once(['=', ' ']).unwrap_or((word, ""));
    let known = ["port", "address", "bind", "cluster", "issuer"];
    word.starts_with('/')
        || value.contains('/')
        || value.contains("127.0.0.1")
        || known.iter().any(|at| name.contains(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(shown("GOGC=500"), pair("GOGC", "500"));
        for entry in [
            "DAPR_API_TOKEN=s3",
            "STRIPE_SECRET_KEY=s3",
            "DATABASE_URL=postgres://a:s3@b/c",
        ] {
            let (_, value) = shown(entry).unwrap();
            assert_eq!(value, "(secret)", "{entry}");
        }
        assert_eq!((shown("PATH=/bin"), shown("LOCAL_PART=/x:etcd")), (None, None));
        assert!(is_shown("appendfsync everysec") && !is_shown("requirepass s3") && !is_shown("# text"));
    }

    #[test]
    fn a_process_is_told_by_what_may_change_its_cost() {
        let process = Process {
            part: "kube-apiserver".to_owned(),
            command: [
                "/cache/kube-apiserver-1.34.4/kube-apiserver",
                "--secure-port=28003",
                "--etcd-servers=http://127.0.0.1:28001",
                "--client-ca-file=/x/ca.crt",
                "--enable-priority-and-fairness=false",
            ]
            .map(str::to_owned)
            .into(),
            environment: BTreeMap::from([("GOGC".to_owned(), "500".to_owned()), ("X".to_owned(), "y".to_owned())]),
            settings: Vec::new(),
        };
        let expected = "kube-apiserver           kube-apiserver --enable-priority-and-fairness=false GOGC=500";
        assert_eq!(process.line(), expected);
    }
}
