//! A running system to measure, and how it is started and ended.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use local::credentials;
use local::layout::Layout;
use local::ports::Ports;
use local::settings::Profile;
use local::world::World;
use seedwork::IdCliente;
use tokio::task::JoinSet;

use crate::ends::Ends;
use crate::{Outcome, text};

/// Where a system is or will be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Which of its systems.
    pub(crate) profile: Profile,
    /// First of its ports.
    pub(crate) port_base: u16,
}

/// A system that is ready.
pub(crate) struct System {
    pub(crate) world: World,
    pub(crate) layout: Layout,
    pub(crate) ends: Arc<Ends>,
    /// Who pays.
    pub(crate) cliente: IdCliente,
    pub(crate) redis_password: String,
    /// The watch; it ends with the system.
    _watching: JoinSet<()>,
}

// === impl Place ===

impl Place {
    /// Runs `local`, which stands beside this program, on the system.
    pub(crate) fn local(&self, words: &[&str]) -> Outcome {
        let own = std::env::current_exe().map_err(text)?;
        let mut command = Command::new(own.with_file_name("local"));
        command
            .args(["--profile", self.profile.name(), "--root"])
            .arg(&self.root)
            .args(words)
            .env("PORT_BASE", self.port_base.to_string())
            .env("AUTH", "none");
        let output = command
            .output()
            .map_err(|error| format!("`local` beside this program cannot be run (`make build` builds it): {error}"))?;
        if output.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("local {}: {}", words.join(" "), said.trim_end()))
        }
    }
}

// === impl System ===

impl System {
    /// The system that runs there.
    pub(crate) async fn at(place: &Place) -> Outcome<Self> {
        let layout = Layout::new(&place.root, place.profile);
        let ports = Ports::from_base(place.port_base).map_err(text)?;
        let world = World::new(ports, &layout.admin_kubeconfig()).await.map_err(text)?;
        let cliente = world.cliente("Ana", "ana@example.com", "bench").await.map_err(text)?;
        let mut watching = JoinSet::new();
        Ok(Self {
            ends: Ends::watch(world.kube().clone(), &mut watching),
            _watching: watching,
            redis_password: credentials::tokens(&layout).map_err(text)?.redis,
            world,
            layout,
            cliente,
        })
    }
}
