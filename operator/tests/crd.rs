//! The definition as it is committed, and its CEL rules, evaluated offline by the rules' own evaluator.

#![allow(clippy::unwrap_used)]

use kube::core::cel::{RootContext, Validator};
use seedwork::Phase;
use serde_json::{Value, json};

fn schema() -> Value {
    let definition = operator::crd::definition().unwrap();
    let schema = definition.spec.versions[0]
        .schema
        .as_ref()
        .unwrap()
        .open_api_v3_schema
        .as_ref()
        .unwrap();
    serde_json::to_value(schema).unwrap()
}

fn object() -> Value {
    json!({
        "apiVersion": "pagos.saludtech.dev/v1alpha1",
        "kind": "PaymentSaga",
        "metadata": {"name": "pago-4321-dcba"},
        "spec": {"idCliente": "abcd-1234", "medioPago": "PSE", "monto": "24.00", "moneda": "USD"},
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut object = object();
    let (parent, key) = path.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
    object
}

/// The sentences that refuse `object`; none when it is accepted.
fn refusals(object: &Value, old: Option<&Value>) -> Vec<String> {
    let root = RootContext {
        api_version: "pagos.saludtech.dev/v1alpha1".into(),
        api_group: "pagos.saludtech.dev".into(),
        kind: "PaymentSaga".into(),
    };
    match Validator::new().validate_with_context(&schema(), object, old, Some(&root)) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    }
}

#[test]
fn the_committed_definition_is_what_the_types_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/pagos/files/paymentsagas.yaml");
    let committed = std::fs::read_to_string(path).unwrap();
    let said = operator::crd::yaml().unwrap();
    let differs = committed.lines().zip(said.lines()).find(|(is, must)| is != must);
    assert!(
        committed == said,
        "run `make generate` and commit the result: {differs:?}"
    );
}

#[test]
fn it_is_explained_as_a_payment() {
    let schema = schema();
    let said = schema["description"].as_str().unwrap();
    assert!(said.starts_with("A payment: a saga over billing"), "{said}");
    let asked = schema.pointer("/properties/spec/description").unwrap();
    assert_eq!(asked, "What was asked for. Only suspend and cancel may change.");
}

#[test]
fn a_good_payment_is_accepted() {
    assert_eq!(refusals(&object(), None), Vec::<String>::new());
    for (path, value) in [
        ("/spec/monto", json!("1000000")),
        ("/spec/monto", json!("0.01")),
        ("/spec/idCliente", json!("Peña 7")),
        ("/spec/cancel", json!(true)),
    ] {
        assert_eq!(
            refusals(&with(path, value.clone()), None),
            Vec::<String>::new(),
            "{path} {value}"
        );
    }
}

#[test]
fn a_bad_payment_is_refused_with_its_rule() {
    for (path, value, sentence) in [
        ("/metadata/name", json!("factura-1"), "metadata.name must be pago-"),
        ("/metadata/name", json!("pago-Ab"), "metadata.name must be pago-"),
        (
            "/metadata/name",
            json!(format!("pago-{}", "x".repeat(60))),
            "metadata.name must be pago-",
        ),
        ("/spec/monto", json!("0"), "monto must be greater than 0"),
        ("/spec/monto", json!("0.00"), "monto must be greater than 0"),
        ("/spec/monto", json!("1000000.01"), "monto must be at most 1000000"),
        ("/spec/monto", json!("24.105"), "no more decimals than its currency"),
        ("/spec/idCliente", json!("   "), "printable"),
        ("/spec/idCliente", json!("a\nb"), "printable"),
    ] {
        let sentences = refusals(&with(path, value.clone()), None);
        assert!(
            sentences.iter().any(|s| s.contains(sentence)),
            "{path} {value}: {sentences:?}"
        );
    }
    let mut yen = with("/spec/moneda", json!("JPY"));
    yen["spec"]["monto"] = json!("24.5");
    assert!(!refusals(&yen, None).is_empty());
    yen["spec"]["monto"] = json!("24");
    assert!(refusals(&yen, None).is_empty());
}

#[test]
fn a_payment_cannot_be_changed_but_by_its_controls() {
    for (path, value) in [
        ("/spec/monto", json!("25.00")),
        ("/spec/idCliente", json!("other")),
        ("/spec/medioPago", json!("TarjetaCredito")),
        ("/spec/moneda", json!("EUR")),
    ] {
        assert!(!refusals(&with(path, value), Some(&object())).is_empty(), "{path}");
    }
    let cancelled = with("/spec/cancel", json!(true));
    assert!(refusals(&cancelled, Some(&object())).is_empty());
    assert!(
        !refusals(&object(), Some(&cancelled)).is_empty(),
        "cancel never goes back"
    );
    assert!(refusals(&with("/spec/suspend", json!(true)), Some(&object())).is_empty());
}

#[test]
fn the_policy_is_set_once() {
    let politica = serde_json::to_value(saga::Politica::standard(saga::OnExhausted::Continue)).unwrap();
    let started = with("/spec/politica", politica.clone());
    assert!(refusals(&started, Some(&object())).is_empty());
    assert!(!refusals(&object(), Some(&started)).is_empty());
    let mut other = politica;
    other["stallAfterSeconds"] = json!(1);
    assert!(!refusals(&with("/spec/politica", other), Some(&started)).is_empty());
}

#[test]
fn the_phase_moves_as_the_engine_allows() {
    let in_phase = |phase: Phase| {
        let mut object = object();
        object["status"] = json!({"phase": phase, "secuencia": 1, "step": "1/4", "steps": [], "aviso": "NotNeeded",
                                  "engineVersion": 1, "startTime": "2026-11-24T00:00:00Z"});
        object
    };
    for from in Phase::ALL {
        for to in Phase::ALL {
            let accepted = refusals(&in_phase(to), Some(&in_phase(from))).is_empty();
            assert_eq!(accepted, from == to || saga::allowed(Some(from), to), "{from} → {to}");
        }
        assert!(refusals(&in_phase(from), Some(&object())).is_empty(), "absent → {from}");
    }
}
