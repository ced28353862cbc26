//! The process: configuration, telemetry, signals.

use std::process::ExitCode;

use clap::Parser;
use integracion_pagos::App;
use seedwork_runtime::participant;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// Every message is many small things that are made and thrown away.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Payments and the gateway.
#[derive(Debug, Parser)]
#[command(name = "integracion-pagos", version)]
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
    own: integracion_pagos::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Process::parse_from(serve::words(std::env::args_os())).command {
        Command::Run(args) => serve::main(run(*args)).await,
        Command::Spec => {
            print!("{}", integracion_pagos::spec());
            ExitCode::SUCCESS
        }
    }
}

async fn run(args: Run) -> Result<(), StartupError> {
    let Run { own, telemetry } = args;
    let _guard = telemetry::init("integracion-pagos", &telemetry)?;
    let App { router, participation } = integracion_pagos::build(&own).await?;
    let listener = serve::bind(own.service.host, own.service.port).await?;
    let served = serve::run(listener, router, serve::stop_signal()).await;
    participation.settle(participant::PATIENCE).await;
    served
}
