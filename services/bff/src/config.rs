//! What this service is told, and how fast its background work goes.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use seedwork::Moneda;
use seedwork_runtime::auth::Mode;
use seedwork_runtime::config::Switch;
use seedwork_runtime::{AuthArgs, ServiceArgs};

/// The settings of the BFF.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Who may ask.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// The currency of payments taken at this door: an ISO 4217 code.
    #[arg(long, env = "MONEDA", default_value_t = Moneda::USD)]
    pub moneda: Moneda,

    /// How much one caller may ask for.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Whether `GET /v1` shows a page to try operations on. Unless told: with AUTH=none only.
    #[arg(long, env = "GRAPHIQL")]
    pub graphiql: Option<Switch>,

    /// Whether the schema may be asked for. Unless told: with AUTH=none only.
    #[arg(long, env = "INTROSPECTION")]
    pub introspection: Option<Switch>,
}

/// How much one caller may ask of this replica: a client or an operator where callers show a token, an address where they
/// do not.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// Mutations per second, in the long run; queries and streams may be opened four times as often. 0: no limit.
    #[arg(long, env = "RATE_PER_SECOND", default_value_t = 50)]
    pub rate_per_second: u32,

    /// Mutations at once, after a pause; queries and streams four times as many. 0 counts as 1.
    #[arg(long, env = "RATE_BURST", default_value_t = 200)]
    pub rate_burst: u32,

    /// How many callers' worth may come from one address where they show tokens: an office, a telephone network. 0: no
    /// limit.
    #[arg(long, env = "RATE_ADDRESS_FACTOR", default_value_t = 10)]
    pub rate_address_factor: u32,

    /// Event streams and WebSockets open at the same time, per caller.
    #[arg(long, env = "STREAMS_PER_CALLER", default_value_t = 20)]
    pub streams_per_caller: usize,

    /// Event streams and WebSockets open at the same time, in all.
    #[arg(long, env = "STREAMS", default_value_t = 1000)]
    pub streams: usize,

    /// Networks whose `X-Forwarded-For` is believed: `10.0.0.0/8,192.168.1.7`. Behind a proxy that is not named here
    /// all callers without a token have one address, and share its limits.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
}

/// A network: an address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address, or one with the length of a prefix: 10.0.0.0/8")]
pub struct NetworkError;

/// The times of what goes on by itself. No settings: tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two pings of an event stream or a WebSocket. No message to a WebSocket may take longer.
    pub ping: Duration,
    /// How long a WebSocket may take to say who it is.
    pub hello: Duration,
    /// How soon an event that another replica stored is seen here.
    pub poll: Duration,
    /// A payment without a transition for this long is asked about.
    pub silence: Duration,
    /// How often silent payments are looked for.
    pub look: Duration,
    /// How often old events are pruned.
    pub prune: Duration,
    /// How many events are kept: how far back a stream can resume.
    pub keep_events: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(15),
            hello: Duration::from_secs(10),
            poll: Duration::from_millis(500),
            silence: Duration::from_secs(60),
            look: Duration::from_secs(5),
            prune: Duration::from_secs(60),
            keep_events: 100_000,
        }
    }
}

// === impl Args ===

impl Args {
    /// Whether there is a page to try operations on.
    pub(crate) fn shows_graphiql(&self) -> bool {
        self.or_open(self.graphiql)
    }

    /// Whether the schema may be asked for.
    pub(crate) fn shows_schema(&self) -> bool {
        self.or_open(self.introspection)
    }

    fn or_open(&self, told: Option<Switch>) -> bool {
        match told {
            Some(Switch::On) => true,
            Some(Switch::Off) => false,
            None => self.auth.auth == Mode::None,
        }
    }
}

// === impl Network ===

impl Network {
    /// Whether an address is in it. An IPv4 address written as IPv6 is the IPv4 address.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let Self { address: own, prefix } = *self;
        match (own, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.leading_zeros() >= prefix
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.trim().split_once('/').unzip();
        let address: IpAddr = address.unwrap_or(text.trim()).parse().map_err(|_| NetworkError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| NetworkError)?;
        if prefix > longest {
            return Err(NetworkError);
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_with_its_prefix() {
        for (network, address, held) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.6", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            let read: Network = network.parse().unwrap();
            assert_eq!(read.holds(address.parse().unwrap()), held, "{network} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/x", "host"] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }
}
