//! `pagos`: questions to a system, running on this machine or in a cluster. It changes nothing.
//!
//! ```text
//! pagos doctor ── reach: local ports │ kubectl port-forward ──▶ each sidecar's metadata ── judge (pure) ──▶ report
//! pagos archive ─ the operator's database, read only ─┬─ list, get
//!                                                     └─ replay: the engine must reach what is recorded (`checker`, pure)
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod archive;
mod doctor;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Asks a payments system how it is, and its archive what became of payments.
#[derive(Parser)]
#[command(name = "pagos", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Judge what every application's sidecar has loaded, and say what to change
    Doctor(doctor::Choices),
    /// Payments that have ended, from the operator's database
    Archive(archive::Choices),
}

/// What a command found: all well, or something that makes it exit with 1.
enum Verdict {
    Well,
    Unwell,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Doctor(choices) => doctor::run(choices).await,
        Command::Archive(choices) => archive::run(choices).await,
    };
    match outcome {
        Ok(Verdict::Well) => ExitCode::SUCCESS,
        Ok(Verdict::Unwell) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            ExitCode::from(2)
        }
    }
}
