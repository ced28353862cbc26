//! What this binary is told.

use std::time::Duration;

use clap::Parser;
use seedwork_runtime::ServiceArgs;
use seedwork_runtime::telemetry::TelemetryArgs;

/// Tells clients what became of their payments.
#[derive(Debug, Clone, Parser)]
#[command(name = "notificaciones", version)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,

    /// Address of the message provider, `http://…`.
    #[arg(long, env = "PROVEEDOR_URL")]
    pub proveedor_url: String,

    /// How long one call to the message provider may take, in milliseconds.
    #[arg(long, env = "PROVEEDOR_TIMEOUT_MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub proveedor_timeout_ms: u64,
}

// === impl Args ===

impl Args {
    /// How long one call to the message provider may take.
    pub fn proveedor_timeout(&self) -> Duration {
        Duration::from_millis(self.proveedor_timeout_ms)
    }
}
