//! `e2e`: the chart on the cluster of the current kube context, from install to uninstall.
//!
//! It needs kubectl, helm and Dapr in the cluster, and the images there or within its reach. What it finds wrong it says,
//! and exits with 1; what it installed it removes, unless told to keep it.

mod cluster;
mod doors;
mod edges;
mod intruders;
mod load;
mod report;
mod rights;
mod screen;
mod story;
mod streams;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::cluster::Cluster;

/// Installs the chart on the cluster of the current context, plays payments on it, and removes it.
#[derive(Debug, Parser)]
struct Args {
    /// Namespace to make, use and remove.
    #[arg(long, default_value = "pagos-e2e")]
    namespace: String,

    /// The chart.
    #[arg(long, default_value = "charts/pagos")]
    chart: PathBuf,

    /// Values for helm, `key=value`; may be repeated.
    #[arg(long = "set")]
    values: Vec<String>,

    /// First of the local ports that lead to the services.
    #[arg(long, default_value_t = 22000)]
    port_base: u16,

    /// Payments that are under way while the release is upgraded.
    #[arg(long, default_value_t = 200)]
    upgrading: usize,

    /// Payments that are under way while a pod is killed.
    #[arg(long, default_value_t = 30)]
    killing: usize,

    /// Values of the release that is upgraded to, `key=value` (another image.tag, say); may be repeated.
    #[arg(long)]
    upgrade: Vec<String>,

    /// Hold every connection against the NetworkPolicies: on the cluster's only node, as root.
    #[arg(long)]
    conntrack: bool,

    /// Leave everything installed.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let Args {
        namespace,
        chart,
        values,
        port_base,
        upgrading,
        killing,
        upgrade,
        conntrack,
        keep,
    } = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let cluster = Cluster {
            namespace,
            chart,
            values,
        };
        let play = story::Play {
            port_base,
            upgrading,
            killing,
            upgrade,
            conntrack,
            keep,
        };
        runtime.block_on(story::play(&cluster, &play))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
