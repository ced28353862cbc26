//! A part of the system: a process, what it needs and when it counts as ready. Plain data, stored as `parts.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{During, Error, Result};
use crate::layout;

/// One process to keep running.
///
/// No `Debug`: the environment holds tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name: unique, also the name of its log.
    pub name: String,
    /// The executable.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, but for `PATH` and `HOME`: nothing else of the caller's leaks in.
    pub env: BTreeMap<String, String>,
    /// The TCP ports it listens on; the first is the one to tell people.
    pub ports: Vec<u16>,
    /// What comes before it. It stops only when everything that names it here has stopped.
    pub needs: Vec<Need>,
    /// When it counts as ready.
    pub ready: Readiness,
}

/// Something a part waits for before its first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// That part's process was started. Says more about the order of stopping than about starting.
    Started(String),
    /// That part is ready.
    Ready(String),
}

/// A condition that can be asked at any time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// The process runs.
    Running,
    /// `GET url` answers 2xx.
    Http {
        /// The whole URL.
        url: String,
    },
    /// Redis answers PING, which it does not while it reads its log back.
    Redis {
        /// Its port.
        port: u16,
        /// Its password.
        password: String,
    },
    /// The API server is ready, and what it must know was applied.
    Kubernetes {
        /// An administrator's.
        kubeconfig: PathBuf,
        /// The namespace to make, and for objects that name none.
        namespace: String,
        /// YAML files to apply.
        manifests: Vec<PathBuf>,
    },
}

// === impl Part ===

impl Part {
    /// A part that needs nothing and is ready when it runs.
    pub fn new(name: impl Into<String>, command: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            command: command.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            ports: Vec::new(),
            needs: Vec::new(),
            ready: Readiness::Running,
        }
    }

    /// With one more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With `--name=value` for each pair.
    pub fn flags<'a>(mut self, flags: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.args
            .extend(flags.into_iter().map(|(name, value)| format!("--{name}={value}")));
        self
    }

    /// With one more variable in its environment.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Listening on these, too.
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports.extend(ports);
        self
    }

    /// After that.
    pub fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Ready when that holds.
    pub fn ready(mut self, ready: Readiness) -> Self {
        self.ready = ready;
        self
    }
}

// === impl Need ===

impl Need {
    /// The part that is needed.
    pub fn part(&self) -> &str {
        match self {
            Self::Started(part) | Self::Ready(part) => part,
        }
    }
}

// === impl Readiness ===

impl Readiness {
    /// `GET` on 127.0.0.1.
    pub fn http(port: u16, path: &str) -> Self {
        Self::Http {
            url: format!("http://127.0.0.1:{port}{path}"),
        }
    }

    /// The condition in words, to say what is waited for.
    pub fn describe(&self) -> String {
        match self {
            Self::Running => "the process to run".to_owned(),
            Self::Http { url } => format!("GET {url}"),
            Self::Redis { port, .. } => format!("PING on port {port}"),
            Self::Kubernetes { .. } => "GET /readyz and the manifests".to_owned(),
        }
    }
}

/// The content of `parts.json`.
pub fn to_json(parts: &[Part]) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(parts).map_err(|source| Error::Json {
        what: "the list of parts".to_owned(),
        source,
    })
}

/// The parts that `state` says are to run.
pub fn read_parts(state: &Path) -> Result<Vec<Part>> {
    let file = layout::parts_file(state);
    let text = std::fs::read(&file).during(format!("read {}", file.display()))?;
    serde_json::from_slice(&text).map_err(|source| Error::Json {
        what: format!("{} (another version's? `make down` works all the same)", file.display()),
        source,
    })
}
