//! The process: configuration, telemetry, signals.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// Every message is many small things that are made and thrown away.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The backend for frontends: GraphQL at /v1, events at /stream.
#[derive(Debug, Parser)]
#[command(name = "bff", version)]
struct Process {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve; what is done without a word.
    Run(Box<Run>),
    /// Print the OpenAPI document.
    Spec,
    /// Print the GraphQL schema.
    Sdl,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    own: bff::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// How long the open WebSockets may take to be told that the process stops.
const FAREWELL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    match Process::parse_from(serve::words(std::env::args_os())).command {
        Command::Run(args) => serve::main(run(*args)).await,
        Command::Spec => {
            print!("{}", bff::spec());
            ExitCode::SUCCESS
        }
        Command::Sdl => {
            print!("{}", bff::sdl());
            ExitCode::SUCCESS
        }
    }
}

async fn run(args: Run) -> Result<(), StartupError> {
    let Run { own, telemetry } = args;
    let _guard = telemetry::init("bff", &telemetry)?;
    let bff::App {
        router,
        streams,
        sockets,
    } = bff::build(&own).await?;
    let listener = serve::bind(own.service.host, own.service.port).await?;
    let stop = async move {
        serve::stop_signal().await;
        // Event streams have no end of their own: serving would wait for them for ever.
        streams.cancel();
    };
    serve::run(listener, router, stop).await?;
    // Serving has waited for requests, and a WebSocket is none any more.
    sockets.close();
    let _ = tokio::time::timeout(FAREWELL, sockets.wait()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Process::command().debug_assert();
    }
}
