//! A finished saga leaves etcd: archived first, then deleted, then let go by its finalizer.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions};
use seedwork::Fault;
use tokio::time::Instant;

use crate::fault;
use crate::record::Recorded;
use crate::resource::FINALIZER;
use crate::shell::{Shell, now};

/// Archives a finished saga and removes it once its time is up; returns when to look again.
pub async fn retire(shell: &Shell, recorded: &Recorded) -> Result<Option<Duration>, Fault> {
    shell.store(recorded).await?;
    let deleting = recorded.object().metadata.deletion_timestamp.is_some();
    if !deleting {
        let left = time_left(shell, recorded);
        if !left.is_zero() {
            return Ok(Some(left));
        }
    }
    let secuencia = recorded.saga().map_or(0, |saga| saga.secuencia);
    if !shell.memories.begin_leaving(recorded.uid(), secuencia, Instant::now()) {
        return Ok(None);
    }
    let left = leave(shell, recorded).await;
    if left.is_err() {
        shell.memories.stay(recorded.uid());
    }
    left.map(|()| None)
}

/// Resource, then finalizer: whatever changes it on the way, a chargeback say, finds it held, and is done before it goes.
/// What is gone already has left.
pub async fn leave(shell: &Shell, recorded: &Recorded) -> Result<(), Fault> {
    let object = recorded.object();
    let leaving = if object.metadata.deletion_timestamp.is_some() {
        recorded.clone() // a person deleted it, or somebody died between the two writes
    } else {
        // Of the archived resourceVersion: if anything changed since, this loses and the new state is archived.
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: object.uid(),
                resource_version: object.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let deleted = shell.api.delete(&object.name_any(), &params).await;
        match deleted.map_err(fault::kube("delete a finished PaymentSaga")) {
            Ok(Some(held)) => Recorded::read(held)?,
            Ok(None) | Err(Fault::NotFound(_)) => return Ok(()),
            Err(fault) => return Err(fault),
        }
    };
    let mut released = leaving.object().clone();
    released.finalizers_mut().retain(|finalizer| finalizer != FINALIZER);
    if released.finalizers() == leaving.object().finalizers() {
        return Ok(()); // held by somebody else's
    }
    match leaving.replace(&shell.api, &released).await {
        Ok(_) | Err(Fault::NotFound(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// How long a finished saga still stays: the TTL from its end, or from when it was made again, if that came later.
fn time_left(shell: &Shell, recorded: &Recorded) -> Duration {
    let object = recorded.object();
    let most = shell.settings.max_finished;
    if shell.cache.len() > most && shell.census.of(shell).finished > most {
        return Duration::ZERO;
    }
    let end = object
        .status
        .as_ref()
        .and_then(|status| status.completion_time.as_ref()?.parse().ok());
    let made = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let Some(from): Option<jiff::Timestamp> = end.max(made) else {
        return Duration::ZERO;
    };
    let age = now().duration_since(from);
    let ttl = Duration::from_secs(shell.settings.ttl_seconds.into());
    let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
    ttl.saturating_sub(age)
}
