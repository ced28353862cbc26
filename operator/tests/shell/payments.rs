//! The payment that the tests are about, as the engine and as the API server have it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DeserializeGuard;
use operator::crd::PaymentSaga;
use operator::resource;
use operator::shell::Watched;
use saga::{Applied, Controls, Memory, Next, OnExhausted, Politica, Saga};
use seedwork::contrato::Respuesta;
use seedwork::{Action, App, IdCorrelacion, MedioPago, Moneda, Outcome, SolicitudPago, Step};

use crate::fixture::NAMESPACE;

pub(crate) fn payment() -> IdCorrelacion {
    IdCorrelacion::parse("p-1").unwrap()
}

pub(crate) fn solicitud() -> SolicitudPago {
    SolicitudPago::parse(MedioPago::Pse.as_str(), "c-1", "24.00", Moneda::USD).unwrap()
}

/// The participant's answer: done.
pub(crate) fn answer(step: Step) -> Respuesta {
    Respuesta {
        action: Action::Do(step),
        id_correlacion: payment(),
        outcome: Outcome::Done,
    }
}

/// A payment whose first step is issued.
pub(crate) fn started() -> Saga {
    Saga::start(Politica::standard(OnExhausted::Continue))
}

/// A payment that completed.
pub(crate) fn ended() -> Saga {
    Step::ALL.into_iter().fold(started(), |saga, step| done(&saga, step))
}

/// The payment after that step was done.
pub(crate) fn done(saga: &Saga, step: Step) -> Saga {
    match saga::apply(saga, &answer(step)) {
        Applied::Changed(changed) => changed,
        Applied::Ignored(why) => panic!("{step}: {why:?}"),
    }
}

/// The payment after a word of a person's, or after its time was up.
pub(crate) fn told(saga: &Saga, controls: &Controls, memory: &Memory) -> Saga {
    match saga::next(saga, controls, memory) {
        Next::Record(changed) => changed,
        other @ (Next::Send(_) | Next::Wait(_) | Next::Rest | Next::Ended) => panic!("{other:?}"),
    }
}

/// A payment whose first step and its undo nobody answered.
pub(crate) fn stalled() -> Saga {
    let cancel = Controls {
        cancel: true,
        ..Controls::default()
    };
    let late = Memory {
        elapsed: Duration::from_hours(1),
        sends: 1,
        last_send: Some(Duration::ZERO),
    };
    let undoing = told(&started(), &cancel, &Memory::default());
    told(&undoing, &Controls::default(), &late)
}

/// The payment's resource as the API server has it; without a saga, as it was just created.
pub(crate) fn object(saga: Option<&Saga>, version: &str) -> PaymentSaga {
    let politica = Politica::standard(OnExhausted::Continue);
    let mut object = resource::new_resource(&payment(), &solicitud(), politica, App::Bff, None);
    let now: jiff::Timestamp = "2026-11-24T18:00:00Z".parse().unwrap();
    object.metadata.namespace = Some(NAMESPACE.to_owned());
    object.metadata.uid = Some("uid-1".to_owned());
    object.metadata.resource_version = Some(version.to_owned());
    object.metadata.generation = Some(1);
    object.metadata.creation_timestamp = Some(Time(now));
    object.status = saga.map(|saga| resource::status(&object, saga, now));
    object
}

/// The same, annotated by somebody.
pub(crate) fn annotated(mut object: PaymentSaga) -> PaymentSaga {
    object
        .metadata
        .annotations
        .get_or_insert_default()
        .insert("note".into(), "seen".into());
    object
}

/// The payment's resource as a person applies it, under another uid: it was deleted before.
pub(crate) fn applied_by_a_person(version: &str) -> PaymentSaga {
    let mut object = object(None, version);
    object.spec.politica = None;
    object.metadata.uid = Some("uid-2".to_owned());
    object.metadata.finalizers = None;
    object.metadata.annotations = None;
    object
}

/// A resource as the watch hands it on.
pub(crate) fn watched(object: &PaymentSaga) -> Arc<Watched> {
    Arc::new(DeserializeGuard(Ok(object.clone())))
}
