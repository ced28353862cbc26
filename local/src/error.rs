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
