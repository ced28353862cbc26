//! Stripe's webhooks: believed when signed, acted on once, and no money given back twice.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use hmac::{Hmac, Mac as _};
use integracion_pagos::domain::Operacion;
use seedwork::Outcome;
use seedwork_runtime::now_ms;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::servicio::{Answer, DO, Servicio, UNDO, VIGENCIA_MS, WEBHOOK_SECRET, id, order};

use Operacion::{Autorizar, Capturar, Reembolsar};

const DOOR: &str = "/pagos/webhook/stripe";

fn signature(secret: &str, at_s: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at_s}.{body}").as_bytes());
    let hex: Vec<String> = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={at_s},v1={}", hex.concat())
}

async fn knock(servicio: &Servicio, signature: &str, body: &str) -> Answer {
    let request = Request::post(DOOR).header("stripe-signature", signature);
    servicio.ask(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// An event, signed as Stripe does: it is taken.
pub(crate) async fn tell(servicio: &Servicio, event: &str, tipo: &str, object: &Value) {
    let body = json!({"id": event, "type": tipo, "data": {"object": object}}).to_string();
    let answer = knock(servicio, &signature(WEBHOOK_SECRET, now_ms() / 1_000, &body), &body).await;
    assert_eq!(
        (answer.status, answer.body),
        (StatusCode::OK, json!({"recibido": true})),
        "{event} {tipo}"
    );
}

/// A dispute about what was taken from a payment.
async fn dispute(servicio: &Servicio, payment: &str) -> Value {
    let seen = servicio.get(&format!("/pagos/{payment}")).await.body;
    json!({"id": "dp_1", "object": "dispute", "charge": seen["cargo"], "payment_intent": seen["autorizacion"],
           "reason": "fraudulent", "status": "needs_response"})
}

/// A charge of which `refunded` says that all was given back.
async fn charge(servicio: &Servicio, payment: &str, refunded: bool) -> Value {
    let seen = servicio.get(&format!("/pagos/{payment}")).await.body;
    json!({"id": seen["cargo"], "object": "charge", "payment_intent": seen["autorizacion"], "refunded": refunded,
           "metadata": {}})
}

async fn paid(servicio: &Servicio, payment: &str) {
    assert_eq!(servicio.settle(&order(DO, payment, "24.00")).await, Outcome::Done);
}

/// The names of the notices about a payment.
async fn notices(servicio: &Servicio, payment: &str) -> Vec<String> {
    let seen = servicio.get(&format!("/pagos/{payment}")).await.body;
    let told = seen["avisos"].as_array().into_iter().flatten();
    told.map(|notice| notice["nombre"].as_str().unwrap().to_owned())
        .collect()
}

async fn count(servicio: &Servicio, table: &str) -> usize {
    let statement = match table {
        "contracargos" => "SELECT * FROM contracargos",
        "avisos" => "SELECT * FROM avisos",
        _ => "SELECT * FROM eventos_webhook",
    };
    sqlx::query(statement).fetch_all(&servicio.pool).await.unwrap().len()
}

#[tokio::test]
async fn a_dispute_reverses_its_payment_once() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let dispute = dispute(&servicio, "p-1").await;
    tell(&servicio, "evt_1", "charge.dispute.created", &dispute).await;
    let seen = servicio.get("/pagos/p-1").await.body;
    assert_eq!(seen["estado"], "CONTRACARGADO");
    assert_eq!(seen["contracargo"], "Disputa en Stripe: fraudulent");
    assert_eq!(seen["contracargoAtendido"], false);
    assert_eq!(servicio.told().await.0, id("p-1"));
    assert_eq!(servicio.settle(&order(UNDO, "p-1", "24.00")).await, Outcome::Done);
    assert_eq!(
        servicio.movimientos(&id("p-1")),
        [(Autorizar, 2_400), (Capturar, 2_400)],
        "no refund"
    );

    // The same event again does nothing, whatever became of what it did: also after a restart.
    for statement in ["DELETE FROM contracargos", "UPDATE pagos SET contracargo = ''"] {
        sqlx::query(statement).execute(&servicio.pool).await.unwrap();
    }
    let servicio = servicio.restarted().await;
    tell(&servicio, "evt_1", "charge.dispute.created", &dispute).await;
    assert_eq!(count(&servicio, "contracargos").await, 0);
    // Another event of the same dispute is another event, and the same chargeback.
    tell(&servicio, "evt_2", "charge.dispute.funds_withdrawn", &dispute).await;
    assert_eq!(
        (
            count(&servicio, "contracargos").await,
            count(&servicio, "eventos_webhook").await
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn what_is_not_signed_by_stripe_is_refused_and_does_nothing() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let object = dispute(&servicio, "p-1").await;
    let body = json!({"id": "evt_1", "type": "charge.dispute.created", "data": {"object": object}}).to_string();
    let now = now_ms() / 1_000;
    let good = signature(WEBHOOK_SECRET, now, &body);
    for (signature, body) in [
        (signature("whsec_other", now, &body), body.clone()),
        (signature(WEBHOOK_SECRET, now - 400, &body), body.clone()),
        (signature(WEBHOOK_SECRET, now + 400, &body), body.clone()),
        (good.clone(), format!("{body} ")),
        (String::new(), body.clone()),
    ] {
        let answer = knock(&servicio, &signature, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{signature}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONFIRMADO");
    let unsigned = servicio.post(DOOR, body.clone()).await;
    assert_eq!(unsigned.status, StatusCode::BAD_REQUEST);
    assert_eq!(knock(&servicio, &good, &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_event_that_is_too_large_is_told_the_limit_of_this_door() {
    let servicio = Servicio::new().await;
    let huge = knock(&servicio, "", &"x".repeat(1024 * 1024 + 1)).await;
    assert_eq!(huge.problem(413), ["el cuerpo debe tener como máximo 1048576 bytes"]);
}

#[tokio::test]
async fn an_unknown_event_is_taken_and_ignored() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let object = dispute(&servicio, "p-1").await;
    for tipo in ["payment_intent.succeeded", "novelty"] {
        tell(&servicio, "evt_1", tipo, &object).await;
    }
    let nobody = json!({"object": "dispute", "charge": "ch_nobody", "payment_intent": "pi_nobody", "status": "lost"});
    tell(&servicio, "evt_2", "charge.dispute.created", &nobody).await;
    assert_eq!(count(&servicio, "contracargos").await, 0);
    let unreadable = "{}";
    let signed = signature(WEBHOOK_SECRET, now_ms() / 1_000, unreadable);
    assert_eq!(
        knock(&servicio, &signed, unreadable).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_refund_by_hand_of_all_counts_as_a_chargeback() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let all = charge(&servicio, "p-1", true).await;
    tell(&servicio, "evt_1", "charge.refunded", &all).await;
    assert_eq!(
        servicio.told().await,
        (id("p-1"), "Reembolso hecho a mano en Stripe".to_owned())
    );
    assert_eq!(servicio.settle(&order(UNDO, "p-1", "24.00")).await, Outcome::Done);
    assert_eq!(
        servicio.movimientos(&id("p-1")),
        [(Autorizar, 2_400), (Capturar, 2_400)],
        "no second refund"
    );
}

#[tokio::test]
async fn a_refund_of_ours_is_no_news_and_one_in_part_is_for_a_person() {
    let servicio = Servicio::new().await;
    paid(&servicio, "ours").await;
    servicio.settle(&order(UNDO, "ours", "24.00")).await;
    let ours = charge(&servicio, "ours", true).await;
    tell(&servicio, "evt_1", "charge.refunded", &ours).await;
    let seen = servicio.get("/pagos/ours").await.body;
    assert_eq!(
        (&seen["estado"], &seen["discrepancia"], &seen["avisos"]),
        (&json!("REEMBOLSADO"), &Value::Null, &Value::Null)
    );
    assert_eq!(servicio.movimientos(&id("ours")).last(), Some(&(Reembolsar, 2_400)));
    // It was accepted, and failed later.
    let failed = json!({"id": seen["reembolso"], "object": "refund", "charge": seen["cargo"], "status": "failed"});
    tell(&servicio, "evt_2", "refund.failed", &failed).await;
    assert_eq!(
        servicio.get("/pagos/ours").await.body["avisos"][0]["nombre"],
        "ReembolsoFallido"
    );

    paid(&servicio, "part").await;
    let part = charge(&servicio, "part", false).await;
    tell(&servicio, "evt_3", "charge.refunded", &part).await;
    let seen = servicio.get("/pagos/part").await.body;
    assert_eq!(seen["estado"], "CONFIRMADO");
    assert_eq!(seen["avisos"][0]["nombre"], "ReembolsoParcialEnPasarela");
    assert_eq!(count(&servicio, "contracargos").await, 0);
    let list = servicio.get("/conciliacion").await.body;
    assert_eq!(list["avisos"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_refund_by_hand_ends_an_undo_that_stripe_had_refused() {
    let servicio = Servicio::new().await;
    let undo = order(UNDO, "p-1", "24.21");
    servicio.settle(&order(DO, "p-1", "24.21")).await;
    assert!(matches!(servicio.deliver(&undo).await, Some(Outcome::Failed(_))));
    let all = charge(&servicio, "p-1", true).await;
    tell(&servicio, "evt_1", "charge.refunded", &all).await;
    assert_eq!(servicio.settle(&undo).await, Outcome::Done);
}

#[tokio::test]
async fn a_dispute_of_a_part_reverses_all_and_tells_a_person() {
    let servicio = Servicio::new().await;
    for (payment, amount, currency, notices) in [
        ("part", 1_000, "usd", 1),
        ("other", 2_400, "eur", 1),
        ("all", 2_400, "usd", 0),
    ] {
        paid(&servicio, payment).await;
        let mut dispute = dispute(&servicio, payment).await;
        dispute["amount"] = json!(amount);
        dispute["currency"] = json!(currency);
        let event = format!("evt_{payment}");
        tell(&servicio, &event, "charge.dispute.created", &dispute).await;
        let seen = servicio.get(&format!("/pagos/{payment}")).await.body;
        assert_eq!(seen["estado"], "CONTRACARGADO", "{payment}");
        let told: Vec<_> = seen["avisos"].as_array().into_iter().flatten().collect();
        assert_eq!(told.len(), notices, "{payment}");
        assert!(
            told.iter().all(|notice| notice["nombre"] == "ContracargoParcial"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_refund_that_fails_before_its_answer_is_known_is_for_a_person_too() {
    let servicio = Servicio::new().await;
    let undo = order(UNDO, "p-1", "24.19");
    servicio.settle(&order(DO, "p-1", "24.19")).await;
    assert!(
        !matches!(servicio.deliver(&undo).await, Some(Outcome::Done)),
        "done, and not answered"
    );
    let seen = servicio.get("/pagos/p-1").await.body;
    let failed = json!({"id": "re_1", "object": "refund", "charge": seen["cargo"], "status": "failed"});
    tell(&servicio, "evt_1", "refund.failed", &failed).await;
    assert_eq!(servicio.settle(&undo).await, Outcome::Done);
    let seen = servicio.get("/pagos/p-1").await.body;
    assert_eq!(seen["avisos"][0]["nombre"], "ReembolsoFallido");
}

#[tokio::test]
async fn a_dispute_with_all_its_evidence_is_read() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let mut dispute = dispute(&servicio, "p-1").await;
    dispute["evidence"] = json!({"uncategorized_text": "x".repeat(150_000)});
    tell(&servicio, "evt_1", "charge.dispute.funds_withdrawn", &dispute).await;
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONTRACARGADO");
}

#[tokio::test]
async fn a_dispute_that_was_won_is_for_a_person() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let dispute = dispute(&servicio, "p-1").await;
    for (event, tipo) in [
        ("evt_1", "charge.dispute.created"),
        ("evt_2", "charge.dispute.funds_reinstated"),
    ] {
        tell(&servicio, event, tipo, &dispute).await;
    }
    let seen = servicio.get("/pagos/p-1").await.body;
    assert_eq!(seen["estado"], "CONTRACARGADO", "what was reversed stays reversed");
    assert_eq!(seen["avisos"][0]["nombre"], "ContracargoGanado");
}

#[tokio::test]
async fn what_moves_on_another_charge_of_a_payment_is_for_a_person_and_leaves_its_own() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    assert_eq!(servicio.deliver(&order(DO, "asked", "24.12")).await, None);
    let charge = |payment: &str, intent: Value| {
        json!({"id": "ch_9", "object": "charge", "payment_intent": intent, "refunded": true,
               "metadata": {"idCorrelacion": payment}})
    };
    let dispute = json!({"id": "dp_9", "object": "dispute", "charge": "ch_9", "payment_intent": "pi_9",
                         "reason": "fraudulent", "status": "needs_response", "metadata": {"idCorrelacion": "p-1"}});
    for (number, (tipo, object)) in [
        ("charge.refunded", charge("p-1", json!("pi_9"))),
        ("charge.dispute.created", dispute),
        // A charge that was made without an intent.
        ("charge.refunded", charge("p-1", Value::Null)),
        // Of this one only the promise is known.
        ("charge.refunded", charge("asked", json!("pi_9"))),
    ]
    .into_iter()
    .enumerate()
    {
        let event = format!("evt_{number}");
        tell(&servicio, &event, tipo, &object).await;
    }
    assert_eq!(notices(&servicio, "p-1").await, ["MovimientoDeOtroCargo"; 3]);
    assert_eq!(notices(&servicio, "asked").await, ["MovimientoDeOtroCargo"]);
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONFIRMADO");
    assert_eq!(count(&servicio, "contracargos").await, 0);
}

#[tokio::test]
async fn a_refund_that_fails_is_the_one_that_its_id_or_its_key_names() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    servicio.settle(&order(UNDO, "p-1", "24.00")).await;
    let seen = servicio.get("/pagos/p-1").await.body;
    let by_hand = json!("re_9");
    for (number, (refund, metadata, told)) in [
        (&by_hand, Value::Null, 0),
        (&by_hand, json!({"clave": "p-2/reembolsar"}), 0),
        (&by_hand, json!({"clave": "p-1/reembolsar"}), 1),
        (&seen["reembolso"], Value::Null, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let failed = json!({"id": refund, "object": "refund", "charge": seen["cargo"], "metadata": metadata});
        let event = format!("evt_{number}");
        tell(&servicio, &event, "refund.failed", &failed).await;
        assert_eq!(
            notices(&servicio, "p-1").await,
            vec!["ReembolsoFallido"; told],
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_dispute_of_what_was_given_back_by_hand_is_for_a_person() {
    let servicio = Servicio::new().await;
    paid(&servicio, "p-1").await;
    let (all, dispute) = (charge(&servicio, "p-1", true).await, dispute(&servicio, "p-1").await);
    tell(&servicio, "evt_1", "charge.refunded", &all).await;
    assert_eq!(notices(&servicio, "p-1").await, Vec::<String>::new());
    tell(&servicio, "evt_2", "charge.dispute.created", &dispute).await;
    assert_eq!(notices(&servicio, "p-1").await, ["ContracargoSobreReembolso"]);
    // A dispute alone is told once, however many events it has.
    paid(&servicio, "p-2").await;
    let dispute = self::dispute(&servicio, "p-2").await;
    for (event, tipo) in [
        ("evt_3", "charge.dispute.created"),
        ("evt_4", "charge.dispute.funds_withdrawn"),
    ] {
        tell(&servicio, event, tipo, &dispute).await;
    }
    assert_eq!(notices(&servicio, "p-2").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_refund_by_hand_ends_an_undo_whose_own_refund_can_no_longer_be_repeated() {
    let servicio = Servicio::new().await;
    let undo = order(UNDO, "p-1", "24.16");
    assert_eq!(servicio.settle(&order(DO, "p-1", "24.16")).await, Outcome::Done);
    assert!(
        matches!(servicio.deliver(&undo).await, Some(Outcome::Failed(_))),
        "the refund is lost"
    );
    let all = charge(&servicio, "p-1", true).await;
    tell(&servicio, "evt_1", "charge.refunded", &all).await;
    let known = servicio.pago(&id("p-1")).await.contracargo;
    assert_eq!(known, None, "it may be ours, which the repeat finds out");

    servicio.pass(VIGENCIA_MS);
    let calls = servicio.pasarela.llamadas();
    let Some(Outcome::Failed(reason)) = servicio.deliver(&undo).await else {
        panic!("nobody knows what became of the refund")
    };
    assert_eq!(reason.motivo, "RequiereConciliacion");
    tell(&servicio, "evt_2", "charge.refunded", &all).await;
    assert_eq!(servicio.settle(&undo).await, Outcome::Done);
    assert_eq!(servicio.pasarela.llamadas(), calls, "nothing is asked of the gateway");
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONTRACARGADO");
}
