//! The programs that the parts are: where they are, and what to do when one is missing.

use std::ffi::OsStr;
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

/// Major and minor number of the first Redis that knows `set-proc-title`, which is in our configuration.
const OLDEST_REDIS: (u32, u32) = (6, 2);

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
        return new_enough(path);
    }
    let command = INSTALL.join(" ");
    if on_path(INSTALL[0]).is_none() {
        return Err(Error::advice(
            "redis-server is needed: install Redis 7 with your system's package manager, so that it is on the PATH",
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
            "redis-server is needed and `{command}` failed, see above: install Redis 7 in another way"
        )));
    }
    on_path("redis-server")
        .ok_or_else(|| Error::advice("redis-server was installed and is not on the PATH"))
        .and_then(new_enough)
}

/// Refuses a Redis that would end over our configuration. One whose version cannot be read is taken.
fn new_enough(redis: PathBuf) -> Result<PathBuf> {
    let said = Command::new(&redis).arg("--version").output().ok();
    let found = said.and_then(|said| version(&String::from_utf8_lossy(&said.stdout)));
    match found.filter(|found| *found < OLDEST_REDIS) {
        None => Ok(redis),
        Some((major, minor)) => Err(Error::advice(format!(
            "{} is Redis {major}.{minor}, which does not take our settings: install {}.{} or newer, first on the PATH",
            redis.display(),
            OLDEST_REDIS.0,
            OLDEST_REDIS.1
        ))),
    }
}

/// Major and minor number in what `redis-server --version` says: `Redis server v=7.0.15 sha=…`.
fn version(said: &str) -> Option<(u32, u32)> {
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    let mut numbers = version.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
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
        // Where cargo puts what it builds is named after the profile.
        let profile = folder.file_name().and_then(OsStr::to_str);
        let profile = profile.filter(|name| *name != "debug");
        let profile = profile.map(|name| format!(" PROFILE={name}")).unwrap_or_default();
        Err(Error::advice(format!(
            "{} not built yet (looked in {}): run `make build{profile}`",
            missing.join(", "),
            folder.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_redis_is_read_from_what_it_says() {
        let debian = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0\n";
        assert_eq!(version(debian), Some((7, 0)));
        assert_eq!(version("Valkey server v=8.1.1 sha=00000000:0"), Some((8, 1)));
        for unreadable in ["", "redis-server", "v=", "v=7", "v=seven.0.15", "v=7.x"] {
            assert_eq!(version(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn a_redis_before_6_2_is_too_old() {
        for (number, old) in [
            ("5.0.14", true),
            ("6.0.16", true),
            ("6.2.0", false),
            ("6.10.0", false),
            ("10.0.1", false),
        ] {
            let said = format!("Redis server v={number} sha=00000000:0");
            assert_eq!(version(&said).unwrap() < OLDEST_REDIS, old, "{number}");
        }
    }
}
