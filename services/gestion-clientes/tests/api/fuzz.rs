//! What anyone may send as a payment, as a change to a client, and in an address.

use axum::body::Body;
use axum::http::Request;
use seedwork_runtime::fuzz::Fuzz;
use serde_json::Value;

use crate::fixture::{Answer, Service, service};

const PAYMENTS: [&str; 4] = [
    r#"{"medioPago":"PSE","idCliente":"c-1","monto":24.10}"#,
    r#"{"medioPago":"TarjetaCredito","idCliente":"Peña 7","monto":"1000000.00"}"#,
    r#"{"monto":0.01,"idCliente":"c-1","medioPago":"TarjetaDebito"}"#,
    r#"{"medioPago":"Efectivo","idCliente":"","monto":-5}"#,
];

const CHANGES: [&str; 3] = [
    r#"{"nombre":"Ana","apellidos":"Peña","correo":"ana@example.com"}"#,
    r#"{"nombre":"Ana","apellidos":"P","correo":"a@b","id":"c-1","estadoPlan":"PAGADO","fecha_creacion":null}"#,
    r#"{"nombre":" ","apellidos":5,"correo":"ana","rol":"admin"}"#,
];

const QUERIES: [&str; 4] = [
    "limite=50",
    "limite=1&cursor=c-1&idCliente=c-1",
    "cursor=Pe%C3%B1a&limite=100",
    "limite=0&x",
];

impl Service {
    async fn send_bytes(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}

/// Takes note of a refusal: the caller's mistake, and a sentence for each rule.
fn refused(fuzz: &mut Fuzz, answer: &Answer) {
    assert!(answer.status.is_client_error(), "{answer:?}");
    let sentences = answer.problem(answer.status.as_u16());
    assert!(sentences.iter().all(|sentence| !sentence.is_empty()), "{sentences:?}");
    fuzz.refused(&sentences[0]);
}

#[tokio::test]
async fn bodies_of_payments() {
    let service = service().await;
    let mut fuzz = Fuzz::new("payments", &PAYMENTS);
    while let Some(body) = fuzz.next_input() {
        let answer = service.send_bytes("POST", "/facturacion/realizar-pago", body).await;
        if answer.status.is_success() {
            fuzz.accepted();
        } else {
            refused(&mut fuzz, &answer);
        }
    }
}

#[tokio::test]
async fn bodies_of_changes() {
    let service = service().await;
    let path = format!("/clientes/cliente/{}", service.ana().await);
    let mut fuzz = Fuzz::new("client-changes", &CHANGES);
    while let Some(body) = fuzz.next_input() {
        let sent = body.clone();
        let answer = service.send_bytes("PUT", &path, body).await;
        if answer.status.is_success() {
            // What is ignored may be nested deeper than can be read into a value.
            let sent: Value = serde_json::from_slice(&sent).unwrap_or_default();
            let seen = answer.json();
            for name in ["nombre", "apellidos", "correo"] {
                assert!(sent.is_null() || seen[name] == sent[name], "{name} is kept as it came");
            }
            fuzz.accepted();
        } else {
            refused(&mut fuzz, &answer);
        }
    }
}

#[tokio::test]
async fn pages() {
    let service = service().await;
    service.ana().await;
    let mut fuzz = Fuzz::new("client-pages", &QUERIES);
    while let Some(text) = fuzz.next_text() {
        // What is no address never gets here.
        let Ok(request) = Request::get(format!("/clientes/cliente?{text}")).body(Body::empty()) else {
            fuzz.refused("no address");
            continue;
        };
        let answer = service.send(request).await;
        if answer.status.is_success() {
            assert!(answer.json().is_array());
            fuzz.accepted();
        } else {
            refused(&mut fuzz, &answer);
        }
    }
}
