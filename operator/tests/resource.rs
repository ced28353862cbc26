//! What is written into a resource.

#![allow(clippy::unwrap_used)]

use operator::crd::PaymentSaga;
use operator::resource::{Payment, TRACEPARENT, new_resource, status};
use saga::{Applied, Controls, Memory, Next, OnExhausted, Politica, Saga};
use seedwork::contrato::Respuesta;
use seedwork::{Action, App, IdCorrelacion, Moneda, Outcome, Reason, SolicitudPago, Step};
use serde_json::Value;

fn trace(digit: char) -> String {
    let (trace, span) = (digit.to_string().repeat(32), digit.to_string().repeat(16));
    format!("00-{trace}-{span}-01")
}

fn resource() -> PaymentSaga {
    let id = IdCorrelacion::parse("p-1").unwrap();
    let solicitud = SolicitudPago::parse("PSE", "c-1", "24", Moneda::USD).unwrap();
    let politica = Politica::standard(OnExhausted::Compensate);
    new_resource(&id, &solicitud, politica, App::Bff, Some(trace('a')))
}

fn now() -> jiff::Timestamp {
    "2026-11-24T18:00:00Z".parse().unwrap()
}

/// The saga after everything that can turn a payment back, each with its own kind of cause.
fn turned_back(saga: &Saga) -> Vec<Saga> {
    let reason = Reason::new("Motivo", "porque sí");
    let changed = |applied| match applied {
        Applied::Changed(saga) => saga,
        Applied::Ignored(why) => panic!("{why:?}"),
    };
    let recorded = |controls: Controls, memory: Memory| {
        let decided = saga::next(saga, &controls, &memory);
        let Next::Record(saga) = decided else {
            panic!("{decided:?}")
        };
        saga
    };
    let refused = Respuesta {
        action: Action::Do(Step::CrearFacturacion),
        id_correlacion: IdCorrelacion::parse("p-1").unwrap(),
        outcome: Outcome::Refused(reason.clone()),
    };
    let (cancel, deleted) = (true, true);
    let late = Memory {
        elapsed: std::time::Duration::from_secs(3600),
        ..Memory::default()
    };
    vec![
        changed(saga::apply(saga, &refused)),
        changed(saga::chargeback(saga, reason)),
        recorded(
            Controls {
                cancel,
                ..Controls::default()
            },
            Memory::default(),
        ),
        recorded(
            Controls {
                deleted,
                ..Controls::default()
            },
            Memory::default(),
        ),
        recorded(Controls::default(), late),
    ]
}

/// The paths of all nulls.
fn nulls(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Null => vec![path.to_owned()],
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(n, item)| nulls(item, &format!("{path}/{n}")))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, item)| nulls(item, &format!("{path}/{key}")))
            .collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

#[test]
fn no_null_is_ever_written_since_the_api_server_refuses_one_where_names_are_listed() {
    let mut object = resource();
    let start = Payment::try_from_resource(&object).unwrap().saga.unwrap();
    for saga in std::iter::once(start.clone()).chain(turned_back(&start)) {
        object.status = Some(status(&object, &saga, now()));
        assert_eq!(
            nulls(&serde_json::to_value(&object).unwrap(), ""),
            Vec::<String>::new(),
            "{saga:?}"
        );
        assert_eq!(
            Payment::try_from_resource(&object).unwrap().saga,
            Some(saga),
            "read back"
        );
    }
}

#[test]
fn a_restored_payment_keeps_its_trace() {
    let mut old = resource();
    let saga = Payment::try_from_resource(&old).unwrap().saga.unwrap();
    old.status = Some(status(&old, &saga, now()));
    let mut again = resource();
    again
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(TRACEPARENT.to_owned(), trace('b'));
    assert_eq!(status(&again, &saga, now()).trace_id.unwrap(), "b".repeat(32));
    again.status.clone_from(&old.status);
    assert_eq!(status(&again, &saga, now()).trace_id.unwrap(), "a".repeat(32));
}
