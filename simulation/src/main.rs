//! Plays seeds: `simulate --seeds 1000 --first 1`. A failing seed prints its story and how to play it again.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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

    /// Play every seed twice and demand the same world.
    #[arg(long)]
    twice: bool,
}

#[derive(Default)]
struct Sum {
    worlds: u64,
    payments: usize,
    completed: usize,
    compensated: usize,
    deaths: u64,
    writes: usize,
    messages: usize,
    took: Duration,
    judged_in: Duration,
    coverage: Coverage,
    failed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let began = Instant::now();
    let next = AtomicU64::new(args.first);
    let enough = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let bases = Bases::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.first.saturating_add(args.seeds) || enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let outcome = play(seed, args.payments, &bases, args.story);
                    let again = args.twice.then(|| play(seed, args.payments, &bases, args.story));
                    let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    sum.add(&outcome);
                    if args.story {
                        tell(seed, &args, &outcome);
                    }
                    if let Some(again) = again
                        && (again.writes, again.messages, again.took)
                            != (outcome.writes, outcome.messages, outcome.took)
                    {
                        sum.failed += 1;
                        println!("seed {seed} is not the same world twice: {outcome:?} {again:?}");
                    }
                    if !outcome.violations.is_empty() {
                        sum.failed += 1;
                        if !args.story {
                            tell(seed, &args, &play(seed, args.payments, &bases, true));
                        }
                    }
                    if sum.failed >= args.failures {
                        enough.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    sum.print(began.elapsed());
    let covers = sum.coverage.covers();
    if let Err(why) = &covers {
        println!("{why}");
    }
    if sum.failed == 0 && covers.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
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

// === impl Sum ===

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        self.payments += outcome.payments;
        self.completed += outcome.completed;
        self.compensated += outcome.compensated;
        self.deaths += outcome.deaths;
        self.writes += outcome.writes;
        self.messages += outcome.messages;
        self.took += outcome.took;
        self.judged_in += outcome.judged_in;
        self.coverage.add(outcome);
    }

    fn print(&self, real: Duration) {
        let Self {
            worlds,
            payments,
            completed,
            compensated,
            deaths,
            writes,
            messages,
            took,
            judged_in,
            coverage,
            failed,
        } = self;
        let per_minute = u128::try_from(*payments).unwrap_or_default() * 60_000 / real.as_millis().max(1);
        println!(
            "{worlds} worlds, {payments} payments ({completed} completed, {compensated} compensated), {deaths} deaths, \
             {writes} writes, {messages} messages, {} h of virtual time in {:.1} s ({:.1} s of it the judge's), {per_minute} \
             payments/min; violations in {failed} worlds",
            took.as_secs() / 3600,
            real.as_secs_f64(),
            judged_in.as_secs_f64(),
        );
        println!("{coverage}");
    }
}
