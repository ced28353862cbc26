//! The programs that the parts are: where they are, and what to do when one is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;
use seedwork::contrato::App;

use crate::error::{During, Error, Result};
use crate::out::say;

/// Programs that are not ours.
#[derive(Debug, Clone)]
pub struct Tools {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// Jaeger all-in-one.
    pub jaeger: PathBuf,
    /// daprd.
    pub daprd: PathBuf,
    /// redis-server.
    pub redis: PathBuf,
}

/// The name of the gateway simulator's binary.
pub const PASARELA: &str = "pasarela-simulada";

// === impl Tools ===

impl Tools {
    /// Finds them. Redis is installed when that is possible without asking anybody.
    pub fn find(root: &Path) -> Result<Self> {
        Ok(Self {
            etcd: built(root, "etcd")?,
            kube_apiserver: built(root, "kube-apiserver")?,
            jaeger: built(root, "jaeger")?,
            daprd: built(root, "daprd")?,
            redis: redis()?,
        })
    }
}

/// Where `tools/build` puts a program. It alone knows: the name carries a hash of the pins.
fn built(root: &Path, name: &str) -> Result<PathBuf> {
    let script = root.join("tools/build");
    let output = Command::new(&script)
        .args(["--where", name])
        .stderr(Stdio::inherit())
        .output();
    let output = output.during(format!("run {}", script.display()))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && path.is_file() {
        Ok(path)
    } else {
        Err(Error::advice(format!(
            "{name} is not built yet: run `make tools` (some minutes, once)"
        )))
    }
}

fn redis() -> Result<PathBuf> {
    const INSTALL: [&str; 4] = ["apt-get", "install", "-y", "redis-server"];
    if let Some(path) = on_path("redis-server") {
        return Ok(path);
    }
    let command = INSTALL.join(" ");
    if on_path(INSTALL[0]).is_none() {
        return Err(Error::advice(
            "redis-server is needed: install Redis 7 with your system's package manager",
        ));
    }
    if !geteuid().is_root() {
        return Err(Error::advice(format!(
            "redis-server is needed: run `sudo {command}`, then this again"
        )));
    }
    say(format!("installing redis-server: {command}"));
    // The package would start a server of its own at once; run level 1 tells its script not to.
    let quietly = |args: &[&str]| {
        Command::new(INSTALL[0])
            .args(args)
            .envs([("DEBIAN_FRONTEND", "noninteractive"), ("RUNLEVEL", "1")])
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // A list of packages that is missing or old is fetched, if installing fails without.
    let installed = quietly(&INSTALL[1..]) || quietly(&["update"]) && quietly(&INSTALL[1..]);
    if !installed {
        return Err(Error::advice(format!(
            "redis-server is needed and `{command}` failed: its words are above"
        )));
    }
    on_path("redis-server").ok_or_else(|| Error::advice("redis-server was installed and is not on the PATH"))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Our own binaries: in the folder of the one that runs.
pub fn ours() -> Result<PathBuf> {
    let own = std::env::current_exe().during("find the own executable")?;
    let folder = own.parent().map(Path::to_owned).unwrap_or_default();
    let missing: Vec<_> = App::ALL
        .iter()
        .map(|app| app.id())
        .chain([PASARELA])
        .filter(|name| !folder.join(name).is_file())
        .collect();
    if missing.is_empty() {
        Ok(folder)
    } else {
        Err(Error::advice(format!(
            "{} not built yet (looked in {}): run `make build`",
            missing.join(", "),
            folder.display()
        )))
    }
}
