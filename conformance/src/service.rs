//! Processes: started, killed, started again; and the programs that they are.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local::wait::until;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User, geteuid};

use crate::failure::{During as _, Failure, Result};

/// How long a broker or a database may take until it answers; RabbitMQ takes some seconds, all slower on a busy machine.
const START: Duration = Duration::from_secs(90);

/// How long a process may take to end when asked.
const STOP: Duration = Duration::from_secs(15);

/// One process, in a process group of its own.
pub(crate) struct Process {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    user: Option<User>,
    folder: PathBuf,
    child: Option<Child>,
}

/// A broker or a database: its process, what that needs beside it, and when it answers.
pub(crate) struct Service {
    pub(crate) main: Process,
    pub(crate) helper: Option<Process>,
    /// Where clients find it.
    pub(crate) port: u16,
    pub(crate) ready: Ready,
}

/// When a service counts as ready.
pub(crate) enum Ready {
    /// It listens.
    Listens,
    /// It answers PING, which it does not while it reads its log back.
    Redis { password: String },
    /// This command ends well.
    Command(Vec<String>),
}

/// Who a server runs as, and where.
pub(crate) struct Place {
    /// A folder that is this server's own.
    pub(crate) folder: PathBuf,
    /// The user, when we are root and the server does not want to be.
    pub(crate) user: Option<User>,
}

// === impl Place ===

impl Place {
    /// A folder under `root` for a server that runs as `user` when we are root.
    pub(crate) fn new(root: &Path, name: &str, user: &str) -> Result<Self> {
        let folder = root.join(name);
        fs::create_dir_all(&folder).during(format!("make {}", folder.display()))?;
        let user = if geteuid().is_root() {
            User::from_name(user).during(format!("look up the user {user}"))?
        } else {
            None
        };
        let place = Self { folder, user };
        place.own(&place.folder)?;
        Ok(place)
    }

    /// Gives a file to the server's user.
    fn own(&self, path: &Path) -> Result<()> {
        self.user.as_ref().map_or(Ok(()), |user| {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            chown(path, Some(uid), Some(gid)).during(format!("give {} away", path.display()))
        })
    }

    /// Writes a file that the server can read, and nobody else.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text).during(format!("write {}", path.display()))?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, private).during(format!("protect {}", path.display()))?;
        self.own(&path)?;
        Ok(path)
    }

    /// A process of the server's user, in its folder.
    pub(crate) fn process(&self, name: &str, program: PathBuf) -> Process {
        let mut process = Process::new(name, program, &self.folder);
        process.user.clone_from(&self.user);
        process
    }
}

// === impl Process ===

impl Process {
    /// A process with its own folder for its log.
    pub(crate) fn new(name: &str, program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            user: None,
            folder: folder.to_owned(),
            child: None,
        }
    }

    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// What it has written.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn command(&self) -> Result<Command> {
        let log = self.log();
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .during(format!("write {}", log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().during("share a log")?)
            .stderr(log)
            .process_group(0);
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        Ok(command)
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) fn run(self) -> Result<()> {
        let status = self
            .command()?
            .status()
            .during(format!("run {}", self.program.display()))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure(format!(
            "{} ended with {}: {}",
            self.name,
            status.code().or(status.signal()).unwrap_or(-1),
            self.last_words()
        )))
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().next_back().unwrap_or_default().to_owned()
    }

    /// Starts it, unless it runs.
    pub(crate) fn start(&mut self) -> Result<()> {
        if !self.runs() {
            let doing = format!("start {}", self.program.display());
            self.child = Some(self.command()?.spawn().during(doing)?);
        }
        Ok(())
    }

    /// Whether it was started and has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// `kill -9`, the whole group; returns when it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(&child, Signal::SIGKILL);
            child.wait().ok();
        }
    }

    /// Asks it to end, waits, then insists.
    pub(crate) async fn stop(&mut self) {
        if let Some(child) = &mut self.child {
            signal(child, Signal::SIGTERM);
            let gone = until("the process to end", STOP, async || match child.try_wait() {
                Ok(None) => Err(String::new()),
                Ok(Some(_)) | Err(_) => Ok(()),
            });
            gone.await.ok();
        }
        self.kill();
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Ok(group) = i32::try_from(child.id()) {
        // Gone in between is as good as delivered.
        killpg(Pid::from_raw(group), signal).ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Service ===

impl Service {
    /// Starts it and waits until it answers. A server that was killed may refuse to start while the last of its
    /// children still lives, so it is started again if it ends.
    pub(crate) async fn up(&mut self) -> Result<()> {
        if let Some(helper) = &mut self.helper {
            helper.start()?;
        }
        let main = &mut self.main;
        let ready = &self.ready;
        let up = until("the server", START, async || {
            main.start().map_err(|failure| failure.to_string())?;
            ready.now(self.port).await
        });
        let up = up.await;
        up.map_err(|error| {
            Failure(format!(
                "{}: {error}; its last words: {}",
                self.main.name,
                self.main.last_words()
            ))
        })
    }

    /// `kill -9`; returns when nothing of it listens any more.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.main.kill();
        let silent = until("the server to be gone", STOP, async || match listens(self.port) {
            Ok(()) => Err(format!("port {} is open", self.port)),
            Err(_) => Ok(()),
        });
        Ok(silent.await?)
    }

    /// Asks all of it to end.
    pub(crate) async fn stop(&mut self) {
        self.main.stop().await;
        if let Some(helper) = &mut self.helper {
            helper.kill();
        }
    }
}

// === impl Ready ===

impl Ready {
    async fn now(&self, port: u16) -> std::result::Result<(), String> {
        match self {
            Self::Listens => listens(port),
            Self::Redis { password } => pings(port, password).await,
            Self::Command(words) => match Command::new(&words[0])
                .args(&words[1..])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
            {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("{} answers {status}", words[0])),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// Whether something listens on a port of 127.0.0.1.
pub(crate) fn listens(port: u16) -> std::result::Result<(), String> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .map(|_| ())
        .map_err(|error| format!("port {port}: {error}"))
}

async fn pings(port: u16, password: &str) -> std::result::Result<(), String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let talk = async {
        let mut stream = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let words = format!("AUTH {password}\r\nPING\r\nQUIT\r\n");
        stream.write_all(words.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match talk.await {
        Ok(answer) if answer.contains("+PONG") => Ok(()),
        Ok(answer) => Err(answer),
        Err(error) => Err(error.to_string()),
    }
}

/// Finds a program: on the PATH, in the folders where Debian hides servers, or in those given.
pub(crate) fn find(name: &str, folders: &[&str], package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .chain(folders.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            Failure(format!(
                "{name} is needed: run `apt-get install -y --no-install-recommends {package}`, then this again"
            ))
        })
}

/// The first version number in what a program says of itself.
pub(crate) fn version(program: &Path, flag: &str) -> String {
    let output = Command::new(program).arg(flag).output();
    let text = output.map(|output| {
        let mut text = output.stdout;
        text.extend(output.stderr);
        String::from_utf8_lossy(&text).into_owned()
    });
    number_in(&text.unwrap_or_default())
}

fn number_in(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || matches!(c, '=' | '-' | ',' | 'v'))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or("?")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_servers_say() {
        for (said, version) in [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", "7.0.15"),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            (
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu",
                "10.11.19",
            ),
            ("mosquitto version 2.0.11", "2.0.11"),
            ("nothing", "?"),
        ] {
            assert_eq!(number_in(said), version);
        }
    }
}
