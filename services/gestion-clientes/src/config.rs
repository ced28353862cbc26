//! What this service is told.

use seedwork::Moneda;
use seedwork_runtime::ServiceArgs;

/// The settings of gestión-clientes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// The currency of payments taken at this door: an ISO 4217 code.
    #[arg(long, env = "MONEDA", default_value_t = Moneda::USD)]
    pub moneda: Moneda,

    /// The shortest password that is taken, in characters.
    #[arg(long, env = "CONTRASENA_MINIMA", default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=256))]
    pub contrasena_minima: u16,
}
