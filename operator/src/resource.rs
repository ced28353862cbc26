//! Resource ⇄ engine state. Pure: the clock is an argument.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;
use saga::{Controls, Paso, Politica, PoliticaError, Saga};
use seedwork::contrato::{App, Comando};
use seedwork::solicitud::SolicitudError;
use seedwork::{Action, EstadoPago, IdCorrelacion, Moneda, PasoVisto, Phase, Reason, SolicitudPago};

use crate::crd::{ENGINE_VERSION, PaymentSaga, PaymentSagaSpec, PaymentSagaStatus, StepStatus};

/// Keeps a running payment from vanishing: it is undone before it is deleted.
pub const FINALIZER: &str = "pagos.saludtech.dev/compensate-first";
/// Which door asked for the payment.
pub const ORIGEN: &str = "pagos.saludtech.dev/origen";
/// The W3C trace context of the payment's root.
pub const TRACEPARENT: &str = "pagos.saludtech.dev/traceparent";
/// Asks for a retry of what is failing; each value is acted on once.
pub const RETRY: &str = "pagos.saludtech.dev/retry-requested-at";
/// Ends a stalled undo by hand: `<who>: <why>`.
pub const RESOLVED_BY: &str = "pagos.saludtech.dev/resolved-by";

/// A resource that can be reconciled: its fields have been parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    /// Which payment.
    pub id: IdCorrelacion,
    /// What was asked for.
    pub solicitud: SolicitudPago,
    /// What is recorded. `None` before the policy is in the resource.
    pub saga: Option<Saga>,
    /// What people ask of it.
    pub controls: Controls,
    /// Which door asked for it.
    pub origen: Option<App>,
    /// The trace context of its root.
    pub traceparent: Option<String>,
}

/// Why a resource cannot be a payment. Only one that slipped past the API server's own rules gets here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its name is no identity.
    #[error("metadata.name must be pago- and the idCorrelacion")]
    Name,
    /// Its fields break rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Fields(Vec<SolicitudError>),
    /// Its policy cannot be followed.
    #[error("politica: {0}")]
    Politica(#[from] PoliticaError),
    /// A newer operator wrote it.
    #[error("engineVersion {0} is newer than this operator's")]
    Newer(u32),
}

// === impl Payment ===

impl Payment {
    /// Reads a resource.
    pub fn try_from_resource(object: &PaymentSaga) -> Result<Self, Unfit> {
        let id = IdCorrelacion::from_resource_name(&object.name_any()).ok_or(Unfit::Name)?;
        let PaymentSagaSpec {
            id_cliente,
            medio_pago,
            monto,
            moneda,
            politica,
            suspend,
            cancel,
        } = &object.spec;
        let moneda = Moneda::parse(moneda).map_err(|error| Unfit::Fields(vec![error.into()]))?;
        let solicitud = SolicitudPago::parse(medio_pago.as_str(), id_cliente, monto, moneda).map_err(Unfit::Fields)?;
        if let Some(politica) = politica {
            politica.check()?;
        }
        if let Some(status) = &object.status
            && status.engine_version > ENGINE_VERSION
        {
            return Err(Unfit::Newer(status.engine_version));
        }
        let annotation = |key: &str| object.annotations().get(key).cloned();
        let controls = Controls {
            cancel: *cancel,
            suspend: *suspend,
            deleted: object.metadata.deletion_timestamp.is_some(),
            retry_requested: annotation(RETRY),
            resolved_by: annotation(RESOLVED_BY),
        };
        let saga = politica
            .as_ref()
            .map(|politica| saga_of(politica, object.status.as_ref()));
        let origen = annotation(ORIGEN).as_deref().and_then(App::from_id);
        Ok(Self {
            id,
            solicitud,
            saga,
            controls,
            origen,
            traceparent: annotation(TRACEPARENT),
        })
    }

    /// The command that asks for `action`.
    pub fn comando(&self, action: Action) -> Comando {
        let reason = match action {
            Action::Do(_) => None,
            Action::Undo(_) | Action::AvisarReversion => self
                .saga
                .as_ref()
                .and_then(|saga| saga.cause.as_ref())
                .map(|cause| cause.reason.clone()),
        };
        Comando {
            action,
            id_correlacion: self.id.clone(),
            solicitud: self.solicitud.clone(),
            reason,
        }
    }
}

/// The engine's state: a resource with a policy and no status is a payment whose first step is issued.
fn saga_of(politica: &Politica, status: Option<&PaymentSagaStatus>) -> Saga {
    let Some(status) = status else {
        return Saga::start(politica.clone());
    };
    let pasos = status.steps.iter().map(|step| Paso {
        nombre: step.name,
        estado: step.state,
        motivo: step
            .reason
            .as_ref()
            .map(|code| Reason::new(code, step.message.clone().unwrap_or_default())),
    });
    Saga {
        politica: politica.clone(),
        secuencia: status.secuencia,
        pasos: pasos.collect(),
        aviso: status.aviso,
        cause: status.cause.clone(),
        retry_seen: status.retry_seen.clone(),
        resolved_by: status.resolved_by.clone(),
    }
}

/// A new resource for a request: policy, finalizer and trace are in it from the start, so that its creation is the
/// write-ahead of step 1.
pub fn new_resource(
    id: &IdCorrelacion,
    solicitud: &SolicitudPago,
    politica: Politica,
    origen: App,
    traceparent: Option<String>,
) -> PaymentSaga {
    let SolicitudPago {
        id_cliente,
        medio_pago,
        dinero,
    } = solicitud;
    let spec = PaymentSagaSpec {
        id_cliente: id_cliente.to_string(),
        medio_pago: *medio_pago,
        monto: dinero.monto(),
        moneda: dinero.moneda().to_string(),
        politica: Some(politica),
        suspend: false,
        cancel: false,
    };
    let mut object = PaymentSaga::new(&id.resource_name(), spec);
    object.finalizers_mut().push(FINALIZER.to_owned());
    object
        .annotations_mut()
        .insert(ORIGEN.to_owned(), origen.id().to_owned());
    if let Some(traceparent) = traceparent {
        object.annotations_mut().insert(TRACEPARENT.to_owned(), traceparent);
    }
    object
}

/// The status that records `saga` in `object`.
pub fn status(object: &PaymentSaga, saga: &Saga, now: jiff::Timestamp) -> PaymentSagaStatus {
    let before = object.status.as_ref();
    let text = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    let began = object.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let start_time = before.map_or_else(|| text(began), |status| status.start_time.clone());
    let ended = saga.ended();
    let completion_time = ended.then(|| {
        before
            .and_then(|s| s.completion_time.clone().filter(|_| s.phase == saga.phase()))
            .unwrap_or_else(|| text(now))
    });
    let duration = completion_time.as_ref().and_then(|end| {
        let (start, end): (jiff::Timestamp, jiff::Timestamp) = (start_time.parse().ok()?, end.parse().ok()?);
        let whole = (end - start).total(jiff::Unit::Second).ok()?;
        Some(format!("{whole:.1}s"))
    });
    let steps = saga.pasos.iter().map(|paso| {
        let old = before.and_then(|status| status.steps.iter().find(|step| step.name == paso.nombre));
        let unchanged = old.is_some_and(|step| step.state == paso.estado);
        let pending = paso.estado == saga::StepState::Pending;
        let since = if unchanged {
            old.and_then(|step| step.since.clone())
        } else {
            (!pending).then(|| text(now))
        };
        StepStatus {
            name: paso.nombre,
            state: paso.estado,
            since,
            reason: paso.motivo.as_ref().map(|reason| reason.motivo.clone()),
            message: paso.motivo.as_ref().map(|reason| reason.mensaje.clone()),
        }
    });
    let phase = saga.phase();
    let (issued, all) = saga.progress();
    let reason = saga.reason();
    PaymentSagaStatus {
        phase,
        secuencia: saga.secuencia,
        step: format!("{issued}/{all}"),
        steps: steps.collect(),
        aviso: saga.aviso,
        cause: saga.cause.clone(),
        reason: reason.as_ref().map(|reason| reason.motivo.clone()),
        message: reason.as_ref().map(|reason| message(saga, reason)),
        conditions: conditions(object, phase, reason.as_ref(), now),
        observed_generation: object.metadata.generation,
        engine_version: ENGINE_VERSION,
        // A payment that is restored under a new resource keeps the trace it has.
        trace_id: before.and_then(|status| status.trace_id.clone()).or_else(|| {
            let traceparent = object.annotations().get(TRACEPARENT)?;
            seedwork_runtime::telemetry::trace_id_of(traceparent)
        }),
        start_time,
        completion_time,
        duration,
        retry_seen: saga.retry_seen.clone(),
        resolved_by: saga.resolved_by.clone(),
    }
}

/// The reason as a sentence; for a stalled payment, with the remedy, and for one that stays, with why.
fn message(saga: &Saga, reason: &Reason) -> String {
    match saga.phase() {
        Phase::Stalled => format!(
            "{} Tried again by itself; annotate {RETRY} to try now, or {RESOLVED_BY}=\"<who>: <why>\" once settled by hand.",
            reason.mensaje
        ),
        Phase::Compensated if let Some(owed) = saga.owed().next() => format!(
            "{} Nobody has answered to {}: it is asked for until somebody does, and this resource stays until then.",
            reason.mensaje,
            owed.command_type()
        ),
        Phase::Pending | Phase::Running | Phase::Compensating | Phase::Completed | Phase::Compensated => {
            reason.mensaje.clone()
        }
    }
}

/// `Ready` always; of the others those that hold or have held, since what never was says nothing and is carried by every
/// write.
fn conditions(object: &PaymentSaga, phase: Phase, reason: Option<&Reason>, now: jiff::Timestamp) -> Vec<Condition> {
    let before = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let ready = matches!(phase, Phase::Completed | Phase::Compensated);
    let all = [
        ("Completed", phase == Phase::Completed),
        ("Compensated", phase == Phase::Compensated),
        ("Ready", ready),
        ("Stalled", phase == Phase::Stalled),
    ];
    let one = |(type_, holds): (&str, bool)| {
        let old = before.iter().find(|condition| condition.type_ == type_);
        if !holds && old.is_none() && type_ != "Ready" {
            return None;
        }
        let status = if holds { "True" } else { "False" };
        let unchanged = old.filter(|condition| condition.status == status);
        Some(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason
                .filter(|_| holds)
                .map_or_else(|| phase.to_string(), |reason| reason.motivo.clone()),
            message: String::new(),
            last_transition_time: unchanged.map_or(Time(now), |condition| condition.last_transition_time.clone()),
            observed_generation: object.metadata.generation,
        })
    };
    all.into_iter().filter_map(one).collect()
}

/// The payment as the rest of the world sees it.
pub fn estado(payment: &Payment, object: &PaymentSaga, now: jiff::Timestamp) -> Option<EstadoPago> {
    let saga = payment.saga.as_ref()?;
    let status = object.status.clone().unwrap_or_else(|| status(object, saga, now));
    let (issued, all) = saga.progress();
    let steps = saga.pasos.iter().map(|paso| PasoVisto {
        nombre: paso.nombre,
        estado: format!("{:?}", paso.estado),
        motivo: paso.motivo.clone(),
    });
    Some(EstadoPago {
        id_correlacion: payment.id.clone(),
        secuencia: saga.secuencia,
        solicitud: payment.solicitud.clone(),
        phase: saga.phase(),
        step: format!("{issued}/{all}"),
        reason: saga.reason(),
        steps: steps.collect(),
        trace_id: status.trace_id,
        start_time: status.start_time,
        completion_time: status.completion_time,
        ended: saga.ended(),
    })
}
