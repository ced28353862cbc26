//! Soft declines are tried again on their days, each as a payment of its own, linked to the first.

use gestion_clientes::domain::instante::Instante;
use seedwork::{Declive, Outcome, Reason};
use seedwork_runtime::now_ms;
use serde_json::json;

use crate::fixture::{CONFIRMAR, CREAR, REVERTIR, REVERTIR_CONFIRMACION, Service, motivo, service};

const SOFT: &str = "FondosInsuficientes";

/// A payment that was declined just now.
async fn declined(service: &Service, id: &str, id_cliente: &str, motivo: &str) {
    service.command(CREAR, id, id_cliente).await;
    service.undo(REVERTIR, id, id_cliente, motivo).await;
}

/// Runs the job so many days after now; the ids of the retries there are after it.
async fn after(service: &Service, days: i64) -> Vec<String> {
    let ahora = Instante::from_ms(now_ms()).plus_days(days);
    service.app.reintentos.reintentar(ahora).await.unwrap();
    let ids = sqlx::query_scalar("SELECT id_correlacion FROM solicitudes ORDER BY creada, id_correlacion");
    ids.fetch_all(&service.pool).await.unwrap()
}

async fn invoice(service: &Service, id: &str) -> serde_json::Value {
    service.get(&format!("/facturacion/{id}")).await.json()
}

#[tokio::test]
async fn a_soft_decline_is_tried_again_on_its_days_and_then_no_more() {
    let service = service().await;
    let ana = service.ana().await;
    declined(&service, "p-1", &ana, SOFT).await;
    let first = invoice(&service, "p-1").await;
    assert_eq!(
        (&first["estado"], &first["motivo"]),
        (&json!("CANCELADO"), &json!(SOFT))
    );
    assert!(first["reintentoDe"].is_null());
    for (attempt, day) in [(1, 1), (2, 3), (3, 7)] {
        assert_eq!(after(&service, day - 1).await.len(), attempt - 1, "not before its day");
        let made = after(&service, day).await;
        assert_eq!(made.len(), attempt, "attempt {attempt}");
        assert_eq!(after(&service, day).await, made, "once");
        let all: Vec<(String, i64)> = sqlx::query_as("SELECT id, intento FROM reintentos ORDER BY intento")
            .fetch_all(&service.pool)
            .await
            .unwrap();
        let (id, intento) = all.last().unwrap();
        assert_eq!(usize::try_from(*intento).unwrap(), attempt);
        // Linked before its invoice is there and after.
        for estado in ["SOLICITADO", "PAGO_ENVIADO"] {
            let linked = invoice(&service, id).await;
            assert_eq!(
                (&linked["reintentoDe"], &linked["intento"], &linked["estado"]),
                (&json!("p-1"), &json!(attempt), &json!(estado))
            );
            assert_eq!(
                (&linked["monto"], &linked["medioPago"], &linked["idCliente"]),
                (&first["monto"], &first["medioPago"], &first["idCliente"])
            );
            if estado == "SOLICITADO" {
                service.command(CREAR, id, &ana).await;
            }
        }
        assert_eq!(after(&service, 30).await, made, "the next one waits for this one's end");
        service.undo(REVERTIR, id, &ana, SOFT).await;
        service.tell(id, &ana, true).await;
    }
    assert_eq!(after(&service, 8).await.len(), 3, "three were all");
}

#[tokio::test]
async fn retries_that_are_late_keep_their_distance() {
    let service = service().await;
    let ana = service.ana().await;
    declined(&service, "p-1", &ana, SOFT).await;
    // Nobody ran the job until the last of the days.
    let made = after(&service, 7).await;
    assert_eq!(made.len(), 1);
    declined(&service, &made[0], &ana, SOFT).await;
    service.tell(&made[0], &ana, true).await;
    for day in [7, 8] {
        assert_eq!(after(&service, day).await, made, "day {day}");
    }
    assert_eq!(after(&service, 9).await.len(), 2, "two days after the first");
}

#[tokio::test]
async fn a_retry_derives_from_the_first_payment_and_the_attempt() {
    let mut made = Vec::new();
    for _ in 0..2 {
        let service = service().await;
        let ana = service.ana().await;
        declined(&service, "p-1", &ana, SOFT).await;
        made.push(after(&service, 1).await);
    }
    assert_eq!(made[0], made[1]);
    assert_eq!(made[0][0].as_bytes()[14], b'5', "a UUIDv5: {}", made[0][0]);
}

#[tokio::test]
async fn what_is_no_soft_decline_is_never_tried_again() {
    let service = service().await;
    let ana = service.ana().await;
    for (n, motivo) in [
        "TarjetaRechazada",
        "TarjetaVencida",
        "TarjetaRobada",
        "Cancelado",
        "Contracargo",
        "PlazoVencido",
    ]
    .into_iter()
    .enumerate()
    {
        declined(&service, &format!("p-{n}"), &ana, motivo).await;
    }
    service.command(CREAR, "p-7", &ana).await;
    service.command(REVERTIR, "p-7", &ana).await; // nobody said why
    for day in [1, 3, 7] {
        assert_eq!(after(&service, day).await, [""; 0]);
    }
}

#[tokio::test]
async fn the_word_of_the_gateway_decides_whatever_the_code() {
    for (motivo, declive, retries) in [
        ("LimiteDiario", Declive::Suave, 1),
        (SOFT, Declive::Suave, 1),
        (SOFT, Declive::Duro, 0),
        ("TarjetaRobada", Declive::Duro, 0),
    ] {
        let service = service().await;
        let ana = service.ana().await;
        service.command(CREAR, "p-1", &ana).await;
        let reason = Reason::new(motivo, "lo dice la pasarela").with_declive(Some(declive));
        service.undo_because(REVERTIR, "p-1", &ana, reason).await;
        // It stands in the document: a table that was made again knows it too.
        sqlx::query("UPDATE facturas SET declive = ''")
            .execute(&service.pool)
            .await
            .unwrap();
        gestion_clientes::rebuild_over(service.sidecar.clone(), service.pool.clone())
            .await
            .unwrap();
        assert_eq!(after(&service, 1).await.len(), retries, "{motivo} {declive:?}");
    }
}

#[tokio::test]
async fn a_hard_decline_of_a_retry_is_the_last_attempt() {
    let service = service().await;
    let ana = service.ana().await;
    declined(&service, "p-1", &ana, SOFT).await;
    let made = after(&service, 1).await;
    declined(&service, &made[0], &ana, "TarjetaVencida").await;
    service.tell(&made[0], &ana, true).await;
    assert_eq!(after(&service, 7).await, made);
}

#[tokio::test]
async fn who_has_paid_since_or_is_paying_is_left_alone() {
    let service = service().await;
    let ana = service.ana().await;
    // Paid well before the declined payment was asked for: that is another period.
    service.command(CREAR, "p-0", &ana).await;
    service.command(CONFIRMAR, "p-0", &ana).await;
    sqlx::query("UPDATE facturas SET periodo_fin = periodo_fin - 172800000 WHERE id = 'p-0'")
        .execute(&service.pool)
        .await
        .unwrap();
    declined(&service, "p-1", &ana, SOFT).await;
    service.command(CREAR, "p-2", &ana).await;
    assert_eq!(after(&service, 1).await, [""; 0], "a payment is under way");
    service.command(CONFIRMAR, "p-2", &ana).await;
    assert_eq!(after(&service, 2).await, [""; 0], "paid");
    service.command(REVERTIR_CONFIRMACION, "p-2", &ana).await;
    service.undo(REVERTIR, "p-2", &ana, "Contracargo").await;
    let made = after(&service, 2).await;
    assert_eq!(made.len(), 1, "what was given back does not count");
    assert_eq!(
        service.command(CREAR, &made[0], &ana).await,
        Outcome::Done,
        "nor in step 1"
    );
}

#[tokio::test]
async fn who_paid_just_before_is_left_alone() {
    let service = service().await;
    let ana = service.ana().await;
    service.command(CREAR, "p-0", &ana).await;
    service.command(CONFIRMAR, "p-0", &ana).await;
    // An hour before, so that it does not matter how quickly the two follow each other here.
    sqlx::query("UPDATE facturas SET periodo_fin = periodo_fin - 3600000")
        .execute(&service.pool)
        .await
        .unwrap();
    declined(&service, "p-1", &ana, SOFT).await;
    assert_eq!(after(&service, 1).await, [""; 0]);
}

#[tokio::test]
async fn who_asks_to_pay_at_this_door_is_left_alone_until_that_has_ended() {
    let service = service().await;
    let (ana, eva) = (service.ana().await, service.ana().await);
    declined(&service, "p-1", &ana, SOFT).await;
    service.asked(&eva).await;
    let own = service.asked(&ana).await;
    assert_eq!(after(&service, 1).await.len(), 2, "the two that were asked for");
    service.tell(&own, &ana, true).await;
    assert_eq!(after(&service, 1).await.len(), 3, "it came to nothing");
}

#[tokio::test]
async fn a_retry_is_refused_in_step_1_when_the_client_asked_to_pay_meanwhile() {
    for (step, how) in ["asked for", "under way", "paid"].into_iter().enumerate() {
        let service = service().await;
        let ana = service.ana().await;
        declined(&service, "p-1", &ana, SOFT).await;
        let made = after(&service, 1).await;
        // The operator was away, and comes to the client's own request first.
        if step == 0 {
            service.asked(&ana).await;
        }
        if step >= 1 {
            assert_eq!(service.command(CREAR, "p-2", &ana).await, Outcome::Done);
        }
        if step >= 2 {
            assert_eq!(service.command(CONFIRMAR, "p-2", &ana).await, Outcome::Done);
        }
        for _ in 0..2 {
            let outcome = service.command(CREAR, &made[0], &ana).await;
            assert_eq!(motivo(&outcome), "YaPagado", "{how}");
        }
        let refused = invoice(&service, &made[0]).await;
        assert_eq!(
            (&refused["estado"], &refused["motivo"]),
            (&json!("RECHAZADO"), &json!("YaPagado")),
            "{how}"
        );
    }
}

#[tokio::test]
async fn when_the_payment_that_a_retry_gave_way_to_comes_to_nothing_the_next_retry_has_its_day() {
    let service = service().await;
    let ana = service.ana().await;
    declined(&service, "p-1", &ana, SOFT).await;
    let made = after(&service, 1).await;
    assert_eq!(service.command(CREAR, "p-2", &ana).await, Outcome::Done);
    let outcome = service.command(CREAR, &made[0], &ana).await;
    assert_eq!(motivo(&outcome), "YaPagado");
    assert_eq!(after(&service, 3).await, made, "its own has not ended");
    service.tell(&made[0], &ana, true).await;
    assert_eq!(after(&service, 3).await, made, "the client is paying");
    service.undo(REVERTIR, "p-2", &ana, "TarjetaRobada").await;
    assert_eq!(after(&service, 2).await, made, "not before its day");
    assert_eq!(after(&service, 3).await.len(), 2);
}

#[tokio::test]
async fn two_declined_payments_of_a_client_are_not_tried_at_once() {
    let service = service().await;
    let (ana, eva) = (service.ana().await, service.ana().await);
    for (id, whose) in [("p-1", &ana), ("p-2", &ana), ("p-3", &eva)] {
        declined(&service, id, whose, SOFT).await;
    }
    let made = after(&service, 1).await;
    assert_eq!(made.len(), 2, "one of each client");
    assert_eq!(after(&service, 1).await, made);
}

#[tokio::test]
async fn a_retry_whose_request_was_lost_in_a_crash_is_made_again_as_the_same() {
    let service = service().await;
    let ana = service.ana().await;
    declined(&service, "p-1", &ana, SOFT).await;
    let made = after(&service, 1).await;
    sqlx::query("DELETE FROM solicitudes")
        .execute(&service.pool)
        .await
        .unwrap();
    assert_eq!(after(&service, 1).await, made);
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM reintentos")
        .fetch_one(&service.pool)
        .await
        .unwrap();
    assert_eq!(rows, 1);
}

/// Leaves an invoice as a newer version may write it.
async fn spoil(service: &Service, id: &str) {
    sqlx::query("UPDATE facturas SET medio_pago = 'Paloma' WHERE id = $1")
        .bind(id)
        .execute(&service.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_of_a_payment_keeps_no_other_from_being_tried_again() {
    let service = service().await;
    let (ana, eva, luz) = (service.ana().await, service.ana().await, service.ana().await);
    declined(&service, "p-1", &ana, SOFT).await;
    let made = after(&service, 1).await;
    declined(&service, &made[0], &ana, SOFT).await;
    spoil(&service, &made[0]).await;
    declined(&service, "p-0", &luz, SOFT).await;
    spoil(&service, "p-0").await;
    declined(&service, "p-2", &eva, SOFT).await;
    assert_eq!(after(&service, 3).await.len(), 2, "the last one has its first retry");
}
