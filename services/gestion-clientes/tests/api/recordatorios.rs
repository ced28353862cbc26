//! Clients are told before and after an invoice falls due, once each.

use gestion_clientes::domain::instante::Instante;
use seedwork::App;
use seedwork_runtime::now_ms;
use seedwork_runtime::sidecar::Posted;
use serde_json::json;

use crate::fixture::{CONFIRMAR, CREAR, REVERTIR_CONFIRMACION, Service, service, service_with};

const PATH: &str = "/notificaciones/notificacion-comando";

/// A client whose invoice was confirmed now, and falls due in 30 days.
async fn paid(settings: &[&str]) -> (Service, String) {
    let service = service_with(settings).await;
    service.sidecar.serve_post(App::Notificaciones, PATH, 202, &json!({}));
    let ana = service.ana().await;
    pay(&service, "p-1", &ana).await;
    (service, ana)
}

async fn pay(service: &Service, id: &str, id_cliente: &str) {
    service.command(CREAR, id, id_cliente).await;
    service.command(CONFIRMAR, id, id_cliente).await;
}

/// Runs the job so many days after now.
async fn after(service: &Service, days: i64) -> Vec<Posted> {
    let ahora = Instante::from_ms(now_ms()).plus_days(days);
    service.app.recordatorios.avisar(ahora).await.unwrap();
    service.sidecar.take_posted()
}

fn keys(posted: &[Posted]) -> Vec<&str> {
    posted.iter().map(|one| one.key.as_str()).collect()
}

#[tokio::test]
async fn a_client_is_told_three_days_before_and_one_day_after_once_each() {
    let (service, ana) = paid(&[]).await;
    for (days, expected) in [
        (0, &[][..]),
        (26, &[]),
        (27, &["recordatorio/p-1/antes"]),
        (28, &[]),
        (30, &[]),
        (31, &["recordatorio/p-1/despues"]),
        (32, &[]),
        (60, &[]),
    ] {
        let posted = after(&service, days).await;
        assert_eq!(keys(&posted), expected, "{days} days on");
        for one in posted {
            let vence = &service.get("/facturacion/p-1").await.json()["vence"];
            let day = &vence.as_str().unwrap()[..10];
            assert_eq!(
                (one.app, one.path.as_str(), one.authorization),
                (App::Notificaciones, PATH, None)
            );
            assert_eq!(
                (&one.body["tipo"], &one.body["medio"]),
                (&json!("RECORDATORIO"), &json!("correo"))
            );
            assert_eq!(one.body["idCliente"], ana.as_str());
            let factura = json!({"id": "p-1", "monto": "24.10", "moneda": "USD", "vence": day});
            assert_eq!(one.body["factura"], factura);
            assert!(one.body["valor"].as_str().unwrap().contains(day), "{}", one.body);
        }
    }
}

#[tokio::test]
async fn the_days_are_settings() {
    let (service, _) = paid(&["--recordatorio-dias-antes", "0", "--recordatorio-dias-despues", "5"]).await;
    for (days, expected) in [(29, &[][..]), (34, &[]), (35, &["recordatorio/p-1/despues"])] {
        assert_eq!(keys(&after(&service, days).await), expected, "{days} days on");
    }
}

#[tokio::test]
async fn only_the_last_period_of_a_client_is_told_of() {
    let (service, ana) = paid(&[]).await;
    pay(&service, "p-2", &ana).await;
    let eva = service.ana().await;
    pay(&service, "p-3", &eva).await;
    sqlx::query("UPDATE facturas SET periodo_fin = periodo_fin - 1000 WHERE id = 'p-1'")
        .execute(&service.pool)
        .await
        .unwrap();
    assert_eq!(
        keys(&after(&service, 27).await),
        ["recordatorio/p-2/antes", "recordatorio/p-3/antes"]
    );
    // What is not paid any more does not fall due; then the other invoice is the last.
    service.command(REVERTIR_CONFIRMACION, "p-2", &ana).await;
    service.command(REVERTIR_CONFIRMACION, "p-3", &eva).await;
    assert_eq!(keys(&after(&service, 31).await), ["recordatorio/p-1/despues"]);
}

#[tokio::test]
async fn what_could_not_be_told_is_told_the_next_time_under_the_same_key() {
    let (service, _) = paid(&[]).await;
    let ahora = Instante::from_ms(now_ms()).plus_days(27);
    let mut failed = Vec::new();
    // 409: the same one is being taken, for a question that was slow.
    for status in [409, 503] {
        service
            .sidecar
            .serve_post(App::Notificaciones, PATH, status, &json!({}));
        assert!(service.app.recordatorios.avisar(ahora).await.is_err(), "{status}");
        failed = service.sidecar.take_posted();
    }
    service.sidecar.serve_post(App::Notificaciones, PATH, 202, &json!({}));
    assert_eq!(service.app.recordatorios.avisar(ahora).await.unwrap(), 1);
    let told = service.sidecar.take_posted();
    assert_eq!(told, failed);
    // A crash between the two: the row is missing, so it is asked again under the key that tells nobody twice.
    sqlx::query("DELETE FROM recordatorios")
        .execute(&service.pool)
        .await
        .unwrap();
    assert_eq!(service.app.recordatorios.avisar(ahora).await.unwrap(), 1);
    assert_eq!(service.sidecar.take_posted(), told);
}

#[tokio::test]
async fn one_that_is_refused_keeps_nobody_else_from_being_told() {
    let (service, _) = paid(&[]).await;
    service.sidecar.serve_post(App::Notificaciones, PATH, 422, &json!({}));
    let eva = service.ana().await;
    pay(&service, "p-2", &eva).await;
    assert_eq!(after(&service, 27).await.len(), 2, "both were tried");
}

#[tokio::test]
async fn many_are_told_page_by_page() {
    let service = service().await;
    service.sidecar.serve_post(App::Notificaciones, PATH, 202, &json!({}));
    let fin = Instante::from_ms(now_ms()).plus_days(2).ms();
    for n in 0..250 {
        sqlx::query(
            "INSERT INTO facturas (id, id_cliente, medio_pago, monto, moneda, estado, periodo_fin, version)
             VALUES ($1, $2, 'PSE', 2400, 'USD', 'CONFIRMADO', $3, 1)",
        )
        .bind(format!("p-{n}"))
        .bind(format!("c-{n}"))
        .bind(fin)
        .execute(&service.pool)
        .await
        .unwrap();
    }
    assert_eq!(after(&service, 0).await.len(), 250);
    assert_eq!(after(&service, 0).await.len(), 0);
}

#[tokio::test]
async fn invoices_that_cannot_be_read_keep_nobody_else_from_being_told() {
    let (service, _) = paid(&[]).await;
    // As a newer version may write them: a whole page of them, before the one that can be read.
    for n in 0..100 {
        sqlx::query(
            "INSERT INTO facturas (id, id_cliente, medio_pago, monto, moneda, estado, periodo_fin, version)
             SELECT $1, $2, 'Paloma', monto, moneda, estado, periodo_fin, version FROM facturas WHERE id = 'p-1'",
        )
        .bind(format!("a-{n}"))
        .bind(format!("c-{n}"))
        .execute(&service.pool)
        .await
        .unwrap();
    }
    assert_eq!(keys(&after(&service, 27).await), ["recordatorio/p-1/antes"]);
}
