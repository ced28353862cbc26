//! Plays seeds: `simulate --seeds 1000 --first 1`. A failing seed prints its story and how to play it again.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use simulation::{Bases, Coverage, Outcome, play};

/// Half a million small things are made and thrown away in every world.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Plays whole systems in virtual time, a world per seed, and judges each.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
struct Args {
    /// How many worlds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,

    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,

    /// Payments in each world; otherwise its seed says.
    #[arg(long)]
    payments: Option<usize>,

    /// Worlds at a time, a thread each; otherwise one for each processor.
    #[arg(long)]
    threads: Option<usize>,

    /// How many failing seeds are told before it stops.
    #[arg(long, default_value_t = 1)]
    failures: u64,

    /// Tell the story of every seed, failing or not.
    #[arg(long)]
    story: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let began = Instant::now();
    let next = AtomicU64::new(args.first);
    let enough = AtomicBool::new(false);
    let coverage = Mutex::new(Coverage::default());
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| work(&args, &next, &enough, &coverage));
        }
    });
    let coverage = coverage.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", coverage.summary(began.elapsed()));
    let covers = coverage.covers();
    if let Err(why) = &covers {
        println!("{why}");
    }
    if coverage.failed() == 0 && covers.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays one seed after the other, until all are played or enough have failed.
fn work(args: &Args, next: &AtomicU64, enough: &AtomicBool, coverage: &Mutex<Coverage>) {
    let bases = Bases::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= args.first.saturating_add(args.seeds) || enough.load(Ordering::Relaxed) {
            return;
        }
        let outcome = play(seed, args.payments, &bases, args.story);
        // Held while a story is told, so that it is told in one piece.
        let mut coverage = coverage.lock().unwrap_or_else(PoisonError::into_inner);
        coverage.add(&outcome);
        if args.story {
            tell(seed, args, &outcome);
        } else if !outcome.violations.is_empty() {
            tell(seed, args, &play(seed, args.payments, &bases, true));
        }
        if coverage.failed() >= args.failures {
            enough.store(true, Ordering::Relaxed);
        }
    }
}

/// A world, as people read it.
fn tell(seed: u64, args: &Args, outcome: &Outcome) {
    for line in &outcome.story {
        println!("{line}");
    }
    for violation in &outcome.violations {
        println!("seed {seed}: {violation}");
    }
    let payments = args
        .payments
        .map(|payments| format!(" --payments {payments}"))
        .unwrap_or_default();
    println!("play it again: simulate --first {seed} --seeds 1{payments} --story");
}
