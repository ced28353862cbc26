//! Chargebacks: stored before the answer, told until acknowledged, and never money given back twice.

use std::sync::Arc;

use axum::http::StatusCode;
use integracion_pagos::domain::{EstadoPago, Operacion, Pago};
use seedwork::{IdCorrelacion, Message, Outcome};
use seedwork_runtime::participant::Documento;
use seedwork_runtime::participant::laws::eventually;
use sqlx::Row as _;

use crate::servicio::{DO, Servicio, UNDO, id, order, refusal};

use Operacion::{Anular, Autorizar, Capturar, Reembolsar};

const DOOR: &str = "/pagos/simular-evento-de-compensacion";

async fn charge_back(servicio: &Servicio, id: &str) -> StatusCode {
    let answer = servicio
        .post(DOOR, format!(r#"{{"idCorrelacion": "{id}", "motivo": "Fraude"}}"#))
        .await;
    if answer.status == StatusCode::OK {
        assert_eq!(
            answer.body,
            serde_json::json!({"mensaje": "Evento de compensación emitido"})
        );
    }
    answer.status
}

async fn discrepancy(servicio: &Servicio, id: &str) -> String {
    let seen = servicio.get(&format!("/pagos/{id}")).await.body;
    seen["discrepancia"].as_str().unwrap_or_default().to_owned()
}

/// The row of a chargeback: stored, acknowledged. `None` when there is none.
async fn row(servicio: &Servicio, id: &IdCorrelacion) -> Option<(bool, bool)> {
    let row = sqlx::query("SELECT guardado, atendido FROM contracargos WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(&servicio.pool)
        .await
        .unwrap()?;
    Some((row.get::<i64, _>("guardado") == 1, row.get::<i64, _>("atendido") == 1))
}

async fn paid(servicio: &Servicio, id: &str) {
    assert_eq!(servicio.settle(&order(DO, id, "24.00")).await, Outcome::Done);
}

#[tokio::test]
async fn a_chargeback_is_stored_before_it_is_answered_and_then_told() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    servicio.sidecar.fail_publishes(u32::MAX);
    assert_eq!(
        charge_back(&servicio, "p-1").await,
        StatusCode::OK,
        "the operator need not be there"
    );
    let stored = servicio.pago(&id("p-1")).await.contracargo.unwrap();
    assert_eq!(stored.motivo, "Fraude");
    let seen = servicio.get("/pagos/p-1").await.body;
    assert_eq!(
        (&seen["estado"], &seen["contracargo"]),
        (&"CONTRACARGADO".into(), &"Fraude".into())
    );
    servicio.sidecar.fail_publishes(0);
    assert_eq!(servicio.told().await, (id("p-1"), "Fraude".to_owned()));
}

#[tokio::test]
async fn a_chargeback_is_told_again_until_the_operator_has_it() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    charge_back(&servicio, "p-1").await;
    servicio.told().await;
    servicio.told().await;
    let acknowledgement = Message::ContracargoAtendido {
        id_correlacion: id("p-1"),
    };
    assert_eq!(servicio.get("/pagos/p-1").await.body["contracargoAtendido"], false);
    assert_eq!(servicio.receive(&acknowledgement).await, "SUCCESS");
    assert_eq!(servicio.get("/pagos/p-1").await.body["contracargoAtendido"], true);
    assert_eq!(servicio.get("/pagos").await.body[0]["contracargoAtendido"], true);
    assert_eq!(row(&servicio, &id("p-1")).await, Some((true, true)));
    // The same webhook once more: known and acknowledged, so nothing is told.
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    assert_eq!(row(&servicio, &id("p-1")).await, Some((true, true)));
    assert_eq!(servicio.receive(&acknowledgement).await, "SUCCESS", "safe to repeat");
}

#[tokio::test]
async fn a_chargeback_outlives_the_process_that_took_it() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    servicio.sidecar.fail_publishes(u32::MAX);
    charge_back(&servicio, "p-1").await;
    let servicio = servicio.restarted().await;
    servicio.sidecar.fail_publishes(0);
    assert_eq!(servicio.told().await.0, id("p-1"));
}

#[tokio::test]
async fn a_process_that_dies_between_row_and_answer_leaves_nothing_unsettled() {
    let servicio = Servicio::new().await;
    for (name, stored) in [("with", true), ("without", false)] {
        paid(&servicio, name).await;
        if stored {
            charge_back(&servicio, name).await;
        }
        // As the dead process left it: what people see is of before. Its time has come.
        for statement in [
            "DELETE FROM contracargos WHERE id = $1",
            "UPDATE pagos SET estado = 'CONFIRMADO', contracargo = '', version = version - 1 WHERE id = $1",
            "INSERT INTO contracargos (id, motivo, proximo) VALUES ($1, 'Fraude', 0)",
        ] {
            sqlx::query(statement).bind(name).execute(&servicio.pool).await.unwrap();
        }
    }
    eventually("the row without a document to go", || async {
        row(&servicio, &id("without")).await.is_none().then_some(())
    })
    .await;
    assert_eq!(servicio.told().await.0, id("with"));
    eventually("people to see it", || async {
        let seen = servicio.get("/pagos/with").await.body;
        (seen["estado"] == "CONTRACARGADO" && seen["contracargo"] == "Fraude").then_some(())
    })
    .await;
    assert!(servicio.pago(&id("without")).await.contracargo.is_none());
}

#[tokio::test]
async fn money_charged_back_is_not_refunded_too() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    charge_back(&servicio, "p-1").await;
    assert_eq!(servicio.settle(&order(UNDO, "p-1", "24.00")).await, Outcome::Done);
    assert_eq!(
        servicio.movimientos(&id("p-1")),
        [(Autorizar, 2_400), (Capturar, 2_400)]
    );
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONTRACARGADO");
    assert_eq!(discrepancy(&servicio, "p-1").await, "");
}

#[tokio::test]
async fn a_chargeback_of_refunded_money_is_a_named_discrepancy() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    servicio.settle(&order(UNDO, "p-1", "24.00")).await;
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    assert_eq!(discrepancy(&servicio, "p-1").await, "ContracargoSobreReembolso");
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "REEMBOLSADO");
    assert_eq!(servicio.told().await.0, id("p-1"), "the operator is told all the same");
    assert_eq!(servicio.settle(&order(UNDO, "p-1", "24.00")).await, Outcome::Done);
    assert_eq!(servicio.movimientos(&id("p-1")).len(), 3);
}

#[tokio::test]
async fn a_chargeback_before_the_capture_stops_it() {
    let servicio = Servicio::new().await;
    let (order, undo) = (order(DO, "p-1", "24.11"), order(UNDO, "p-1", "24.11"));
    assert_eq!(servicio.deliver(&order).await, None, "the authorisation is lost");
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    assert_eq!(discrepancy(&servicio, "p-1").await, "ContracargoSinCobro");
    assert_eq!(refusal(&servicio.settle(&order).await), "Contracargo");
    assert_eq!(servicio.settle(&undo).await, Outcome::Done);
    assert_eq!(servicio.movimientos(&id("p-1")), [(Autorizar, 2_411), (Anular, 2_411)]);
}

#[tokio::test]
async fn a_chargeback_during_a_capture_is_the_proof_that_it_landed() {
    let servicio = Servicio::new().await;
    assert_eq!(servicio.deliver(&order(DO, "p-1", "24.12")).await, None);
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    assert_eq!(servicio.settle(&order(UNDO, "p-1", "24.12")).await, Outcome::Done);
    assert_eq!(
        servicio.movimientos(&id("p-1")),
        [(Autorizar, 2_412), (Capturar, 2_412)],
        "no refund"
    );
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONTRACARGADO");
}

#[tokio::test]
async fn a_refund_that_was_ordered_first_is_found_out_before_it_is_called_a_discrepancy() {
    let servicio = Servicio::new().await;
    let undo = order(UNDO, "p-1", "24.19");
    servicio.settle(&order(DO, "p-1", "24.19")).await;
    assert!(
        matches!(servicio.deliver(&undo).await, Some(Outcome::Failed(_))),
        "the refund is not answered"
    );
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    assert_eq!(discrepancy(&servicio, "p-1").await, "", "nobody knows yet");
    assert_eq!(servicio.settle(&undo).await, Outcome::Done);
    assert_eq!(
        servicio.movimientos(&id("p-1")),
        [(Autorizar, 2_419), (Capturar, 2_419), (Reembolsar, 2_419)]
    );
    assert_eq!(discrepancy(&servicio, "p-1").await, "ContracargoSobreReembolso");
}

#[tokio::test]
async fn a_chargeback_ends_an_undo_whose_refund_is_impossible() {
    let servicio = Servicio::new().await;
    let undo = order(UNDO, "p-1", "24.21");
    servicio.settle(&order(DO, "p-1", "24.21")).await;
    assert!(matches!(servicio.deliver(&undo).await, Some(Outcome::Failed(_))));
    charge_back(&servicio, "p-1").await;
    assert_eq!(servicio.deliver(&undo).await, Some(Outcome::Done));
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONTRACARGADO");
}

#[tokio::test]
async fn a_chargeback_that_loses_a_race_is_stored_all_the_same() {
    let servicio = Servicio::new().await;
    servicio.deliver(&order(DO, "p-1", "24.12")).await;
    // While it is being stored, the capture is answered and recorded by a command.
    let documento = servicio.documento(&id("p-1")).await;
    let mut captured = documento.clone();
    captured.version += 1;
    let pago = captured.agregado.as_mut().unwrap();
    pago.llamada_ms += 1;
    servicio
        .sidecar
        .race_next_put("pago:p-1", serde_json::to_vec(&captured).unwrap());
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    let after: Documento<Pago> = servicio.documento(&id("p-1")).await;
    let pago = after.agregado.unwrap();
    assert_eq!(
        (after.version, pago.contracargo.is_some()),
        (documento.version + 2, true)
    );
    assert!(
        matches!(pago.estado, EstadoPago::CapturaPedida { .. }),
        "what the command recorded is kept"
    );
    assert_eq!(pago.llamada_ms, documento.agregado.unwrap().llamada_ms + 1);
}

#[tokio::test]
async fn a_command_that_loses_against_a_chargeback_decides_anew() {
    let servicio = Servicio::new().await;
    let order = order(DO, "p-1", "24.00");
    let held = servicio.pasarela.retener(Autorizar);
    let participation = Arc::clone(&servicio.participation);
    let running = tokio::spawn(async move { participation.run(&order).await });
    held.llego().await;
    assert_eq!(charge_back(&servicio, "p-1").await, StatusCode::OK);
    held.seguir();
    running.await.unwrap().unwrap();
    assert_eq!(
        servicio.movimientos(&id("p-1")),
        [(Autorizar, 2_400)],
        "no capture after a chargeback"
    );
}

#[tokio::test]
async fn a_payment_that_does_not_exist_cannot_be_charged_back() {
    let servicio = Servicio::new().await;
    assert_eq!(charge_back(&servicio, "nobody").await, StatusCode::NOT_FOUND);
    // An undo came before its do: there is a document, and no payment in it.
    servicio.settle(&order(UNDO, "undone", "24.00")).await;
    assert_eq!(charge_back(&servicio, "undone").await, StatusCode::NOT_FOUND);
    assert_eq!(row(&servicio, &id("nobody")).await, None);
}
