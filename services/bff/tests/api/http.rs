//! What `/v1` answers to each method and body, and the small routes.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Answer, Bff};

async fn post(bff: &Bff, content_type: &str, body: &str) -> Answer {
    let request = Request::post("/v1").header("content-type", content_type);
    bff.call(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_post_that_is_no_graphql_request_is_refused_with_the_original_texts() {
    let bff = Bff::start().await;
    let query = r#"{"query":"{ __typename }"}"#;
    let no_json = "Unable to parse request body as JSON";
    let no_query = "No GraphQL query found in the request";
    let batch = "envíe una operación por petición: no se atienden en lote";
    let media_type = "Unsupported Media Type";
    let variables = "variables debe ser un objeto JSON";
    let too_large = "el cuerpo debe tener como máximo 65536 bytes";
    let json_type = "application/json";
    let large = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(70_000)}}).to_string();
    for (content_type, body, status, text) in [
        (json_type, "{", 400, no_json),
        (json_type, "", 400, no_json),
        (json_type, "{}", 400, no_query),
        (json_type, "[]", 400, batch),
        (json_type, r#"[{"query":"{ __typename }"}]"#, 400, batch),
        (json_type, "7", 400, no_query),
        // Not even for a number in it that GraphQL would be told of.
        (json_type, r#"{"monto":-18014398509481985}"#, 400, no_query),
        (json_type, r#"{"query":""}"#, 400, no_query),
        (json_type, r#"{"query":null}"#, 400, no_query),
        (json_type, r#"{"query":"{a}","variables":[1]}"#, 400, variables),
        (json_type, large.as_str(), 413, too_large),
        ("text/plain", query, 415, media_type),
        ("application/graphql", "{ __typename }", 415, media_type),
        ("multipart/form-data; boundary=x", query, 415, media_type),
        ("application/jsonp", query, 415, media_type),
    ] {
        let answer = post(&bff, content_type, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (status, text),
            "{content_type} {body}"
        );
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    }
    let answer = bff.call(Request::post("/v1").body(Body::from(query)).unwrap()).await;
    assert_eq!(
        answer.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "no content type at all"
    );
    let keyed = bff.post(&[("idempotency-key", "clave-ñ")], query).await;
    assert_eq!(
        (keyed.status.as_u16(), keyed.text().as_str()),
        (400, "Idempotency-Key solo puede tener caracteres ASCII imprimibles")
    );
}

#[tokio::test]
async fn a_post_is_executed_with_its_variables_and_operation_name() {
    let bff = Bff::start().await;
    let two = "query A { __typename } query B($id: String!) { pago(idCorrelacion: $id) { fase } }";
    let body = json!({"query": two, "operationName": "B", "variables": {"id": "nadie"}}).to_string();
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        let answer = post(&bff, content_type, &body).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), json!({"data": {"pago": null}}));
    }
    for query in ["{", "{ nada }", "subscription { eventosPago { fase } }"] {
        let answer = bff.graphql(query).await;
        assert_eq!(answer["data"], Value::Null, "{query}");
        assert!(answer["errors"][0]["message"].is_string(), "{query}");
    }
}

#[tokio::test]
async fn a_get_executes_queries_only() {
    let bff = Bff::start().await;
    let answer = bff.get("/v1?query=%7B__typename%7D").await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!({"data": {"__typename": "Query"}}))
    );
    let query = "query($id:String!){pago(idCorrelacion:$id){fase}}"
        .replace('{', "%7B")
        .replace('}', "%7D");
    let answer = bff
        .get(&format!(
            "/v1?query={query}&variables=%7B%22id%22:%22x%22%7D&operationName="
        ))
        .await;
    assert_eq!(answer.json(), json!({"data": {"pago": null}}));

    let mutation = "mutation%7BrealizarPago(pago:%7BmedioPago:%22PSE%22,idCliente:%22c%22,monto:1%7D)%7Bcodigo%7D%7D";
    let subscription = "subscription%7BeventosPago%7Bfase%7D%7D";
    for (path, text) in [
        (
            format!("/v1?query={mutation}"),
            "mutations are not allowed when using GET",
        ),
        (
            format!(
                "/v1?query=query%20A%7B__typename%7D%20{}&operationName=M",
                mutation.replacen("mutation", "mutation%20M", 1)
            ),
            "mutations are not allowed when using GET",
        ),
        (
            format!("/v1?query={subscription}"),
            "subscriptions are not allowed when using GET",
        ),
        (
            "/v1?query=%7Ba%7D&variables=%7B".to_owned(),
            "Unable to parse request body as JSON",
        ),
        (
            "/v1?query=%7Ba%7D&variables=7".to_owned(),
            "variables debe ser un objeto JSON",
        ),
        (
            "/v1?operationName=A".to_owned(),
            "No GraphQL query found in the request",
        ),
        ("/v1?query=".to_owned(), "No GraphQL query found in the request"),
    ] {
        let answer = bff.get(&path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (StatusCode::BAD_REQUEST, text),
            "{path}"
        );
    }
    let answer = bff.get("/v1?query=%7B").await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "what cannot be parsed is a GraphQL error"
    );
    assert!(answer.json()["errors"].is_array());
    assert_eq!(bff.taken().await, 0, "no payment was asked for by GET");
}

#[tokio::test]
async fn one_request_makes_one_payment() {
    let bff = Bff::start().await;
    let pay =
        |monto: u8| format!(r#"realizarPago(pago: {{medioPago: "PSE", idCliente: "c", monto: {monto}}}) {{ codigo }}"#);
    let (first, second) = (pay(1), pay(2));
    for query in [
        format!("mutation {{ a: {first} b: {second} }}"),
        format!("mutation {{ a: {first} b: {first} }}"),
        format!("mutation {{ ...F ... on Mutation {{ b: {second} }} }} fragment F on Mutation {{ a: {first} }}"),
        format!("query Q {{ __typename }} mutation M {{ {first} ...F }} fragment F on Mutation {{ b: {second} }}"),
    ] {
        let body = json!({"query": query, "operationName": query.contains("query").then_some("M")}).to_string();
        let answer = bff.post(&[("idempotency-key", "k-1")], body).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (
                StatusCode::BAD_REQUEST,
                "envíe una mutación por petición: cada pago es una petición, con su propia Idempotency-Key"
            ),
            "{query}"
        );
    }
    assert_eq!(bff.taken().await, 0);
    // What the library itself answers is no mutation.
    let answer = bff.graphql(&format!("mutation {{ __typename {first} }}")).await;
    assert_eq!(answer["data"]["realizarPago"]["codigo"], 203, "{answer}");
    assert_eq!(bff.taken().await, 1);
}

#[tokio::test]
async fn a_browser_gets_a_page_that_loads_nothing_from_elsewhere() {
    let bff = Bff::start().await;
    let answer = bff.get("/v1").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    let page = answer.text();
    assert!(page.contains("GraphiQL"));
    assert!(page.contains("input RealizarPagoInput"), "the schema is on the page");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src=\"//"));
}

#[tokio::test]
async fn the_address_with_a_slash_leads_to_the_one_without() {
    let bff = Bff::start().await;
    for (method, path, location) in [
        ("GET", "/v1/", "/v1"),
        ("POST", "/v1/", "/v1"),
        ("GET", "/v1/?query=%7Ba%7D", "/v1?query=%7Ba%7D"),
    ] {
        let answer = bff
            .call(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.headers["location"], location);
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_problems() {
    let bff = Bff::start().await;
    for (method, path, status) in [
        ("DELETE", "/v1", StatusCode::METHOD_NOT_ALLOWED),
        ("PUT", "/v1", StatusCode::METHOD_NOT_ALLOWED),
        ("POST", "/stream", StatusCode::METHOD_NOT_ALLOWED),
        ("POST", "/health", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/nada", StatusCode::NOT_FOUND),
        ("GET", "/stream?idCorrelacion=NO", StatusCode::BAD_REQUEST),
    ] {
        let answer = bff
            .call(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{method} {path}"
        );
        assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 1, "{method} {path}");
    }
    let refused = bff.get("/stream?idCorrelacion=NO").await.json();
    let sentence = refused["error"].as_str().unwrap();
    assert!(sentence.starts_with("idCorrelacion "), "{sentence}");
}

#[tokio::test]
async fn health_is_the_originals_and_the_spec_names_only_what_is_served() {
    let bff = Bff::start().await;
    let answer = bff.get("/health").await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::OK, json!({"status": "ok"}))
    );
    let spec = bff.get("/spec").await.json();
    let paths: Vec<_> = spec["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(paths, ["/health", "/spec", "/stream", "/v1"]);
    for path in paths.iter().filter(|path| *path != "/stream") {
        assert_eq!(bff.get(path).await.status, StatusCode::OK, "{path}");
    }
    // What the document does not name is not served, and what it names is.
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let request = Request::builder()
                .method(method)
                .uri(&path)
                .body(Body::empty())
                .unwrap();
            let status = bff.router().oneshot(request).await.unwrap().status();
            let named = spec["paths"][&path][method.to_lowercase()].is_object();
            assert_eq!(
                status != StatusCode::METHOD_NOT_ALLOWED,
                named,
                "{method} {path}: {status}"
            );
        }
    }
}

#[tokio::test]
async fn the_page_to_read_the_document_on_is_served_from_here() {
    let bff = Bff::start().await;
    let answer = bff.get("/docs/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.text().contains("https://"));
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("spec.json");
    let served = bff::spec();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(committed, served, "run `make generate` and look at what changed");
}
