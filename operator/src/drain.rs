//! `operator drain`: before a release goes, its payments end and leave. The chart runs it as a hook before an uninstall.
//!
//! It closes the intake ([`crate::intake`]), waits and asks, no more: an ended resource is deleted, which the operator,
//! still running, answers by archiving it and letting it go. What has not ended is never touched, and where some have not
//! in time the intake is opened again.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt as _};
use seedwork_runtime::serve::StartupError;
use tokio::time::Instant;

use crate::config::DrainArgs;
use crate::crd::PaymentSaga;
use crate::resources::{CALL, whole};
use crate::{app, intake};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);

/// From when on every replica knows that the intake is closed, and what it had begun before is there to be seen: a look
/// comes, takes its time, and so does a creation that was begun just before.
const KNOWN_BY_ALL: Duration = Duration::from_secs(intake::LOOK.as_secs() + 2 * CALL.as_secs());

/// Most names in the closing sentence.
const NAMED: usize = 20;

/// Waits until no payment is left, within the patience it is given; else names what has not ended.
pub async fn run(settings: DrainArgs) -> Result<(), StartupError> {
    let client = app::connect()
        .await
        .map_err(|error| StartupError::new("cannot find a Kubernetes API server", error))?;
    drain(client, &settings).await
}

/// The same, of this API server.
pub async fn drain(client: Client, settings: &DrainArgs) -> Result<(), StartupError> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &settings.namespace);
    let drained = empty(client, &leases, settings).await;
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
    let api: Api<PaymentSaga> = Api::namespaced(client, namespace);
    let deadline = Instant::now() + Duration::from_secs(*patience_seconds);
    let mut closed_since = None;
    let mut renewed: Option<Instant> = None;
    loop {
        match look(&api, leases).await {
            Ok(Look { closed, sagas }) => {
                let now = Instant::now();
                // A mark that lapsed let new ones in meanwhile.
                if renewed.is_some_and(|renewed| now - renewed >= intake::STANDS) {
                    closed_since = None;
                }
                let closed_for = now - *closed_since.get_or_insert(now);
                renewed = Some(now);
                if sagas.is_empty() && (!closed || closed_for >= KNOWN_BY_ALL) {
                    println!("no payment is left in {namespace}");
                    return Ok(());
                }
                tell(closed, &sagas);
                if !sagas.is_empty() && Instant::now() >= deadline {
                    return Err(left(&sagas));
                }
            }
            // An API server that is being replaced answers again in a while.
            Err(error) if Instant::now() < deadline => println!("{}; it is tried again", error.chain()),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What a look at the namespace found.
struct Look {
    /// Whether new payments wait.
    closed: bool,
    sagas: Vec<PaymentSaga>,
}

/// Closes the intake, or says so again, and has what has ended leave.
async fn look(api: &Api<PaymentSaga>, leases: &Api<Lease>) -> Result<Look, StartupError> {
    let closed = intake::close(leases)
        .await
        .map_err(|fault| StartupError::new("cannot close the intake", fault.chain()))?;
    let sagas = match whole(api.list(&ListParams::default())).await {
        Ok(list) => list.items,
        // Without the definition there are no payments.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(StartupError::new("cannot list paymentsagas", error)),
    };
    let stays = |saga: &&PaymentSaga| saga.has_ended() && saga.metadata.deletion_timestamp.is_none();
    for saga in sagas.iter().filter(stays) {
        match whole(api.delete(&saga.name_any(), &DeleteParams::default())).await {
            Ok(_) => {}
            // Its time was up anyway.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(StartupError::new(format!("cannot delete {}", saga.name_any()), error)),
        }
    }
    Ok(Look { closed, sagas })
}

fn tell(closed: bool, sagas: &[PaymentSaga]) {
    let ended = sagas.iter().filter(|saga| saga.has_ended()).count();
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

/// Says what is left, those that have not ended first.
fn left(sagas: &[PaymentSaga]) -> StartupError {
    let (ended, running): (Vec<_>, Vec<_>) = sagas.iter().partition(|saga| saga.has_ended());
    let names: Vec<_> = running.iter().chain(&ended).map(|saga| saga.name_any()).collect();
    StartupError::new(
        format!(
            "{} payments are left; uninstall again once they have ended, or with --no-hooks to leave them as they are; to go on \
             with the release, `helm rollback` to the last number of `helm history`",
            names.len()
        ),
        names.into_iter().take(NAMED).collect::<Vec<_>>().join(", "),
    )
}
