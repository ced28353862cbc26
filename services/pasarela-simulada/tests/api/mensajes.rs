//! The message provider.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::app::{Delays, TestApp};

fn mensaje(medio: &str, destino: &str) -> Value {
    json!({ "referencia": "r", "medio": medio, "destino": destino, "asunto": "Pago", "texto": "Pagado" })
}

#[tokio::test]
async fn a_message_is_delivered_once_a_key_and_listed() {
    let app = TestApp::start().await;
    let first = app.post("/mensajes", "k", &mensaje("correo", "ana@x.co")).await;
    assert_eq!(first.status, 201);
    assert_eq!(
        first.body,
        json!({ "id": first.id(), "medio": "correo", "destino": "ana@x.co", "estado": "entregado" })
    );
    let repeat = app.post("/mensajes", "k", &mensaje("correo", "ana@x.co")).await;
    assert!(repeat.replayed && repeat.body == first.body);
    assert_eq!(
        app.post("/mensajes", "k", &mensaje("sms", "+573001234567"))
            .await
            .status,
        422
    );
    assert_eq!(
        app.post("/mensajes", "k2", &mensaje("sms", "+573001234567"))
            .await
            .status,
        201
    );

    let listed = app.get("/mensajes?referencia=r").await.body;
    let medios: Vec<_> = listed["mensajes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["medio"].clone())
        .collect();
    assert_eq!(medios, ["correo", "sms"]);
    assert_eq!(listed["mensajes"][0]["texto"], "Pagado");
    assert_eq!(listed["mensajes"][0]["clave"], "k");
    assert_eq!(app.get("/mensajes?referencia=otra").await.body["mensajes"], json!([]));
    assert_eq!(
        app.get("/movimientos").await.body["movimientos"],
        json!([]),
        "no money moved"
    );
}

#[tokio::test]
async fn the_address_decides_what_is_refused() {
    let app = TestApp::start().await;
    let refused = [
        ("correo", "ana+rechaza@x.co"),
        ("sms", "+573001234000"),
        ("push", "dispositivo-000"),
        ("correo", "rechaza-todo@x.co"),
        ("sms", "rechaza-todo@x.co"),
        ("push", "rechaza-todo@x.co"),
    ];
    for (medio, destino) in refused {
        let key = format!("{medio} {destino}");
        let reply = app.post("/mensajes", &key, &mensaje(medio, destino)).await;
        assert_eq!((reply.status, reply.codigo()), (422, "MedioRechazado"), "{key}");
        assert!(app.post("/mensajes", &key, &mensaje(medio, destino)).await.replayed);
    }
    assert_eq!(app.get("/mensajes").await.body["mensajes"], json!([]));
}

#[tokio::test]
async fn a_slow_address_is_answered_late() {
    let app = TestApp::start_with(Delays {
        slow_ms: 60,
        ..Delays::default()
    })
    .await;
    let start = Instant::now();
    assert_eq!(
        app.post("/mensajes", "k", &mensaje("correo", "lento@x.co"))
            .await
            .status,
        201
    );
    assert!(start.elapsed() >= Duration::from_millis(60), "{:?}", start.elapsed());
}
