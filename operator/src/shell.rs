//! What requests, replies and reconciliation share.

use std::sync::Arc;

use futures::future::join_all;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::{ObjectRef, Store};
use saga::Saga;
use seedwork::{Action, App, Fault, IdCorrelacion, Message, Phase, Reason};
use seedwork_runtime::{Sidecar, telemetry};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::ahead::Held;
use crate::archive::Archive;
use crate::census::Census;
use crate::config::RunArgs;
use crate::crd::PaymentSaga;
use crate::intake::Intake;
use crate::memory::Memories;
use crate::record::Recorded;
use crate::resource::{self, Payment};
use crate::resources::{Resources, whole};
use crate::room::Room;

/// A resource as it is watched: one that cannot be read does not stop the watch.
pub type Watched = kube::core::DeserializeGuard<PaymentSaga>;

/// The most bytes that the API server takes as an event's note.
const NOTE: usize = 1024;

/// The operator at work.
pub struct Shell {
    /// The resources.
    pub api: Resources,
    /// Our cache of them. For counting, for answering questions, and for acting on a reply; never for
    /// ignoring one, duplicates apart.
    pub cache: Store<Watched>,
    /// Dapr.
    pub sidecar: Arc<dyn Sidecar>,
    /// Finished sagas.
    pub archive: Archive,
    /// Kubernetes events.
    pub recorder: Recorder,
    /// Whether new payments are taken.
    pub intake: Intake,
    /// What this replica remembers.
    pub memories: Memories,
    /// How far it has brought the running payments.
    pub held: Held,
    /// Requests that wait until there are fewer of those.
    pub room: Room,
    /// How many payments there are.
    pub census: Census,
    /// What the operator was told.
    pub settings: RunArgs,
}

/// The wall clock. Written into resources; what it decides is how long an ended payment stays, no more.
pub fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(seedwork_runtime::now_ms()).unwrap_or_default()
}

/// The span to tell a state in. A reply's own while it is of the payment's trace; what else makes us tell it (a
/// deadline, a person, a chargeback, that it stays where it is, an end that nobody confirmed) is of another trace or of none,
/// and then it hangs from the payment's root.
fn telling(payment: &Payment) -> Span {
    let current = telemetry::current_traceparent();
    let [current, own] = [&current, &payment.traceparent].map(|text| telemetry::trace_id_of(text.as_deref()?));
    if current == own {
        return Span::none();
    }
    let span = tracing::info_span!("send SagaActualizada", otel.kind = "producer", id_correlacion = %payment.id);
    telemetry::continue_trace(&span, payment.traceparent.as_deref());
    span
}

/// Whether what the watch brought may say more than what we hold: a later value, or a newer spec. Not the very version that
/// we hold, nor one before it.
fn is_further(cached: &PaymentSaga, held: &Recorded) -> bool {
    let (theirs, ours) = (&cached.metadata, &held.object().metadata);
    if theirs.uid != ours.uid {
        return true;
    }
    let secuencia = cached.status.as_ref().map_or(1, |status| status.secuencia);
    theirs.resource_version != ours.resource_version
        && (secuencia >= held.secuencia() || theirs.generation > ours.generation)
}

/// Whether this is a payment that goes on by itself, at a place where nobody waits for it.
fn is_on_its_way(payment: &Payment, saga: &Saga) -> bool {
    match saga.phase() {
        Phase::Pending | Phase::Running => saga.cause.is_none() && !payment.controls.suspend,
        Phase::Compensating | Phase::Completed | Phase::Compensated | Phase::Stalled => false,
    }
}

// === impl Shell ===

impl Shell {
    /// The resource as the API server has it now, and where we have brought the payment from there.
    pub async fn read(&self, id: &IdCorrelacion) -> Result<Option<Recorded>, Fault> {
        let found = self
            .api
            .get_opt(&id.resource_name())
            .await
            .map_err(crate::fault::kube("read a PaymentSaga"))?;
        let Some(found) = found else {
            // Another replica brought it to its end, and it has left: nobody would tell us of it any more.
            self.held.let_go(id);
            return Ok(None);
        };
        // A newer operator's now: that one asks again for whatever we went ahead with.
        let read = Recorded::read(found).inspect_err(|_| self.held.let_go(id))?;
        Ok(Some(match self.held.find(id) {
            Some(held) => read.with(&held),
            None => read,
        }))
    }

    /// A payment as far as this replica knows, without asking anyone. What is written over it is compared with what is
    /// recorded; what is ignored because of it must be judged again on what is read.
    pub fn known(&self, id: &IdCorrelacion) -> Option<Recorded> {
        let key = ObjectRef::new(&id.resource_name()).within(&self.settings.namespace);
        let cached = self.cache.get(&key);
        // What cannot be read is not known, whatever is held of it.
        let cached = cached.as_ref().map(|object| object.0.as_ref()).transpose().ok()?;
        // It is copied only if it may be needed.
        let read = |object: &PaymentSaga| Recorded::read(object.clone()).ok();
        match (cached, self.held.find(id)) {
            // People may have changed the spec since we wrote. What a newer operator wrote is not known here: it went on from
            // what is held, and a fresh read decides.
            (Some(cached), Some(held)) if is_further(cached, &held) => read(cached).map(|cached| cached.with(&held)),
            (Some(cached), None) => read(cached),
            (_, held) => held,
        }
    }

    /// Publishes a command that is recorded as issued.
    pub async fn publish(&self, recorded: &Recorded, action: Action) -> Result<(), Fault> {
        let payment = recorded.payment();
        let command = action.command_type();
        let name = format!("send {command}");
        let span = tracing::info_span!("send", otel.name = name, otel.kind = "producer", id_correlacion = %payment.id);
        // Every command hangs from the payment's root, so the steps stand side by side in the trace.
        telemetry::continue_trace(&span, payment.traceparent.as_deref());
        let message = Message::Comando(payment.comando(action));
        if let Some(saga) = recorded.saga() {
            // Counted before it is sent: a failed publish is followed by the ordinary back-off.
            self.memories.sent(recorded.uid(), saga.secuencia, Instant::now());
        }
        metrics::counter!("operator_commands_total", "command" => command).increment(1);
        let sent = seedwork_runtime::send(self.sidecar.as_ref(), App::Operator, action.participant(), &message);
        sent.instrument(span).await
    }

    /// Brings a payment to `saga`, with a write or, where that may wait, without one.
    pub async fn advance(&self, before: &Recorded, saga: &Saga) -> Result<(), Fault> {
        let Some(ahead) = before.run_ahead(saga) else {
            return self.record(before, saga).await.map(|_| ());
        };
        self.held.keep(&ahead);
        self.publish_outstanding(&ahead).await;
        Ok(())
    }

    /// Writes a transition and does what follows from it: the outstanding command, the news, the archive.
    pub async fn record(&self, before: &Recorded, saga: &Saga) -> Result<Recorded, Fault> {
        let id = &before.payment().id;
        let turn = self.held.turn(id).await;
        // What we wrote while we waited for our turn is no other's write.
        let ground = match self.held.find(id) {
            Some(held) => before.clone().on_the_ground_of(&held),
            None => before.clone(),
        };
        let written = ground.write(&self.api, saga, now()).await;
        if let Ok(recorded) = &written {
            self.held.keep(recorded);
        }
        drop(turn);
        let recorded = match written {
            Ok(recorded) => recorded,
            Err(fault) => {
                if let Fault::Bug { .. } = fault {
                    let reason = Reason::new("EscrituraRechazada", fault.chain());
                    self.raise(before.object(), "Record", &reason).await;
                }
                return Err(fault);
            }
        };
        tracing::info!(id = %recorded.payment().id, secuencia = saga.secuencia, phase = %saga.phase(), "recorded");
        self.follow_up(before.saga(), &recorded).await;
        Ok(recorded)
    }

    /// What follows the creation of a payment's resource. It is news only if it stays there: most come further in a moment.
    pub async fn set_out(&self, created: &Recorded) {
        self.held.keep(created);
        self.publish_outstanding(created).await;
        self.held.tell_if_it_stays(created);
    }

    /// What follows a write. None of it is needed for the write to count: each part has its own way to be made good, but for an
    /// event, which is lost if nobody takes it.
    async fn follow_up(&self, before: Option<&Saga>, recorded: &Recorded) {
        let Some(saga) = recorded.saga() else { return };
        self.publish_outstanding(recorded).await;
        if saga.ended()
            && let Err(fault) = self.store(recorded).await
        {
            tracing::warn!(error = fault.chain(), "unable to archive now");
        }
        self.announce(recorded).await;
        self.raise_events(before, recorded).await;
    }

    async fn publish_outstanding(&self, recorded: &Recorded) {
        if let Some(action) = recorded.saga().and_then(Saga::outstanding)
            && !recorded.payment().controls.suspend
            && let Err(fault) = self.publish(recorded, action).await
        {
            tracing::warn!(
                error = fault.chain(),
                "unable to publish a command; it is sent again soon"
            );
        }
    }

    /// Archives an end, once per record.
    pub async fn store(&self, recorded: &Recorded) -> Result<(), Fault> {
        let Some(saga) = recorded.saga() else { return Ok(()) };
        if !self.memories.is_archived(recorded.uid(), saga.secuencia) {
            self.archive.store(recorded).await?;
            self.memories.archived(recorded.uid(), saga.secuencia, Instant::now());
        }
        Ok(())
    }

    /// Tells the BFF the whole state, and the end to the door that asked as well: at once what somebody may wait for, and where
    /// a payment goes on by itself only if it stays there.
    pub async fn announce(&self, recorded: &Recorded) {
        let Some(saga) = recorded.saga() else { return };
        if is_on_its_way(recorded.payment(), saga) {
            self.held.tell_if_it_stays(recorded);
            return;
        }
        let mut listeners = vec![App::Bff];
        listeners.extend(
            recorded
                .payment()
                .origen
                .filter(|origen| saga.ended() && *origen != App::Bff),
        );
        join_all(listeners.into_iter().map(|app| self.tell(app, recorded))).await;
    }

    /// Tells one application the whole state. What the broker does not take for the BFF of a payment that stays is told again:
    /// of one that it takes for ended, or has never heard of, it does not ask.
    pub async fn tell(&self, app: App, recorded: &Recorded) {
        let Some(estado) = resource::estado(recorded.payment(), recorded.object(), now()) else {
            return;
        };
        let message = Message::SagaActualizada(Box::new(estado));
        let sent = seedwork_runtime::send(self.sidecar.as_ref(), App::Operator, app, &message);
        if let Err(fault) = sent.instrument(telling(recorded.payment())).await {
            tracing::warn!(%app, error = fault.chain(), "unable to tell a state; it is asked for or told again");
            if app == App::Bff {
                self.held.tell_again(recorded);
            }
        }
    }

    /// A Kubernetes event where a person should look: refusal, exhaustion, stall, cancel, chargeback.
    async fn raise_events(&self, before: Option<&Saga>, recorded: &Recorded) {
        let Some(saga) = recorded.saga() else { return };
        if let Some(cause) = &saga.cause
            && before.is_none_or(|before| before.cause.is_none())
        {
            let reason = saga.reason().unwrap_or_else(|| cause.reason.clone());
            self.raise(recorded.object(), "Compensate", &reason).await;
        }
        if let Some(word) = &saga.resolved_by
            && before
                .is_some_and(|before| before.resolved_by.as_ref() != Some(word) && before.phase() != Phase::Stalled)
        {
            let note = format!("no falla nada, y para lo que falle después hace falta otra palabra que «{word}»");
            let reason = Reason::new("NadaQueResolver", note);
            self.raise(recorded.object(), "Resolve", &reason).await;
        }
        if saga.phase() == Phase::Stalled && before.is_none_or(|before| before.phase() != Phase::Stalled) {
            let status = recorded.object().status.as_ref();
            let message = status.and_then(|status| status.message.as_deref()).unwrap_or_default();
            let code = saga
                .reason()
                .map_or_else(|| "Stalled".to_owned(), |reason| reason.motivo);
            // Longer than a reason may be: the remedy is at its end.
            self.warn(recorded.object(), "Stall", code, message).await;
        }
    }

    /// Tells a person that this resource is followed by nobody; once for each generation of it, which is looked at every few
    /// seconds.
    pub async fn refuse(&self, object: &impl Resource<DynamicType = ()>, reason: &Reason) {
        let meta = object.meta();
        let uid = meta.uid.as_deref().unwrap_or_default();
        if self.memories.begin_refusing(uid, meta.generation.unwrap_or_default())
            && !self.raise(object, "Refuse", reason).await
        {
            self.memories.refuse_again(uid);
        }
    }

    /// Publishes one Warning on a resource; whether it was taken.
    pub async fn raise(&self, object: &impl Resource<DynamicType = ()>, action: &str, reason: &Reason) -> bool {
        self.warn(object, action, reason.motivo.clone(), &reason.mensaje).await
    }

    async fn warn(&self, object: &impl Resource<DynamicType = ()>, action: &str, code: String, note: &str) -> bool {
        let event = Event {
            type_: EventType::Warning,
            reason: code,
            note: Some(note[..note.floor_char_boundary(NOTE)].to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        let published = whole(self.recorder.publish(&event, &object.object_ref(&()))).await;
        if let Err(error) = &published {
            tracing::warn!(%error, "unable to publish a Kubernetes event");
        }
        published.is_ok()
    }
}
