//! The process: configuration, telemetry, signals.

use std::process::ExitCode;

use clap::Parser;
use gestion_clientes::Reconstruccion;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// Every message is many small things that are made and thrown away.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients, their plan state and their invoices.
#[derive(Debug, Parser)]
#[command(name = "gestion-clientes", version)]
struct Process {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve; what is done without a word.
    Run(Box<Settings>),
    /// Make the tables of clients and invoices again from their documents; the service may run meanwhile.
    Rebuild(Box<Settings>),
    /// Print the OpenAPI document.
    Spec,
}

#[derive(Debug, clap::Args)]
struct Settings {
    #[command(flatten)]
    own: gestion_clientes::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Process::parse_from(serve::words(std::env::args_os())).command {
        Command::Run(settings) => serve::main(run(*settings)).await,
        Command::Rebuild(settings) => serve::main(rebuild(*settings)).await,
        Command::Spec => {
            print!("{}", gestion_clientes::spec());
            ExitCode::SUCCESS
        }
    }
}

async fn run(settings: Settings) -> Result<(), StartupError> {
    let Settings { own, telemetry } = settings;
    let _guard = telemetry::init("gestion-clientes", &telemetry)?;
    let app = gestion_clientes::build(&own).await?;
    let listener = serve::bind(own.service.host, own.service.port).await?;
    serve::run(listener, app.router, serve::stop_signal()).await
}

async fn rebuild(settings: Settings) -> Result<(), StartupError> {
    let Settings { own, telemetry } = settings;
    let _guard = telemetry::init("gestion-clientes", &telemetry)?;
    let Reconstruccion {
        clientes,
        facturas,
        sin_documento,
    } = gestion_clientes::rebuild(&own).await?;
    println!("rebuilt: {clientes} clients, {facturas} invoices; {sin_documento} rows without a document");
    if sin_documento > 0 {
        let advice = "rows without a document were left as they are; check STATE_STORE, or mend the store and repeat";
        return Err(StartupError::told(advice));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_settings_make_one_command_line() {
        Process::command().debug_assert();
    }
}
