//! Bad input gets a sentence that names the field and the rule.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp, autorizacion};

fn sentence(reply: &Reply) -> &str {
    assert_eq!((reply.status, reply.codigo()), (400, "SolicitudInvalida"), "{reply:?}");
    assert_eq!(reply.content_type, "application/problem+json");
    assert_eq!(reply.body["detail"], reply.body["error"]["mensaje"]);
    reply.body["error"]["mensaje"].as_str().unwrap()
}

#[tokio::test]
async fn each_field_is_named_with_its_rule() {
    let app = TestApp::start().await;
    let cases = [
        ("referencia", Value::Null, "referencia: es obligatorio"),
        (
            "referencia",
            json!(""),
            "referencia: debe ser un texto de 1 a 200 caracteres",
        ),
        (
            "referencia",
            json!(7),
            "referencia: debe ser un texto de 1 a 200 caracteres",
        ),
        ("monto", Value::Null, "monto: es obligatorio"),
        (
            "monto",
            json!(24.5),
            "monto: debe ser un entero de 1 a 1000000000000, en unidades menores (centavos)",
        ),
        (
            "monto",
            json!("24"),
            "monto: debe ser un entero de 1 a 1000000000000, en unidades menores (centavos)",
        ),
        (
            "moneda",
            json!("usd"),
            "moneda: debe ser un código ISO 4217 de tres letras mayúsculas, como USD",
        ),
        (
            "medioPago",
            json!("Efectivo"),
            "medioPago: debe ser uno de TarjetaCredito, TarjetaDebito, PSE",
        ),
        (
            "ficha",
            json!("visa"),
            "ficha: debe ser una de las fichas de GET /resultados",
        ),
    ];
    for (field, value, expected) in cases {
        let mut body = autorizacion("r", 2_400);
        body[field] = value;
        assert_eq!(sentence(&app.post("/autorizaciones", "k", &body).await), expected);
    }
    assert_eq!(
        sentence(&app.post("/autorizaciones", "k", &json!([])).await),
        "cuerpo: debe ser un objeto JSON"
    );
    assert_eq!(
        sentence(&app.capturar("k", "aut_1", 0).await).split(':').next(),
        Some("monto")
    );
    assert_eq!(
        sentence(&app.reembolsar("k", "car_1", -1).await).split(':').next(),
        Some("monto")
    );
    assert_eq!(
        sentence(&app.post("/contracargos", "k", &json!({})).await),
        "cargo: es obligatorio"
    );
    let message = json!({ "referencia": "r", "medio": "fax", "destino": "ana@x.co", "texto": "Hola" });
    assert_eq!(
        sentence(&app.post("/mensajes", "k", &message).await),
        "medio: debe ser uno de correo, sms, push"
    );
    assert_eq!(
        sentence(&app.get("/movimientos?limite=0").await),
        "limite: debe ser un entero de 1 a 1000"
    );
}

#[tokio::test]
async fn every_post_needs_a_key() {
    let app = TestApp::start().await;
    for path in [
        "/autorizaciones",
        "/autorizaciones/a/captura",
        "/autorizaciones/a/anulacion",
        "/cargos/c/reembolso",
        "/contracargos",
        "/mensajes",
    ] {
        let reply = app.post(path, "", &json!({})).await;
        assert!(
            sentence(&reply).starts_with("Idempotency-Key: esta cabecera es obligatoria"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_is_404_with_its_name() {
    let app = TestApp::start().await;
    for (reply, expected) in [
        (app.capturar("k", "aut_1", 100).await, "No existe la autorización aut_1"),
        (app.anular("k", "aut_1").await, "No existe la autorización aut_1"),
        (app.reembolsar("k", "car_1", 100).await, "No existe el cargo car_1"),
        (
            app.post("/contracargos", "k", &json!({ "cargo": "car_1" })).await,
            "No existe el cargo car_1",
        ),
        (app.get("/nada").await, "No existe esta ruta"),
        (app.get("/referencias/%ff").await, "No existe esta ruta"),
        (app.anular("k", "%ff").await, "No existe esta ruta"),
    ] {
        assert_eq!((reply.status, reply.codigo()), (404, "NoEncontrado"));
        assert_eq!(reply.body["error"]["mensaje"], expected);
    }
    let wrong_method = app.get("/autorizaciones").await;
    assert_eq!((wrong_method.status, wrong_method.codigo()), (405, "MetodoNoPermitido"));
}

#[tokio::test]
async fn a_healthy_simulator_is_up() {
    let app = TestApp::start().await;
    let reply = app.get("/health").await;
    assert_eq!((reply.status, reply.body), (200, json!({ "status": "up" })));
}
