//! Everything that runs during a suite, and the levers to break it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use local::holders::taken;
use local::wait::until;
use seedwork::App;

use crate::brokers::{Broker, BrokerPorts, Login};
use crate::failure::{During as _, Failure, Result};
use crate::journal::Journal;
use crate::receiver::{self, Kind, service_args};
use crate::resources::{self, Values};
use crate::sender::{self, Sender, client, number, post_to};
use crate::service::{Process, Service, listens};
use crate::stores::Store;

/// The replicas of the receiving application.
pub(crate) const REPLICAS: [usize; 2] = [0, 1];

/// How long a sidecar may take to start; some components try to reach their broker for a while.
const SIDECAR: Duration = Duration::from_secs(60);

/// How long the first message may take to each replica.
const FIRST: Duration = Duration::from_secs(30);

/// Which components are put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) broker: Broker,
    pub(crate) store: Store,
    pub(crate) defaults: bool,
}

/// A replica of the receiving application and its sidecar.
pub(crate) struct Replica {
    pub(crate) app: Process,
    pub(crate) sidecar: Sidecar,
    port: u16,
}

/// A daprd.
pub(crate) struct Sidecar {
    pub(crate) process: Process,
    http: u16,
}

/// Where a run has its data and its logs. It goes when this goes, unless it is to be kept.
struct Folder {
    path: PathBuf,
    keep: bool,
}

/// Everything that runs.
pub(crate) struct Rig {
    pub(crate) choice: Choice,
    /// What runs, with versions.
    pub(crate) title: String,
    pub(crate) broker: Service,
    pub(crate) store: Option<Service>,
    pub(crate) replicas: [Replica; 2],
    pub(crate) own: Sidecar,
    pub(crate) sender: Sender,
    pub(crate) journal: Journal,
    root: PathBuf,
    values: Values,
    base: u16,
    tokens: [String; 2],
    /// Last, so that it goes after the processes that write into it.
    folder: Folder,
}

// === impl Choice ===

impl Choice {
    /// The pair in words.
    pub(crate) fn name(self) -> String {
        let components = if self.defaults { "defaults" } else { "hardened" };
        format!("{} + {}, {components}", self.broker.name(), self.store.name())
    }
}

// === impl Sidecar ===

impl Sidecar {
    /// Starts it and waits until it answers. One that ends meanwhile is started again, as Kubernetes would, and not in
    /// silence: its last words are shown.
    pub(crate) async fn up(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/v1.0/healthz", self.http);
        let http = client().map_err(Failure)?;
        let process = &mut self.process;
        process.start()?;
        let up = until("a sidecar", SIDECAR, async || {
            if !process.runs() {
                println!("note  daprd ended and is started again: {}", process.last_words());
                process.start().map_err(|failure| failure.to_string())?;
            }
            let answer = http.get(&url).send().await;
            let answer = answer.and_then(reqwest::Response::error_for_status);
            answer.map(|_| ()).map_err(|error| error.to_string())
        });
        let up = up.await;
        up.map_err(|error| Failure(format!("{error}; its last words: {}", process.last_words())))
    }
}

// === impl Replica ===

impl Replica {
    /// How many messages its handler holds now.
    pub(crate) async fn held(&self) -> std::result::Result<usize, String> {
        number(&format!("http://127.0.0.1:{}/held", self.port)).await
    }

    /// Lets its handler hold what it is told to, or not.
    pub(crate) async fn gate(&self, open: bool) -> Result<()> {
        let state = if open { "open" } else { "closed" };
        post_to(&format!("http://127.0.0.1:{}/gate/{state}", self.port)).await
    }

    /// Starts the application and waits until it listens.
    pub(crate) async fn app_up(&mut self) -> Result<()> {
        self.app.start()?;
        let listening = until("a replica to listen", SIDECAR, async || listens(self.port));
        Ok(listening.await?)
    }

    /// As a pod that is told to end.
    pub(crate) async fn stop(&mut self) {
        self.sidecar.process.stop().await;
        self.app.stop().await;
    }

    /// As a pod that starts.
    pub(crate) async fn up(&mut self) -> Result<()> {
        self.app_up().await?;
        self.sidecar.up().await
    }
}

// === impl Rig ===

impl Rig {
    /// Starts everything.
    pub(crate) async fn start(root: &Path, choice: Choice, base: u16, keep: bool) -> Result<Self> {
        let base = free_base(base)?;
        let folder = std::env::temp_dir().join(format!("conformance-{}-{base}", std::process::id()));
        // First, so that it goes when anything below fails.
        let guard = Folder {
            path: folder.clone(),
            keep,
        };
        fs::create_dir_all(folder.join("data")).during(format!("make {}", folder.display()))?;
        let secret = |_| format!("{:032x}", rand::random::<u128>());
        let [password, dapr, app] = [0; 3].map(secret);
        let login = Login {
            user: "pagos",
            password: &password,
        };
        let ports = BrokerPorts {
            clients: base,
            inner: base + 1,
            names: base + 2,
        };
        let store_port = base + 3;
        let daprd = daprd(root)?;
        let title = format!(
            "{}: {}, {}, daprd {}",
            choice.name(),
            choice.broker.version()?,
            choice.store.version()?,
            crate::service::version(&daprd, "--version"),
        );
        let mut broker = choice.broker.service(&folder, ports, &login)?;
        let mut store = choice.store.service(&folder, store_port, &login)?;
        broker.up().await?;
        if let Some(store) = &mut store {
            store.up().await?;
        }

        let mut values = choice.store.values(store_port, &login);
        values.extend(
            [
                ("BROKER_ADDRESS", format!("127.0.0.1:{}", ports.clients)),
                ("BROKER_USER", login.user.to_owned()),
                ("BROKER_PASSWORD", password.clone()),
                ("REDIS_PORT", ports.clients.to_string()),
                ("REDIS_PASSWORD", password.clone()),
                ("STATE_DIR", folder.display().to_string()),
                // The sidecars sample nothing: the trace must not depend on them.
                ("SAMPLING_RATE", "0".to_owned()),
                ("OTLP_GRPC_PORT", (base + 4).to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        for app in App::ALL {
            let name = app.id().to_uppercase().replace('-', "_");
            values.insert(format!("{name}_INTERNAL_GRPC_PORT"), (base + 5).to_string());
        }
        resources::render(&resources::of(root, choice)?, &values, &folder.join("resources"))?;
        let config = resources::filled(&root.join("dapr-components/local/config.yaml"), &values)?;
        fs::write(folder.join("config.yaml"), config).during("write the sidecars' configuration")?;

        let tokens = [dapr, app];
        let own = sidecar(&daprd, &folder, "resources", base, 2, &tokens);
        let sender = Sender::start(&service_args(
            app_port(base, 2),
            dapr_ports(base, 2),
            &tokens[0],
            &tokens[1],
        ))
        .await?;
        let this = std::env::current_exe().during("find the own executable")?;
        let replicas = REPLICAS.map(|index| Replica {
            app: Process::new(&format!("receiver-{index}"), &this, &folder)
                .args(["receiver".to_owned(), format!("--port={}", app_port(base, index))])
                .args([
                    format!("--replica={index}"),
                    format!("--journal={}", journal(&folder, index).display()),
                ])
                .env("APP_API_TOKEN", &tokens[1]),
            sidecar: sidecar(&daprd, &folder, "resources", base, index, &tokens),
            port: app_port(base, index),
        });
        let mut rig = Self {
            choice,
            title,
            broker,
            store,
            replicas,
            own,
            sender,
            journal: Journal {
                files: REPLICAS.map(|index| journal(&folder, index)).into(),
            },
            root: root.to_owned(),
            values,
            base,
            tokens,
            folder: guard,
        };
        rig.settle().await?;
        rig.first_messages().await;
        Ok(rig)
    }

    /// Puts everything back to work, whatever the last property did to it.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.broker.up().await?;
        if let Some(store) = &mut self.store {
            store.up().await?;
        }
        for replica in &mut self.replicas {
            replica.app_up().await?;
            replica.gate(true).await?;
            replica.sidecar.process.start()?;
        }
        self.own.up().await?;
        for replica in &mut self.replicas {
            replica.sidecar.up().await?;
        }
        Ok(())
    }

    /// A sidecar is healthy before its subscription works, so messages are sent until both replicas got one. If that
    /// never happens, the properties will say so.
    async fn first_messages(&self) {
        let both = until("both replicas to get messages", FIRST, async || {
            let ids = self.sender.ids(Kind::Plain, 4);
            self.sender
                .send_each(&ids)
                .await
                .map_err(|failure| failure.to_string())?;
            let seen = |replica: &usize| self.journal.entries().iter().any(|entry| entry.replica == *replica);
            if REPLICAS.iter().all(seen) {
                Ok(())
            } else {
                Err("one got none".to_owned())
            }
        });
        if let Err(error) = both.await {
            println!("      {error}");
        }
    }

    /// Waits until each of these was handled, for as long as this broker may need after a crash.
    pub(crate) async fn all_recovered(&self, subjects: &[String]) -> Result<()> {
        self.all_handled(subjects, self.choice.broker.recovery()).await
    }

    /// Waits until each of these was handled.
    pub(crate) async fn all_handled(&self, subjects: &[String], patience: Duration) -> Result<()> {
        let letters = || self.sender.letters();
        self.journal.all_handled(subjects, letters, patience).await
    }

    /// Closes the gates and sends messages that are held there until each replica of this list holds one. A broker may
    /// give a whole batch to one replica, so more follow; three batches are fewer than a replica takes side by side.
    pub(crate) async fn hold(&self, batch: usize, holders: &[usize]) -> Result<Vec<String>> {
        const BATCHES: usize = 3;
        for replica in &self.replicas {
            replica.gate(false).await?;
        }
        let mut ids = Vec::new();
        let mut missing = String::new();
        for _ in 0..BATCHES {
            let more = self.sender.ids(Kind::Hold, batch);
            self.sender.send_each(&more).await?;
            ids.extend(more);
            let held = until("the replicas to hold a message", FIRST / 3, async || {
                for index in holders {
                    if self.replicas[*index].held().await? == 0 {
                        return Err(format!("replica {index} holds none of {}", ids.len()));
                    }
                }
                Ok(())
            });
            match held.await {
                Ok(()) => return Ok(ids),
                Err(error) => missing = error.to_string(),
            }
        }
        Err(Failure(missing))
    }

    /// Sends messages and kills the broker when a third was accepted; answers how often a publish was refused.
    pub(crate) async fn send_through_a_crash(&mut self, subjects: &[String]) -> Result<usize> {
        let accepted = AtomicUsize::new(0);
        let sending = self.sender.send_all(subjects, &accepted);
        let broker = &mut self.broker;
        let crash = async {
            let third = until("a third to be accepted", FIRST, async || {
                match accepted.load(std::sync::atomic::Ordering::SeqCst) {
                    count if count >= subjects.len() / 3 => Ok(()),
                    count => Err(format!("{count} are")),
                }
            });
            third.await?;
            broker.kill().await?;
            broker.up().await
        };
        let (sent, crashed) = tokio::join!(sending, crash);
        crashed?;
        Ok(sent?.repeated)
    }

    /// Another sidecar of the sender, with the resources of this folder, which the caller fills.
    pub(crate) async fn other_resources(&mut self, name: &str, files: &[PathBuf]) -> Result<Sidecar> {
        self.own.process.stop().await;
        let folder = &self.folder.path;
        resources::render(files, &self.values, &folder.join(name))?;
        let daprd = daprd(&self.root)?;
        let mut other = sidecar(&daprd, folder, name, self.base, 2, &self.tokens);
        other.up().await?;
        Ok(other)
    }

    /// The settings of the sender's application, at another port.
    pub(crate) fn sender_args(&self, port: u16) -> seedwork_runtime::ServiceArgs {
        service_args(port, dapr_ports(self.base, 2), &self.tokens[0], &self.tokens[1])
    }

    /// A port nobody uses yet.
    pub(crate) fn spare_port(&self) -> u16 {
        self.base + 60
    }

    /// Where the sender's application listens.
    pub(crate) fn sender_port(&self) -> u16 {
        app_port(self.base, 2)
    }

    /// The root of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Ends everything, sidecars first.
    pub(crate) async fn end(mut self) {
        for replica in &mut self.replicas {
            replica.sidecar.process.kill();
            replica.app.kill();
        }
        self.own.process.kill();
        self.broker.stop().await;
        if let Some(store) = &mut self.store {
            store.stop().await;
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is kept, too, and nobody should have to find it.
        if self.keep || fs::remove_dir_all(&self.path).is_err() {
            println!("kept: {}", self.path.display());
        }
    }
}

fn journal(folder: &Path, replica: usize) -> PathBuf {
    folder.join(format!("deliveries-{replica}.jsonl"))
}

fn index(number: usize) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

/// The HTTP and gRPC ports of the nth sidecar; the sender's is the third.
fn dapr_ports(base: u16, nth: usize) -> (u16, u16) {
    let first = base + 10 + 10 * index(nth);
    (first, first + 1)
}

fn app_port(base: u16, nth: usize) -> u16 {
    base + 50 + index(nth)
}

/// A hundred ports from `base` on that nobody listens on, below those that Linux gives to outgoing connections.
fn free_base(base: u16) -> Result<u16> {
    (base..32_700)
        .step_by(100)
        .find(|base| !(*base..base + 100).any(taken))
        .ok_or_else(|| Failure("there are no hundred free ports in a row".to_owned()))
}

fn daprd(root: &Path) -> Result<PathBuf> {
    let script = root.join("tools/build");
    let output = std::process::Command::new(&script).args(["--where", "daprd"]).output();
    let output = output.during(format!("run {}", script.display()))?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if path.is_file() {
        Ok(path)
    } else {
        Err(Failure(
            "daprd is not built yet: run `make tools` (some minutes, once)".to_owned(),
        ))
    }
}

/// The nth daprd, with the flags that the local system gives it.
fn sidecar(daprd: &Path, folder: &Path, resources: &str, base: u16, nth: usize, tokens: &[String; 2]) -> Sidecar {
    let app = if nth == 2 { sender::APP } else { receiver::APP };
    let (http, grpc) = dapr_ports(base, nth);
    let here = "127.0.0.1";
    let ports = [
        ("app-port", app_port(base, nth)),
        ("dapr-http-port", http),
        ("dapr-grpc-port", grpc),
        ("dapr-internal-grpc-port", grpc + 1),
        ("metrics-port", grpc + 2),
        ("dapr-public-port", grpc + 3),
    ];
    let process = Process::new(&format!("daprd-{}-{nth}", app.id()), daprd, folder)
        .args([format!("--app-id={}", app.id()), "--app-protocol=http".to_owned()])
        .args(ports.map(|(name, port)| format!("--{name}={port}")))
        .args(
            [
                "app-channel-address",
                "dapr-listen-addresses",
                "dapr-internal-grpc-listen-address",
                "metrics-listen-address",
                "dapr-public-listen-address",
            ]
            .map(|name| format!("--{name}={here}")),
        )
        .args([
            format!("--resources-path={}", folder.join(resources).display()),
            format!("--config={}", folder.join("config.yaml").display()),
            "--placement-host-address=".to_owned(),
            "--scheduler-host-address=".to_owned(),
            "--log-level=info".to_owned(),
            "--dapr-graceful-shutdown-seconds=2".to_owned(),
        ])
        .env("DAPR_API_TOKEN", &tokens[0])
        .env("APP_API_TOKEN", &tokens[1])
        // A pod keeps its name over a restart of its containers.
        .env("POD_NAME", format!("{}-{nth}", app.id()))
        .env("GOMEMLIMIT", "64MiB");
    Sidecar { process, http }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_unless_it_is_to_be_kept() {
        let path = std::env::temp_dir().join(format!("conformance-folder-{}", std::process::id()));
        for keep in [true, false] {
            fs::create_dir_all(path.join("data")).unwrap();
            drop(Folder {
                path: path.clone(),
                keep,
            });
            assert_eq!(path.exists(), keep);
        }
    }
}
