//! `pagos doctor`: what every application's sidecar has loaded, judged.

mod judge;
mod reach;
mod report;

use std::io::IsTerminal as _;

use futures::future::join_all;
use local::out::say;
use seedwork::App;

use self::judge::{Expected, Finding, Grade, Names};
use self::reach::{Answer, Place};
use crate::Verdict;
use crate::system::Local;

/// Where to look, and how to say it.
#[derive(Debug, clap::Args)]
pub(crate) struct Choices {
    /// The local system of this checkout [default, where there is one]
    #[arg(long, conflicts_with = "namespace")]
    local: bool,
    /// The release in this namespace of the current kube context, through kubectl
    #[arg(long)]
    namespace: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The name that the applications know the broker component by
    #[arg(long, env = "PUBSUB_NAME", default_value = "pubsub")]
    pubsub_name: String,
    /// The name that the applications know the state store component by
    #[arg(long, env = "STATE_STORE", default_value = "statestore")]
    state_store: String,
    #[command(flatten)]
    system: Local,
}

/// One application, and what was found.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Examined {
    /// Its app id.
    pub(crate) app: &'static str,
    /// Where its sidecar was asked.
    pub(crate) at: String,
    /// What was found, in the order it was looked at.
    pub(crate) findings: Vec<Finding>,
}

/// Examines every application; unwell when something is unfit.
pub(crate) async fn run(choices: Choices) -> Result<Verdict, String> {
    let Choices {
        local,
        namespace,
        json,
        pubsub_name,
        state_store,
        system,
    } = choices;
    let place = Place::chosen(local, namespace, &system)?;
    let names = Names {
        pubsub: pubsub_name,
        store: state_store,
    };
    let examined = join_all(App::ALL.map(|app| examine(&place, app, &names))).await;
    if json {
        say(report::json(&examined).map_err(|error| error.to_string())?);
    } else {
        say(report::tree(&examined, std::io::stdout().is_terminal()).trim_end());
    }
    let unfit = examined
        .iter()
        .flat_map(|one| &one.findings)
        .any(|finding| finding.grade == Grade::Unfit);
    Ok(if unfit { Verdict::Unwell } else { Verdict::Well })
}

async fn examine(place: &Place, app: App, names: &Names) -> Examined {
    let Answer {
        at,
        metadata,
        healthy,
        more,
    } = place.ask(app).await;
    let mut findings = more;
    match metadata {
        Ok(metadata) => {
            findings.push(judge::health(healthy));
            let expected = Expected {
                app,
                port: place.app_port(app),
                in_cluster: place.is_cluster(),
            };
            findings.extend(judge::examine(&metadata, &expected, names));
        }
        Err(why) => findings.push(Finding::unfit("sidecar", why, place.remedy(app))),
    }
    Examined {
        app: app.id(),
        at,
        findings,
    }
}
