//! What this service is told, and how fast its background work goes.

use std::time::Duration;

use seedwork::Moneda;
use seedwork_runtime::ServiceArgs;

/// The settings of the BFF.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// The currency of payments taken at this door: an ISO 4217 code.
    #[arg(long, env = "MONEDA", default_value_t = Moneda::USD)]
    pub moneda: Moneda,
}

/// The times of what goes on by itself. No settings: tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two pings of an event stream.
    pub ping: Duration,
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
            poll: Duration::from_millis(500),
            silence: Duration::from_secs(60),
            look: Duration::from_secs(5),
            prune: Duration::from_secs(60),
            keep_events: 100_000,
        }
    }
}
