//! `operator drain`: before a release goes, its payments end and leave. The chart runs it as a hook before an uninstall.
//!
//! It closes the intake ([`crate::intake`]), waits and asks, no more: an ended resource is deleted, which the operator,
//! still running, answers by archiving it and letting it go. What has not ended is never touched, and where some have not
//! in time the intake is opened again.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use seedwork_runtime::serve::{self, StartupError};
use tokio::time::Instant;

use crate::config::DrainArgs;
use crate::crd::PaymentSaga;
use crate::resources::{CALL, whole};
use crate::shell::Watched;
use crate::{app, intake, retire};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);

/// From when on every replica knows that the intake is closed, and what it had begun before is there to be seen: a look
/// comes, takes its time, and so does a creation that was begun just before.
const KNOWN_BY_ALL: Duration = Duration::from_secs(intake::LOOK.as_secs() + 2 * CALL.as_secs());

/// How many are deleted at a time.
const AT_ONCE: usize = 16;

/// Most names in the closing sentence.
const NAMED: usize = 20;

/// From when on a mark that was not renewed may have let new payments in: the drain's clock and an operator's look are apart.
const MAY_LAPSE: Duration = intake::STANDS.saturating_sub(KNOWN_BY_ALL);

/// Waits until no payment is left, within the patience it is given; else names what has not ended.
pub async fn run(settings: DrainArgs) -> Result<(), StartupError> {
    let client = app::connect()
        .await
        .map_err(|error| StartupError::new("cannot find a Kubernetes API server", error))?;
    drain(client, &settings, serve::stop_signal()).await
}

/// The same, of this API server, until it is `stopped`.
pub async fn drain(
    client: Client,
    settings: &DrainArgs,
    stopped: impl Future<Output = ()>,
) -> Result<(), StartupError> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &settings.namespace);
    let drained = tokio::select! {
        drained = empty(client, &leases, settings) => drained,
        () = stopped => Err(StartupError::told("stopped before every payment had left; uninstall again")),
    };
    if drained.is_err() {
        // The uninstall stops here. The mark would lapse by itself; until then payments would wait for nothing.
        if let Err(fault) = intake::open(&leases).await {
            eprintln!(
                "the intake opens by itself within a minute; now it could not: {}",
                fault.chain()
            );
        }
    }
    drained
}

async fn empty(client: Client, leases: &Api<Lease>, settings: &DrainArgs) -> Result<(), StartupError> {
    let DrainArgs {
        namespace,
        patience_seconds,
    } = settings;
    let api: Api<Watched> = Api::namespaced(client, namespace);
    let deadline = Instant::now() + Duration::from_secs(*patience_seconds);
    let mut closed_since = None;
    let mut renewed: Option<Instant> = None;
    // What was there at the last look that got through.
    let mut last = Vec::new();
    loop {
        match look(&api, leases).await {
            Ok(Look {
                marked,
                closed,
                sagas,
                failed,
            }) => {
                // A mark that lapsed let new ones in meanwhile.
                if renewed.is_some_and(|renewed| marked - renewed >= MAY_LAPSE) {
                    closed_since = None;
                }
                let closed_for = marked - *closed_since.get_or_insert(marked);
                renewed = Some(marked);
                if sagas.is_empty() && (!closed || closed_for >= KNOWN_BY_ALL) {
                    println!("no payment is left in {namespace}");
                    return Ok(());
                }
                tell(closed, &sagas);
                if !sagas.is_empty() && Instant::now() >= deadline {
                    return Err(left(&sagas, failed.as_ref()));
                }
                if let Some(error) = failed {
                    println!("{}; it is tried again", error.chain());
                }
                last = sagas;
            }
            // An API server that is being replaced answers again in a while.
            Err(error) if Instant::now() < deadline => println!("{}; it is tried again", error.chain()),
            Err(error) if last.is_empty() => return Err(error),
            Err(error) => return Err(left(&last, Some(&error))),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What a look at the namespace found.
struct Look {
    /// When the intake had been closed: what came after may have taken longer than that stands.
    marked: Instant,
    /// Whether new payments wait.
    closed: bool,
    /// As they are watched: one that cannot be read keeps no other from leaving.
    sagas: Vec<Watched>,
    /// The first deletion that failed.
    failed: Option<StartupError>,
}

/// Closes the intake, or says so again, and has what has ended leave.
async fn look(api: &Api<Watched>, leases: &Api<Lease>) -> Result<Look, StartupError> {
    let closed = intake::close(leases)
        .await
        .map_err(|fault| StartupError::new("cannot close the intake", fault.chain()))?;
    let marked = Instant::now();
    let sagas = match whole(api.list(&ListParams::default())).await {
        Ok(list) => list.items,
        // Without the definition there are no payments.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(StartupError::new("cannot list paymentsagas", error)),
    };
    let stays = |saga: &&PaymentSaga| saga.has_ended() && saga.metadata.deletion_timestamp.is_none();
    let readable = sagas.iter().filter_map(|saga| saga.0.as_ref().ok());
    let deletions: Vec<_> = readable.filter(stays).map(|saga| delete(api, saga)).collect();
    let mut deleted = stream::iter(deletions).buffer_unordered(AT_ONCE);
    let mut failures = Vec::new();
    // One that always fails keeps no other from leaving; when as many do, nobody is there.
    while failures.len() < AT_ONCE
        && let Some(outcome) = deleted.next().await
    {
        failures.extend(outcome.err());
    }
    drop(deleted);
    Ok(Look {
        marked,
        closed,
        sagas,
        failed: failures.into_iter().next(),
    })
}

/// Deletes what has ended, as it was seen.
async fn delete(api: &Api<Watched>, saga: &PaymentSaga) -> Result<(), StartupError> {
    let name = saga.name_any();
    match whole(api.delete(&name, &retire::as_seen(saga))).await {
        Ok(_) => Ok(()),
        // Its time was up anyway, or it has changed since: the next look decides.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(StartupError::new(format!("cannot delete {name}"), error)),
    }
}

/// Whether its record says that it has ended, which nobody knows of what cannot be read.
fn has_ended(saga: &Watched) -> bool {
    saga.0.as_ref().is_ok_and(PaymentSaga::has_ended)
}

fn tell(closed: bool, sagas: &[Watched]) {
    let ended = sagas.iter().filter(|saga| has_ended(saga)).count();
    println!(
        "{}; {} payments have not ended, {ended} have and are leaving",
        if closed {
            "new ones wait"
        } else {
            "there is no Lease intake, so new ones come"
        },
        sagas.len() - ended
    );
}

/// Says what is left, those that have not ended first, and why no later look got through, if so.
fn left(sagas: &[Watched], failed: Option<&StartupError>) -> StartupError {
    let (ended, running): (Vec<&Watched>, Vec<_>) = sagas.iter().partition(|saga| has_ended(saga));
    let all = running.into_iter().chain(ended);
    let named: Vec<_> = all.take(NAMED).map(name).collect();
    let named = named.join(", ");
    StartupError::new(
        format!(
            "{} payments are left; uninstall again once they have ended, or with --no-hooks to leave them as they are; to go on \
             with the release, `helm rollback` to the last number of `helm history`",
            sagas.len()
        ),
        match failed {
            Some(error) => format!("{named}; the last look failed: {}", error.chain()),
            None => named,
        },
    )
}

/// The name, and whether waiting will not help: nobody brings to its end what cannot be read.
fn name(saga: &Watched) -> String {
    let name = saga.name_any();
    match &saga.0 {
        Ok(_) => name,
        Err(_) => format!("{name} (cannot be read)"),
    }
}
