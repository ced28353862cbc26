//! The process: configuration, telemetry, signals.

use std::process::ExitCode;

use clap::Parser as _;
use notificaciones::Args;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    serve::main(run(Args::parse())).await
}

async fn run(args: Args) -> Result<(), StartupError> {
    let _guard = telemetry::init("notificaciones", &args.telemetry)?;
    let listener = serve::bind(args.service.host, args.service.port).await?;
    // The app is held: the sweep ends when it is dropped.
    let (_app, router) = notificaciones::build(&args).await?;
    serve::run(listener, router, serve::stop_signal()).await
}
