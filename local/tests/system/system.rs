//! The system under test, and what every check needs of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use checker::{Accepted, Check, Verdict, judge};
use kube::api::{Api, DynamicObject};
use local::evidence::Watch;
use local::layout::Layout;
use local::ports::Ports;
use local::process::Identity;
use local::settings::Profile;
use local::status::{State, Status};
use local::wait::until;
use local::world::World;
use nix::sys::signal::Signal;
use seedwork::{App, IdCliente, IdCorrelacion};
use serde_json::Value;
use tokio::time::Instant;

use crate::resources::saga_resource;

/// Holds, or why not.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// How long anything that must come may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The namespace of the payments.
pub(crate) const NAMESPACE: &str = "pagos";

/// The running system.
pub(crate) struct System {
    /// Its doors and screens.
    pub(crate) world: World,
    /// Its files.
    pub(crate) layout: Layout,
    /// Its ports.
    pub(crate) ports: Ports,
    /// A client who can pay.
    pub(crate) cliente: IdCliente,
    /// Sees every version of every payment.
    watch: Watch,
    root: PathBuf,
}

/// Turns any error into a sentence.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Fails with a sentence unless it holds.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

/// Waits for a condition; an `Err` of `check` says what stands in the way.
pub(crate) async fn eventually<T>(what: &str, check: impl AsyncFnMut() -> Outcome<T>) -> Outcome<T> {
    until(what, PATIENCE, check).await.map_err(text)
}

// === impl System ===

impl System {
    /// A system with nothing in it.
    pub(crate) async fn fresh() -> Outcome<Self> {
        // Another root holds another system: two runs side by side need one each, and a TEST_PORT_BASE each.
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = std::env::var_os("TEST_ROOT")
            .map_or(here, PathBuf::from)
            .canonicalize()
            .map_err(text)?;
        #[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
        let base = std::env::var("TEST_PORT_BASE")
            .map_or(Ok(19000), |base| base.parse())
            .map_err(text)?;
        let ports = Ports::from_base(base).map_err(text)?;
        let layout = Layout::new(&root, Profile::Test);
        local(&root, base, &["reset"])?;
        local(&root, base, &["up"])?;
        let world = World::new(ports, &layout.admin_kubeconfig()).await.map_err(text)?;
        let watch = Watch::open(&world, NAMESPACE, Instant::now());
        let cliente = world.cliente("Ana", "ana@example.com", "ana").await.map_err(text)?;
        Ok(Self {
            world,
            layout,
            ports,
            cliente,
            watch,
            root,
        })
    }

    /// Runs `local` on this system.
    pub(crate) fn local(&self, words: &[&str]) -> Outcome {
        local(&self.root, self.ports.base(), words)
    }

    /// Stops it; its data stays.
    pub(crate) async fn down(&self) {
        // Nothing can be done about a system that does not stop; the next `up` ends what is left.
        let _ = self.local(&["down"]);
    }

    /// What a person types to look at it.
    pub(crate) fn how_to_look(&self) -> String {
        format!(
            "PORT_BASE={} {} status --profile test",
            self.ports.base(),
            binary("local").display()
        )
    }

    /// The process of a part, while it has one.
    pub(crate) fn process(&self, part: &str) -> Option<Identity> {
        let status = Status::of_running(self.layout.state()).ok()??;
        status.parts.into_iter().find(|known| known.part == part)?.process
    }

    /// The names of all parts.
    pub(crate) fn parts(&self) -> Outcome<Vec<String>> {
        let status = Status::of_running(self.layout.state()).map_err(text)?;
        let parts = status.ok_or("nothing runs")?.parts;
        Ok(parts.into_iter().map(|part| part.part).collect())
    }

    /// Ends a part's process with SIGKILL; the supervisor starts another.
    pub(crate) fn kill(&self, part: &str) -> Outcome<Identity> {
        let process = self.process(part).ok_or_else(|| format!("{part} does not run"))?;
        process.signal(Signal::SIGKILL);
        Ok(process)
    }

    /// Waits until every part is ready.
    pub(crate) async fn until_ready(&self) -> Outcome {
        eventually("every part to be ready", async || {
            let status = Status::of_running(self.layout.state())
                .map_err(text)?
                .ok_or("nothing runs")?;
            let waiting: Vec<_> = status
                .parts
                .iter()
                .filter(|part| part.state != State::Ready)
                .map(|part| part.part.as_str())
                .collect();
            ensure(waiting.is_empty(), || format!("not ready: {}", waiting.join(", ")))
        })
        .await
    }

    /// The `PaymentSaga` resources.
    pub(crate) fn sagas(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.world.kube().clone(), NAMESPACE, &saga_resource())
    }

    /// `GET` of a page of one of our applications: the status, and what it answers.
    pub(crate) async fn get(&self, app: App, path: &str) -> Outcome<(u16, Value)> {
        self.world.get(&self.world.url(app, path)).await.map_err(text)
    }

    /// `POST` of JSON to one of them, with an optional `Idempotency-Key`.
    pub(crate) async fn post(&self, app: App, path: &str, body: &Value, key: Option<&str>) -> Outcome<(u16, Value)> {
        let url = self.world.url(app, path);
        self.world.post(&url, body, key).await.map_err(text)
    }

    /// Asks for a payment of the client who can pay.
    pub(crate) async fn pagar(&self, monto: &str) -> Outcome<Accepted> {
        self.world.pagar(&self.cliente, monto).await.map_err(text)
    }

    /// Asks for a payment as often as it takes: a door that is being killed does not answer. What it took without
    /// answering is a payment all the same, which the ledger check would call an orphan: hence one key for all tries.
    pub(crate) async fn pagar_through_anything(&self, monto: &str, key: &str) -> Outcome<Accepted> {
        eventually("a door to take a payment", async || {
            self.world.pagar_with_key(&self.cliente, monto, key).await.map_err(text)
        })
        .await
    }

    /// Waits until a payment has ended, and answers its phase.
    pub(crate) async fn ended(&self, id: &IdCorrelacion) -> Outcome<String> {
        Ok(self.world.until_ended(id, PATIENCE).await.map_err(text)?.fase)
    }

    /// Judges payments that have ended. Other checks' payments are in the ledger too, so those are no orphans.
    pub(crate) async fn verdict(&self, accepted: &[Accepted], back: BTreeSet<IdCorrelacion>) -> Outcome<Verdict> {
        let evidence = self.world.evidence(NAMESPACE, accepted, back).await.map_err(text)?;
        let mut evidence = evidence.of_accepted_only();
        // The plan depends on payments of other checks.
        evidence.planes = None;
        Ok(judge(&evidence))
    }

    /// The same, and each write to their resources against the engine.
    pub(crate) async fn verdict_on_every_version(&self, accepted: &[Accepted]) -> Outcome<Verdict> {
        let mut evidence = self
            .world
            .evidence(NAMESPACE, accepted, BTreeSet::new())
            .await
            .map_err(text)?;
        evidence.planes = None;
        // What a client was shown has been written, but the watch may be behind.
        let histories = eventually("the watch to show every end", async || {
            let histories = self.watch.histories();
            let ended = |payment: &&Accepted| {
                let last = histories.of(&payment.id).and_then(|history| history.last.as_ref());
                last.is_some_and(|saga| saga.ended())
            };
            let behind = accepted.iter().find(|payment| !ended(payment));
            ensure(behind.is_none(), || {
                format!("{:?} has not ended there", behind.map(|payment| payment.id.as_str()))
            })?;
            Ok(histories)
        });
        evidence.histories = Some(histories.await?);
        Ok(judge(&evidence.of_accepted_only()))
    }
}

/// Waits for the ends of payments and judges them: no violation, money conserved.
pub(crate) async fn all_end_well(system: &System, accepted: &[Accepted]) -> Outcome {
    for payment in accepted {
        system.ended(&payment.id).await?;
    }
    let verdict = system.verdict(accepted, BTreeSet::new()).await?;
    verdict.demands(&[Check::Ends, Check::Money, Check::Invoices, Check::Payments])?;
    verdict.holds()
}

/// The same, judged on every version of them.
pub(crate) async fn every_version_is_right(system: &System, accepted: &[Accepted]) -> Outcome {
    for payment in accepted {
        system.ended(&payment.id).await?;
    }
    let verdict = system.verdict_on_every_version(accepted).await?;
    verdict.demands(&[Check::History, Check::Money, Check::Payments, Check::Notifications])?;
    verdict.holds()
}

/// One of our binaries, beside the tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let folder = test.ancestors().find(|folder| folder.join("local").is_file());
    folder.unwrap_or(Path::new(".")).join(name)
}

fn local(root: &Path, base: u16, words: &[&str]) -> Outcome {
    let mut command = Command::new(binary("local"));
    command
        .args(["--profile", "test", "--root"])
        .arg(root)
        .args(words)
        .env("PORT_BASE", base.to_string());
    let output = command
        .output()
        .map_err(|error| format!("{} (run `make build`): {error}", binary("local").display()))?;
    ensure(output.status.success(), || {
        format!("local {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr))
    })
}
