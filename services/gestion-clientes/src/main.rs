//! The process: configuration, telemetry, signals.

use std::process::ExitCode;

use clap::Parser;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// Clients, their plan state and their invoices.
#[derive(Debug, Parser)]
#[command(name = "gestion-clientes", version)]
struct Process {
    #[command(flatten)]
    own: gestion_clientes::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    serve::main(run(Process::parse())).await
}

async fn run(process: Process) -> Result<(), StartupError> {
    let Process { own, telemetry } = process;
    let _guard = telemetry::init("gestion-clientes", &telemetry)?;
    let app = gestion_clientes::build(&own).await?;
    let listener = serve::bind(own.service.host, own.service.port).await?;
    serve::run(listener, app.router, serve::stop_signal()).await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_settings_make_one_command_line() {
        super::Process::command().debug_assert();
    }
}
