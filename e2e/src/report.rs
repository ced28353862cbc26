//! What is said while it goes, and what counts as held.

use std::time::{Duration, Instant};

use crate::cluster::Outcome;

/// How long anything may take: a pod that is replaced needs its image, its sidecar and its readiness.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// An error as a sentence.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Holds, or why not.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why()) }
}

/// Prints what is done and how long it took.
pub(crate) async fn step<T>(what: &str, doing: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    println!("… {what}");
    let started = Instant::now();
    let outcome = doing.await.map_err(|why| format!("{what}: {why}"))?;
    println!("ok {what} ({:.1} s)", started.elapsed().as_secs_f64());
    Ok(outcome)
}
