//! The process: configuration, telemetry, signals.

use std::process::ExitCode;

use clap::Parser;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::telemetry::{self, TelemetryArgs};

/// The backend for frontends: GraphQL at /v1, events at /stream.
#[derive(Debug, Parser)]
#[command(name = "bff", version)]
struct Cli {
    #[command(flatten)]
    own: bff::Args,

    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    serve::main(run(Cli::parse())).await
}

async fn run(cli: Cli) -> Result<(), StartupError> {
    let Cli { own, telemetry } = cli;
    let _guard = telemetry::init("bff", &telemetry)?;
    let bff::App { router, streams } = bff::build(&own).await?;
    let listener = serve::bind(own.service.host, own.service.port).await?;
    let stop = async move {
        serve::stop_signal().await;
        // Event streams have no end of their own: serving would wait for them for ever.
        streams.cancel();
    };
    serve::run(listener, router, stop).await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
