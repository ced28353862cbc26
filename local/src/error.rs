//! What can go wrong on the way up or down.

use std::io;

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a command could not do its work. [`Error::Advice`] is written for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something a person has to see to; the text says what, and what to do.
    #[error("{0}")]
    Advice(String),
    /// A file, process or socket.
    #[error("failed to {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The API server.
    #[error("failed to {what}")]
    Kubernetes {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: Box<kube::Error>,
    },
    /// A kubeconfig.
    #[error("failed to read the kubeconfig")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Keys and certificates.
    #[error("failed to make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A token.
    #[error("failed to sign a token")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// A JSON file of the state dir.
    #[error("failed to read or write {what}")]
    Json {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A YAML file of the checkout.
    #[error("failed to read {what}")]
    Yaml {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: serde_yaml_ng::Error,
    },
}

impl Error {
    /// An error that is advice to the person at the terminal.
    pub fn advice(text: impl Into<String>) -> Self {
        Self::Advice(text.into())
    }
}

/// What to do about what may stand behind any failure, by the system's words for it.
pub fn remedy(failure: &str) -> Option<&'static str> {
    if failure.contains("No space left on device") {
        Some("the disk is full: make room (`df -h .`); `make reset` forgets what local systems stored")
    } else if failure.contains("Permission denied") && failure.contains("/.local/") {
        Some("somebody else made that, root perhaps: remove .local as that user, and start nothing with sudo")
    } else {
        None
    }
}

/// Says what was tried when it failed.
pub trait During<T> {
    /// `what` completes "failed to …".
    fn during(self, what: impl Into<String>) -> Result<T>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what.into(),
            source,
        })
    }
}

impl<T> During<T> for std::result::Result<T, kube::Error> {
    fn during(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Kubernetes {
            what: what.into(),
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::chain;

    #[test]
    fn a_full_disk_is_known_by_what_the_system_says_of_it() {
        let full: io::Result<()> = Err(io::Error::from(nix::errno::Errno::ENOSPC));
        let failure = chain(&full.during("write the list of parts").unwrap_err());
        let remedy = remedy(&failure).unwrap();
        assert!(remedy.starts_with("the disk is full"), "{failure}: {remedy}");
    }

    #[test]
    fn who_may_not_enter_the_state_dir_is_told_why_and_nobody_else() {
        let denied = "failed to read /checkout/.local/up/status.json: Permission denied (os error 13)";
        assert!(remedy(denied).unwrap().contains("remove .local"));
        let other = denied.replace("/.local/", "/.secret/");
        assert_eq!(remedy(&other), None);
    }
}
