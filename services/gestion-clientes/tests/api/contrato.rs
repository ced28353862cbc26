//! The document of what is served.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::Value;

use crate::fixture::{request, service};

/// Every route there is.
const ROUTES: [&str; 14] = [
    "get /clientes/cliente",
    "get /clientes/cliente-query",
    "get /clientes/cliente-query/{id}",
    "get /clientes/cliente/{id}",
    "get /facturacion",
    "get /facturacion/{id}",
    "get /health",
    "get /spec",
    "post /clientes/cliente",
    "post /clientes/cliente-comando",
    "post /facturacion/realizar-pago",
    "post /facturacion/realizar-pago-comando",
    "put /clientes/cliente-comando/{id}",
    "put /clientes/cliente/{id}",
];

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[tokio::test]
async fn what_is_served_is_what_the_document_says() {
    let service = service().await;
    let spec = service.get("/spec").await.json();
    let mut documented = BTreeSet::new();
    for (path, item) in spec["paths"].as_object().unwrap() {
        for method in METHODS {
            let answer = service
                .send(request(&method.to_uppercase(), &path.replace("{id}", "x"), ""))
                .await;
            let there = answer.status != StatusCode::METHOD_NOT_ALLOWED && !answer.text.contains("no existe esta ruta");
            assert_eq!(there, item.get(method).is_some(), "{method} {path}: {}", answer.text);
            if there {
                documented.insert(format!("{method} {path}"));
                let answers = &item[method]["responses"];
                let status = answer.status.as_u16().to_string();
                assert!(
                    answers.get(&status).is_some(),
                    "{method} {path} answers {status}: {answers:#}"
                );
            }
        }
    }
    assert_eq!(documented, ROUTES.map(str::to_owned).into());
    assert_eq!(service.get("/health").await.text, r#"{"status":"up"}"#);
    assert_eq!(service.get("/docs/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let committed = include_str!("../../spec.json");
    assert!(
        committed == gestion_clientes::spec(),
        "spec.json is old; run: cargo run -p gestion-clientes -- spec > services/gestion-clientes/spec.json"
    );
    let committed: Value = serde_json::from_str(committed).unwrap();
    assert_eq!(service().await.get("/spec").await.json(), committed);
}

#[test]
fn a_body_is_what_its_schema_says_and_nothing_more() {
    let spec: Value = serde_json::from_str(&gestion_clientes::spec()).unwrap();
    for name in ["ClienteNuevo", "ClienteCambio", "PagoNuevo"] {
        assert_eq!(
            spec["components"]["schemas"][name]["additionalProperties"], false,
            "{name}"
        );
    }
}

/// The members that a schema declares are the ones that its route takes.
#[tokio::test]
async fn every_declared_member_is_taken() {
    let service = service().await;
    let spec: Value = serde_json::from_str(&gestion_clientes::spec()).unwrap();
    for (name, method, path) in [
        ("ClienteNuevo", "POST", "/clientes/cliente"),
        ("ClienteCambio", "PUT", "/clientes/cliente/x"),
        ("PagoNuevo", "POST", "/facturacion/realizar-pago"),
    ] {
        let members = spec["components"]["schemas"][name]["properties"].as_object().unwrap();
        let body: serde_json::Map<_, _> = members.keys().map(|member| (member.clone(), Value::Null)).collect();
        let sentences = service
            .send(request(method, path, Value::Object(body).to_string()))
            .await
            .problem(400);
        assert!(
            !sentences.iter().any(|one| one.contains("no es un campo")),
            "{name}: {sentences:?}"
        );
    }
}
