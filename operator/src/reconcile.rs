//! One pass over one resource: read → decide → record → publish → requeue.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::ResourceExt as _;
use kube::runtime::controller::Action as Requeue;
use saga::Next;
use seedwork::{Fault, Reason};

use crate::crd::PaymentSaga;
use crate::record::Recorded;
use crate::resource::{FINALIZER, TRACEPARENT};
use crate::shell::{Shell, Watched};
use crate::{requests, retire};

/// Looks at a resource and does what is due.
pub async fn reconcile(object: Arc<Watched>, shell: Arc<Shell>) -> Result<Requeue, Fault> {
    let object = match &object.0 {
        Ok(object) => object,
        Err(unreadable) => {
            tracing::warn!(error = %unreadable.error, "a resource that cannot be read is left alone");
            return Ok(Requeue::await_change());
        }
    };
    let recorded = match Recorded::read(object.clone()) {
        Ok(recorded) => recorded,
        Err(fault) => return unfit(&shell, object, &fault).await, // client required
    };
    // A person's resource is given its policy and finalizer before anything else.
    let Some(saga) = recorded.saga() else {
        return adopt(&shell, &recorded).await; // client required
    };
    if saga.ended() {
        let again = retire::retire(&shell, &recorded).await?; // client required
        return Ok(again.map_or_else(Requeue::await_change, Requeue::requeue));
    }
    let payment = recorded.payment();
    let suspended = payment.controls.suspend;
    let Some(memory) = shell
        .memories
        .of(recorded.uid(), saga.secuencia, suspended, Instant::now())
    else {
        return Ok(Requeue::await_change()); // a stale read: the newer one is on its way
    };
    match saga::next(saga, &payment.controls, &memory) {
        Next::Record(changed) => {
            shell.record(&recorded, &changed).await?; // client required
            Ok(Requeue::await_change())
        }
        Next::Send(action) => {
            // A command never goes out for a payment that ended in an earlier life.
            if recorded.object().status.is_none() && memory.sends <= 1 && restored(&shell, &recorded).await? {
                return Ok(Requeue::await_change());
            }
            shell.publish(&recorded, action).await?;
            Ok(Requeue::requeue(Duration::from_secs(1)))
        }
        Next::Wait(delay) => Ok(Requeue::requeue(delay)),
        Next::Rest | Next::Ended => Ok(Requeue::await_change()),
    }
}

async fn restored(shell: &Shell, recorded: &Recorded) -> Result<bool, Fault> {
    match shell.archive.find(&recorded.payment().id).await? {
        Some(archived) => requests::restore(shell, recorded, &archived).await.map(|_| true),
        None => Ok(false),
    }
}

/// Policy, finalizer and trace of a payment that a person applied; after this it is like any other.
async fn adopt(shell: &Shell, recorded: &Recorded) -> Result<Requeue, Fault> {
    let mut object = recorded.object().clone();
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Requeue::await_change()); // nothing was issued and nothing holds it
    }
    let name = object.name_any();
    let span = tracing::info_span!(parent: None, "kubectl apply", id_correlacion = name);
    object.spec.politica = Some(shell.settings.politica());
    object.finalizers_mut().push(FINALIZER.to_owned());
    if let Some(traceparent) = seedwork_runtime::telemetry::traceparent_of(&span) {
        object.annotations_mut().insert(TRACEPARENT.to_owned(), traceparent);
    }
    let adopted = recorded.replace(&shell.api, &object).await?;
    requests::begin(shell, &adopted).await?;
    Ok(Requeue::await_change())
}

/// A resource that no rule of ours would have let in. Nothing was issued for it; a person is told.
async fn unfit(shell: &Shell, object: &PaymentSaga, fault: &Fault) -> Result<Requeue, Fault> {
    let name = object.name_any();
    tracing::warn!(
        name,
        error = fault.chain(),
        "a resource that is no payment is left alone"
    );
    shell
        .raise(object, "Refuse", &Reason::new("EspecificacionInvalida", fault.chain()))
        .await;
    Ok(Requeue::await_change())
}

/// What to do after a failed pass: a lost race is over at the next event, anything else is tried again later.
#[expect(clippy::needless_pass_by_value, reason = "kube's signature")]
pub fn on_error(object: Arc<Watched>, fault: &Fault, _shell: Arc<Shell>) -> Requeue {
    let name = object.name_any();
    match fault {
        Fault::Conflict(_) => Requeue::requeue(Duration::from_millis(200)),
        Fault::Rejected(_) | Fault::NotFound(_) => Requeue::await_change(),
        Fault::Unavailable { .. } => {
            tracing::warn!(name, error = fault.chain(), "unable to reconcile now");
            Requeue::requeue(Duration::from_secs(2))
        }
        Fault::Bug { .. } => {
            tracing::error!(name, error = fault.chain(), "failed to reconcile");
            Requeue::requeue(Duration::from_secs(30))
        }
    }
}
