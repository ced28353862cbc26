//! How much one caller may ask for.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bff::Pace;
use futures::{SinkExt as _, StreamExt as _, stream};
use seedwork_runtime::Auth;
use seedwork_runtime::auth::issuer::Issuer;
use seedwork_runtime::participant::laws::eventually;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::subscription::{Socket, connect, connect_with, let_in, receive, send, serve};
use crate::support::{Answer, Bff, Database, calm, next, running};

const PAY: &str = "mutation { realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c\", monto: 1}) { codigo } }";

async fn post(bff: &Bff, query: &str, headers: &[(&str, &str)]) -> Answer {
    bff.post(headers, json!({"query": query}).to_string()).await
}

fn seconds(answer: &Answer) -> u64 {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{}", answer.text());
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let sentence = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        sentence.starts_with("demasiad") || sentence.starts_with("tiene"),
        "{sentence}"
    );
    answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

/// The answer to a request for a stream that is refused: one that is not has no end to be read to.
async fn refused_request(bff: &Bff, request: axum::http::request::Builder) -> Answer {
    let answer = bff.call(request.body(Body::empty()).unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(10), answer).await;
    answer.expect("it is not refused")
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let bff = Bff::told(&["--rate-per-second", "1", "--rate-burst", "2"]).await;
    assert_eq!(post(&bff, PAY, &[]).await.status, StatusCode::OK);
    let two = "mutation { a: realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c\", monto: 1}) { codigo }
        b: realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c\", monto: 1}) { codigo } }";
    let refused = post(&bff, two, &[]).await.status;
    assert_eq!(refused, StatusCode::BAD_REQUEST, "what is not done does not count");
    assert_eq!(post(&bff, PAY, &[]).await.status, StatusCode::OK);
    assert_eq!(seconds(&post(&bff, PAY, &[]).await), 1);
    // Queries are counted apart, and more of them are let through: eight at once, four of which are used up.
    for _ in 0..4 {
        assert_eq!(post(&bff, "{ __typename }", &[]).await.status, StatusCode::OK);
    }
    assert!(seconds(&post(&bff, "{ __typename }", &[]).await) >= 1);
    for path in ["/v1?query=%7B__typename%7D", "/stream"] {
        seconds(&refused_request(&bff, Request::get(path)).await);
    }
    assert_eq!(bff.get("/health").await.status, StatusCode::OK);
    let again = async || (post(&bff, PAY, &[]).await.status == StatusCode::OK).then_some(());
    eventually("the next to be let through", again).await;
    assert_eq!(bff.taken().await, 3);
}

#[tokio::test]
async fn a_flood_of_tokens_that_do_not_hold_is_held_back() {
    let limited = [
        "--rate-per-second",
        "1",
        "--rate-burst",
        "1",
        "--rate-address-factor",
        "1",
    ];
    let strangers = Issuer::new("k-1").cliente("ana");
    for (method, path) in [
        ("POST", "/v1"),
        ("GET", "/v1?query=%7B__typename%7D"),
        ("GET", "/stream"),
    ] {
        let bff = Bff::judging(&Issuer::new("k-1"), &limited).await;
        let ask = async || {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", "application/json")
                .header("authorization", &strangers);
            refused_request(&bff, request).await
        };
        let first = ask().await.status;
        assert_eq!(first, StatusCode::UNAUTHORIZED, "{method} {path}");
        let held_back = async || {
            let answer = ask().await;
            (answer.status == StatusCode::TOO_MANY_REQUESTS).then(|| seconds(&answer))
        };
        eventually(&format!("{method} {path} to be held back"), held_back).await;
    }
}

#[tokio::test]
async fn the_document_says_what_is_counted() {
    let spec = Bff::start().await.get("/spec").await.json();
    for (path, method, counted) in [
        ("/v1", "get", true),
        ("/v1", "post", true),
        ("/stream", "get", true),
        ("/health", "get", false),
    ] {
        let answers = &spec["paths"][path][method]["responses"];
        assert_eq!(answers["429"].is_object(), counted, "{method} {path}: {answers:#}");
    }
}

#[tokio::test]
async fn callers_are_counted_apart() {
    let limited = ["--rate-per-second", "1", "--rate-burst", "1"];
    // By who they are.
    let issuer = Issuer::new("k-1");
    let bff = Bff::judging(&issuer, &limited).await;
    let [ana, olga] = [issuer.cliente("c"), issuer.operador("olga")];
    for (who, status) in [(&ana, 200), (&olga, 200), (&ana, 429), (&olga, 429)] {
        let answer = post(&bff, PAY, &[("authorization", who), ("x-forwarded-for", "1.1.1.1")]).await;
        assert_eq!(answer.status.as_u16(), status, "{who}");
    }
    // And beside that by where they come from: two callers' worth.
    let bff = Bff::judging(&issuer, &[&limited[..], &["--rate-address-factor", "2"]].concat()).await;
    for (name, status) in [("olga", 200), ("otto", 200), ("ida", 429)] {
        let answer = post(&bff, PAY, &[("authorization", &issuer.operador(name))]).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
    }
    let nobody = async || {
        let answer = post(&bff, PAY, &[]).await;
        (answer.status == StatusCode::TOO_MANY_REQUESTS).then_some(())
    };
    eventually("who shows no token to be held back, too", nobody).await;
    // By where they come from alone, which only a proxy of ours can say.
    let trusting = [&limited[..], &["--trusted-proxies", "0.0.0.0,10.0.0.0/8"]].concat();
    for (words, second) in [(&limited[..], 429), (&trusting[..], 200)] {
        let bff = Bff::told(words).await;
        for (from, status) in [
            ("1.1.1.1", 200),
            ("6.6.6.6, 2.2.2.2, 10.0.0.9", second),
            ("3.3.3.3, 1.1.1.1", 429),
        ] {
            let answer = post(&bff, PAY, &[("x-forwarded-for", from)]).await;
            assert_eq!(answer.status.as_u16(), status, "{words:?} {from}");
        }
    }
    let unlimited = Bff::told(&["--rate-per-second", "0", "--rate-burst", "1"]).await;
    for _ in 0..9 {
        assert_eq!(post(&unlimited, PAY, &[]).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn streams_have_their_places() {
    let bff = Bff::told(&[
        "--streams-per-caller",
        "2",
        "--streams",
        "3",
        "--trusted-proxies",
        "0.0.0.0",
    ])
    .await;
    bff.tell(&running("p-1", 1)).await;
    let first = bff.stream("/stream", None).await;
    let _second = bff.stream("/stream", None).await;
    let refused = refused_request(&bff, Request::get("/stream")).await;
    assert_eq!(seconds(&refused), 10);
    drop(first);
    let mut again = bff.stream("/stream?ultimo=0", None).await;
    assert_eq!(next(&mut again).await.event, "NuevoEvento");
    let from = |address: &'static str| {
        Request::get("/stream")
            .header("x-forwarded-for", address)
            .body(Body::empty())
    };
    let router = bff.router();
    let other = tower::ServiceExt::oneshot(router, from("1.1.1.1").unwrap())
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    let full = refused_request(&bff, Request::get("/stream").header("x-forwarded-for", "2.2.2.2")).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(full.text().contains("hay demasiados"), "{}", full.text());
}

#[tokio::test]
async fn a_socket_is_within_the_same_limits() {
    let bff = Bff::told(&[
        "--rate-per-second",
        "1",
        "--rate-burst",
        "1",
        "--streams-per-caller",
        "1",
    ])
    .await;
    let address = serve(&bff).await;
    let mut socket = let_in(&address, "graphql-transport-ws").await;
    assert!(
        connect(&address, Some("graphql-transport-ws")).await.is_err(),
        "one socket only"
    );
    // Four at once, two of which went into the sockets.
    let mut answers = Vec::new();
    for id in 0..20 {
        let query = json!({"query": "{ __typename }"});
        let operation = json!({"id": id.to_string(), "type": "subscribe", "payload": query});
        send(&mut socket, &operation).await;
        answers.push(receive(&mut socket).await["payload"].take());
        assert_eq!(receive(&mut socket).await["type"], "complete");
    }
    assert_eq!(answers[0]["data"]["__typename"], "Query", "{answers:?}");
    let refused = answers
        .iter()
        .find(|answer| answer["errors"][0]["extensions"]["code"] == "RATE_LIMITED");
    assert_eq!(refused.expect("all were let through")["data"], Value::Null);
}

#[tokio::test]
async fn a_flood_of_what_a_socket_refuses_waits_outside() {
    const FRAMES: usize = 1_000;
    // 16 frames to be looked at, and 16 refusals to be told.
    const WITHIN: usize = 32;
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let (mut out, mut told) = let_in(&address, "graphql-transport-ws").await.split();
    let mut frames = stream::iter((0..FRAMES).map(|id| {
        let operation = json!({"id": id.to_string(), "type": "subscribe", "payload": {"query": PAY}});
        Ok::<_, tungstenite::Error>(tungstenite::Message::text(operation.to_string()))
    }));
    let flood = async { out.send_all(&mut frames).await.unwrap() };
    let answers = async {
        let mut complete = 0;
        while complete < FRAMES {
            let message = next(&mut told).await.unwrap();
            let answer: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if answer["type"] == "complete" {
                complete += 1;
                continue;
            }
            assert!(answer["payload"]["errors"].is_array(), "{answer}");
            // Frames are taken in their order: all up to this one are within, but for those that are complete.
            let taken = answer["id"].as_str().unwrap().parse::<usize>().unwrap() + 1;
            let waiting = taken.saturating_sub(complete);
            assert!(waiting <= WITHIN, "{waiting} refusals wait in memory");
        }
    };
    tokio::join!(flood, answers);
}

/// A socket of who comes from there, if there is a place for it.
async fn greeted(address: &str, from: &str) -> Option<Socket> {
    let headers = [("x-forwarded-for", from)];
    let mut socket = connect_with(address, Some("graphql-transport-ws"), &headers)
        .await
        .ok()?;
    send(&mut socket, &json!({"type": "connection_init"})).await;
    assert_eq!(receive(&mut socket).await["type"], "connection_ack");
    Some(socket)
}

#[tokio::test]
async fn a_socket_whose_peer_is_gone_gives_its_place_back_and_one_that_answers_pings_stays() {
    let pace = Pace {
        ping: Duration::from_millis(50),
        ..calm()
    };
    let limited = ["--streams-per-caller", "1", "--trusted-proxies", "127.0.0.1"];
    let bff = Bff::with(Database::open().await, pace, Auth::none(), &limited).await;
    let address = serve(&bff).await;
    // What nobody polls answers no ping: to the other side its peer might as well be gone.
    let _gone = greeted(&address, "1.1.1.1").await.expect("a place");
    let mut there = greeted(&address, "2.2.2.2").await.expect("a place");
    let pings = async {
        for _ in 0..9 {
            let message = next(&mut there).await.unwrap();
            assert!(message.is_ping(), "{message:?}");
        }
    };
    let place = eventually("the place of who is gone", || greeted(&address, "1.1.1.1"));
    tokio::join!(pings, place);
}

#[tokio::test]
async fn a_socket_refuses_what_it_would_not_read_as_it_was_written() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let mut socket = let_in(&address, "graphql-transport-ws").await;
    let query = "query($n: Int!) { pagos(limite: $n) { cursor } }";
    let text = format!(
        r#"{{"id": "1", "type": "subscribe", "payload": {{"query": {}, "variables": {{"n": 24.000000000000001}}}}}}"#,
        json!(query)
    );
    crate::subscription::send_text(&mut socket, text).await;
    let refused = receive(&mut socket).await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("1")),
        "{refused}"
    );
    assert_eq!(refused["payload"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let fine = json!({"id": "2", "type": "subscribe", "payload": {"query": query, "variables": {"n": 24}}});
    send(&mut socket, &fine).await;
    let answer = receive(&mut socket).await;
    assert!(answer["payload"]["data"]["pagos"].is_object(), "{answer}");
}

#[tokio::test]
async fn one_socket_has_so_many_operations_under_way_and_gets_them_back() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let mut socket = let_in(&address, "graphql-transport-ws").await;
    let query = json!({"query": "subscription { eventosPago { fase } }"});
    for id in 0..20 {
        send(
            &mut socket,
            &json!({"id": id.to_string(), "type": "subscribe", "payload": query}),
        )
        .await;
    }
    send(&mut socket, &json!({"id": "x", "type": "subscribe", "payload": query})).await;
    let refused = receive(&mut socket).await;
    assert_eq!(refused["id"], "x");
    assert_eq!(refused["payload"]["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(receive(&mut socket).await, json!({"type": "complete", "id": "x"}));
    send(&mut socket, &json!({"id": "7", "type": "complete"})).await;
    assert_eq!(receive(&mut socket).await, json!({"type": "complete", "id": "7"}));
    send(
        &mut socket,
        &json!({"id": "y", "type": "subscribe", "payload": {"query": "{ __typename }"}}),
    )
    .await;
    assert_eq!(receive(&mut socket).await["payload"]["data"]["__typename"], "Query");
}
