//! The process: configuration, telemetry, signals.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use seedwork_runtime::participant;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// Every message is many small things that are made and thrown away.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tells clients what became of their payments.
#[derive(Debug, Parser)]
#[command(name = "notificaciones", version)]
struct Process {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve; what is done without a word.
    Run(Box<Run>),
    /// Print the OpenAPI document.
    Spec,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    own: notificaciones::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Process::parse_from(serve::words(std::env::args_os())).command {
        Command::Run(args) => serve::main(run(*args)).await,
        Command::Spec => {
            print!("{}", notificaciones::spec());
            ExitCode::SUCCESS
        }
    }
}

async fn run(args: Run) -> Result<(), StartupError> {
    let Run { own, telemetry } = args;
    let _guard = telemetry::init("notificaciones", &telemetry)?;
    // The app is held: the sweep ends when it is dropped.
    let (app, router) = notificaciones::build(&own).await?;
    // Last: the sidecar takes an open port for a ready app, asks within seconds what it subscribes to, and never again.
    let listener = serve::bind(own.service.host, own.service.port).await?;
    let served = serve::run(listener, router, serve::stop_signal()).await;
    let participation = Arc::clone(&app.participation);
    // No further sweep is to begin. What one has begun is cut off, and tried again once its turn is over.
    drop(app);
    participation.settle(participant::PATIENCE).await;
    served
}
