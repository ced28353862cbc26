//! `bench`: what a payment costs. A closed loop of clients on a running local system: each asks for a payment, waits until
//! the API server's watch shows that it has ended, and asks for the next.
//!
//! ```text
//! clients ─ GraphQL ─▶ bff … operator ─▶ PaymentSaga ─ watch ─▶ ends        /proc, /metrics ─▶ cost
//! ```

mod cost;
mod ends;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::future::try_join_all;
use local::layout::Layout;
use local::ports::Ports;
use local::settings::Profile;
use local::world::World;
use seedwork::IdCliente;

use crate::cost::Cost;
use crate::ends::Ends;
use crate::report::Row;

type Outcome<T = ()> = Result<T, String>;

/// Measures payments on the local system of this checkout.
#[derive(Debug, Parser)]
struct Args {
    /// The checkout.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// The running system's profile.
    #[arg(long, value_enum, default_value_t = Profile::Up)]
    profile: Profile,
    /// First of the system's ports, as at its start.
    #[arg(long, env = "PORT_BASE", default_value_t = 17000)]
    port_base: u16,
    /// Clients at a time, one run for each number.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    clients: Vec<usize>,
    /// Seconds that each run lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Payments in a hundred that are declined and undone.
    #[arg(long, default_value_t = 10)]
    compensated: usize,
    /// Write the figures as JSON as well.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(measure(&args)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &Args) -> Outcome {
    let layout = Layout::new(&args.root.canonicalize().map_err(text)?, args.profile);
    let ports = Ports::from_base(args.port_base).map_err(text)?;
    let world = World::new(ports, &layout.admin_kubeconfig()).await.map_err(text)?;
    let ends = Ends::watch(world.kube().clone());
    let cliente = world.cliente("Ana", "ana@example.com", "bench").await.map_err(text)?;
    // What is lazy is made before the clock runs.
    for _ in 0..5 {
        one(&world, &ends, &cliente, "24.00").await?;
    }
    let mut rows = Vec::new();
    for clients in args.clients.iter().copied() {
        println!("… {clients} clients, {} s", args.seconds);
        let row = run(&world, &layout, &ends, &cliente, clients, args).await?;
        rows.push(row);
    }
    println!("{}", report::table(&rows));
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&rows).map_err(text)?;
        std::fs::write(path, json).map_err(text)?;
    }
    Ok(())
}

/// One run of so many clients.
async fn run(
    world: &World,
    layout: &Layout,
    ends: &Arc<Ends>,
    cliente: &IdCliente,
    clients: usize,
    args: &Args,
) -> Outcome<Row> {
    let before = Cost::now(world, layout).await?;
    let started = Instant::now();
    let until = started + Duration::from_secs(args.seconds);
    let next = AtomicUsize::new(0);
    let loops = (0..clients).map(async |_| -> Outcome<Vec<Duration>> {
        let mut took = Vec::new();
        while Instant::now() < until {
            let number = next.fetch_add(1, Ordering::Relaxed);
            // Spread evenly: every tenth of ten in a hundred.
            let declined = number * args.compensated / 100 != (number + 1) * args.compensated / 100;
            took.push(one(world, ends, cliente, if declined { "24.01" } else { "24.00" }).await?);
        }
        Ok(took)
    });
    let took: Vec<Duration> = try_join_all(loops).await?.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    let after = Cost::now(world, layout).await?;
    Ok(Row::new(clients, elapsed, took, &before, &after))
}

/// One payment, from the request to its end on the watch.
async fn one(world: &World, ends: &Arc<Ends>, cliente: &IdCliente, monto: &str) -> Outcome<Duration> {
    let started = Instant::now();
    let payment = world.pagar(cliente, monto).await.map_err(text)?;
    let name = payment.id.resource_name();
    let ended = ends.of(&name);
    let at = tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .map_err(|_| format!("{} has not ended in 60 s", payment.id))?;
    Ok(at.saturating_duration_since(started))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
