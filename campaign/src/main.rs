//! `campaign`: load, faults and proof. A system of its own as processes; clients at every door; a nemesis that kills, freezes,
//! restarts and cuts wires; then rest, and a verdict: one after the other in `phases`.
//!
//! ```text
//! load/ ─ requests ─▶ doors … operator ─▶ PaymentSaga ─▶ etcd ─ every version ─▶ recorder ─▶ checker
//!   └─▶ book (each try is in the file before it is sent)                          │  news        ▲
//! nemesis/ storm · recovery · outage ── signals, wires (proxy) ─▶ the system ◀────┘   tables, ledger, archive
//! ```
//!
//! Everything drawn comes from one seed: what is asked for and what is broken. When it happens is the machine's own.

mod args;
mod book;
mod clock;
mod draws;
mod ends;
mod etcd;
mod load;
mod machine;
mod nemesis;
mod out;
mod phases;
mod proxy;
mod recorder;
mod redis;
mod report;
mod rest;
mod run;
mod scene;
mod system;
mod tables;
mod verdict;
mod watch;
mod wires;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = runtime.map_err(text).and_then(|runtime| {
        runtime.block_on(async {
            match &args.command {
                Some(Command::Supervise { state }) => local::supervisor::run(state)
                    .await
                    .map_err(system::chained)
                    .map(|()| true),
                None => run::run(&args).await,
            }
        })
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// An error with the file that it is about.
fn about(file: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", file.display())
}
