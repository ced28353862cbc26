//! Subscriptions, over a real WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use seedwork::{App, Message, Reason};
use seedwork_runtime::auth::issuer::Issuer;
use seedwork_runtime::serve;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, http};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{Bff, completed, next, running};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Serves the router on a port of its own.
pub(crate) async fn serve(bff: &Bff) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}/v1", listener.local_addr().unwrap());
    let router = bff.router();
    tokio::spawn(serve::run(listener, router, std::future::pending()));
    address
}

pub(crate) async fn connect(address: &str, protocol: Option<&'static str>) -> Result<Socket, tungstenite::Error> {
    connect_as(address, protocol, None).await
}

pub(crate) async fn connect_as(
    address: &str,
    protocol: Option<&'static str>,
    authorization: Option<&str>,
) -> Result<Socket, tungstenite::Error> {
    let authorization = authorization.map(|shown| ("authorization", shown));
    connect_with(address, protocol, authorization.as_slice()).await
}

/// With headers.
pub(crate) async fn connect_with(
    address: &str,
    protocol: Option<&'static str>,
    headers: &[(&'static str, &str)],
) -> Result<Socket, tungstenite::Error> {
    let mut request = address.into_client_request().unwrap();
    for (name, value) in headers {
        let value = http::HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(*name, value);
    }
    if let Some(protocol) = protocol {
        request
            .headers_mut()
            .insert("sec-websocket-protocol", http::HeaderValue::from_static(protocol));
    }
    tokio_tungstenite::connect_async(request)
        .await
        .map(|(socket, _)| socket)
}

pub(crate) async fn send(socket: &mut Socket, message: &Value) {
    send_text(socket, message.to_string()).await;
}

pub(crate) async fn send_text(socket: &mut Socket, text: String) {
    socket.send(tungstenite::Message::text(text)).await.unwrap();
}

/// The next answer; a ping is none.
pub(crate) async fn receive(socket: &mut Socket) -> Value {
    let mut message = next(socket).await.unwrap();
    while message.is_ping() {
        message = next(socket).await.unwrap();
    }
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

/// A socket that was let in.
pub(crate) async fn let_in(address: &str, protocol: &'static str) -> Socket {
    let mut socket = connect(address, Some(protocol)).await.unwrap();
    send(&mut socket, &json!({"type": "connection_init"})).await;
    assert_eq!(receive(&mut socket).await["type"], "connection_ack");
    socket
}

/// Subscribes over graphql-transport-ws.
async fn subscribe(address: &str, query: &str) -> Socket {
    let mut socket = let_in(address, "graphql-transport-ws").await;
    send(
        &mut socket,
        &json!({"id": "1", "type": "subscribe", "payload": {"query": query}}),
    )
    .await;
    socket
}

pub(crate) async fn data(socket: &mut Socket) -> Value {
    let message = receive(socket).await;
    assert_eq!(message["type"], "next", "{message}");
    assert_eq!(message["id"], "1");
    message["payload"].clone()
}

fn client(id: &str, plan: &str) -> Value {
    json!({
        "id": id, "nombre": "Ana", "apellidos": "Peña", "correo": "ana@example.com", "estadoPlan": plan,
        "fecha_creacion": "2026-11-24T18:00:00Z", "fecha_actualizacion": "2026-11-24T18:00:00Z",
    })
}

#[tokio::test]
async fn a_payment_is_told_from_the_state_it_is_in_to_its_end() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    bff.tell(&running("p-1", 1)).await;
    bff.tell(&running("p-1", 2)).await;
    let query = r#"subscription { eventosPago(idCorrelacion: "p-1") { idCorrelacion fase secuencia } }"#;
    let mut socket = subscribe(&address, query).await;
    let told = |fase: &str, secuencia: u64| json!({"data": {"eventosPago": {"idCorrelacion": "p-1", "fase": fase, "secuencia": secuencia}}});
    assert_eq!(
        data(&mut socket).await,
        told("Running", 2),
        "the present state comes first"
    );
    bff.tell(&running("p-2", 1)).await;
    bff.tell(&running("p-1", 3)).await;
    bff.tell(&completed("p-1", 4)).await;
    assert_eq!(data(&mut socket).await, told("Running", 3));
    assert_eq!(data(&mut socket).await, told("Completed", 4));
}

#[tokio::test]
async fn a_payment_can_be_followed_from_the_request_on() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let id = bff.pay("c-1").await;
    let query = format!(r#"subscription {{ eventosPago(idCorrelacion: "{id}") {{ fase }} }}"#);
    let mut socket = subscribe(&address, &query).await;
    assert_eq!(data(&mut socket).await["data"]["eventosPago"]["fase"], "Solicitado");
    let reason = Reason::new("SolicitudInvalida", "no puede ser");
    bff.deliver(&Message::SolicitudRechazada {
        id_correlacion: id,
        reason,
    })
    .await;
    assert_eq!(data(&mut socket).await["data"]["eventosPago"]["fase"], "Rechazado");
}

#[tokio::test]
async fn without_an_id_the_transitions_of_every_payment_are_told() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let mut socket = subscribe(&address, "subscription { eventosPago { idCorrelacion } }").await;
    // Whether the subscription has begun is seen from outside only by its first event.
    let mut secuencia = 0;
    let first = loop {
        secuencia += 1;
        bff.tell(&running("p-1", secuencia)).await;
        let soon = tokio::time::timeout(Duration::from_millis(50), data(&mut socket));
        if let Ok(first) = soon.await {
            break first;
        }
    };
    assert_eq!(first["data"]["eventosPago"]["idCorrelacion"], "p-1");
    bff.tell(&running("p-2", 1)).await;
    loop {
        let told = data(&mut socket).await;
        match told["data"]["eventosPago"]["idCorrelacion"].as_str().unwrap() {
            "p-1" => {}
            other => break assert_eq!(other, "p-2"),
        }
    }
}

#[tokio::test]
async fn the_client_of_a_payment_is_told_at_each_of_its_transitions() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    bff.sidecar.serve_page(
        App::GestionClientes,
        "/clientes/cliente/c-1",
        200,
        &client("c-1", "PENDIENTE"),
    );
    bff.tell(&running("p-1", 1)).await;
    let query = r#"subscription { eventosClientes(idCorrelacion: "p-1") { id nombre estadoPlan contrasena } }"#;
    let mut socket = subscribe(&address, query).await;
    let told = |plan: &str| json!({"data": {"eventosClientes": {"id": "c-1", "nombre": "Ana", "estadoPlan": plan, "contrasena": ""}}});
    assert_eq!(data(&mut socket).await, told("PENDIENTE"));
    // One that cannot be told now is an error in its place, and the stream goes on.
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/c-1", 500, &json!({}));
    bff.tell(&running("p-1", 2)).await;
    let failed = data(&mut socket).await;
    assert_eq!(
        failed["errors"][0]["message"],
        "gestión de clientes no responde; intente de nuevo"
    );
    bff.sidecar.serve_page(
        App::GestionClientes,
        "/clientes/cliente/c-1",
        200,
        &client("c-1", "PAGADO"),
    );
    bff.tell(&completed("p-1", 3)).await;
    assert_eq!(data(&mut socket).await, told("PAGADO"));
}

#[tokio::test]
async fn a_process_that_stops_closes_its_sockets_and_says_of_no_subscription_that_it_is_complete() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    bff.tell(&running("p-1", 1)).await;
    let query = r#"subscription { eventosPago(idCorrelacion: "p-1") { fase } }"#;
    let mut socket = subscribe(&address, query).await;
    assert_eq!(data(&mut socket).await["data"]["eventosPago"]["fase"], "Running");
    bff.app.streams.cancel();
    bff.app.sockets.close();
    let closed = tokio::time::timeout(Duration::from_secs(10), bff.app.sockets.wait());
    closed.await.expect("a socket is still open");
    let close = next(&mut socket).await.unwrap();
    let tungstenite::Message::Close(Some(frame)) = &close else {
        panic!("{close:?}");
    };
    let (code, reason) = (u16::from(frame.code), frame.reason.as_str());
    assert_eq!((code, reason), (1012, "el servicio se reinicia"));
}

#[tokio::test]
async fn an_illegal_id_is_an_error_and_the_socket_stays() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let mut socket = subscribe(
        &address,
        r#"subscription { eventosPago(idCorrelacion: "NO") { fase } }"#,
    )
    .await;
    let refused = receive(&mut socket).await;
    assert!(refused.to_string().contains("idCorrelacion"), "{refused}");
    let query = json!({"query": "{ __typename }"});
    send(&mut socket, &json!({"id": "2", "type": "subscribe", "payload": query})).await;
    let answer = loop {
        let message = receive(&mut socket).await;
        if message["id"] == "2" {
            break message;
        }
    };
    assert_eq!(answer["payload"], json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn nobody_pays_on_a_socket() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let pay = "mutation { realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c\", monto: 1}) { codigo } }";
    // Which operation is meant is what its name says.
    let several = format!("query A {{ __typename }} {}", pay.replacen("mutation", "mutation B", 1));
    for (protocol, begin) in [("graphql-transport-ws", "subscribe"), ("graphql-ws", "start")] {
        let mut socket = let_in(&address, protocol).await;
        for (query, name, refused) in [
            (pay, None, true),
            (&several, Some("B"), true),
            (&several, Some("A"), false),
        ] {
            let payload = json!({"query": query, "operationName": name});
            send(&mut socket, &json!({"id": "1", "type": begin, "payload": payload})).await;
            let answer = receive(&mut socket).await["payload"].take();
            assert_eq!(receive(&mut socket).await["type"], "complete");
            assert_eq!(answer["data"].is_null(), refused, "{protocol} {name:?}: {answer}");
            let code = refused.then_some("MUTATION_BY_POST");
            assert_eq!(answer["errors"][0]["extensions"]["code"].as_str(), code, "{answer}");
        }
    }
    assert_eq!(bff.taken().await, 0);
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket_where_nobody_is_asked_who_they_are() {
    let protocol = Some("graphql-transport-ws");
    let open = async |address: &str, origin: &str| match connect_with(address, protocol, &[("origin", origin)]).await {
        Ok(_) => Ok(()),
        Err(tungstenite::Error::Http(response)) => Err(response),
        Err(other) => panic!("{origin}: {other:?}"),
    };
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    let host = address.trim_start_matches("ws://").trim_end_matches("/v1");
    for own in [format!("http://{host}"), format!("https://{host}").to_uppercase()] {
        assert!(open(&address, &own).await.is_ok(), "{own}");
    }
    for other in [
        "http://evil.example.com",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        &format!("http://{host}.evil.example.com"),
        host,
        "null",
        "",
    ] {
        let response = open(&address, other).await.expect_err(other);
        assert_eq!(response.status(), http::StatusCode::FORBIDDEN, "{other}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    // Where they are asked, a page shows the token of whoever sits before it, or learns nothing.
    let judging = Bff::judging(&Issuer::new("k-1"), &[]).await;
    let address = serve(&judging).await;
    assert!(open(&address, "http://evil.example.com").await.is_ok());
}

#[tokio::test]
async fn a_socket_without_a_known_subprotocol_is_refused() {
    let bff = Bff::start().await;
    let address = serve(&bff).await;
    for protocol in [None, Some("mqtt")] {
        match connect(&address, protocol).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), http::StatusCode::BAD_REQUEST),
            other => panic!("{other:?}"),
        }
    }
    let mut old = let_in(&address, "graphql-ws").await;
    old.close(None).await.unwrap();
    assert!(old.next().await.is_some());
}
