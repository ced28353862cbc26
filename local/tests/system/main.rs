//! The whole system on real parts: brought up once, then checked from outside, one check after the other.
//!
//! `cargo test --package local --test system [-- words]` runs the checks whose names hold one of the words.
//! It has a state dir (`.local/test`) and ports (TEST_PORT_BASE, 19000) of its own, so a system that is up is left alone.

mod auth;
mod chargebacks;
mod clientes;
mod entradas;
mod identity;
mod laws;
mod malformed;
mod original;
mod resources;
mod restarts;
mod rules;
mod stream;
mod system;
mod traces;
mod verbs;
mod writes;

use std::process::ExitCode;
use std::time::Instant;

use futures::future::LocalBoxFuture;

use crate::system::{Outcome, System};

/// A check: a sentence that must hold, and what shows that it does.
pub(crate) struct Check {
    /// The sentence.
    pub(crate) name: &'static str,
    /// What shows it.
    pub(crate) run: for<'a> fn(&'a mut System) -> LocalBoxFuture<'a, Outcome>,
    /// Whether it takes minutes: run by its own make target, not by `make test`.
    pub(crate) long: bool,
}

/// Writes a check from an async function.
macro_rules! check {
    ($name:literal, $function:path) => {
        $crate::Check {
            name: $name,
            run: |system| Box::pin($function(system)),
            long: false,
        }
    };
    (long $name:literal, $function:path) => {
        $crate::Check {
            name: $name,
            run: |system| Box::pin($function(system)),
            long: true,
        }
    };
}
pub(crate) use check;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen: Vec<Check> = [
        writes::checks(),
        verbs::checks(),
        chargebacks::checks(),
        clientes::checks(),
        identity::checks(),
        rules::checks(),
        malformed::checks(),
        original::checks(),
        restarts::checks(),
        stream::checks(),
        traces::checks(),
        laws::checks(),
        auth::checks(),
        // Last: its logs are those of all the checks before.
        entradas::checks(),
    ]
    .into_iter()
    .flatten()
    .filter(|check| {
        if words.is_empty() {
            !check.long
        } else {
            words.iter().any(|word| check.name.contains(word))
        }
    })
    .collect();
    if std::env::args().any(|word| word == "--list") {
        chosen.iter().for_each(|check| println!("{}: test", check.name));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(&chosen)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(chosen: &[Check]) -> ExitCode {
    println!("\nrunning {} checks of the whole system", chosen.len());
    let mut system = match System::fresh().await {
        Ok(system) => system,
        Err(error) => {
            println!("error: the system does not come up: {error}\n0 passed, 1 failed");
            return ExitCode::FAILURE;
        }
    };
    let mut failures = Vec::new();
    for Check { name, run, .. } in chosen {
        let started = Instant::now();
        let outcome = run(&mut system).await;
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("ok      {seconds:>6.1} s  {name}"),
            Err(why) => {
                println!("FAILED  {seconds:>6.1} s  {name}\n        {why}");
                failures.push(format!("{name}: {why}"));
            }
        }
    }
    if failures.is_empty() {
        system.down().await;
    } else {
        println!("the system is left running for a look: {}", system.how_to_look());
    }
    // Once more, for who reads only the end of a long log.
    failures.iter().for_each(|failure| println!("FAILED  {failure}"));
    println!("\n{} passed, {} failed", chosen.len() - failures.len(), failures.len());
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
