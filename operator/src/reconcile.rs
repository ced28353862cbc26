//! One pass over one resource: read → decide → record → publish → requeue.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action as Requeue;
use kube::{Resource, ResourceExt as _};
use saga::{Memory, Next, Saga};
use seedwork::{Action, App, Fault, IdCorrelacion, Reason};
use tokio::time::Instant;

use crate::crd::PaymentSaga;
use crate::record::Recorded;
use crate::resource::{FINALIZER, TRACEPARENT};
use crate::shell::{Shell, Watched, now};
use crate::{requests, retire};

/// When to look again after a stale read.
const STALE: Duration = Duration::from_secs(1);

/// Looks at a resource and does what is due.
pub async fn reconcile(object: Arc<Watched>, shell: Arc<Shell>) -> Result<Requeue, Fault> {
    let object = match &object.0 {
        Ok(object) => object,
        Err(unreadable) => return Ok(left_alone(&shell, object.as_ref(), &unreadable.error.to_string()).await),
    };
    let recorded = match Recorded::read(object.clone()) {
        Ok(recorded) => recorded,
        Err(fault) if fault.retryable() => return Ok(left_to_the_newer(&shell, object, &fault)),
        Err(fault) => return Ok(left_alone(&shell, object, &fault.chain()).await), // client required
    };
    let recorded = match shell.held.find(&recorded.payment().id) {
        Some(held) => {
            // Another replica may have brought it further.
            shell.held.keep(&recorded);
            recorded.with(&held)
        }
        None => recorded,
    };
    // A person's resource is given its policy and finalizer before anything else.
    let Some(saga) = recorded.saga().filter(|saga| saga.ended() || is_held(object)) else {
        return adopt(&shell, &recorded).await; // client required
    };
    if saga.ended() {
        shell.held.keep(&recorded);
        if is_unseen(object) && object.metadata.deletion_timestamp.is_none() {
            return observe(&shell, &recorded, saga).await; // client required
        }
        if saga.owed().next().is_none() {
            let again = retire::retire(&shell, &recorded).await?; // client required
            return Ok(again.map_or_else(Requeue::await_change, Requeue::requeue));
        }
        shell.store(&recorded).await?;
    }
    let payment = recorded.payment();
    let decide = || {
        let suspended = payment.controls.suspend;
        let memory = shell
            .memories
            .of(recorded.uid(), saga.secuencia, suspended, Instant::now())?;
        Some((memory, saga::next(saga, &payment.controls, &memory)))
    };
    // Nothing is decided on a stale read. The newer one is on its way, or it was what woke us: while the watch lists anew it
    // wakes us before the cache has what it lists.
    let Some((memory, mut decided)) = decide() else {
        return Ok(Requeue::requeue(STALE));
    };
    // Nothing is decided and no command goes out for a payment that ended in an earlier life.
    if matches!(decided, Next::Record(_) | Next::Send(_)) && object.status.is_none() {
        if restored(&shell, &recorded).await? {
            return Ok(Requeue::await_change());
        }
        // Whoever made it may have published its command while we looked.
        let Some((_, again)) = decide() else {
            return Ok(Requeue::requeue(STALE));
        };
        decided = again;
    }
    if !matches!(decided, Next::Record(_)) && is_unseen(object) {
        return observe(&shell, &recorded, saga).await; // client required
    }
    // An end is told until it is confirmed, and what is not written yet once it is.
    let is_told_here = !saga.ended() && !recorded.is_ahead();
    match decided {
        Next::Record(changed) => {
            shell.record(&recorded, &changed).await?; // client required
            Ok(Requeue::await_change())
        }
        Next::Send(action) => {
            // Not while answers take longer than that anyway: it would be the same command once more in the same queue.
            if let Some(early) = too_early(&memory, shell.held.pace().min(patience(saga, action) / 4)) {
                return Ok(Requeue::requeue(early));
            }
            shell.publish(&recorded, action).await?;
            if is_told_here && is_told_again(memory.sends) {
                shell.tell(App::Bff, &recorded).await;
            }
            Ok(Requeue::requeue(Duration::from_secs(1)))
        }
        Next::Wait(delay) => Ok(Requeue::requeue(delay)),
        Next::Rest => {
            if is_told_here && shell.memories.begin_telling(recorded.uid(), Instant::now()) {
                shell.tell(App::Bff, &recorded).await;
            }
            Ok(Requeue::await_change())
        }
        Next::Ended => Ok(Requeue::await_change()),
    }
}

/// Whether the BFF is told where a payment stands when its command, which was sent so many times, is sent once more. What it
/// was told once may be lost, and it does not ask about a payment that it takes for ended or has never heard of. Less and less
/// often, and not where the second command is answered.
fn is_told_again(sends: u32) -> bool {
    // Nobody has sent it: whoever wrote it is taken for gone, and what was still to be told with it.
    sends == 0 || (sends > 1 && sends.is_power_of_two())
}

/// How much earlier it is than answers now allow for; `None` for the first time.
fn too_early(memory: &Memory, pace: Duration) -> Option<Duration> {
    let since = memory
        .elapsed
        .checked_sub(memory.last_send.filter(|_| memory.sends > 0)?)?;
    pace.checked_sub(since).filter(|early| !early.is_zero())
}

/// How long the payment waits for this command's answer before it gives up or shows as stalled.
fn patience(saga: &Saga, action: Action) -> Duration {
    let politica = &saga.politica;
    let seconds = match action {
        Action::Do(step) => politica.paso(step).deadline_seconds,
        Action::Undo(_) => politica.stall_after_seconds,
        Action::AvisarReversion => politica.aviso_deadline_seconds,
    };
    Duration::from_secs(seconds.into())
}

/// Whether it can't vanish without having been undone. One that is being deleted is held by what is in it or not at
/// all: no finalizer can be added.
fn is_held(object: &PaymentSaga) -> bool {
    let deleting = object.metadata.deletion_timestamp.is_some();
    has_finalizer(object) || deleting && object.status.is_some()
}

/// Whether our finalizer is on it.
fn has_finalizer(object: &PaymentSaga) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Whether a person changed the spec since the last write of the status.
fn is_unseen(object: &PaymentSaga) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| status.observed_generation < object.metadata.generation)
}

/// Nothing follows from what a person changed: the status says that it was seen, or `kubectl wait` would wait for it.
async fn observe(shell: &Shell, recorded: &Recorded, saga: &Saga) -> Result<Requeue, Fault> {
    let seen = recorded.write(&shell.api, saga, now()).await?;
    if recorded.is_ahead() {
        // It is written with it, and nobody was told of it yet.
        shell.held.keep(&seen);
        shell.announce(&seen).await;
    }
    Ok(Requeue::await_change())
}

/// Whether the payment was in the archive, and so is done with.
async fn restored(shell: &Shell, recorded: &Recorded) -> Result<bool, Fault> {
    match requests::earlier_life(shell, recorded).await {
        // Another payment's name: nothing ran for this one, and nothing is undone in that one's name.
        Err(Fault::Rejected(_)) if recorded.payment().controls.deleted => {
            retire::leave(shell, recorded).await.map(|()| true)
        }
        earlier => earlier.map(|earlier| earlier.is_some()),
    }
}

/// Policy, finalizer and trace of a payment that a person applied, or the finalizer of one that lost it; after this it
/// is like any other.
async fn adopt(shell: &Shell, recorded: &Recorded) -> Result<Requeue, Fault> {
    let mut object = recorded.object().clone();
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Requeue::await_change()); // nothing was issued and nothing holds it
    }
    let name = object.name_any();
    let span = tracing::info_span!(parent: None, "kubectl apply", id_correlacion = name);
    object.spec.politica.get_or_insert_with(|| shell.settings.politica());
    // It may have come with it: whoever copies a payment copies that, too.
    if !has_finalizer(&object) {
        object.finalizers_mut().push(FINALIZER.to_owned());
    }
    if let Some(traceparent) = seedwork_runtime::telemetry::traceparent_of(&span) {
        let known = object.annotations_mut().entry(TRACEPARENT.to_owned());
        known.or_insert(traceparent);
    }
    let adopted = recorded.replace(&shell.api, &object).await?;
    if adopted.object().status.is_none() {
        requests::begin(shell, &adopted).await?;
    }
    Ok(Requeue::await_change())
}

/// A resource that no rule of ours would have let in. Nothing was issued for it; a person is told. A newer operator's that this one
/// cannot read is taken for such a one: no more than its metadata is handed on.
async fn left_alone(shell: &Shell, object: &impl Resource<DynamicType = ()>, why: &str) -> Requeue {
    tracing::warn!(
        name = object.name_any(),
        why,
        "a resource that is no payment is left alone"
    );
    let again = let_alone(shell, object);
    shell.refuse(object, &Reason::new("EspecificacionInvalida", why)).await;
    again
}

/// A payment of a newer operator's, while a release is rolled out or after it was rolled back.
fn left_to_the_newer(shell: &Shell, object: &PaymentSaga, fault: &Fault) -> Requeue {
    tracing::debug!(
        name = object.name_any(),
        error = fault.chain(),
        "a payment is left alone"
    );
    let_alone(shell, object)
}

/// Nothing is done for this resource here, which is counted once for each generation of it.
fn let_alone(shell: &Shell, object: &impl Resource<DynamicType = ()>) -> Requeue {
    // Its answers are another operator's to act on, or nobody's: held here it would wait for them as long as it stays, take
    // room by it, and be written in vain.
    if let Some(id) = IdCorrelacion::from_resource_name(&object.name_any()) {
        shell.held.let_go(&id);
    }
    let meta = object.meta();
    let uid = meta.uid.as_deref().unwrap_or_default();
    let generation = meta.generation.unwrap_or_default();
    if shell.memories.begin_letting_alone(uid, generation) {
        metrics::counter!("operator_resources_left_alone_total").increment(1);
    }
    Requeue::await_change()
}

/// What to do after a failed pass: a lost race is over at the next event, anything else is tried again later.
#[expect(clippy::needless_pass_by_value, reason = "kube's signature")]
pub fn on_error(object: Arc<Watched>, fault: &Fault, _shell: Arc<Shell>) -> Requeue {
    let name = object.name_any();
    match fault {
        // The winner's write wakes us. If the watch hangs, what we have stays old, and each try would only lose again.
        Fault::Conflict(_) => Requeue::requeue(STALE),
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
