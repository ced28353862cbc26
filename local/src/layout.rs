//! Where everything is: the checkout, and one state dir per profile in it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::{During, Error, Result};
use crate::settings::Profile;
use crate::status::Status;

/// The paths of one local system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    profile: Profile,
    root: PathBuf,
    state: PathBuf,
}

// === impl Layout ===

impl Layout {
    /// The paths of a profile in the checkout at `root`.
    pub fn new(root: &Path, profile: Profile) -> Self {
        Self {
            profile,
            root: root.to_owned(),
            state: root.join(".local").join(profile.name()),
        }
    }

    /// The paths of the system that runs, the first of these.
    pub fn running(root: &Path, profiles: &[Profile]) -> Result<Option<Self>> {
        for layout in profiles.iter().map(|profile| Self::new(root, *profile)) {
            if Status::of_running(layout.state())?.is_some() {
                return Ok(Some(layout));
            }
        }
        Ok(None)
    }

    /// The checkout that `start` is in.
    pub fn find_root(start: &Path) -> Result<PathBuf> {
        start
            .ancestors()
            .find(|folder| folder.join("dapr-components/local").is_dir() && folder.join("tools/build").is_file())
            .map(Path::to_owned)
            .ok_or_else(|| {
                let start = start.display();
                let text = format!("{start} is not in a checkout: run this from one, or name one with --root");
                Error::advice(text)
            })
    }

    /// Whose they are.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The state dir. It holds keys and tokens: only its owner may enter.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Databases, one file each, and the data dirs of etcd and Redis.
    pub fn data(&self) -> PathBuf {
        self.state.join("data")
    }

    /// Keys, certificates, kubeconfigs, tokens.
    pub fn credentials(&self) -> PathBuf {
        self.state.join("credentials")
    }

    /// The key that tokens are signed with.
    pub fn token_key(&self) -> PathBuf {
        self.credentials().join("token-signing.key")
    }

    /// Its public half, as the services read it.
    pub fn jwks(&self) -> PathBuf {
        self.credentials().join("jwks.json")
    }

    /// The address of that file.
    pub fn jwks_url(&self) -> String {
        format!("file://{}", self.jwks().display())
    }

    /// What the sidecars load: rendered from `dapr-components/local`.
    pub fn resources(&self) -> PathBuf {
        self.state.join("dapr/resources")
    }

    /// The sidecars' Configuration, rendered likewise.
    pub fn dapr_config(&self) -> PathBuf {
        self.state.join("dapr/config.yaml")
    }

    /// The settings of Redis.
    pub fn redis_config(&self) -> PathBuf {
        self.state.join("redis.conf")
    }

    /// For people: everything is allowed.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.state.join("admin.kubeconfig")
    }

    /// For the operator: what its Role allows.
    pub fn operator_kubeconfig(&self) -> PathBuf {
        self.state.join("operator.kubeconfig")
    }

    /// A database of ours, as a connection URL.
    pub fn database_url(&self, name: &str) -> String {
        format!("sqlite://{}?mode=rwc", self.data().join(format!("{name}.db")).display())
    }

    /// Makes the folders.
    pub fn create(&self) -> Result<()> {
        for folder in [
            self.state.clone(),
            self.data(),
            self.credentials(),
            self.resources(),
            logs(&self.state),
        ] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .during(format!("make the folder {}", folder.display()))?;
        }
        Ok(())
    }

    /// Removes everything this profile ever stored.
    pub fn wipe(&self) -> Result<()> {
        match fs::remove_dir_all(&self.state) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.during(format!("remove {}", self.state.display())),
        }
    }
}

// The supervisor is told a state dir and nothing else, so these take one.

/// The parts that are to run, as JSON; holds secrets.
pub fn parts_file(state: &Path) -> PathBuf {
    state.join("parts.json")
}

/// How the parts are, as JSON.
pub fn status_file(state: &Path) -> PathBuf {
    state.join("status.json")
}

/// Held by the one supervisor of this state dir.
pub fn lock_file(state: &Path) -> PathBuf {
    state.join("supervisor.lock")
}

/// The folder of logs.
pub fn logs(state: &Path) -> PathBuf {
    state.join("logs")
}

/// The log of a part, or of the supervisor.
pub fn log_file(state: &Path, part: &str) -> PathBuf {
    logs(state).join(format!("{part}.log"))
}
