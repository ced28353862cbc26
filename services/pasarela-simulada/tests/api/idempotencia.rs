//! What a key does: it is the only thing the simulator de-duplicates by.

use serde_json::json;

use crate::app::{Delays, NEVER_MS, TestApp, autorizacion, http_client, post};

#[tokio::test]
async fn the_same_key_and_body_get_the_same_answer_and_no_second_effect() {
    let app = TestApp::start().await;
    let first = app.autorizar("k", "r", 2_400).await;
    let repeat = app.autorizar("k", "r", 2_400).await;
    assert_eq!((first.status, first.replayed), (201, false));
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    assert_eq!(repeat.body, first.body);
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
}

#[tokio::test]
async fn the_order_of_the_fields_does_not_matter() {
    let app = TestApp::start().await;
    let client = http_client();
    let send = async |body: &'static str| {
        let request = client
            .post(format!("http://{}/autorizaciones", app.address))
            .header("Idempotency-Key", "k");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        send(r#"{"referencia":"r","monto":2400,"moneda":"USD","medioPago":"PSE"}"#).await,
        201
    );
    assert_eq!(
        send(r#"{"medioPago":"PSE", "monto":2400, "moneda":"USD","referencia":"r","ficha":null}"#).await,
        201
    );
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_422() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("k", "r", 2_400).await;
    let other_amount = app.autorizar("k", "r", 2_500).await;
    assert_eq!((other_amount.status, other_amount.codigo()), (422, "ClaveReutilizada"));
    let other_operation = app.capturar("k", autorizada.id(), 2_400).await;
    assert_eq!(
        (other_operation.status, other_operation.codigo()),
        (422, "ClaveReutilizada")
    );
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
}

#[tokio::test]
async fn the_same_key_is_409_while_the_first_call_is_in_flight() {
    let app = TestApp::start_with(Delays {
        slow_ms: NEVER_MS,
        ..Delays::default()
    })
    .await;
    let address = app.address;
    let first = tokio::spawn(async move {
        post(address, "/autorizaciones", "k", &autorizacion("r", 2_415))
            .await
            .unwrap()
    });
    while app.cuenta("r").await == (0, 0, 0) {}
    let second = app.autorizar("k", "r", 2_415).await;
    assert_eq!((second.status, second.codigo()), (409, "ClaveEnCurso"));
    let other_body = app.autorizar("k", "r", 2_400).await;
    assert_eq!((other_body.status, other_body.codigo()), (422, "ClaveReutilizada"));
    assert!(!first.is_finished());
    // A stop answers what is in flight.
    app.stop().await;
    assert_eq!(first.await.unwrap().status, 201);
}

#[tokio::test]
async fn of_many_calls_with_one_key_at_once_only_one_has_an_effect() {
    let app = TestApp::start().await;
    let address = app.address;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(async move {
                post(address, "/autorizaciones", "k", &autorizacion("r", 2_400))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut fresh = 0;
    for call in calls {
        let reply = call.await.unwrap();
        assert!(matches!(reply.status, 201 | 409), "{reply:?}");
        fresh += usize::from(reply.status == 201 && !reply.replayed);
    }
    assert_eq!(fresh, 1);
    assert_eq!(app.cuenta("r").await, (1, 0, 0));
}

#[tokio::test]
async fn another_key_is_a_second_authorisation_and_a_second_capture() {
    let app = TestApp::start().await;
    let (autorizacion, cargo) = app.cobrar("r", 2_400).await;
    let second = app.capturar("another", &autorizacion, 2_400).await;
    assert_eq!(second.status, 201);
    assert_ne!(second.id(), cargo);
    assert_ne!(app.autorizar("yet another", "r", 2_400).await.id(), autorizacion);
    assert_eq!(app.cuenta("r").await, (2, 2, 0));
}

#[tokio::test]
async fn a_call_that_was_refused_for_its_input_leaves_its_key_free() {
    let app = TestApp::start().await;
    assert_eq!(app.autorizar("k", "r", 0).await.status, 400);
    assert_eq!(app.capturar("k", "aut_unknown", 2_400).await.status, 404);
    assert_eq!(app.autorizar("k", "r", 2_400).await.status, 201);
}

#[tokio::test]
async fn the_message_provider_has_keys_of_its_own() {
    let app = TestApp::start().await;
    assert_eq!(app.autorizar("k", "r", 2_400).await.status, 201);
    let body = json!({ "referencia": "r", "medio": "correo", "destino": "ana@x.co", "texto": "Hola" });
    assert_eq!(app.post("/mensajes", "k", &body).await.status, 201);
}
