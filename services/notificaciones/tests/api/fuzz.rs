//! What anyone may send as a notification.

use axum::body::Body;
use axum::http::Request;
use seedwork_runtime::fuzz::Fuzz;
use seedwork_runtime::members::Members;

use crate::arnes::Arnes;

const BODIES: [&str; 4] = [
    r#"{"tipo":"ALERTA","medio":"sms","valor":"pepe@gmail.com"}"#,
    r#"{"tipo":"RECORDATORIO","medio":"push","factura":{"id":"F-1","monto":24.10,"moneda":"USD","vence":"2026-12-31"}}"#,
    r#"{"tipo":"RECORDATORIO","medio":"sms","valor":"Su factura\n","factura":{"id":"F-1","monto":"500","moneda":"CLP","vence":"2028-02-29"}}"#,
    r#"{"tipo":"","medio":"fax","valor":5,"idCliente":"","rol":"admin","factura":{"monto":-1}}"#,
];

#[tokio::test]
async fn bodies_of_notifications() {
    let arnes = Arnes::new().await;
    let mut fuzz = Fuzz::new("notifications", &BODIES);
    while let Some(body) = fuzz.next_input() {
        let sent = body.clone();
        let request = Request::post("/notificaciones/notificacion").header("content-type", "application/json");
        let answer = arnes.ask(request.body(Body::from(body)).unwrap()).await;
        if answer.status.is_success() {
            let sent: Members = serde_json::from_slice(&sent).unwrap();
            let text = |name: &str| sent.text(name).unwrap().unwrap_or_default();
            assert_eq!(answer.body["medio"], text("medio"));
            let valor = answer.body["valor"].as_str().unwrap();
            let said = text("valor");
            assert!(valor.contains(said.trim()), "what was to be said is said");
            fuzz.accepted();
            continue;
        }
        assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.body);
        let sentences = answer.body["errors"].as_array().unwrap();
        assert!(
            sentences
                .iter()
                .all(|sentence| sentence.as_str().is_some_and(|text| !text.is_empty()))
        );
        fuzz.refused(sentences[0].as_str().unwrap());
    }
}
