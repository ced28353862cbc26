//! `local`: the whole system as processes of this machine. See the library.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use local::error::{During, remedy};
use local::issuer::Subject;
use local::layout::Layout;
use local::ports::{DEFAULT_BASE, Ports};
use local::settings::{Auth, Profile, SamplingRate, Settings};
use local::{Error, Result, commands, ready, supervisor};

/// Runs the whole system as processes of this machine: no Docker, no root.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Which local system. Without it: `demo` for demo, `up` for up, these and `test` for the others
    #[arg(long, global = true)]
    profile: Option<Profile>,
    /// The checkout [default: the one that the current folder is in]
    #[arg(long, global = true)]
    root: Option<PathBuf>,
    /// First of 100 ports in a row; another one than the default moves the six services in there too
    #[arg(long, global = true, env = "PORT_BASE", default_value_t = DEFAULT_BASE)]
    port_base: u16,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything and return when it is ready
    Up(Choices),
    /// Stop everything; fine when nothing runs
    Down,
    /// Show what runs, whether it answers, its memory and its addresses
    Status,
    /// Show the end of a part's log, or of every part's
    Logs {
        /// A part, as `status` names it, or `supervisor`
        part: Option<String>,
        /// Go on with what is added
        #[arg(long, short)]
        follow: bool,
        /// How many lines of each
        #[arg(long, short = 'n', default_value_t = 40)]
        lines: usize,
    },
    /// Stop everything and forget all of it
    Reset,
    /// Start the demo's own system and play its scenarios
    Demo(Choices),
    /// Judge the demo that was played again, from what the running system holds now
    Judge,
    /// Make the tables of clients and invoices again from their documents, in the system that runs
    Rebuild,
    /// Print a token for the system that runs with AUTH=jwt
    Token(Whose),
    /// Keep the parts of a state dir running (what `up` starts)
    #[command(hide = true)]
    Supervise {
        #[arg(long)]
        state: PathBuf,
    },
}

#[derive(clap::Args)]
struct Whose {
    /// A client, by its idCliente
    #[arg(long, conflicts_with = "operador", required_unless_present = "operador")]
    cliente: Option<String>,
    /// One who acts for every client, by name
    #[arg(long)]
    operador: Option<String>,
    /// How long it is good for
    #[arg(long, default_value_t = 60)]
    minutes: u32,
}

#[derive(clap::Args)]
struct Choices {
    /// etcd and kube-apiserver with the settings they come with, to compare
    #[arg(long)]
    stock_cluster: bool,
    /// Which part of the traces that nobody decided about the sidecars keep, 0 to 1 [default: 1]
    #[arg(long)]
    sampling_rate: Option<SamplingRate>,
    /// Whether callers must prove who they are
    #[arg(long, env = "AUTH", default_value = "none")]
    auth: Auth,
    /// Log filter of our own binaries
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_filter: String,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(Cli::parse())),
        Err(source) => Err(source).during("start the runtime"),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let failure = ready::chain(&error);
            eprintln!("error: {failure}");
            if let Some(remedy) = remedy(&failure) {
                eprintln!("{remedy}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    let Cli {
        command,
        profile,
        root,
        port_base,
    } = cli;
    let root = || checkout(root);
    let ports = Ports::from_base(port_base).map_err(|error| Error::advice(error.to_string()))?;
    let profiles = profile.map_or_else(|| Profile::ALL.to_vec(), |profile| vec![profile]);
    match command {
        Command::Up(choices) => {
            let settings = chosen(profile.unwrap_or(Profile::Up), ports, choices);
            commands::up(&root()?, settings).await
        }
        Command::Demo(choices) => {
            let settings = chosen(profile.unwrap_or(Profile::Demo), ports, choices);
            commands::demo(&root()?, settings).await
        }
        Command::Judge => {
            let settings = Settings::of(profile.unwrap_or(Profile::Demo), ports);
            commands::judge(&root()?, settings).await
        }
        Command::Down => commands::down(&root()?, &profiles).await,
        Command::Status => commands::status(&root()?, &profiles).await,
        Command::Logs { part, follow, lines } => {
            commands::logs(&root()?, &profiles, part.as_deref(), lines, follow).await
        }
        Command::Rebuild => commands::rebuild(&root()?, &profiles),
        Command::Reset => commands::reset(&root()?, &profiles).await,
        Command::Token(whose) => {
            let (subject, lasts) = whose.read()?;
            commands::token(&root()?, &profiles, &subject, lasts)
        }
        Command::Supervise { state } => supervisor::run(&state).await,
    }
}

impl Whose {
    fn read(self) -> Result<(Subject, Duration)> {
        let Self {
            cliente,
            operador,
            minutes,
        } = self;
        let subject = cliente.map(Subject::Cliente).or(operador.map(Subject::Operador));
        let subject = subject.ok_or_else(|| Error::advice("name a --cliente or an --operador"))?;
        Ok((subject, Duration::from_secs(u64::from(minutes) * 60)))
    }
}

fn checkout(named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        Some(root) => root.canonicalize().during(format!("find {}", root.display())),
        None => Layout::find_root(&std::env::current_dir().during("find the current folder")?),
    }
}

fn chosen(profile: Profile, ports: Ports, choices: Choices) -> Settings {
    let Choices {
        stock_cluster,
        sampling_rate,
        auth,
        log_filter,
    } = choices;
    // Copied as they are; the services read them.
    let copy = |name: &str| std::env::var_os(name)?.into_string().ok();
    Settings {
        sampling_rate: sampling_rate.unwrap_or_default(),
        auth,
        log_filter,
        stock_cluster,
        ..Settings::of(profile, ports).passing_on(copy)
    }
}
