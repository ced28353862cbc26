//! A finished saga leaves etcd: archived first, then deleted, then let go by its finalizer, when the watch shows it deleted.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions};
use seedwork::Fault;
use tokio::time::Instant;

use crate::crd::PaymentSaga;
use crate::fault;
use crate::memory::Leaving;
use crate::record::Recorded;
use crate::resource::FINALIZER;
use crate::shell::{Shell, now};

/// Archives a finished saga and removes it once its time is up; returns when to look again.
pub async fn retire(shell: &Shell, recorded: &Recorded) -> Result<Option<Duration>, Fault> {
    shell.store(recorded).await?;
    let Some(step) = step_of(recorded) else {
        return Ok(None);
    };
    if step == Leaving::Deleted {
        let left = time_left(shell, recorded);
        if !left.is_zero() {
            return Ok(Some(left));
        }
    }
    let (uid, secuencia) = (recorded.uid(), recorded.secuencia());
    if !shell.memories.begin_leaving(uid, secuencia, step, Instant::now()) {
        return Ok(None);
    }
    let left = leave(shell, recorded).await;
    if left.is_err() {
        shell.memories.stay(recorded.uid());
    }
    left.map(|()| None)
}

/// Resource, then finalizer, one of them at each call: whatever changes it on the way, a chargeback say, finds it held, and is
/// done before it goes. What is gone already has left.
pub async fn leave(shell: &Shell, recorded: &Recorded) -> Result<(), Fault> {
    let left = match step_of(recorded) {
        Some(Leaving::Deleted) => delete(shell, recorded).await,
        Some(Leaving::LetGo) => let_go(shell, recorded).await,
        None => Ok(()),
    };
    match left {
        Ok(()) | Err(Fault::NotFound(_)) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// What is to be done next for it to leave. `None` while somebody else's finalizer holds it: ours goes last, since a chargeback
/// that comes until then still has to be undone.
fn step_of(recorded: &Recorded) -> Option<Leaving> {
    let object = recorded.object();
    if object.metadata.deletion_timestamp.is_none() {
        return Some(Leaving::Deleted);
    }
    let held_by = object.finalizers();
    let only_ours = !held_by.is_empty() && held_by.iter().all(|finalizer| finalizer == FINALIZER);
    only_ours.then_some(Leaving::LetGo)
}

/// Deletes the archived resourceVersion: if anything changed since, this loses and the new state is archived. It comes back by
/// the watch and is let go then: a write that follows at once finds the API server's own cache a version behind, and is worked
/// out twice.
async fn delete(shell: &Shell, recorded: &Recorded) -> Result<(), Fault> {
    let object = recorded.object();
    let deleted = shell.api.delete(&object.name_any(), &as_seen(object)).await;
    deleted.map(drop).map_err(fault::kube("delete a finished PaymentSaga"))
}

/// A deletion of this very version of this very resource.
pub(crate) fn as_seen(object: &PaymentSaga) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: object.uid(),
            resource_version: object.resource_version(),
        }),
        ..DeleteParams::default()
    }
}

/// Takes our finalizer away from the version that was looked at, which says where the payment stands: if anything changed
/// since, this loses.
async fn let_go(shell: &Shell, recorded: &Recorded) -> Result<(), Fault> {
    let mut released = recorded.object().clone();
    released.finalizers_mut().clear();
    // No part of this write.
    released.status = None;
    // It goes by this write: nobody asks any more who set which field, and so the API server need not work it out.
    released.metadata.managed_fields = Some(vec![ManagedFieldsEntry::default()]);
    recorded.replace(&shell.api, &released).await.map(drop)
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
