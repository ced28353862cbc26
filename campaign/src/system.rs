//! The system under attack: its own folder and ports, its parts as the supervisor knows them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use local::layout::Layout;
use local::ports::Ports;
use local::process::Identity;
use local::settings::{Profile, Settings};
use local::status::{State, Status};
use local::wait::until;
use local::world::World;
use local::{commands, part, process, ready};
use nix::sys::signal::Signal;

use crate::args::Args;
use crate::wires::{Wires, rewire};
use crate::{Outcome, about, text};

/// The running system.
pub(crate) struct System {
    /// Its doors and screens.
    pub(crate) world: World,
    /// Its files.
    pub(crate) layout: Layout,
    /// Its ports.
    pub(crate) ports: Ports,
    /// What can be cut.
    pub(crate) wires: Wires,
}

// === impl System ===

impl System {
    /// A system with nothing in it.
    pub(crate) async fn fresh(args: &Args, root: &Path) -> Outcome<Self> {
        let ports = Ports::from_base(args.port_base).map_err(text)?;
        commands::reset(root, &[Profile::Campaign]).await.map_err(chained)?;
        // They must listen before the parts call.
        let wires = Wires::open(ports).await?;
        let settings = Settings {
            ttl_seconds: args.ttl,
            // Ordinary lines are searched for secrets, too; in a long run they would cost too much.
            log_filter: if args.minutes <= 10.0 { "info" } else { "warn" }.to_owned(),
            ..Settings::of(Profile::Campaign, ports)
        };
        let more = BTreeMap::from([("operator", vec![("DEADLINE_SECONDS", args.deadline.to_string())])]);
        commands::up_changed(root, settings, |context, parts| rewire(context, parts, &more))
            .await
            .map_err(chained)?;
        let layout = Layout::new(root, Profile::Campaign);
        let world = World::new(ports, &layout.admin_kubeconfig()).await.map_err(chained)?;
        Ok(Self {
            world,
            layout,
            ports,
            wires,
        })
    }

    /// A secret of its own.
    pub(crate) fn credential(&self, name: &str) -> Outcome<String> {
        let file = self.layout.credentials().join(name);
        std::fs::read_to_string(&file).map_err(about(&file))
    }

    /// How every part is.
    pub(crate) fn status(&self) -> Outcome<Status> {
        let status = Status::of_running(self.layout.state()).map_err(chained)?;
        status.ok_or_else(|| "the supervisor is gone".to_owned())
    }

    /// The names of all parts.
    pub(crate) fn parts(&self) -> Outcome<Vec<String>> {
        Ok(self.status()?.parts.into_iter().map(|part| part.part).collect())
    }

    /// The process of a part, while it has one, and what it is at.
    pub(crate) fn process(&self, part: &str) -> Option<(Identity, State)> {
        let status = self.status().ok()?;
        let part = status.part(part)?;
        Some((part.process?, part.state))
    }

    /// Waits until every part is ready, after everything that stops one was taken back.
    pub(crate) async fn until_ready(&self, patience: Duration) -> Outcome {
        until("every part to be ready", patience, async || {
            let status = self.status()?;
            let waiting: Vec<String> = status
                .parts
                .iter()
                .filter(|part| part.state != State::Ready)
                .map(|part| format!("{} {}", part.part, part.waiting_for.as_deref().unwrap_or("")))
                .collect();
            if waiting.is_empty() {
                Ok(())
            } else {
                Err(format!("not ready: {}", waiting.join(", ")))
            }
        })
        .await
        .map_err(text)
    }

    /// Whether a part answers now. The supervisor asks only until it once did.
    pub(crate) async fn answers(&self, name: &str) -> Outcome {
        let parts = part::read_parts(self.layout.state()).map_err(chained)?;
        let part = parts.iter().find(|part| part.name == name);
        ready::check(&part.ok_or("no such part")?.ready).await
    }

    /// Takes back whatever stops a process or a wire.
    pub(crate) fn heal(&self) {
        self.wires.heal();
        for (_, process) in process::marked(self.layout.state()) {
            process.signal(Signal::SIGCONT);
        }
    }

    /// Ends it, by its own processes' ids.
    pub(crate) async fn down(&self, root: &Path) -> Outcome {
        self.heal();
        commands::down(root, &[Profile::Campaign]).await.map_err(chained)
    }

    /// Resident memory of each part, in KiB.
    pub(crate) fn memory(&self) -> BTreeMap<String, u64> {
        let Ok(status) = self.status() else {
            return BTreeMap::new();
        };
        let memory = |part: local::status::PartStatus| Some((part.part, resident(part.process?.pid)?));
        status.parts.into_iter().filter_map(memory).collect()
    }
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// An error and what caused it.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn chained(error: local::Error) -> String {
    ready::chain(&error)
}
