//! Resources as the API server shows them.

use checker::{Check, Evidence, Histories, Request, Version, judge};
use saga::{Aviso, OnExhausted, Politica, StepState};
use seedwork::{Moneda, Phase, Step};
use serde_json::{Value, json};

use crate::run::{Run, id};

fn resource() -> Value {
    json!({
        "apiVersion": "pagos.saludtech.dev/v1alpha1",
        "kind": "PaymentSaga",
        "metadata": {"name": "pago-p-1", "uid": "u-1", "resourceVersion": "7", "generation": 1},
        "spec": {
            "idCliente": "ana",
            "medioPago": "TarjetaCredito",
            "monto": "24.00",
            "moneda": "USD",
            "politica": Politica::standard(OnExhausted::Compensate),
        },
        "status": {
            "phase": "Compensating",
            "secuencia": 4,
            "step": "2/4",
            "steps": [
                {"name": "CrearFacturacion", "state": "Undoing", "since": "2026-11-25T01:00:00.000Z"},
                {"name": "RealizarPago", "state": "Undone", "reason": "Fondos", "message": "No hay."},
                {"name": "ConfirmarFacturacion", "state": "Pending"},
                {"name": "CrearNotificacion", "state": "Pending"},
            ],
            "aviso": "Pending",
            "cause": {"kind": "Refused", "step": "RealizarPago", "reason": {"motivo": "Fondos", "mensaje": "No hay."}},
            "reason": "PagoFallido",
            "conditions": [],
            "engineVersion": 1,
            "startTime": "2026-11-25T01:00:00.000Z",
        },
    })
}

#[test]
fn a_resource_is_read_as_the_engine_has_it() {
    let version: Version = serde_json::from_value(resource()).unwrap();
    assert_eq!((version.id, version.uid.as_str()), (id("p-1"), "u-1"));
    assert_eq!(version.solicitud.dinero.minor(), 2400);
    assert_eq!(version.phase, Some(Phase::Compensating));
    let saga = version.saga.unwrap();
    assert_eq!(
        (saga.phase(), saga.secuencia, saga.aviso),
        (Phase::Compensating, 4, Aviso::Pending)
    );
    assert_eq!(saga.pasos[1].estado, StepState::Undone);
    assert_eq!(saga.pasos[1].motivo.as_ref().unwrap().mensaje, "No hay.");
    assert_eq!(saga.cause.unwrap().step, Some(Step::RealizarPago));
}

/// The record has the kind of a decline with the cause only.
#[test]
fn a_decline_is_one_reason_whoever_tells_it() {
    let mut declined = resource();
    declined["status"]["cause"]["reason"]["declive"] = json!("duro");
    let version: Version = serde_json::from_value(declined).unwrap();
    let histories: Histories = [version].into_iter().collect();
    let evidence = Evidence {
        histories: Some(histories),
        ..Evidence::default()
    };
    let verdict = judge(&evidence);
    assert_eq!(verdict.judged(Check::History), Some(1));
    let engine = |found: &&checker::Violation| found.check() == Check::History;
    assert_eq!(verdict.violations.iter().find(engine), None);
}

#[test]
fn a_resource_with_a_policy_and_no_status_has_its_first_step_issued() {
    let mut resource = resource();
    let _ = resource.as_object_mut().unwrap().remove("status");
    let version: Version = serde_json::from_value(resource.clone()).unwrap();
    assert_eq!(version.phase, None);
    assert_eq!(version.saga.unwrap().pasos[0].estado, StepState::Issued);

    let _ = resource["spec"].as_object_mut().unwrap().remove("politica");
    let version: Version = serde_json::from_value(resource).unwrap();
    assert_eq!(version.saga, None);
}

#[test]
fn what_is_no_payment_is_refused_with_a_sentence() {
    let mut foreign = resource();
    foreign["metadata"]["name"] = json!("other-1");
    let refused = serde_json::from_value::<Version>(foreign).unwrap_err().to_string();
    assert!(refused.contains("metadata.name must be pago-"), "{refused}");
    let mut free = resource();
    free["spec"]["monto"] = json!("0");
    let refused = serde_json::from_value::<Version>(free).unwrap_err().to_string();
    assert!(refused.contains("monto must be greater than 0"), "{refused}");
}

#[test]
fn the_clients_log_is_written_and_read_back() {
    let mut run = Run::empty().with("p-1", "ana", crate::payment::Plot::default());
    let request = run.request("p-1").clone();
    let line = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
    assert_eq!(request.solicitud.dinero.moneda(), Moneda::USD);
}
