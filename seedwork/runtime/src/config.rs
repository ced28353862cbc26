//! What every binary is told, by environment or flag. Parsed once, in `main`.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::serve::EVERYWHERE;

/// A value that does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The settings that every service with a Dapr sidecar shares.
#[derive(Debug, Clone, clap::Args)]
pub struct ServiceArgs {
    /// Address to listen on; `::` is every address, those of IPv4 too.
    #[arg(long, env = "HOST", default_value_t = EVERYWHERE)]
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

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// The longest duration that is read: a century. Times are added to it.
const LONGEST_SECONDS: u64 = 36_500 * 86_400;

/// Reads a whole number of seconds, minutes, hours or days: the `value_parser` of settings.
pub fn duration(text: &str) -> Result<Duration, String> {
    let rule = || "must be a whole number and s, m, h or d, such as 24h (at most 36500d)".to_owned();
    let text = text.trim();
    let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let number: u64 = number.parse().map_err(|_| rule())?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "" if number == 0 => 1,
        _ => return Err(rule()),
    };
    let total = number.checked_mul(seconds).filter(|total| *total <= LONGEST_SECONDS);
    total.map(Duration::from_secs).ok_or_else(rule)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unless_told_a_service_listens_on_every_address_of_both_kinds() {
        // As it is written, and not as this process's HOST would have it.
        let command = <ServiceArgs as clap::Args>::augment_args(clap::Command::new("test"));
        let host = command.get_arguments().find(|argument| argument.get_id() == "host");
        assert_eq!(host.unwrap().get_default_values(), ["::"]);
    }

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, seconds) in [
            ("30s", 30),
            ("10m", 600),
            ("24h", 86_400),
            (" 2d ", 172_800),
            ("36500d", LONGEST_SECONDS),
            ("0", 0),
            ("0h", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in [
            "",
            "h",
            "24",
            "1.5h",
            "-1h",
            "1w",
            "1 h",
            "h1",
            "36501d",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
