//! Clients: registered, read back, listed.

use axum::http::StatusCode;
use seedwork_runtime::Sidecar;
use serde_json::json;
use sqlx::{Column as _, Row as _};

use crate::fixture::{ANA, service};

#[tokio::test]
async fn a_registered_client_is_read_back_and_the_password_is_not() {
    let service = service().await;
    let created = service.post("/clientes/cliente", ANA).await;
    assert_eq!(created.status, StatusCode::OK);
    let body = created.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "apellidos",
        "correo",
        "estadoPlan",
        "fecha_actualizacion",
        "fecha_creacion",
        "id",
        "nombre",
    ];
    assert_eq!(names, expected);
    assert_eq!((&body["nombre"], &body["apellidos"]), (&json!("Ana"), &json!("Peña")));
    assert_eq!(
        (&body["correo"], &body["estadoPlan"]),
        (&json!("ana@example.com"), &json!("PENDIENTE"))
    );
    let fecha = body["fecha_creacion"].as_str().unwrap();
    assert_eq!((fecha.len(), &fecha[19..]), (20, "Z"));

    let id = body["id"].as_str().unwrap();
    for path in [
        format!("/clientes/cliente/{id}"),
        format!("/clientes/cliente-query/{id}"),
    ] {
        assert_eq!(service.get(&path).await.json(), body, "{path}");
    }
    let document = service.sidecar.get(&format!("cliente:{id}")).await.unwrap().unwrap();
    let document = String::from_utf8(document.value).unwrap();
    assert!(
        document.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !document.contains("s3cr3ta!"),
        "{document}"
    );
}

#[tokio::test]
async fn the_plan_and_the_id_are_not_for_the_caller_to_say() {
    let service = service().await;
    let mut body: serde_json::Value = serde_json::from_str(ANA).unwrap();
    body["estado"] = json!("PAGADO");
    body["id_cliente"] = json!("mine");
    let created = service.post("/clientes/cliente", body.to_string()).await.json();
    assert_eq!(created["estadoPlan"], "PENDIENTE");
    assert_ne!(created["id"], "mine");
}

#[tokio::test]
async fn the_same_address_twice_is_two_clients() {
    let service = service().await;
    assert_ne!(service.ana().await, service.ana().await);
    assert_eq!(
        service.get("/clientes/cliente").await.json().as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn the_command_route_says_where_to_look() {
    let service = service().await;
    let answer = service.post("/clientes/cliente-comando", ANA).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::ACCEPTED, "{}"));
    let found = service.get(answer.header("location")).await.json();
    assert_eq!(
        (&found["nombre"], found["id"].as_str()),
        (&json!("Ana"), Some(answer.header("x-correlation-id")))
    );
}

#[tokio::test]
async fn an_unknown_client_is_404() {
    let service = service().await;
    for id in [
        "019ab2c3-0000-7000-8000-000000000000",
        "abcd-1234",
        "a%7C%7Cb",
        "%00",
        "%FF",
        "Pe%C3%B1a%207",
    ] {
        for route in ["cliente", "cliente-query"] {
            service.get(&format!("/clientes/{route}/{id}")).await.problem(404);
        }
    }
}

#[tokio::test]
async fn clients_are_listed_page_by_page_in_the_order_they_came() {
    let service = service().await;
    for route in ["/clientes/cliente", "/clientes/cliente-query"] {
        assert_eq!(service.get(route).await.text, "[]");
    }
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(service.ana().await);
    }
    for route in ["/clientes/cliente", "/clientes/cliente-query"] {
        let (mut seen, mut path) = (Vec::<Vec<String>>::new(), format!("{route}?limite=2"));
        loop {
            let page = service.get(&path).await;
            let text = page.json();
            let ids = text
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["id"].as_str().unwrap().to_owned());
            seen.push(ids.collect());
            let Some(next) = page.headers.get("x-next-cursor") else {
                break;
            };
            path = format!("{route}?limite=2&cursor={}", next.to_str().unwrap());
        }
        assert_eq!(seen, [expected[..2].to_vec(), expected[2..].to_vec()]);
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused_with_its_rule() {
    let service = service().await;
    for query in ["limite=0", "limite=101", "limite=x", "cursor=%00", "limite=1&limite=2"] {
        for path in [
            "/clientes/cliente?",
            "/clientes/cliente-query?",
            "/facturacion?idCliente=c-1&",
        ] {
            assert_eq!(
                service.get(&format!("{path}{query}")).await.problem(400).len(),
                1,
                "{path}{query}"
            );
        }
    }
}

#[tokio::test]
async fn neither_table_nor_answer_ever_holds_a_password() {
    let service = service().await;
    service.ana().await;
    let row = sqlx::query("SELECT * FROM clientes")
        .fetch_one(&service.pool)
        .await
        .unwrap();
    let columns: Vec<_> = row.columns().iter().map(|column| column.name().to_owned()).collect();
    assert!(columns.iter().any(|name| name == "correo"), "{columns:?}");
    assert!(!columns.iter().any(|name| name.contains("contrasena")), "{columns:?}");
    let list = service.get("/clientes/cliente").await.text;
    assert!(!list.contains("argon2") && !list.contains("contrasena"), "{list}");
}

#[tokio::test]
async fn while_a_client_is_being_registered_another_request_under_its_key_is_to_come_back() {
    for path in ["/clientes/cliente", "/clientes/cliente-comando"] {
        let service = service().await;
        let mut first = std::pin::pin!(service.post_with_key(path, "k", ANA));
        // Half-way: its password is being hashed, and it is not asked for more before it is waited for.
        assert!(futures::poll!(first.as_mut()).is_pending());
        for body in [ANA, &ANA.replace("Ana", "Eva")] {
            let second = service.post_with_key(path, "k", body).await;
            assert_eq!(second.problem(409).len(), 1);
            assert_eq!(second.header("retry-after"), "1");
        }
        let first = first.await;
        assert!(first.status.is_success(), "{}", first.text);
        let again = service.post_with_key(path, "k", ANA).await;
        assert_eq!((again.status, again.text), (first.status, first.text));
        assert_eq!(again.headers.get("location"), first.headers.get("location"));
    }
}
