//! Who may ask: a client sees, changes and pays for itself alone.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use seedwork_runtime::auth::issuer::Issuer;
use seedwork_runtime::{Auth, Secret};
use serde_json::{Value, json};

use crate::fixture::{ANA, Answer, CREAR, Service, judged_by, request, service, with};

const APP_TOKEN: &str = "the-token-of-our-sidecar";

/// Ana and Eva, registered by an operator, with an invoice each.
struct Two {
    service: Service,
    issuer: Issuer,
    ana: String,
    eva: String,
    /// A request of Eva's that has no invoice yet.
    request: String,
}

async fn two() -> Two {
    let issuer = Issuer::new("k-1");
    let auth = Auth::trusting(&issuer, Some(&Secret::from(APP_TOKEN.to_owned())));
    let service = judged_by(&[], auth).await;
    let operator = issuer.operador("luz");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let created = as_who(&service, &operator, "POST", "/clientes/cliente", ANA).await;
        assert_eq!(created.status, StatusCode::OK, "{}", created.text);
        ids.push(created.json()["id"].as_str().unwrap().to_owned());
    }
    let [ana, eva] = <[String; 2]>::try_from(ids).unwrap();
    service.command(CREAR, "p-ana", &ana).await;
    service.command(CREAR, "p-eva", &eva).await;
    let taken = as_who(&service, &operator, "POST", "/facturacion/realizar-pago", &pay(&eva)).await;
    let request = taken.json()["id"].as_str().unwrap().to_owned();
    Two {
        service,
        issuer,
        ana,
        eva,
        request,
    }
}

async fn as_who(service: &Service, bearer: &str, method: &str, path: &str, body: &str) -> Answer {
    service
        .send(with(request(method, path, body), &[("authorization", bearer)]))
        .await
}

fn pay(id_cliente: &str) -> String {
    format!(r#"{{"medioPago":"PSE","idCliente":"{id_cliente}","monto":24}}"#)
}

fn change() -> String {
    ANA.replace("Ana", "Otra")
}

/// Every route that is about one client, asked for `id` whose invoice is `factura`.
fn routes(id: &str, factura: &str) -> Vec<(&'static str, String, String, u16)> {
    vec![
        ("GET", format!("/clientes/cliente/{id}"), String::new(), 404),
        ("GET", format!("/clientes/cliente-query/{id}"), String::new(), 404),
        ("PUT", format!("/clientes/cliente/{id}"), change(), 404),
        ("PUT", format!("/clientes/cliente-comando/{id}"), change(), 404),
        ("POST", "/facturacion/realizar-pago".to_owned(), pay(id), 403),
        ("POST", "/facturacion/realizar-pago-comando".to_owned(), pay(id), 403),
        ("GET", format!("/facturacion/{factura}"), String::new(), 404),
    ]
}

#[tokio::test]
async fn a_client_reaches_nothing_of_another_and_everything_of_its_own() {
    let Two {
        service,
        issuer,
        ana,
        eva,
        ..
    } = two().await;
    let bearer = issuer.cliente(&ana);
    for (method, path, body, refusal) in routes(&eva, "p-eva") {
        let answer = as_who(&service, &bearer, method, &path, &body).await;
        assert_eq!(answer.problem(refusal).len(), 1, "{method} {path}");
    }
    for (method, path, body, _) in routes(&ana, "p-ana") {
        let answer = as_who(&service, &bearer, method, &path, &body).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    }
    // Eva is as she was, and nothing was asked for in her name.
    let operator = issuer.operador("luz");
    let read = as_who(&service, &operator, "GET", &format!("/clientes/cliente/{eva}"), "").await;
    assert_eq!(read.json()["nombre"], "Ana");
    assert_eq!(service.taken().await, 3, "Ana's two, and the one there was");
}

#[tokio::test]
async fn a_request_that_has_no_invoice_yet_is_its_clients_too() {
    let Two {
        service,
        issuer,
        ana,
        eva,
        request,
    } = two().await;
    let path = format!("/facturacion/{request}");
    as_who(&service, &issuer.cliente(&ana), "GET", &path, "")
        .await
        .problem(404);
    for bearer in [issuer.cliente(&eva), issuer.operador("luz")] {
        let found = as_who(&service, &bearer, "GET", &path, "").await.json();
        assert_eq!(found["estado"], "SOLICITADO");
    }
}

#[tokio::test]
async fn two_requests_of_one_subject_at_once_register_it_once() {
    let Two { service, issuer, .. } = two().await;
    let bearer = issuer.cliente("sub-1");
    let bodies: Vec<_> = (0..4).map(|n| ANA.replace("Ana", &format!("Ana {n}"))).collect();
    let all = bodies
        .iter()
        .map(|body| as_who(&service, &bearer, "POST", "/clientes/cliente", body));
    let answers = futures::future::join_all(all).await;
    let made = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(made, 1);
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        assert!(answer.problem(409)[0].contains("ya está registrado"));
    }
}

#[tokio::test]
async fn what_is_not_yours_and_what_is_not_there_look_alike() {
    let Two {
        service,
        issuer,
        ana,
        eva,
        ..
    } = two().await;
    let bearer = issuer.cliente(&ana);
    let nobody = "019ab2c3-0000-7000-8000-000000000000";
    for (yours, there) in routes(&eva, "p-eva").into_iter().zip(routes(nobody, "p-nobody")) {
        let (method, path, body, status) = yours;
        let not_yours = as_who(&service, &bearer, method, &path, &body).await;
        let not_there = as_who(&service, &bearer, method, &there.1, &there.2).await;
        assert_eq!(not_yours.problem(status), not_there.problem(status), "{method} {path}");
    }
}

#[tokio::test]
async fn lists_are_of_the_own_things() {
    let Two {
        service,
        issuer,
        ana,
        eva,
        ..
    } = two().await;
    let ids = async |bearer: &str, path: &str| -> Vec<String> {
        let answer = as_who(&service, bearer, "GET", path, "").await;
        let list = answer.json();
        let list = list.as_array().unwrap_or_else(|| panic!("{path}: {list}")).clone();
        list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let (own, operator) = (issuer.cliente(&ana), issuer.operador("luz"));
    for route in ["/clientes/cliente", "/clientes/cliente-query"] {
        assert_eq!(ids(&own, route).await, std::slice::from_ref(&ana));
        assert_eq!(ids(&own, &format!("{route}?cursor={ana}")).await, [""; 0]);
        assert_eq!(ids(&operator, route).await, [ana.clone(), eva.clone()]);
        assert_eq!(ids(&issuer.cliente("nobody"), route).await, [""; 0]);
    }
    for (path, expected) in [
        ("/facturacion".to_owned(), &["p-ana"][..]),
        (format!("/facturacion?idCliente={ana}"), &["p-ana"]),
        (format!("/facturacion?idCliente={eva}"), &[]),
    ] {
        assert_eq!(ids(&own, &path).await, expected, "{path}");
    }
    assert_eq!(
        ids(&operator, &format!("/facturacion?idCliente={eva}")).await,
        ["p-eva"]
    );
    as_who(&service, &operator, "GET", "/facturacion", "")
        .await
        .problem(400);
}

/// Every route there is, with a body that would do.
fn everything(id: &str, factura: &str) -> Vec<(&'static str, String, String)> {
    let one = routes(id, factura)
        .into_iter()
        .map(|(method, path, body, _)| (method, path, body));
    let more = [
        ("GET", "/clientes/cliente".to_owned(), String::new()),
        ("GET", "/clientes/cliente-query".to_owned(), String::new()),
        ("POST", "/clientes/cliente".to_owned(), ANA.to_owned()),
        ("POST", "/clientes/cliente-comando".to_owned(), ANA.to_owned()),
        ("GET", format!("/facturacion?idCliente={id}"), String::new()),
    ];
    one.chain(more).collect()
}

#[tokio::test]
async fn without_a_token_nobody_gets_anywhere() {
    let Two { service, ana, .. } = two().await;
    let all = everything(&ana, "p-ana");
    let documented: Value = serde_json::from_str(&gestion_clientes::spec()).unwrap();
    let operations = documented["paths"].as_object().unwrap().values();
    let operations: usize = operations.map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(all.len(), operations - 2, "every route but /health and /spec");
    for (method, path, body) in &all {
        for bearer in [None, Some("Bearer x.y.z"), Some("Basic eA==")] {
            let mut request = request(method, path, body.as_str());
            if let Some(bearer) = bearer {
                request = with(request, &[("authorization", bearer)]);
            }
            let answer = service.send(request).await;
            answer.problem(401);
            assert!(answer.headers.contains_key("www-authenticate"), "{method} {path}");
        }
    }
    for open in ["/health", "/spec", "/docs/"] {
        assert_eq!(service.get(open).await.status, StatusCode::OK, "{open}");
    }
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_is_to_be_asked() {
    let service = service().await;
    let ana = service.ana().await;
    service.command(CREAR, "p-ana", &ana).await;
    for (method, path, body) in everything(&ana, "p-ana") {
        let answer = service.send(request(method, &path, body)).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn another_application_reads_and_does_nothing_else() {
    let Two { service, ana, .. } = two().await;
    for (method, path, body) in everything(&ana, "p-ana") {
        let request = with(
            request(method, &path, body),
            &[("dapr-api-token", APP_TOKEN), ("dapr-caller-app-id", "notificaciones")],
        );
        let answer = service.send(request).await;
        if method == "GET" {
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        } else {
            answer.problem(403);
        }
    }
}

#[tokio::test]
async fn a_client_registers_itself_under_the_subject_of_its_token_once() {
    let Two { service, issuer, .. } = two().await;
    for (subject, path) in [
        ("auth0|5f7c8ec7", "/clientes/cliente/auth0%7C5f7c8ec7"),
        ("00uABC", "/clientes/cliente/00uABC"),
    ] {
        let bearer = issuer.cliente(subject);
        as_who(&service, &bearer, "GET", path, "").await.problem(404);
        as_who(&service, &bearer, "PUT", path, ANA).await.problem(404);
        let created = as_who(&service, &bearer, "POST", "/clientes/cliente", ANA).await;
        assert_eq!(
            (created.status, &created.json()["id"]),
            (StatusCode::OK, &json!(subject)),
            "{}",
            created.text
        );
        assert_eq!(as_who(&service, &bearer, "GET", path, "").await.json(), created.json());
        for body in [ANA.to_owned(), change()] {
            let sentences = as_who(&service, &bearer, "POST", "/clientes/cliente-comando", &body)
                .await
                .problem(409);
            assert!(sentences[0].contains("ya está registrado"), "{sentences:?}");
        }
        assert_eq!(
            as_who(&service, &bearer, "PUT", path, &change()).await.status,
            StatusCode::OK
        );
    }
    // Under a key the repeat finds the client that is there.
    let bearer = issuer.cliente("google-1234");
    let keyed = async |key: &str, body: &str| {
        let request = request("POST", "/clientes/cliente-comando", body);
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
        service.send(with(request, &headers)).await
    };
    for _ in 0..2 {
        assert_eq!(keyed("k", ANA).await.header("x-correlation-id"), "google-1234");
    }
    // With other data a used key is another request's, and under any other the client is there already; a change of the
    // client changes neither.
    for _ in 0..2 {
        keyed("k", &change()).await.problem(422);
        let sentences = keyed("k2", &change()).await.problem(409);
        assert!(sentences[0].contains("ya está registrado"), "{sentences:?}");
        let body = ANA.replace("Peña", "Paz");
        let changed = as_who(&service, &bearer, "PUT", "/clientes/cliente/google-1234", &body).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    }
    let odd = as_who(&service, &issuer.cliente("a||b"), "POST", "/clientes/cliente", ANA).await;
    odd.problem(403);
}

#[tokio::test]
async fn a_key_belongs_to_who_used_it() {
    let Two {
        service,
        issuer,
        ana,
        eva,
        ..
    } = two().await;
    let keyed = async |bearer: &str, path: &str, body: &str| {
        let headers = [("authorization", bearer), ("idempotency-key", "k")];
        let answer = service.send(with(request("POST", path, body), &headers)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let (luz, sol) = (issuer.operador("luz"), issuer.operador("sol"));
    let client = keyed(&luz, "/clientes/cliente", ANA).await;
    assert_eq!(keyed(&luz, "/clientes/cliente", ANA).await, client);
    assert_ne!(keyed(&sol, "/clientes/cliente", ANA).await, client);
    let own = keyed(&issuer.cliente(&ana), "/facturacion/realizar-pago", &pay(&ana)).await;
    let operators = keyed(&luz, "/facturacion/realizar-pago", &pay(&ana)).await;
    let others = keyed(&issuer.cliente(&eva), "/facturacion/realizar-pago", &pay(&eva)).await;
    assert!(own != operators && own != others && operators != others);
    assert_eq!(
        keyed(&issuer.cliente(&ana), "/facturacion/realizar-pago", &pay(&ana)).await,
        own
    );
}

#[tokio::test]
async fn a_bad_body_tells_a_stranger_nothing() {
    let Two { service, eva, .. } = two().await;
    for (method, path, _) in everything(&eva, "p-eva") {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from("{"))
            .unwrap();
        service.send(request).await.problem(401);
    }
}
