//! What callers send that cannot be taken, and what they read then.

use axum::body::Body;
use axum::http::Request;

use crate::fixture::{ANA, post, service, service_with};

const CLIENT_ROUTES: [&str; 2] = ["/clientes/cliente", "/clientes/cliente-comando"];
const PAYMENT_ROUTES: [&str; 2] = ["/facturacion/realizar-pago", "/facturacion/realizar-pago-comando"];

const NO_NOMBRE: &str = "nombre no puede estar vacío";
const NO_APELLIDOS: &str = "apellidos no puede estar vacío";
const NO_CORREO: &str = "correo no puede estar vacío";
const NO_CONTRASENA: &str = "contrasena no puede estar vacío";
const MEDIO: &str = "medioPago debe ser uno de TarjetaCredito, TarjetaDebito, PSE";
const NO_CLIENTE: &str = "idCliente no puede estar vacío";
const NO_NUMBER: &str = "monto debe ser un número decimal simple, como 24 o 24.10";

#[tokio::test]
async fn a_client_is_refused_with_a_sentence_for_each_broken_field() {
    let service = service().await;
    let long = "x".repeat(255);
    let table = [
        ("{}".to_owned(), vec![NO_NOMBRE, NO_APELLIDOS, NO_CORREO, NO_CONTRASENA]),
        (ANA.replace("Ana", " "), vec![NO_NOMBRE]),
        (ANA.replace("\"Ana\"", "null"), vec![NO_NOMBRE]),
        (ANA.replace("\"Ana\"", "5"), vec!["nombre debe ser un texto"]),
        (ANA.replace("\"Peña\"", "[]"), vec!["apellidos debe ser un texto"]),
        (
            ANA.replace("Peña", "a\\nb"),
            vec!["apellidos solo puede tener caracteres imprimibles"],
        ),
        (
            ANA.replace("Peña", &long),
            vec!["apellidos debe tener como máximo 254 caracteres"],
        ),
        (
            ANA.replace("ana@example.com", "ana"),
            vec!["correo debe ser una dirección de correo como ana@example.com"],
        ),
        (
            ANA.replace("s3cr3ta!", "abc"),
            vec!["contrasena debe tener al menos 4 caracteres"],
        ),
        (
            ANA.replace("\"s3cr3ta!\"", "1234"),
            vec!["contrasena debe ser un texto"],
        ),
        (
            ANA.replace("{", r#"{"rol":"admin","monto":1,"#),
            vec![
                "monto no es un campo de esta petición",
                "rol no es un campo de esta petición",
            ],
        ),
    ];
    for (body, sentences) in table {
        for route in CLIENT_ROUTES {
            assert_eq!(
                service.post(route, body.as_str()).await.problem(400),
                sentences,
                "{route} {body}"
            );
        }
    }
    assert_eq!(
        service.get("/clientes/cliente").await.text,
        "[]",
        "nothing of it was kept"
    );
}

#[tokio::test]
async fn the_shortest_password_is_a_setting() {
    let service = service_with(&["--contrasena-minima", "9"]).await;
    let sentences = service.post("/clientes/cliente", ANA).await.problem(400);
    assert_eq!(sentences, ["contrasena debe tener al menos 9 caracteres"]);
}

#[tokio::test]
async fn a_payment_is_refused_with_a_sentence_for_each_broken_field() {
    let service = service().await;
    let pay = |monto: &str| format!(r#"{{"medioPago":"PSE","idCliente":"c-1","monto":{monto}}}"#);
    let table = [
        ("{}".to_owned(), vec![MEDIO, NO_CLIENTE, NO_NUMBER]),
        (
            r#"{"medioPago":null,"idCliente":null,"monto":null}"#.to_owned(),
            vec![MEDIO, NO_CLIENTE, NO_NUMBER],
        ),
        (pay("24").replace("PSE", "Efectivo"), vec![MEDIO]),
        (pay("24").replace("\"PSE\"", "7"), vec![MEDIO]),
        (pay("24").replace("\"c-1\"", "7"), vec!["idCliente debe ser un texto"]),
        (pay("24").replace("c-1", " "), vec![NO_CLIENTE]),
        (
            pay("24").replace("c-1", "a\\u0000"),
            vec!["idCliente solo puede tener caracteres imprimibles"],
        ),
        (
            pay("24").replace("c-1", &"x".repeat(129)),
            vec!["idCliente debe tener como máximo 128 caracteres"],
        ),
        (
            pay("24").replace('{', r#"{"moneda":"COP","#),
            vec!["moneda no es un campo de esta petición"],
        ),
        (pay("24.105"), vec!["monto debe tener como máximo 2 decimales en USD"]),
        (pay("1e3"), vec![NO_NUMBER]),
        (pay("\"12\""), vec![NO_NUMBER]),
        (pay("true"), vec![NO_NUMBER]),
        (pay("[24]"), vec![NO_NUMBER]),
        (pay("0"), vec!["monto debe ser mayor que 0"]),
        (pay("-0.0"), vec!["monto debe ser mayor que 0"]),
        (pay("-5"), vec!["monto debe ser mayor que 0"]),
        (pay("1000000.01"), vec!["monto debe ser como máximo 1000000"]),
        (
            pay("99999999999999999999999999999999"),
            vec!["monto debe ser como máximo 1000000"],
        ),
    ];
    for (body, sentences) in table {
        for route in PAYMENT_ROUTES {
            assert_eq!(
                service.post(route, body.as_str()).await.problem(400),
                sentences,
                "{route} {body}"
            );
        }
    }
    let taken: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM solicitudes")
        .fetch_one(&service.pool)
        .await
        .unwrap();
    assert_eq!(taken, 0, "nothing of it was kept");
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_once_and_clearly() {
    let service = service().await;
    for route in CLIENT_ROUTES.into_iter().chain(PAYMENT_ROUTES) {
        for body in [
            "",
            "{",
            "null",
            "24",
            "\"PSE\"",
            "[]",
            r#"["PSE","c-1",24]"#,
            r#"{"medioPago":"PSE","idCliente":"c-1","monto":NaN}"#,
            r#"{"medioPago":"PSE","idCliente":"c-1","monto":024}"#,
            r#"{"medioPago":"PSE","idCliente":"c-1","monto":24,"monto":240}"#,
            r#"{"nombre":"Ana","nombre":"Eva"}"#,
            "{} {}",
        ] {
            assert_eq!(service.post(route, body).await.problem(400).len(), 1, "{route} {body}");
        }
        let latin1 = Body::from(b"{\"nombre\":\"Pe\xf1a\"}".to_vec());
        let request = Request::post(route)
            .header("content-type", "application/json")
            .body(latin1)
            .unwrap();
        service.send(request).await.problem(400);
        let form = Request::post(route)
            .header("content-type", "text/plain")
            .body(Body::from("{}"))
            .unwrap();
        service.send(form).await.problem(415);
        let large = format!(r#"{{"nombre":"{}"}}"#, "x".repeat(64 * 1024));
        service.send(post(route, large)).await.problem(413);
    }
}

#[tokio::test]
async fn an_idempotency_key_that_is_none_is_refused() {
    let service = service().await;
    let pay = r#"{"medioPago":"PSE","idCliente":"c-1","monto":24}"#;
    for key in ["", &"k".repeat(256), "clé"] {
        assert_eq!(service.pay_with_key(key, pay).await.problem(400).len(), 1, "{key}");
    }
}

#[tokio::test]
async fn a_wrong_path_or_method_is_a_problem_too() {
    let service = service().await;
    service.get("/clientes").await.problem(404);
    service.get("/facturacion/realizar-pago").await.problem(405);
    service.post("/clientes/cliente-query", "{}").await.problem(405);
}
