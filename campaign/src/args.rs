//! What a person may choose.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Load, faults and proof: brings up a system of its own as processes, asks it for payments while its processes are killed,
/// frozen, restarted and cut off from each other, and judges what is left.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Args {
    /// What the supervisor of the system's parts is started with.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// How long faults come, in minutes; start, rest and verdict come on top, three minutes at most
    #[arg(long, env = "MINUTES", default_value_t = 5.0)]
    pub(crate) minutes: f64,
    /// What is asked for and what is broken follows from it [default: from the clock]
    #[arg(long, env = "SEED")]
    pub(crate) seed: Option<u64>,
    /// Payments asked for in a second [default: what two cores carry with time to spare: 4, optimised 15]
    #[arg(long, default_value_t = if cfg!(debug_assertions) { 4.0 } else { 15.0 })]
    pub(crate) rate: f64,
    /// No payment is asked for while so many are open
    #[arg(long, default_value_t = 3000)]
    pub(crate) most_open: usize,
    /// The same while there is one fault at a time: then it is to be seen how soon the system works again, not how long its queue is
    #[arg(long, default_value_t = 150)]
    pub(crate) recovery_open: usize,
    /// Seconds from one fault to the next in the storm, on average
    #[arg(long, default_value_t = 2.4)]
    pub(crate) every: f64,
    /// Of the minutes, how much is storm; the rest is one fault at a time
    #[arg(long, default_value_t = 0.7)]
    pub(crate) storm: f64,
    /// Seconds from progress after one fault to the next one, while there is one at a time
    #[arg(long, default_value_t = 0.0)]
    pub(crate) calm: f64,
    /// At last the operator is gone for so many seconds, under full load
    #[arg(long, default_value_t = 0)]
    pub(crate) outage: u64,
    /// Everything accepted must have ended so many seconds after the last fault
    #[arg(long, default_value_t = 180)]
    pub(crate) rest: u64,
    /// Nothing may be written for so many seconds after that [default: 10, and 60 from 20 minutes on]
    #[arg(long)]
    pub(crate) idle: Option<u64>,
    /// How long a finished payment stays in the cluster, in seconds
    #[arg(long, default_value_t = 20)]
    pub(crate) ttl: u32,
    /// Deadline of every step, in seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) deadline: u32,
    /// First of 200 ports in a row
    #[arg(long, env = "PORT_BASE", default_value_t = 23000)]
    pub(crate) port_base: u16,
    /// The checkout; the system's folder is `.local/campaign` in it
    #[arg(long, default_value = ".")]
    pub(crate) root: PathBuf,
    /// Write the report, as Markdown
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// Leave the system's folder behind even if all is well
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Not for people.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Keep the parts of a state dir running
    #[command(hide = true)]
    Supervise {
        /// The state dir
        #[arg(long)]
        state: PathBuf,
    },
}

impl Args {
    /// For how long nothing may be written.
    pub(crate) fn idle_seconds(&self) -> u64 {
        self.idle.unwrap_or(if self.minutes < 20.0 { 10 } else { 60 })
    }
}
