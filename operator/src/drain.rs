//! `operator drain`: before a release goes, its payments end and leave. The chart runs it as a hook before an uninstall.
//!
//! It waits and asks, no more: an ended resource is deleted, which the operator, still running, answers by archiving it
//! and letting it go. What has not ended is never touched.

use std::time::{Duration, Instant};

use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt as _};
use seedwork_runtime::serve::StartupError;

use crate::config::DrainArgs;
use crate::crd::PaymentSaga;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);

/// Most names in the closing sentence.
const NAMED: usize = 20;

/// Waits until no payment is left, within the patience it is given; else names what has not ended.
pub async fn run(settings: DrainArgs) -> Result<(), StartupError> {
    let DrainArgs {
        namespace,
        patience_seconds,
    } = settings;
    let client = Client::try_default()
        .await
        .map_err(|error| StartupError::new("cannot find a Kubernetes API server", error))?;
    let api: Api<PaymentSaga> = Api::namespaced(client, &namespace);
    let deadline = Instant::now() + Duration::from_secs(patience_seconds);
    loop {
        let sagas = match api.list(&ListParams::default()).await {
            Ok(list) => list.items,
            // Without the definition there are no payments.
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(error) => return Err(StartupError::new("cannot list paymentsagas", error)),
        };
        if sagas.is_empty() {
            println!("no payment is left in {namespace}");
            return Ok(());
        }
        let (ended, running): (Vec<_>, Vec<_>) = sagas.iter().partition(|saga| has_ended(saga));
        println!(
            "{} payments have not ended, {} have and are leaving",
            running.len(),
            ended.len()
        );
        if Instant::now() >= deadline {
            let names: Vec<_> = running.iter().chain(&ended).map(|saga| saga.name_any()).collect();
            return Err(StartupError::new(
                format!(
                    "{} payments are left; uninstall again once they have ended, or with --no-hooks to leave them as they are",
                    names.len()
                ),
                names.into_iter().take(NAMED).collect::<Vec<_>>().join(", "),
            ));
        }
        for saga in ended.iter().filter(|saga| saga.metadata.deletion_timestamp.is_none()) {
            match api.delete(&saga.name_any(), &DeleteParams::default()).await {
                Ok(_) => {}
                // Its time was up anyway.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(StartupError::new(format!("cannot delete {}", saga.name_any()), error)),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn has_ended(saga: &PaymentSaga) -> bool {
    saga.status
        .as_ref()
        .is_some_and(|status| status.completion_time.is_some())
}
