//! Requests that have no invoice, or not yet.

use seedwork::{IdCorrelacion, Message, Reason};
use serde_json::json;

use crate::fixture::{CREAR, REVERTIR, Service, service};

async fn request_row(service: &Service, id: &str) -> (String, i64) {
    let query = sqlx::query_as("SELECT estado, contestada FROM solicitudes WHERE id_correlacion = $1").bind(id);
    query.fetch_one(&service.pool).await.unwrap()
}

#[tokio::test]
async fn a_request_without_an_invoice_says_how_it_stands() {
    let service = service().await;
    let id = service.asked("c-9").await;
    assert_eq!(service.estado(&id).await, "SOLICITADO");
    service.tell(&id, "c-9", false).await;
    assert_eq!(service.estado(&id).await, "SOLICITADO");
    service.command(CREAR, &id, "c-9").await;
    let refused = service.get(&format!("/facturacion/{id}")).await.json();
    assert_eq!(
        (&refused["estado"], &refused["motivo"]),
        (&json!("RECHAZADO"), &json!("ClienteInexistente"))
    );
    assert!(refused["mensaje"].as_str().unwrap().contains("c-9"), "{refused}");
    service.tell(&id, "c-9", true).await;
    assert_eq!(service.estado(&id).await, "RECHAZADO", "still, once the saga has ended");
}

#[tokio::test]
async fn a_request_that_ended_before_its_invoice_is_cancelled() {
    let service = service().await;
    let ana = service.ana().await;
    let id = service.asked(&ana).await;
    service.command(REVERTIR, &id, &ana).await;
    service.tell(&id, &ana, true).await;
    assert_eq!(service.estado(&id).await, "CANCELADO");
}

#[tokio::test]
async fn a_request_that_the_operator_refuses_says_why() {
    let service = service().await;
    let id = service.asked("c-1").await;
    let message = Message::SolicitudRechazada {
        id_correlacion: IdCorrelacion::parse(id.as_str()).unwrap(),
        reason: Reason::new("SolicitudInvalida", "spec.monto: it cannot be"),
    };
    assert_eq!(
        service.deliver(message.event_type(), &message.data().unwrap()).await,
        "SUCCESS"
    );
    let refused = service.get(&format!("/facturacion/{id}")).await.json();
    assert_eq!(
        (&refused["motivo"], &refused["mensaje"]),
        (
            &json!("SolicitudInvalida"),
            &json!("la plataforma no acepta esta solicitud; no se hizo ningún cobro")
        )
    );
}

#[tokio::test]
async fn the_request_closes_when_its_saga_has_ended() {
    let service = service().await;
    let id = service.asked("c-1").await;
    service.tell(&id, "c-1", false).await;
    assert_eq!(request_row(&service, &id).await, ("abierta".to_owned(), 1));
    service.tell(&id, "c-1", true).await;
    assert_eq!(request_row(&service, &id).await, ("cerrada".to_owned(), 1));
}

#[tokio::test]
async fn an_unknown_payment_is_404() {
    let service = service().await;
    for id in ["p-9", "Pe%C3%B1a", "%FF", "019ab2c3-0000-7000-8000-000000000000"] {
        service.get(&format!("/facturacion/{id}")).await.problem(404);
    }
}
