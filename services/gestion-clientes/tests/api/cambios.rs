//! A client changes: on what its caller saw, in the list before it is answered, never lost.

use axum::http::StatusCode;
use futures::future::join_all;
use seedwork_runtime::Sidecar;
use serde_json::{Value, json};

use crate::fixture::{ANA, CONFIRMAR, CREAR, Service, service};

const EVA: &str = r#"{"nombre":"Eva","apellidos":"Peña","correo":"eva@example.com"}"#;

fn path(id: &str) -> String {
    format!("/clientes/cliente/{id}")
}

async fn document(service: &Service, id: &str) -> Value {
    let stored = service.sidecar.get(&format!("cliente:{id}")).await.unwrap().unwrap();
    serde_json::from_slice(&stored.value).unwrap()
}

#[tokio::test]
async fn a_changed_client_is_read_everywhere_at_once_with_its_derived_plan_and_tag() {
    let service = service().await;
    let created = service.post("/clientes/cliente", ANA).await;
    assert_eq!(created.header("etag"), "\"1\"");
    let id = created.json()["id"].as_str().unwrap().to_owned();
    service.command(CREAR, "p-1", &id).await;
    service.command(CONFIRMAR, "p-1", &id).await;
    let mut body: Value = serde_json::from_str(EVA).unwrap();
    // Not for the caller to say; sent back as it was read, it is ignored.
    for member in [
        "estado",
        "estadoPlan",
        "id",
        "id_cliente",
        "fecha_creacion",
        "fecha_actualizacion",
    ] {
        body[member] = json!("ATRASADO");
    }
    let changed = service.put(&path(&id), body.to_string(), &[]).await;
    assert_eq!((changed.status, changed.header("etag")), (StatusCode::OK, "\"2\""));
    let changed = changed.json();
    let told = ["nombre", "apellidos", "correo", "estadoPlan", "id"].map(|name| changed[name].as_str().unwrap());
    assert_eq!(told, ["Eva", "Peña", "eva@example.com", "PAGADO", &id]);
    assert_eq!(changed["fecha_creacion"], created.json()["fecha_creacion"]);
    for route in ["cliente", "cliente-query"] {
        let one = service.get(&format!("/clientes/{route}/{id}")).await;
        assert_eq!((one.header("etag"), one.header("cache-control")), ("\"2\"", "no-store"));
        assert_eq!(one.json(), changed, "{route}");
        assert_eq!(
            service.get(&format!("/clientes/{route}")).await.json(),
            json!([changed]),
            "{route}"
        );
    }
}

#[tokio::test]
async fn the_command_route_changes_and_says_where_to_look() {
    let service = service().await;
    let id = service.ana().await;
    let answer = service.put(&format!("/clientes/cliente-comando/{id}"), EVA, &[]).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::ACCEPTED, "{}"));
    assert_eq!(
        (
            answer.header("location"),
            answer.header("x-correlation-id"),
            answer.header("etag")
        ),
        (path(&id).as_str(), id.as_str(), "\"2\"")
    );
    assert_eq!(service.get(answer.header("location")).await.json()["nombre"], "Eva");
}

#[tokio::test]
async fn a_change_of_what_is_not_there_any_more_is_refused() {
    let service = service().await;
    let id = service.ana().await;
    for route in ["cliente", "cliente-comando"] {
        let route = format!("/clientes/{route}/{id}");
        for stale in ["\"9\"", "W/\"1\"", "1", "\"x\"", ""] {
            let sentences = service.put(&route, EVA, &[("if-match", stale)]).await.problem(412);
            assert!(
                sentences[0].starts_with("If-Match no es la versión actual"),
                "{stale}: {sentences:?}"
            );
        }
    }
    assert_eq!(
        service.get(&path(&id)).await.json()["nombre"],
        "Ana",
        "nothing of it was made"
    );
    for (version, good) in [(2, "\"9\", \"1\""), (3, "*")] {
        let body = EVA.replace("Eva", &format!("Eva {version}"));
        let answer = service.put(&path(&id), body, &[("if-match", good)]).await;
        assert_eq!(answer.header("etag"), format!("\"{version}\""), "{good}");
    }
    service
        .put(&path("019ab2c3-0000-7000-8000-000000000000"), EVA, &[("if-match", "*")])
        .await
        .problem(404);
}

#[tokio::test]
async fn of_those_who_change_what_they_saw_one_wins() {
    let service = service().await;
    let id = service.ana().await;
    let route = path(&id);
    let bodies: Vec<_> = (0..8).map(|n| EVA.replace("Eva", &format!("Eva {n}"))).collect();
    let answers = join_all(
        bodies
            .iter()
            .map(|body| service.put(&route, body.as_str(), &[("if-match", "\"1\"")])),
    )
    .await;
    let won: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        lost.problem(412);
    }
    assert_eq!(service.get(&route).await.json(), won[0].json());
}

#[tokio::test]
async fn without_a_condition_everybody_is_heard_one_after_the_other() {
    let service = service().await;
    let id = service.ana().await;
    let route = path(&id);
    let bodies: Vec<_> = (0..8).map(|n| EVA.replace("Eva", &format!("Eva {n}"))).collect();
    for answer in join_all(bodies.iter().map(|body| service.put(&route, body.as_str(), &[]))).await {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let last = service.get(&route).await;
    assert_eq!(last.header("etag"), "\"9\"", "each was a version of its own");
    assert_eq!(
        document(&service, &id).await["cliente"]["datos"]["nombre"],
        last.json()["nombre"]
    );
}

#[tokio::test]
async fn a_change_that_is_sent_again_changes_nothing_more() {
    let service = service().await;
    let id = service.ana().await;
    let first = service.put(&path(&id), EVA, &[]).await;
    let again = service.put(&path(&id), EVA, &[]).await;
    assert_eq!((again.header("etag"), again.json()), ("\"2\"", first.json()));
}

#[tokio::test]
async fn the_password_changes_only_when_it_is_sent() {
    let service = service().await;
    let id = service.ana().await;
    let before = document(&service, &id).await["contrasena"].clone();
    service.put(&path(&id), EVA, &[]).await;
    assert_eq!(document(&service, &id).await["contrasena"], before);
    let with = |contrasena: &str| EVA.replace('{', &format!(r#"{{"contrasena":{contrasena},"#));
    assert_eq!(service.put(&path(&id), with("null"), &[]).await.header("etag"), "\"2\"");
    let answer = service.put(&path(&id), with("\"otra-clave\""), &[]).await;
    assert_eq!(answer.header("etag"), "\"3\"");
    assert!(
        !answer.text.contains("otra-clave") && !answer.text.contains("argon2"),
        "{}",
        answer.text
    );
    let after = document(&service, &id).await["contrasena"].clone();
    assert!(
        after != before && after.as_str().unwrap().starts_with("$argon2id$"),
        "{after}"
    );
}

#[tokio::test]
async fn the_same_key_is_the_same_client_with_the_same_body_only() {
    let service = service().await;
    for route in ["/clientes/cliente", "/clientes/cliente-comando"] {
        let key = route;
        let answers = join_all((0..8).map(|_| service.post_with_key(route, key, ANA))).await;
        // At once: one is answered, the others are to come back; then all alike.
        let (mut answers, others): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status.is_success());
        assert_eq!(answers.len(), 1);
        assert!(others.iter().all(|answer| answer.status == StatusCode::CONFLICT));
        for _ in 0..3 {
            answers.push(service.post_with_key(route, key, ANA).await);
        }
        let ids: Vec<_> = answers
            .iter()
            .map(|answer| match route {
                "/clientes/cliente" => answer.json()["id"].as_str().unwrap().to_owned(),
                _ => answer.header("x-correlation-id").to_owned(),
            })
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let others = [ANA.replace("Ana", "Eva"), ANA.replace("s3cr3ta!", "0tr4-clave")];
        for other in &others {
            let sentences = service.post_with_key(route, key, other).await.problem(422);
            assert_eq!(sentences, ["Idempotency-Key ya se usó con otra petición"], "{other}");
        }
        // What it is now is not what it was registered with: the repeat is still the same request.
        service.put(&path(&ids[0]), others[0].as_str(), &[]).await;
        let again = service.post_with_key(route, key, ANA).await;
        assert!(again.status.is_success(), "{}", again.text);
        service.post_with_key(route, key, &others[0]).await.problem(422);
        assert_eq!(
            service.get(&path(&ids[0])).await.json()["nombre"],
            "Eva",
            "and it undoes nothing"
        );
    }
}

#[tokio::test]
async fn a_client_that_is_asked_for_after_a_crash_is_what_its_document_says() {
    let service = service().await;
    let id = service.ana().await;
    service.put(&path(&id), EVA, &[]).await;
    // As a crash between document and projection leaves it.
    sqlx::query("UPDATE clientes SET version = 1, nombre = 'Ana'")
        .execute(&service.pool)
        .await
        .unwrap();
    let read = service.get(&path(&id)).await;
    assert_eq!((read.header("etag"), &read.json()["nombre"]), ("\"2\"", &json!("Eva")));
    assert_eq!(service.get("/clientes/cliente").await.json()[0]["nombre"], "Eva");
}
