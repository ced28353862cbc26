//! The whole service with Stripe behind it.

use integracion_pagos::domain::Operacion;
use seedwork::Outcome;
use serde_json::json;

use super::Doble;
use crate::banco::Banco as _;
use crate::conciliacion::{differences, reconcile};
use crate::servicio::{DO, Servicio, UNDO, id, order};
use crate::webhook::tell;

use Operacion::{Anular, Autorizar, Capturar, Reembolsar};

#[tokio::test]
async fn a_payment_is_taken_and_given_back_once_whatever_stripe_answers() {
    let doble = Doble::start().await;
    let servicio = Servicio::at_stripe(doble.stripe()).await;
    for ending in [0, 11, 12, 13, 14, 16, 17, 19, 20] {
        let (name, monto) = (format!("p-{ending}"), format!("24.{ending:02}"));
        assert_eq!(
            servicio.settle(&order(DO, &name, &monto)).await,
            Outcome::Done,
            "{monto}"
        );
        assert_eq!(
            servicio.settle(&order(UNDO, &name, &monto)).await,
            Outcome::Done,
            "{monto}"
        );
        let minor = 2_400 + ending;
        let once = [(Autorizar, minor), (Capturar, minor), (Reembolsar, minor)];
        assert_eq!(doble.movimientos(&id(&name)).await, once, "{monto}");
    }
    let seen = servicio.get("/pagos/p-0").await.body;
    assert_eq!(
        (&seen["pasarela"], &seen["estado"]),
        (&json!("STRIPE"), &json!("REEMBOLSADO"))
    );
    servicio.deliver(&order(DO, "voided", "24.14")).await;
    assert_eq!(servicio.settle(&order(UNDO, "voided", "24.14")).await, Outcome::Done);
    assert_eq!(
        doble.movimientos(&id("voided")).await,
        [(Autorizar, 2_414), (Anular, 2_414)]
    );
    assert_eq!(differences(&reconcile(&servicio).await), []);
}

#[tokio::test]
async fn a_refund_by_hand_ends_an_undo_whose_own_refund_can_no_longer_be_made() {
    let doble = Doble::start().await;
    let servicio = Servicio::at_stripe(doble.stripe()).await;
    for broken in [false, true] {
        let name = format!("p-{broken}");
        let undo = order(UNDO, &name, "24.00");
        servicio.settle(&order(DO, &name, "24.00")).await;
        if broken {
            // Stripe has stored a 500, and will say it for ever.
            doble.break_next(Reembolsar, false);
            assert_ne!(servicio.deliver(&undo).await, Some(Outcome::Done));
        }
        doble.refund_by_hand(&name);
        assert_eq!(servicio.settle(&undo).await, Outcome::Done, "{name}");
        let seen = servicio.get(&format!("/pagos/{name}")).await.body;
        assert_eq!(seen["estado"], "REEMBOLSADO", "{name}");
        let ours = [(Autorizar, 2_400), (Capturar, 2_400)];
        assert_eq!(doble.movimientos(&id(&name)).await, ours, "{name}: no second refund");
    }
    assert_eq!(differences(&reconcile(&servicio).await), []);
}

#[tokio::test]
async fn past_the_life_of_its_keys_nothing_is_asked_of_stripe() {
    let doble = Doble::start().await;
    let servicio = Servicio::at_stripe(doble.stripe()).await;
    let order = order(DO, "p-1", "24.12");
    assert_eq!(servicio.deliver(&order).await, None, "the capture is not answered");
    servicio.pass(crate::servicio::VIGENCIA_MS);
    let calls = doble.calls();
    servicio.deliver(&order).await;
    assert_eq!(doble.calls(), calls);
}

#[tokio::test]
async fn a_second_charge_by_hand_is_found_by_name() {
    let doble = Doble::start().await;
    let servicio = Servicio::at_stripe(doble.stripe()).await;
    for name in ["a", "b", "c", "d", "e"] {
        servicio.settle(&order(DO, name, "24.00")).await;
    }
    doble.charge_by_hand("c", 2_400);
    doble.charge_by_hand("nobody", 2_400);
    let expected = [("CapturadoDosVeces", "c"), ("SoloEnPasarela", "nobody")]
        .map(|(name, payment)| (name.to_owned(), payment.to_owned()));
    assert_eq!(differences(&reconcile(&servicio).await), expected);
}

#[tokio::test]
async fn a_dispute_of_a_payment_whose_row_is_lost_is_found_at_stripe() {
    let doble = Doble::start().await;
    let servicio = Servicio::at_stripe(doble.stripe()).await;
    servicio.settle(&order(DO, "p-1", "24.00")).await;
    let seen = servicio.get("/pagos/p-1").await.body;
    sqlx::query("DELETE FROM pagos").execute(&servicio.pool).await.unwrap();
    let dispute = json!({"object": "dispute", "charge": seen["cargo"], "payment_intent": seen["autorizacion"],
                         "status": "needs_response"});
    tell(&servicio, "evt_1", "charge.dispute.created", &dispute).await;
    assert!(servicio.pago(&id("p-1")).await.contracargo.is_some());
}
