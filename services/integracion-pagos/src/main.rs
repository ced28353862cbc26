//! The process: configuration, telemetry, signals.

use std::process::ExitCode;

use clap::Parser;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// Payments and the gateway.
#[derive(Debug, Parser)]
#[command(name = "integracion-pagos", version)]
struct Process {
    #[command(flatten)]
    own: integracion_pagos::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    serve::main(run(Process::parse())).await
}

async fn run(process: Process) -> Result<(), StartupError> {
    let Process { own, telemetry } = process;
    let _guard = telemetry::init("integracion-pagos", &telemetry)?;
    let app = integracion_pagos::build(&own).await?;
    let listener = serve::bind(own.service.host, own.service.port).await?;
    serve::run(listener, app.router, serve::stop_signal()).await
}
