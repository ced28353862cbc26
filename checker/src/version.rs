//! One version of a `PaymentSaga`, as a watch or the archive shows it.

use saga::{Aviso, Cause, Paso, Politica, Saga, StepState};
use seedwork::solicitud::SolicitudError;
use seedwork::{IdCorrelacion, MedioPago, Moneda, Phase, Reason, SolicitudPago, Step};
use serde::Deserialize;

/// One version of a resource. Deserializes from the whole resource (`apiVersion` and all), as the API server, a watch
/// and the archive have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Recurso")]
pub struct Version {
    /// Which payment.
    pub id: IdCorrelacion,
    /// Which resource: a payment that was archived and comes back has a new one.
    pub uid: String,
    /// What it says is to be paid.
    pub solicitud: SolicitudPago,
    /// The recorded state, as the engine reads it; `None` before there is a policy.
    pub saga: Option<Saga>,
    /// The phase that is written beside it; `None` while there is no status.
    pub phase: Option<Phase>,
    /// The reason that people are shown.
    pub reason: Option<String>,
    /// When it was seen, in milliseconds on the watcher's own clock; 0 where no [`Bound`](crate::Bound) is judged. Not
    /// in the resource: whoever watches sets it.
    pub at_ms: i64,
}

/// Why a resource is no version of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// Its name is no identity.
    Name(String),
    /// Its spec asks for nothing that can be paid.
    Spec(Vec<SolicitudError>),
}

/// The parts of the resource that are judged.
#[derive(Deserialize)]
struct Recurso {
    metadata: Metadata,
    spec: Spec,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    uid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    id_cliente: String,
    medio_pago: MedioPago,
    monto: String,
    moneda: Option<Moneda>,
    politica: Option<Politica>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Phase,
    secuencia: u64,
    steps: Vec<StepStatus>,
    aviso: Aviso,
    cause: Option<Cause>,
    reason: Option<String>,
    retry_seen: Option<String>,
    resolved_by: Option<String>,
}

#[derive(Deserialize)]
struct StepStatus {
    name: Step,
    state: StepState,
    reason: Option<String>,
    message: Option<String>,
}

// === impl Version ===

impl Version {
    /// What an operator without fault writes for this state.
    pub fn recorded(id: IdCorrelacion, solicitud: SolicitudPago, saga: Saga) -> Self {
        Self {
            id,
            uid: String::new(),
            solicitud,
            phase: Some(saga.phase()),
            reason: saga.reason().map(|reason| reason.motivo),
            saga: Some(in_the_words_of_a_step(saga)),
            at_ms: 0,
        }
    }

    /// A resource as it was created: with its policy, without a status.
    pub fn created(id: IdCorrelacion, solicitud: SolicitudPago, politica: Politica) -> Self {
        Self {
            phase: None,
            reason: None,
            ..Self::recorded(id, solicitud, Saga::start(politica))
        }
    }
}

impl TryFrom<Recurso> for Version {
    type Error = Unfit;
    fn try_from(recurso: Recurso) -> Result<Self, Unfit> {
        let Recurso { metadata, spec, status } = recurso;
        let Spec {
            id_cliente,
            medio_pago,
            monto,
            moneda,
            politica,
        } = spec;
        let id = IdCorrelacion::from_resource_name(&metadata.name).ok_or(Unfit::Name(metadata.name))?;
        let moneda = moneda.unwrap_or(Moneda::USD);
        let solicitud = SolicitudPago::parse(medio_pago.as_str(), &id_cliente, &monto, moneda).map_err(Unfit::Spec)?;
        let phase = status.as_ref().map(|status| status.phase);
        let reason = status.as_ref().and_then(|status| status.reason.clone());
        Ok(Self {
            id,
            uid: metadata.uid,
            solicitud,
            saga: politica.map(|politica| match status {
                Some(status) => status.saga(politica),
                // The creation of a resource with its policy is the record that step 1 is issued.
                None => Saga::start(politica),
            }),
            phase,
            reason,
            at_ms: 0,
        })
    }
}

// === impl Status ===

impl Status {
    fn saga(self, politica: Politica) -> Saga {
        let Self {
            phase: _,
            secuencia,
            steps,
            aviso,
            cause,
            reason: _,
            retry_seen,
            resolved_by,
        } = self;
        let paso = |step: StepStatus| Paso {
            nombre: step.name,
            estado: step.state,
            motivo: step
                .reason
                .map(|code| Reason::new(code, step.message.unwrap_or_default())),
        };
        in_the_words_of_a_step(Saga {
            politica,
            secuencia,
            pasos: steps.into_iter().map(paso).collect(),
            aviso,
            cause,
            retry_seen,
            resolved_by,
        })
    }
}

/// A resource keeps the kind of a decline with the cause and not with the step that was declined: taken for two reasons,
/// no write would be the engine's.
fn in_the_words_of_a_step(mut saga: Saga) -> Saga {
    let steps = saga.pasos.iter_mut().filter_map(|paso| paso.motivo.as_mut());
    for reason in steps.chain(saga.cause.as_mut().map(|cause| &mut cause.reason)) {
        reason.declive = None;
    }
    saga
}

// === impl Unfit ===

impl std::error::Error for Unfit {}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "metadata.name must be pago- and the idCorrelacion, not {name}"),
            Self::Spec(errors) => {
                let sentences: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(f, "spec: {}", sentences.join("; "))
            }
        }
    }
}
