//! `pagos archive`: payments that have ended, as the operator stored them.

mod list;
mod replay;
mod story;

use local::out::say;
use operator::archive::{Archive, Stored};
use seedwork::{Fault, IdCorrelacion};
use seedwork_runtime::Secret;
use serde_json::Value;

use self::list::Filter;
use self::replay::{Outcome, Tally};
use crate::Verdict;
use crate::system::Local;

/// Rows read at once.
const PAGE: u32 = 500;

/// Which archive, and what to do with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Choices {
    /// The operator's database [default: that of the local system of this checkout]
    #[arg(long, global = true, env = "OPERATOR_DATABASE_URL", hide_env_values = true)]
    database_url: Option<Secret>,
    #[command(flatten)]
    system: Local,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// A table of payments, oldest first
    List(Filter),
    /// The whole archived resource, as YAML
    Get {
        /// idCorrelacion, or the resource's name
        payment: String,
    },
    /// Ask the engine whether it can reach what is recorded; exit with 1 where it cannot, not where nobody knows
    Replay {
        /// idCorrelacion, or the resource's name [default: every payment]
        payments: Vec<String>,
    },
}

/// Does what was asked; unwell when a payment did not end as the engine ends it.
pub(crate) async fn run(choices: Choices) -> Result<Verdict, String> {
    let Choices {
        database_url,
        system,
        command,
    } = choices;
    let url = match database_url {
        Some(url) => url,
        None => local_url(&system)?,
    };
    let archive = Archive::open_to_read(&url).await.map_err(|error| error.chain())?;
    match command {
        Command::List(filter) => list::run(&archive, &filter).await.map(|()| Verdict::Well),
        Command::Get { payment } => {
            let row = row(&archive, &payment).await?;
            let resource: Value = serde_json::from_str(&row.recurso).map_err(|error| error.to_string())?;
            let yaml = serde_yaml_ng::to_string(&resource).map_err(|error| error.to_string())?;
            say(yaml.trim_end());
            Ok(Verdict::Well)
        }
        Command::Replay { payments } if payments.is_empty() => replay_all(&archive).await,
        Command::Replay { payments } => {
            let mut tally = Tally::default();
            for payment in payments {
                let replayed = replay::replay(&row(&archive, &payment).await?, story::MOST);
                tally.count(replayed.outcome);
                say(replayed.in_full());
            }
            Ok(tally.verdict())
        }
    }
}

/// The SQLite file of the local system, which is named on stderr: where none runs it is the first that ever did. Read
/// only, so that looking never makes one.
fn local_url(system: &Local) -> Result<Secret, String> {
    let none = || {
        "which archive? There is no local system here: name the operator's database with --database-url or \
         OPERATOR_DATABASE_URL"
            .to_owned()
    };
    let file = system.layout()?.ok_or_else(none)?.data().join("operator.db");
    if file.is_file() {
        eprintln!("archive: {}", file.display());
        Ok(Secret::from(format!("sqlite://{}?mode=ro", file.display())))
    } else {
        Err(format!("there is no archive at {}: `make up` makes it", file.display()))
    }
}

async fn row(archive: &Archive, payment: &str) -> Result<Stored, String> {
    let id = IdCorrelacion::from_resource_name(payment).map_or_else(|| IdCorrelacion::parse(payment), Ok);
    let id = id.map_err(|error| format!("{payment}: an idCorrelacion {error}"))?;
    let row = archive.row(&id).await.map_err(|fault| fault.chain())?;
    row.ok_or_else(|| format!("{id} is not in the archive: it has not ended, or was never made (kubectl get psaga)"))
}

/// Every row, a page at a time, until `each` has had enough.
async fn rows(
    archive: &Archive,
    after: &str,
    mut each: impl FnMut(Stored) -> std::ops::ControlFlow<()>,
) -> Result<(), Fault> {
    let mut after = after.to_owned();
    loop {
        let page = archive.page(&after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after.clone_from(&last.id);
        for row in page {
            if each(row).is_break() {
                return Ok(());
            }
        }
    }
}

async fn replay_all(archive: &Archive) -> Result<Verdict, String> {
    let mut tally = Tally::default();
    rows(archive, "", |row| {
        let replayed = replay::replay(&row, story::MOST);
        tally.count(replayed.outcome);
        if replayed.outcome != Outcome::Same {
            say(replayed.in_full());
        }
        std::ops::ControlFlow::Continue(())
    })
    .await
    .map_err(|fault| fault.chain())?;
    say(tally.summary());
    Ok(tally.verdict())
}
