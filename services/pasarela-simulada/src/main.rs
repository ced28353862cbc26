//! The process: configuration, telemetry, signals.

use std::{error::Error, future::Future, io, process::ExitCode};

use clap::Parser;
use pasarela_simulada::{App, Config, telemetry};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match serve(&Config::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pasarela-simulada: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &Config) -> Result<(), Box<dyn Error>> {
    let _telemetry = telemetry::init(config)?;
    let shutdown = shutdown_signal()?;
    App::build(config).await?.run(shutdown).await?;
    Ok(())
}

/// Resolves on SIGTERM (how supervisors and Kubernetes stop a process) and on SIGINT (Ctrl-C).
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
