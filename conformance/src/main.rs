//! The conformance suite: what the design asks of a broker and a state store, asked of real ones.
//!
//! ```text
//! properties/ ── asks ──▶ rig ─┬─ broker, store        the real programs, on private ports and folders
//!      │                       ├─ daprd × 3            the sender's, and one for each of two replicas of the receiver
//!      ▼                       ├─ receiver × 2         this binary again, with our own inbox router in it
//!   report                     └─ the sender           in this process: DaprSidecar, and a reader of dead letters
//! ```
//!
//! The components come from `dapr-components/`; `--defaults` takes `conformance/defaults/` instead, which hold only what
//! is needed to connect, to show what Dapr's own defaults lose. Nothing is waited for by time, everything by condition.

mod brokers;
mod failure;
mod journal;
mod properties;
mod receiver;
mod report;
mod resources;
mod rig;
mod sender;
mod service;
mod stores;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::brokers::Broker;
use crate::failure::Result;
use crate::receiver::ReceiverArgs;
use crate::report::Report;
use crate::rig::{Choice, Rig};
use crate::stores::Store;

/// Asks a broker and a state store, behind real Dapr sidecars, for what the design relies on.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the suite on one pair
    Run(RunArgs),
    /// Be a replica of the receiving application (the suite starts it)
    #[command(hide = true)]
    Receiver(ReceiverArgs),
}

#[derive(clap::Args)]
struct RunArgs {
    /// The broker
    #[arg(long, env = "BROKER", value_enum, default_value_t = Broker::Redis)]
    broker: Broker,
    /// The state store
    #[arg(long, env = "STORE", value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// Take the components with nothing in them but how to connect, and no retry policy
    #[arg(long)]
    defaults: bool,
    /// The first of a hundred ports; the next free hundred is taken
    #[arg(long, env = "CONFORMANCE_PORT_BASE", default_value_t = 24_000)]
    port_base: u16,
    /// Only properties whose sentence holds this text
    #[arg(long)]
    only: Option<String>,
    /// Keep the folder with data and logs, and say where it is
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => tokio::select! {
            done = run(&args) => done.unwrap_or_else(|failure| {
                eprintln!("error: {failure}");
                ExitCode::FAILURE
            }),
            () = seedwork_runtime::serve::stop_signal() => ExitCode::FAILURE,
        },
        Command::Receiver(args) => seedwork_runtime::serve::main(receiver::run(args)).await,
    }
}

async fn run(args: &RunArgs) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let choice = Choice {
        broker: args.broker,
        store: args.store,
        defaults: args.defaults,
    };
    let mut rig = Rig::start(root, choice, args.port_base, args.keep).await?;
    let mut report = Report::begin(&rig);
    properties::all(&mut rig, &mut report, args.only.as_deref().unwrap_or("")).await;
    rig.end().await;
    let all_held = report.end()?;
    // Defaults are measured, not held to anything.
    Ok(if all_held || args.defaults {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
