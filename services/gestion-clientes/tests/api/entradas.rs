//! What callers send that cannot be taken, and what they read then: each door has a sentence for each rule, and keeps
//! nothing of it. What the rules of a field are is shown where they are made: `domain::cliente` and `seedwork`.

use axum::body::Body;
use axum::http::HeaderValue;

use crate::fixture::{ANA, Answer, Service, request, service, service_with};

/// A method and a path; `ID` stands for a client.
type Door = (&'static str, &'static str);

const REGISTER: [Door; 2] = [("POST", "/clientes/cliente"), ("POST", "/clientes/cliente-comando")];
const CHANGE: [Door; 2] = [("PUT", "/clientes/cliente/ID"), ("PUT", "/clientes/cliente-comando/ID")];
const PAY: [Door; 2] = [
    ("POST", "/facturacion/realizar-pago"),
    ("POST", "/facturacion/realizar-pago-comando"),
];

const PAYMENT: &str = r#"{"medioPago":"PSE","idCliente":"c-1","monto":24}"#;

const NO_NOMBRE: &str = "nombre no puede estar vacío";
const NO_APELLIDOS: &str = "apellidos no puede estar vacío";
const NO_CORREO: &str = "correo no puede estar vacío";
const NO_CONTRASENA: &str = "contrasena no puede estar vacío";
const APELLIDOS: &str = "apellidos debe ser un texto";
const SHORT: &str = "contrasena debe tener al menos 4 caracteres";
const ROL: &str = "rol no es un campo de esta petición";
const MEDIO: &str = "medioPago debe ser uno de TarjetaCredito, TarjetaDebito, PSE";
const NO_CLIENTE: &str = "idCliente no puede estar vacío";
const NO_NUMBER: &str = "monto debe ser un número decimal simple, como 24 o 24.10";

async fn ask(service: &Service, (method, path): Door, id: &str, body: impl Into<String>) -> Answer {
    service.send(request(method, &path.replace("ID", id), body)).await
}

#[tokio::test]
async fn a_body_is_refused_with_a_sentence_for_each_broken_rule_and_nothing_of_it_is_kept() {
    let service = service().await;
    let ana = service.ana().await;
    let before = service.get("/clientes/cliente").await.json();
    let table: [(&[Door], &str, &[&str]); 8] = [
        (&REGISTER, "{}", &[NO_NOMBRE, NO_APELLIDOS, NO_CORREO, NO_CONTRASENA]),
        (
            &REGISTER,
            r#"{"nombre":" ","apellidos":5,"correo":"ana","contrasena":"abc","rol":"admin","monto":1}"#,
            &[
                NO_NOMBRE,
                APELLIDOS,
                "correo debe ser una dirección de correo como ana@example.com",
                SHORT,
                "monto no es un campo de esta petición",
                ROL,
            ],
        ),
        (
            &REGISTER,
            r#"{"nombre":"Ana","apellidos":"Peña","correo":"ana@example.com","contrasena":1234}"#,
            &["contrasena debe ser un texto"],
        ),
        (
            &CHANGE,
            r#"{"apellidos":5,"contrasena":"abc","rol":"admin"}"#,
            &[NO_NOMBRE, APELLIDOS, NO_CORREO, SHORT, ROL],
        ),
        (&PAY, "{}", &[MEDIO, NO_CLIENTE, NO_NUMBER]),
        (
            &PAY,
            r#"{"medioPago":null,"idCliente":null,"monto":null}"#,
            &[MEDIO, NO_CLIENTE, NO_NUMBER],
        ),
        // An amount is what its own characters say, and a text is no number.
        (
            &PAY,
            r#"{"medioPago":7,"idCliente":7,"monto":"12","moneda":"COP"}"#,
            &[
                MEDIO,
                "idCliente debe ser un texto",
                NO_NUMBER,
                "moneda no es un campo de esta petición",
            ],
        ),
        (
            &PAY,
            r#"{"medioPago":"pse","idCliente":"c-1","monto":1e3}"#,
            &[MEDIO, NO_NUMBER],
        ),
    ];
    for (doors, body, sentences) in table {
        for door in doors {
            let answer = ask(&service, *door, &ana, body).await;
            assert_eq!(answer.problem(400), sentences, "{door:?} {body}");
        }
    }
    assert_eq!(service.get("/clientes/cliente").await.json(), before);
    assert_eq!(service.taken().await, 0);
}

#[tokio::test]
async fn the_shortest_password_is_a_setting() {
    let service = service_with(&["--contrasena-minima", "9"]).await;
    let sentences = service.post("/clientes/cliente", ANA).await.problem(400);
    assert_eq!(sentences, ["contrasena debe tener al menos 9 caracteres"]);
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_once_and_clearly() {
    let service = service().await;
    let ana = service.ana().await;
    for door in REGISTER.into_iter().chain(CHANGE).chain(PAY) {
        for body in [
            "",
            "{",
            "[]",
            r#"{"monto":NaN}"#,
            r#"{"monto":024}"#,
            r#"{"monto":24,"monto":240}"#,
            "{} {}",
        ] {
            let answer = ask(&service, door, &ana, body).await;
            assert_eq!(answer.problem(400).len(), 1, "{door:?} {body}");
        }
        let mut latin1 = request(door.0, &door.1.replace("ID", &ana), "");
        *latin1.body_mut() = Body::from(b"{\"nombre\":\"Pe\xf1a\"}".to_vec());
        service.send(latin1).await.problem(400);
        let mut form = request(door.0, &door.1.replace("ID", &ana), "{}");
        form.headers_mut()
            .insert("content-type", HeaderValue::from_static("text/plain"));
        service.send(form).await.problem(415);
        let large = format!(r#"{{"nombre":"{}"}}"#, "x".repeat(64 * 1024));
        ask(&service, door, &ana, large).await.problem(413);
    }
}

#[tokio::test]
async fn an_idempotency_key_that_is_none_is_refused() {
    let service = service().await;
    for (doors, body) in [(REGISTER, ANA), (PAY, PAYMENT)] {
        for (_, path) in doors {
            for key in ["", &"k".repeat(256), "clé"] {
                let refused = service.post_with_key(path, key, body).await.problem(400);
                assert!(refused[0].starts_with("Idempotency-Key "), "{path} {key}: {refused:?}");
            }
        }
    }
    assert_eq!(service.taken().await, 0);
    assert_eq!(service.get("/clientes/cliente").await.text, "[]");
}

#[tokio::test]
async fn a_wrong_path_or_method_is_a_problem_too() {
    let service = service().await;
    service.get("/clientes").await.problem(404);
    service.get("/facturacion/realizar-pago").await.problem(405);
    service.post("/clientes/cliente-query", "{}").await.problem(405);
}
