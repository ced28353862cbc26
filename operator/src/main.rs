//! `operator` runs the operator; `operator crd` prints the custom resource definition; `operator asyncapi` the
//! bus as a document; `operator drain` waits before an uninstall until payments have ended.

use std::process::ExitCode;

use clap::Parser as _;
use operator::config::{Args, Command};
use seedwork_runtime::serve::{self, StartupError};

/// Every message is many small things that are made and thrown away.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse_from(serve::words(std::env::args_os()));
    serve::main(async {
        match args.command {
            Command::Crd => {
                let yaml = operator::crd::yaml().map_err(|e| StartupError::new("cannot print the definition", e))?;
                print!("{yaml}");
                Ok(())
            }
            Command::Asyncapi => {
                println!("{:#}", seedwork::contrato::asyncapi::document());
                Ok(())
            }
            Command::Run(run) => operator::app::run(*run).await,
            Command::Drain(drain) => operator::drain::run(drain).await,
        }
    })
    .await
}
