//! What the operator is told.

use seedwork_runtime::ServiceArgs;
use seedwork_runtime::telemetry::TelemetryArgs;

/// The command line.
#[derive(Debug, clap::Parser)]
#[command(name = "operator", about = "Reconciles PaymentSaga resources", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the custom resource definition as YAML.
    Crd,
    /// Print every message on the bus as an AsyncAPI document.
    Asyncapi,
    /// Run the operator.
    Run(Box<RunArgs>),
    /// Before an uninstall: wait until payments have ended and left, and name those that have not.
    Drain(DrainArgs),
}

/// The settings of a drain.
#[derive(Debug, Clone, clap::Args)]
pub struct DrainArgs {
    /// The namespace whose payments are to leave.
    #[arg(long, env = "NAMESPACE", default_value = "pagos")]
    pub namespace: String,

    /// How long to wait for them, in seconds.
    #[arg(long, env = "PATIENCE_SECONDS", default_value_t = 120)]
    pub patience_seconds: u64,
}

/// The settings of a running operator.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Port, sidecar, database.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,

    /// The namespace whose resources it reconciles.
    #[arg(long, env = "NAMESPACE", default_value = "pagos")]
    pub namespace: String,

    /// How long a finished saga stays in the API server after it is archived, in seconds.
    #[arg(long, env = "TTL_SECONDS", default_value_t = 3600)]
    pub ttl_seconds: u32,

    /// What a notification that every medium refuses means for the payment.
    #[arg(long, env = "POLITICA_NOTIFICACION", default_value = "Continue")]
    pub politica_notificacion: PoliticaNotificacion,

    /// Deadline of every step, in seconds, instead of the standard ones (60; the gateway 120).
    #[arg(long, env = "DEADLINE_SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub deadline_seconds: Option<u32>,

    /// How long an undo may fail before it is shown as Stalled, in seconds.
    #[arg(long, env = "STALL_AFTER_SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub stall_after_seconds: u32,

    /// How long the client may go untold of a reversal before the payment ends without it, in seconds.
    #[arg(long, env = "AVISO_DEADLINE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub aviso_deadline_seconds: u32,

    /// Most unfinished sagas at once; past that the doors' requests wait in their tables (KEP-95: 1,500 objects of
    /// up to 10 kB per namespace keep LIST within its objectives).
    #[arg(long, env = "MAX_LIVE", default_value_t = 1500)]
    pub max_live: usize,

    /// Most finished sagas kept in the API server; past that the TTL is cut short.
    #[arg(long, env = "MAX_FINISHED", default_value_t = 500)]
    pub max_finished: usize,
}

/// What a notification that every medium refuses means for the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PoliticaNotificacion {
    /// The payment is undone, as in the original system.
    #[value(name = "Compensate")]
    Compensate,
    /// The payment stands; the reason is shown.
    #[value(name = "Continue")]
    Continue,
}

impl RunArgs {
    /// The policy that new payments are given.
    pub fn politica(&self) -> saga::Politica {
        let notificacion = match self.politica_notificacion {
            PoliticaNotificacion::Compensate => saga::OnExhausted::Compensate,
            PoliticaNotificacion::Continue => saga::OnExhausted::Continue,
        };
        let mut politica = saga::Politica::standard(notificacion);
        politica.stall_after_seconds = self.stall_after_seconds;
        politica.aviso_deadline_seconds = self.aviso_deadline_seconds;
        if let Some(seconds) = self.deadline_seconds {
            for paso in &mut politica.pasos {
                paso.deadline_seconds = seconds;
            }
        }
        politica
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_time_that_no_payment_can_follow_is_refused_at_the_start_and_not_at_each_payment() {
        for setting in [
            "--deadline-seconds",
            "--stall-after-seconds",
            "--aviso-deadline-seconds",
        ] {
            let told = |seconds: &'static str| {
                let start = ["operator", "run", "--port", "1", "--database-url", "sqlite::memory:"];
                Args::try_parse_from(start.into_iter().chain([setting, seconds]))
            };
            assert!(told("0").is_err(), "{setting}");
            let Command::Run(run) = told("1").unwrap().command else {
                panic!("it was told to run")
            };
            assert_eq!(run.politica().check(), Ok(()), "{setting}");
        }
    }
}
