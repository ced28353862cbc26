//! The door for payments: taken once it cannot be lost any more.

use axum::http::StatusCode;
use futures::future::join_all;
use seedwork::contrato::SolicitarPago;
use seedwork::{App, Message, SolicitudPago};
use seedwork_runtime::participant::laws::eventually;
use serde_json::json;

use crate::fixture::{CREAR, Service, service, service_with};

fn body(id_cliente: &str, monto: &str) -> String {
    format!(r#"{{"medioPago":"TarjetaCredito","idCliente":"{id_cliente}","monto":{monto}}}"#)
}

async fn published(service: &Service) -> SolicitarPago {
    eventually("a published request", || async {
        let solicitar = |message| {
            if let Message::SolicitarPago(solicitar) = message {
                Some(solicitar)
            } else {
                None
            }
        };
        service.sidecar.take_messages().into_iter().find_map(solicitar)
    })
    .await
}

#[tokio::test]
async fn a_payment_is_answered_with_its_identity_and_asked_of_the_operator() {
    let service = service().await;
    let answer = service
        .post("/facturacion/realizar-pago", body("abcd-1234", "24.1"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let expected = format!(r#"{{"id":"{id}","idCliente":"abcd-1234","medioPago":"TarjetaCredito","monto":24.10}}"#);
    assert_eq!(answer.text, expected, "exact, and with the original's names");
    let sent = published(&service).await;
    assert_eq!(
        (sent.id_correlacion.as_str(), sent.origen),
        (id.as_str(), App::GestionClientes)
    );
    assert_eq!(
        (sent.solicitud.dinero.minor(), sent.solicitud.dinero.moneda().as_str()),
        (2410, "USD")
    );
}

#[tokio::test]
async fn an_amount_is_read_exactly() {
    let service = service().await;
    for (sent, answered) in [
        ("24", "24.00"),
        ("24.10", "24.10"),
        ("0.07", "0.07"),
        ("999999.99", "999999.99"),
        ("1000000", "1000000.00"),
    ] {
        let text = service.post("/facturacion/realizar-pago", body("c-1", sent)).await.text;
        assert!(text.ends_with(&format!(r#""monto":{answered}}}"#)), "{sent}: {text}");
    }
}

#[tokio::test]
async fn the_currency_of_the_door_is_a_setting() {
    let service = service_with(&["--moneda", "CLP"]).await;
    let taken = service.post("/facturacion/realizar-pago", body("c-1", "500")).await;
    assert!(taken.text.ends_with(r#""monto":500}"#), "{}", taken.text);
    let sentences = service
        .post("/facturacion/realizar-pago", body("c-1", "500.50"))
        .await
        .problem(400);
    assert_eq!(sentences, ["monto no puede tener decimales en CLP"]);
}

#[tokio::test]
async fn the_command_route_says_where_to_look() {
    let service = service().await;
    let answer = service
        .post("/facturacion/realizar-pago-comando", body("c-1", "24"))
        .await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::ACCEPTED, "{}"));
    let id = answer.header("x-correlation-id");
    assert_eq!(answer.header("location"), format!("/facturacion/{id}"));
    let found = service.get(answer.header("location")).await.json();
    let expected = json!({"estado": "SOLICITADO", "id": id, "idCliente": "c-1", "medioPago": "TarjetaCredito",
                          "moneda": "USD", "monto": 24.00});
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_same_key_is_the_same_payment() {
    let service = service().await;
    let pay = body("c-1", "24");
    let answers = join_all((0..8).map(|_| service.pay_with_key("k", &pay))).await;
    let first = &answers[0].json()["id"];
    // At once: taken by one, the others are to come back; later: all the same.
    let taken = answers.iter().filter(|answer| answer.status == StatusCode::OK);
    assert_eq!(taken.count(), 1);
    assert!(
        answers
            .iter()
            .skip(1)
            .all(|answer| answer.status == StatusCode::CONFLICT)
    );
    for _ in 0..3 {
        let again = service.pay_with_key("k", &pay).await;
        assert_eq!((again.status, &again.json()["id"]), (StatusCode::OK, first));
    }
    assert_eq!(
        &service.pay_with_key("k", &body("c-1", "24.00")).await.json()["id"],
        first,
        "the same amount"
    );
    assert_ne!(
        &service.pay_with_key("k", &body("c-2", "24")).await.json()["id"],
        first,
        "another caller's key"
    );
    assert_ne!(
        &service.pay_with_key("k2", &body("c-1", "24")).await.json()["id"],
        first
    );
    assert_eq!(
        service.pay_with_key("k", &body("c-1", "25")).await.problem(422).len(),
        1
    );
}

#[tokio::test]
async fn while_a_request_is_being_answered_another_under_its_key_is_to_come_back() {
    for path in ["/facturacion/realizar-pago", "/facturacion/realizar-pago-comando"] {
        let service = service().await;
        let (pay, other) = (body("c-1", "24"), body("c-1", "25"));
        // The one connection that there is: the first request waits for it, half-way.
        let connection = service.pool.acquire().await.unwrap();
        let mut first = std::pin::pin!(service.post_with_key(path, "k", &pay));
        assert!(futures::poll!(first.as_mut()).is_pending());
        for body in [&pay, &other] {
            let second = service.post_with_key(path, "k", body).await;
            let sentence = "otra petición con esta Idempotency-Key se está atendiendo; repita la suya en 1 s";
            assert_eq!(second.problem(409), [sentence]);
            assert_eq!(second.header("retry-after"), "1");
        }
        drop(connection);
        let first = first.await;
        assert!(first.status.is_success(), "{}", first.text);
        let again = service.post_with_key(path, "k", &pay).await;
        assert_eq!((again.status, again.text), (first.status, first.text));
        assert_eq!(again.headers.get("location"), first.headers.get("location"));
        assert_eq!(service.post_with_key(path, "k", &other).await.problem(422).len(), 1);
    }
}

#[tokio::test]
async fn a_key_whose_caller_hung_up_is_free() {
    let service = service().await;
    let pay = body("c-1", "24");
    let connection = service.pool.acquire().await.unwrap();
    let mut first = Box::pin(service.pay_with_key("k", &pay));
    assert!(futures::poll!(first.as_mut()).is_pending());
    drop(first);
    drop(connection);
    assert_eq!(service.pay_with_key("k", &pay).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_stands_for_an_invoice_of_another_door_is_refused_unless_it_is_the_same() {
    let service = service().await;
    let ana = service.ana().await;
    let known = SolicitudPago::keyed_id(&ana, "k");
    service.command(CREAR, known.as_str(), &ana).await;
    let pay = |monto: &str| format!(r#"{{"medioPago":"PSE","idCliente":"{ana}","monto":{monto}}}"#);
    assert_eq!(service.pay_with_key("k", &pay("25")).await.problem(422).len(), 1);
    let same = service.pay_with_key("k", &pay("24.1")).await.json();
    assert_eq!(same["id"], known.as_str());
}

#[tokio::test]
async fn without_a_key_every_request_is_a_payment() {
    let service = service().await;
    let first = service
        .post("/facturacion/realizar-pago", body("c-1", "24"))
        .await
        .json();
    assert_ne!(
        first["id"],
        service
            .post("/facturacion/realizar-pago", body("c-1", "24"))
            .await
            .json()["id"]
    );
}
