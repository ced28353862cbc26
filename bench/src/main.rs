//! `bench`: what a payment costs. It starts a system of its own, lets clients pay, and looks at a window in the middle.
//!
//! ```text
//! load ── GraphQL ─▶ bff … operator ─▶ PaymentSaga ── watch ─▶ ends      /proc, /metrics, INFO ─▶ spent
//!   closed: each client waits for its payment's end                        └─────── row ───────┘
//!   open: they come when they come (Poisson)                              table, JSON, verdict (soak)
//! ```

mod arrivals;
mod ends;
mod load;
mod machine;
mod report;
mod row;
mod soak;
mod spent;
mod stats;
mod system;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use local::layout::Layout;
use local::settings::Profile;
use tokio::signal::unix::{SignalKind, signal};

use crate::load::{Load, Payers};
use crate::machine::{Build, Machine, Process};
use crate::report::{Measured, Report};
use crate::row::Row;
use crate::spent::{Edge, Snapshot};
use crate::system::{Place, System};

type Outcome<T = ()> = Result<T, String>;

/// How long the system may work on after a load.
const QUIET_WITHIN: Duration = Duration::from_secs(30);

/// Measures payments: on our system, then with an API server as it comes.
#[derive(Debug, Parser)]
struct Args {
    /// The checkout
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// First of the system's ports
    #[arg(long, env = "PORT_BASE", default_value_t = 28000)]
    port_base: u16,
    /// Measure this system, which runs, instead of starting any
    #[arg(long)]
    running: Option<Profile>,
    /// Closed loops, of so many clients each
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [1, 16, 64])]
    clients: Vec<usize>,
    /// Open loops, each at so many hundredths of the best closed loop's rate
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [50, 80])]
    open: Vec<u32>,
    /// Closed loops on etcd and kube-apiserver without our settings; without a number none
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [1, 64])]
    stock: Vec<usize>,
    /// Length of each window in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds of load before each window
    #[arg(long, default_value_t = 4)]
    warm_up: u64,
    /// Payments before the first window: above 500 finished ones each that ends makes one leave, so that the deletions are
    /// measured, too
    #[arg(long, default_value_t = 600)]
    fill: usize,
    /// Payments in a hundred that are declined and undone
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    compensated: u8,
    /// One long closed loop instead, of so many payments: does the last cost what the thousandth did?
    #[arg(long, conflicts_with_all = ["open", "stock", "seconds", "warm_up", "fill"])]
    soak: Option<usize>,
    /// A soak's windows, in payments
    #[arg(long, default_value_t = 5000)]
    every: usize,
    /// Give up after so many minutes, but for a soak
    #[arg(long, default_value_t = 14)]
    within: u64,
    /// Where the figures go as JSON
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&args)),
        Err(error) => Err(text(error)),
    };
    match outcome {
        Ok(last) => {
            println!("{last}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Answers the last line to print.
async fn run(args: &Args) -> Outcome<String> {
    let started = Instant::now();
    let root = args.root.canonicalize().map_err(text)?;
    #[expect(clippy::disallowed_methods, reason = "figures are dated")]
    let date = chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string();
    let mut report = Report {
        date,
        machine: Machine::this(),
        build: Build::this(&root),
        command: std::env::args().collect(),
        systems: Vec::new(),
    };
    println!("{}; {}; {}", report.date, report.machine.line(), report.build.line());
    let place = Place {
        profile: args.running.unwrap_or(Profile::Bench),
        root,
        port_base: args.port_base,
    };
    let measured = async {
        if let Some(payments) = args.soak {
            return soak(args, &place, payments, &mut report).await;
        }
        figures(args, &place, &mut report).await?;
        Ok(format!(
            "bench: {:.0} s; {}",
            started.elapsed().as_secs_f64(),
            args.json.display()
        ))
    };
    let too_long = async {
        match args.soak {
            None => tokio::time::sleep(Duration::from_secs(args.within * 60)).await,
            Some(_) => std::future::pending().await,
        }
        format!("not done within {} minutes (--within)", args.within)
    };
    let outcome = tokio::select! {
        // In this order: an interruption must be listened for before a system is started, which blocks.
        biased;
        why = interrupted() => Err(why),
        outcome = measured => outcome,
        why = too_long => Err(why),
    };
    if args.running.is_none() {
        // After a failure the logs stay to be read; the next run forgets them.
        place.local(&[if outcome.is_ok() { "reset" } else { "down" }])?;
    }
    outcome
}

async fn figures(args: &Args, place: &Place, report: &mut Report) -> Outcome {
    measure(args, place, false, &args.clients, report).await?;
    if args.running.is_none() && !args.stock.is_empty() {
        measure(args, place, true, &args.stock, report).await?;
    }
    Ok(())
}

/// Measures one system: closed loops, and open ones if it is ours.
async fn measure(args: &Args, place: &Place, stock: bool, clients: &[usize], report: &mut Report) -> Outcome {
    let (system, payers) = begin(args, place, stock, report).await?;
    println!("… {} payments before the first window", args.fill);
    payers.under(Load::Closed(64), payers.until_ended(args.fill)).await?;
    let mut loads: Vec<Load> = clients.iter().copied().map(Load::Closed).collect();
    let mut rows: Vec<Row> = Vec::new();
    while rows.len() < loads.len() {
        let load = loads[rows.len()];
        println!("… {}, {} s", load.in_words(), args.seconds);
        rows.push(window(args, &system, &payers, load).await?);
        if !stock && rows.len() == clients.len() {
            let best = rows.iter().map(|row| row.payments_per_second).fold(0.0, f64::max);
            let percent = |percent: &u32| Load::Open(best * f64::from(*percent) / 100.0);
            loads.extend(args.open.iter().map(percent));
        }
    }
    let all: Vec<&Row> = rows.iter().collect();
    println!("\n{}\n{}", report::table(&rows), report::details(&all));
    end(&args.json, report, rows)
}

/// A window in the middle of a load, which begins when the last one's is forgotten.
async fn window(args: &Args, system: &System, payers: &Payers, load: Load) -> Outcome<Row> {
    let quiet = spent::settled(system, QUIET_WITHIN).await?;
    let looks = async {
        tokio::time::sleep(Duration::from_secs(args.warm_up)).await;
        let before = Snapshot::take(system, Edge::Begin).await?;
        tokio::time::sleep(Duration::from_secs(args.seconds)).await;
        Ok((before, Snapshot::take(system, Edge::End).await?))
    };
    let (before, after) = payers.under(load, looks).await?;
    let mut row = Row::new(load, &before, &after, &payers.paid())?;
    if !quiet {
        row.notes
            .push("the load before it was still being worked on".to_owned());
    }
    println!("  {}", row.line());
    Ok(row)
}

async fn soak(args: &Args, place: &Place, payments: usize, report: &mut Report) -> Outcome<String> {
    if payments < soak::FEWEST {
        return Err(format!(
            "a soak of {payments} payments has no end apart from its beginning; at least {}",
            soak::FEWEST
        ));
    }
    let (system, payers) = begin(args, place, false, report).await?;
    let clients = args.clients.last().copied().unwrap_or(64);
    println!("… {clients} clients, {payments} payments");
    let rows = soak::run(&system, &payers, Load::Closed(clients), payments, args.every).await?;
    let edges: Vec<&Row> = rows.first().into_iter().chain(rows.last()).collect();
    println!("\n{}", report::details(&edges));
    let verdict = soak::verdict(&rows);
    end(&args.json, report, rows)?;
    verdict.map(|said| format!("soak: {} payments; {said}", payers.ended()))
}

/// Starts a system, unless one runs, and prints what it consists of.
async fn begin(args: &Args, place: &Place, stock: bool, report: &mut Report) -> Outcome<(System, Payers)> {
    let name = if stock { "stock API server" } else { "ours" };
    if args.running.is_none() {
        println!("… starting: {name}");
        place.local(&["reset"])?;
        place.local(if stock { &["up", "--stock-cluster"] } else { &["up"] })?;
    }
    let layout = Layout::new(&place.root, place.profile);
    let processes = Process::all(&layout)?;
    println!("\n{name}:");
    for process in &processes {
        println!("  {}", process.line());
    }
    println!();
    report.systems.push(Measured {
        system: name,
        processes,
        rows: Vec::new(),
    });
    let system = System::at(place).await?;
    let (world, ends) = (system.world.clone(), Arc::clone(&system.ends));
    let payers = Payers::new(world, ends, system.cliente.clone(), args.compensated.into());
    Ok((system, payers))
}

fn end(json: &Path, report: &mut Report, rows: Vec<Row>) -> Outcome {
    if let Some(measured) = report.systems.last_mut() {
        measured.rows = rows;
    }
    report.write(json)
}

async fn interrupted() -> String {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return text(error),
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    "interrupted".to_owned()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
