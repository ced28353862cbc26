//! What this service is told.

use seedwork_runtime::ServiceArgs;

/// The settings of integración-pagos.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Where the gateway listens.
    #[arg(long, env = "PASARELA_URL", default_value = "http://127.0.0.1:7100")]
    pub pasarela_url: String,

    /// How long the gateway may take to answer, in milliseconds; after that the outcome is unknown and the call is
    /// repeated.
    #[arg(long, env = "PASARELA_TIMEOUT_MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub pasarela_timeout_ms: u64,

    /// How long after a call it may still be repeated, in seconds: less than the gateway remembers its idempotency
    /// keys (24 hours is common). Past it, a person must compare with the gateway.
    #[arg(long, env = "CLAVES_VIGENCIA_SECONDS", default_value_t = 82_800, value_parser = clap::value_parser!(u64).range(1..))]
    pub claves_vigencia_seconds: u64,
}
