//! The participant: the laws of every participant, and its own about money. Commands are delivered by hand, so each
//! interleaving is exact.

use std::sync::Arc;

use integracion_pagos::domain::{EstadoPago, Operacion};
use seedwork::{IdCorrelacion, Outcome, Step};
use seedwork_runtime::Sidecar;
use seedwork_runtime::participant::laws::{Laws, eventually};

use crate::servicio::{DO, Servicio, UNDO, VIGENCIA_MS, id, order, refusal};

use Operacion::{Anular, Autorizar, Capturar, Reembolsar};

/// Every ending of the outcome table, and how the do ends.
const ENDINGS: [(&str, Option<&str>); 16] = [
    ("24.00", None),
    ("24.01", Some("FondosInsuficientes")),
    ("24.02", Some("TarjetaRechazada")),
    ("24.03", Some("TarjetaVencida")),
    ("24.04", Some("TarjetaRobada")),
    ("24.05", None),
    ("24.11", None),
    ("24.12", None),
    ("24.13", None),
    ("24.14", None),
    ("24.15", None),
    ("24.16", None),
    ("24.17", None),
    ("24.18", Some("MontoDistinto")),
    ("24.19", None),
    ("24.20", None),
];

#[tokio::test]
async fn the_laws_hold() {
    let servicio = Servicio::new().await;
    let sidecar: Arc<dyn Sidecar> = servicio.sidecar.clone();
    let laws = Laws {
        participation: Arc::clone(&servicio.participation),
        sidecar,
        run: "m".to_owned(),
        cliente: "c-1".to_owned(),
    };
    laws.hold_for(&[Step::RealizarPago]).await;
}

#[tokio::test]
async fn every_payment_comes_to_a_definite_end_that_moved_money_at_most_once() {
    let servicio = Servicio::new().await;
    for (monto, refused) in ENDINGS {
        let name = format!("do-{}", monto.replace('.', "-"));
        let outcome = servicio.settle(&order(DO, &name, monto)).await;
        match refused {
            None => assert_eq!(outcome, Outcome::Done, "{monto}"),
            Some(codigo) => assert_eq!(refusal(&outcome), codigo, "{monto}"),
        }
        let captures = count(&servicio, &id(&name), Capturar);
        let declined = refused.is_some_and(|codigo| codigo != "MontoDistinto");
        assert_eq!(captures, usize::from(!declined), "{monto}");
    }
}

#[tokio::test]
async fn whatever_was_done_is_undone_exactly() {
    let servicio = Servicio::new().await;
    for (monto, _) in ENDINGS {
        for deliveries in 0..=4 {
            let name = format!("undo-{}-{deliveries}", monto.replace('.', "-"));
            for _ in 0..deliveries {
                servicio.deliver(&order(DO, &name, monto)).await;
            }
            assert_eq!(
                servicio.settle(&order(UNDO, &name, monto)).await,
                Outcome::Done,
                "{name}"
            );
            money_is_back(&servicio, &id(&name));
            let late = servicio.settle(&order(DO, &name, monto)).await;
            assert_eq!(refusal(&late), "Revertido", "{name}");
            money_is_back(&servicio, &id(&name));
        }
    }
}

#[tokio::test]
async fn a_tombstone_between_authorise_and_capture_means_no_capture() {
    let servicio = Servicio::new().await;
    let (order, undo, id) = (
        order(DO, "between", "24.00"),
        order(UNDO, "between", "24.00"),
        id("between"),
    );
    // The authorisation is recorded at the gateway; its answer is on the way.
    let held = servicio.pasarela.retener(Autorizar);
    let participation = Arc::clone(&servicio.participation);
    let running = tokio::spawn({
        let order = order.clone();
        async move { participation.run(&order).await }
    });
    held.llego().await;
    // The undo leaves its tombstone and finds the key in flight: it can't know yet.
    assert!(matches!(servicio.deliver(&undo).await, Some(Outcome::Failed(_))));
    held.seguir();
    running.await.unwrap().unwrap();
    assert_eq!(refusal(&servicio.replied(DO).unwrap()), "Revertido");
    assert_eq!(servicio.movimientos(&id), [(Autorizar, 2_400)], "no capture");
    assert_eq!(servicio.deliver(&undo).await, Some(Outcome::Done));
    assert_eq!(servicio.movimientos(&id), [(Autorizar, 2_400), (Anular, 2_400)]);
    assert!(matches!(servicio.pago(&id).await.estado, EstadoPago::Anulado { .. }));
}

#[tokio::test]
async fn a_capture_under_way_when_the_undo_comes_is_found_out_and_refunded() {
    let servicio = Servicio::new().await;
    let (order, undo, id) = (
        order(DO, "under-way", "24.00"),
        order(UNDO, "under-way", "24.00"),
        id("under-way"),
    );
    let held = servicio.pasarela.retener(Capturar);
    let participation = Arc::clone(&servicio.participation);
    let running = tokio::spawn(async move { participation.run(&order).await });
    held.llego().await;
    assert!(
        matches!(servicio.deliver(&undo).await, Some(Outcome::Failed(_))),
        "the key is in flight"
    );
    held.seguir();
    running.await.unwrap().unwrap();
    assert_eq!(
        refusal(&servicio.replied(DO).unwrap()),
        "Revertido",
        "what it took is not its to keep"
    );
    assert_eq!(servicio.deliver(&undo).await, Some(Outcome::Done));
    assert_eq!(
        servicio.movimientos(&id),
        [(Autorizar, 2_400), (Capturar, 2_400), (Reembolsar, 2_400)]
    );
}

#[tokio::test]
async fn a_timeout_after_the_capture_then_an_undo_is_one_capture_and_one_refund() {
    let servicio = Servicio::new().await;
    let id = id("timeout");
    assert_eq!(
        servicio.deliver(&order(DO, "timeout", "24.12")).await,
        None,
        "silence is not a refusal"
    );
    assert!(matches!(
        servicio.pago(&id).await.estado,
        EstadoPago::CapturaPedida { .. }
    ));
    assert_eq!(
        servicio.deliver(&order(UNDO, "timeout", "24.12")).await,
        Some(Outcome::Done)
    );
    assert_eq!(
        servicio.movimientos(&id),
        [(Autorizar, 2_412), (Capturar, 2_412), (Reembolsar, 2_412)]
    );
}

#[tokio::test]
async fn a_process_that_dies_during_a_capture_takes_the_money_once() {
    let servicio = Servicio::new().await;
    let (order, id) = (order(DO, "crash", "24.00"), id("crash"));
    let held = servicio.pasarela.retener(Capturar);
    let participation = Arc::clone(&servicio.participation);
    let running = tokio::spawn({
        let order = order.clone();
        async move { participation.run(&order).await }
    });
    held.llego().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    let servicio = servicio.restarted().await;
    assert_eq!(servicio.deliver(&order).await, Some(Outcome::Done));
    assert_eq!(servicio.movimientos(&id), [(Autorizar, 2_400), (Capturar, 2_400)]);
}

#[tokio::test]
async fn another_amount_is_refused_and_what_was_really_taken_is_given_back() {
    let servicio = Servicio::new().await;
    let id = id("wrong");
    let refused = servicio.deliver(&order(DO, "wrong", "24.18")).await.unwrap();
    assert_eq!(refusal(&refused), "MontoDistinto");
    assert_eq!(
        servicio.get("/pagos/wrong").await.body["estado"],
        "EN_PROCESO",
        "money is held"
    );
    assert_eq!(
        servicio.deliver(&order(UNDO, "wrong", "24.18")).await,
        Some(Outcome::Done)
    );
    assert_eq!(
        servicio.movimientos(&id),
        [(Autorizar, 2_418), (Capturar, 2_318), (Reembolsar, 2_318)]
    );
}

#[tokio::test]
async fn a_refund_that_is_impossible_is_told_each_time_and_recorded_once() {
    let servicio = Servicio::new().await;
    let (undo, id) = (order(UNDO, "stuck", "24.21"), id("stuck"));
    servicio.settle(&order(DO, "stuck", "24.21")).await;
    let mut versions = Vec::new();
    for _ in 0..3 {
        let Some(Outcome::Failed(reason)) = servicio.deliver(&undo).await else {
            panic!("it can't be undone")
        };
        assert_eq!(reason.motivo, "ReembolsoImposible");
        versions.push(servicio.documento(&id).await.version);
    }
    assert_eq!(versions[0], versions[2], "a refusal that is known costs no write");
    assert_eq!(servicio.pasarela.llamadas(), 3, "and no call");
    assert_eq!(servicio.get("/pagos/stuck").await.body["motivo"], "ReembolsoImposible");
    servicio.pass(VIGENCIA_MS);
    let Some(Outcome::Failed(reason)) = servicio.deliver(&undo).await else {
        panic!("it can't be undone")
    };
    assert_eq!(reason.motivo, "ReembolsoImposible", "still the gateway's own words");
}

#[tokio::test]
async fn past_the_life_of_its_keys_a_payment_waits_for_a_person() {
    let servicio = Servicio::new().await;
    let (order, undo, id) = (order(DO, "old", "24.20"), order(UNDO, "old", "24.20"), id("old"));
    assert_eq!(servicio.deliver(&order).await, None);
    servicio.pass(VIGENCIA_MS);
    let calls = servicio.pasarela.llamadas();
    assert_eq!(servicio.deliver(&order).await, None, "neither done nor refused");
    let Some(Outcome::Failed(reason)) = servicio.deliver(&undo).await else {
        panic!("nobody knows what to undo")
    };
    assert_eq!(reason.motivo, "RequiereConciliacion");
    assert_eq!(servicio.pasarela.llamadas(), calls, "nothing is dispatched any more");
    assert_eq!(servicio.movimientos(&id), [(Autorizar, 2_420)]);
}

#[tokio::test]
async fn a_payment_that_was_taken_long_ago_is_refunded_under_a_new_key() {
    let servicio = Servicio::new().await;
    assert_eq!(
        servicio.deliver(&order(DO, "long-ago", "24.00")).await,
        Some(Outcome::Done)
    );
    servicio.pass(10 * VIGENCIA_MS);
    assert_eq!(
        servicio.deliver(&order(UNDO, "long-ago", "24.00")).await,
        Some(Outcome::Done)
    );
    money_is_back(&servicio, &id("long-ago"));
}

#[tokio::test]
async fn two_deliveries_at_once_are_one_payment() {
    let servicio = Servicio::new().await;
    let (order, id) = (order(DO, "at-once", "24.16"), id("at-once"));
    eventually("an end", || async {
        let (first, second) = tokio::join!(servicio.participation.run(&order), servicio.participation.run(&order));
        first.and(second).unwrap();
        servicio.replied(DO)
    })
    .await;
    assert_eq!(servicio.movimientos(&id), [(Autorizar, 2_416), (Capturar, 2_416)]);
}

#[tokio::test]
async fn a_do_and_its_undo_at_once_leave_no_money_behind() {
    let servicio = Servicio::new().await;
    for (monto, _) in ENDINGS {
        for before in 0..=2 {
            let name = format!("both-{}-{before}", monto.replace('.', "-"));
            let (order, undo) = (order(DO, &name, monto), order(UNDO, &name, monto));
            for _ in 0..before {
                servicio.deliver(&order).await;
            }
            let (done, undone) = tokio::join!(servicio.participation.run(&order), servicio.participation.run(&undo));
            done.and(undone).unwrap();
            assert_eq!(servicio.settle(&undo).await, Outcome::Done, "{name}");
            money_is_back(&servicio, &id(&name));
        }
    }
}

#[tokio::test]
async fn the_order_of_a_repeat_does_not_change_what_was_asked_for() {
    let servicio = Servicio::new().await;
    servicio.deliver(&order(DO, "changed", "24.12")).await;
    assert_eq!(
        servicio.deliver(&order(DO, "changed", "99.00")).await,
        Some(Outcome::Done)
    );
    assert_eq!(
        servicio.movimientos(&id("changed")),
        [(Autorizar, 2_412), (Capturar, 2_412)]
    );
}

fn count(servicio: &Servicio, id: &IdCorrelacion, operacion: Operacion) -> usize {
    servicio
        .movimientos(id)
        .iter()
        .filter(|(done, _)| *done == operacion)
        .count()
}

/// At most one of each, all that was taken is refunded, and no promise is left.
fn money_is_back(servicio: &Servicio, id: &IdCorrelacion) {
    let movements = servicio.movimientos(id);
    for operacion in Operacion::ALL {
        assert!(count(servicio, id, operacion) <= 1, "{id}: {movements:?}");
    }
    let sum = |wanted| {
        movements
            .iter()
            .filter(|(done, _)| *done == wanted)
            .map(|(_, minor)| minor)
            .sum::<i64>()
    };
    assert_eq!(sum(Capturar), sum(Reembolsar), "{id}: {movements:?}");
    let settled = count(servicio, id, Capturar) + count(servicio, id, Anular);
    assert_eq!(count(servicio, id, Autorizar), settled, "{id}: {movements:?}");
}
