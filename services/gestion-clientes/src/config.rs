//! What this service is told.

use std::time::Duration;

use seedwork::Moneda;
use seedwork_runtime::config::{Switch, duration};
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::{AuthArgs, ServiceArgs};

use crate::domain::recordatorio::Reglas;
use crate::domain::reintento::Calendario;

/// The settings of gestión-clientes.
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

    /// The shortest password that is taken, in characters.
    #[arg(long, env = "CONTRASENA_MINIMA", default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=256))]
    pub contrasena_minima: u16,

    /// When clients are told what falls due.
    #[command(flatten)]
    pub recordatorios: RecordatorioArgs,

    /// Whether declined payments are tried again.
    #[command(flatten)]
    pub reintentos: ReintentoArgs,
}

/// When clients are told what falls due.
#[derive(Debug, Clone, clap::Args)]
pub struct RecordatorioArgs {
    /// How many days before the due date a client is told; 0 for not at all.
    #[arg(long, env = "RECORDATORIO_DIAS_ANTES", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=30))]
    pub recordatorio_dias_antes: u16,

    /// How many days after the due date a client is told.
    #[arg(long, env = "RECORDATORIO_DIAS_DESPUES", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=30))]
    pub recordatorio_dias_despues: u16,

    /// How often it is looked what falls due, such as 24h or 30m; 0 for never.
    #[arg(long, env = "RECORDATORIO_CADA", default_value = "24h", value_parser = duration)]
    pub recordatorio_cada: Duration,
}

/// Whether payments that were declined softly are tried again by themselves.
#[derive(Debug, Clone, clap::Args)]
pub struct ReintentoArgs {
    /// Whether they are. Each retry is a payment that the client did not ask for at that moment: have their consent.
    #[arg(long, env = "REINTENTOS", default_value = "off")]
    pub reintentos: Switch,

    /// On which days after the first decline, ascending.
    #[arg(long, env = "REINTENTO_DIAS", value_delimiter = ',', default_value = "1,3,7")]
    pub reintento_dias: Vec<u16>,

    /// How often it is looked what is due, such as 1h; 0 for never.
    #[arg(long, env = "REINTENTO_CADA", default_value = "1h", value_parser = duration)]
    pub reintento_cada: Duration,
}

// === impl RecordatorioArgs ===

impl RecordatorioArgs {
    pub(crate) fn reglas(&self) -> Reglas {
        Reglas {
            dias_antes: i64::from(self.recordatorio_dias_antes),
            dias_despues: i64::from(self.recordatorio_dias_despues),
        }
    }
}

// === impl ReintentoArgs ===

impl ReintentoArgs {
    pub(crate) fn calendario(&self) -> Result<Calendario, StartupError> {
        Calendario::parse(&self.reintento_dias).map_err(|error| StartupError::told(error.to_string()))
    }

    /// How often, if at all.
    pub(crate) fn cada(&self) -> Option<Duration> {
        match self.reintentos {
            Switch::Off => None,
            Switch::On => Some(self.reintento_cada).filter(|cada| !cada.is_zero()),
        }
    }
}
