//! What every binary is told, by environment or flag. Parsed once, in `main`.

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

/// A value that does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The settings that every service with a Dapr sidecar shares.
#[derive(Debug, Clone, clap::Args)]
pub struct ServiceArgs {
    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    pub host: IpAddr,

    /// Port to listen on.
    #[arg(long, env = "PORT")]
    pub port: u16,

    /// daprd's HTTP port.
    #[arg(long, env = "DAPR_HTTP_PORT", default_value_t = 3500)]
    pub dapr_http_port: u16,

    /// daprd's gRPC port.
    #[arg(long, env = "DAPR_GRPC_PORT", default_value_t = 50001)]
    pub dapr_grpc_port: u16,

    /// The token that we show to daprd.
    #[arg(long, env = "DAPR_API_TOKEN", hide_env_values = true)]
    pub dapr_api_token: Option<Secret>,

    /// The token that daprd must show to us; without one anyone who reaches our port can forge events.
    #[arg(long, env = "APP_API_TOKEN", hide_env_values = true)]
    pub app_api_token: Option<Secret>,

    /// Name of the Dapr pub/sub component.
    #[arg(long, env = "PUBSUB_NAME", default_value = "pubsub")]
    pub pubsub_name: String,

    /// Name of the Dapr state store component.
    #[arg(long, env = "STATE_STORE", default_value = "statestore")]
    pub state_store: String,

    /// Where the read model and the intake live: `sqlite://…?mode=rwc` or `postgres://…`.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Secret,
}

// === impl Secret ===

impl Secret {
    /// The value itself. Name it only where it is handed to what needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is it. Takes as long for a near miss as for a wild guess: what is compared are digests.
    pub fn matches(&self, shown: &[u8]) -> bool {
        Sha256::digest(self.0.as_bytes()) == Sha256::digest(shown)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Ok(Self(value.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
