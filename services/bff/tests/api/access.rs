//! Who may ask: a client sees and pays for itself, an operator for all.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures::{FutureExt as _, StreamExt as _};
use seedwork::{App, SolicitudPago};
use seedwork_runtime::auth::issuer::{Issuer, claims};
use seedwork_runtime::{Auth, Secret, now_ms};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tokio_tungstenite::tungstenite::{self, protocol::Message as Frame};

use crate::subscription::{Socket, connect, data, receive, send, serve};
use crate::support::{Bff, Database, calm, news, next, running_of};

/// Two clients, an operator, and a payment of each client.
struct Cast {
    bff: Bff,
    issuer: Issuer,
    ana: String,
    beto: String,
    olga: String,
}

const PAGO: &str = "query($id: String!) { pago(idCorrelacion: $id) { idCliente } }";
const PAGAR: &str = "mutation($c: String!) {
    realizarPago(pago: {medioPago: \"PSE\", idCliente: $c, monto: 24}) { idCorrelacion } }";

async fn cast() -> Cast {
    let issuer = Issuer::new("k-1");
    let bff = Bff::judging(&issuer, &[]).await;
    bff.tell(&running_of("ana", "p-ana", 1)).await;
    bff.tell(&running_of("beto", "p-beto", 1)).await;
    Cast {
        ana: issuer.cliente("ana"),
        beto: issuer.cliente("beto"),
        olga: issuer.operador("olga"),
        bff,
        issuer,
    }
}

fn client(id: &str) -> Value {
    json!({
        "id": id, "nombre": id, "apellidos": "Peña", "correo": "x@example.com", "estadoPlan": "PAGADO",
        "fecha_creacion": "2026-11-24T18:00:00Z", "fecha_actualizacion": "2026-11-24T18:00:00Z",
    })
}

#[tokio::test]
async fn a_payment_is_there_for_its_client_and_for_operators() {
    let Cast {
        bff, ana, beto, olga, ..
    } = cast().await;
    for (who, id, seen) in [
        (&ana, "p-ana", true),
        (&ana, "p-beto", false),
        (&beto, "p-ana", false),
        (&olga, "p-ana", true),
        (&olga, "p-beto", true),
        (&olga, "p-nadie", false),
    ] {
        let answer = bff.graphql_as(who, PAGO, &json!({"id": id})).await;
        assert_eq!(answer["data"]["pago"].is_object(), seen, "{id}: {answer}");
        assert_eq!(answer["errors"], Value::Null, "what is not yours is not there");
    }
    // From the request on, before any saga is heard of.
    let made = bff.graphql_as(&ana, PAGAR, &json!({"c": "ana"})).await;
    let id = &made["data"]["realizarPago"]["idCorrelacion"];
    assert!(id.is_string(), "{made}");
    assert!(bff.graphql_as(&ana, PAGO, &json!({"id": id})).await["data"]["pago"].is_object());
    assert_eq!(
        bff.graphql_as(&beto, PAGO, &json!({"id": id})).await["data"]["pago"],
        Value::Null
    );
}

#[tokio::test]
async fn a_list_of_payments_holds_what_the_caller_sees() {
    let Cast { bff, ana, olga, .. } = cast().await;
    let query = "query($c: String) { pagos(idCliente: $c) { pagos { idCliente } } }";
    let both = json!([{"idCliente": "beto"}, {"idCliente": "ana"}]);
    let [only_ana, only_beto] = ["ana", "beto"].map(|id| json!([{"idCliente": id}]));
    for (who, asked, seen) in [
        (&ana, json!(null), only_ana.clone()),
        (&ana, json!("ana"), only_ana),
        (&ana, json!("beto"), json!([])),
        (&olga, json!("beto"), only_beto),
        (&olga, json!("nadie"), json!([])),
    ] {
        let answer = bff.graphql_as(who, query, &json!({"c": asked})).await;
        assert_eq!(answer["data"]["pagos"]["pagos"], seen, "{asked}");
    }
    let answer = bff.graphql_as(&olga, query, &json!({})).await;
    let list = answer["data"]["pagos"]["pagos"].as_array().unwrap().clone();
    assert!(both.as_array().unwrap().iter().all(|one| list.contains(one)) && list.len() == 2);
}

#[tokio::test]
async fn nobody_pays_for_another_client_but_an_operator() {
    let Cast { bff, ana, olga, .. } = cast().await;
    let answer = bff.graphql_as(&ana, PAGAR, &json!({"c": "beto"})).await;
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    assert_eq!(bff.sidecar.take_messages(), []);
    for (who, client) in [(&ana, "ana"), (&olga, "beto")] {
        let answer = bff.graphql_as(who, PAGAR, &json!({"c": client})).await;
        assert!(answer["data"]["realizarPago"]["idCorrelacion"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn another_application_reads_and_pays_for_nobody() {
    let token = Secret::from("ours".to_owned());
    let auth = Auth::trusting(&Issuer::new("k-1"), Some(&token));
    let bff = Bff::with(Database::open().await, calm(), auth, &["--auth", "jwt"]).await;
    bff.tell(&running_of("ana", "p-ana", 1)).await;
    bff.sidecar.take_messages();
    let ask = async |query: &str, variables: Value| {
        let caller = ("dapr-caller-app-id", App::Notificaciones.id());
        let body = json!({"query": query, "variables": variables}).to_string();
        bff.post(&[("dapr-api-token", "ours"), caller], body).await.json()
    };
    let seen = ask(PAGO, json!({"id": "p-ana"})).await;
    assert_eq!(seen["data"]["pago"]["idCliente"], "ana", "{seen}");
    let refused = ask(PAGAR, json!({"c": "ana"})).await;
    assert_eq!(refused["data"], Value::Null);
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let sentence = refused["errors"][0]["message"].as_str().unwrap();
    assert!(sentence.starts_with("notificaciones solo puede leer"), "{sentence}");
    assert_eq!(bff.sidecar.take_messages(), []);
}

#[tokio::test]
async fn a_key_is_the_callers_own() {
    let Cast { bff, ana, olga, .. } = cast().await;
    let pay = async |who: &str, client: &str| {
        let headers = [("authorization", who), ("idempotency-key", "k-1")];
        let body = json!({"query": PAGAR, "variables": {"c": client}}).to_string();
        bff.post(&headers, body).await.json()
    };
    let id = |answer: &Value| {
        answer["data"]["realizarPago"]["idCorrelacion"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let own = id(&pay(&ana, "ana").await);
    assert_eq!(own, SolicitudPago::keyed_id("ana", "k-1").to_string());
    let by_olga = id(&pay(&olga, "ana").await);
    assert_ne!(own, by_olga, "an operator's key is not the client's");
    assert_eq!(id(&pay(&olga, "ana").await), by_olga);
    let answer = pay(&olga, "beto").await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED",
        "one key of hers, two clients"
    );
}

#[tokio::test]
async fn clients_are_asked_for_in_the_callers_name_and_only_their_own() {
    let Cast { bff, ana, olga, .. } = cast().await;
    for id in ["ana", "beto"] {
        let path = format!("/clientes/cliente/{id}");
        bff.sidecar.serve_page(App::GestionClientes, &path, 200, &client(id));
    }
    let all = json!([client("ana"), client("beto")]);
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente-query?limite=100", 200, &all);
    let one = "query($id: String!) { cliente(id: $id) { id } }";
    let list = "query { clientes { id } }";
    let rest = "query { clientes(cursor: \"ana\") { id } }";
    for (who, query, id, seen) in [
        (&ana, one, "ana", json!({"cliente": {"id": "ana"}})),
        (&ana, one, "beto", json!({"cliente": null})),
        (&ana, list, "", json!({"clientes": [{"id": "ana"}]})),
        (&ana, rest, "", json!({"clientes": []})),
        (&olga, one, "beto", json!({"cliente": {"id": "beto"}})),
        (&olga, list, "", json!({"clientes": [{"id": "ana"}, {"id": "beto"}]})),
    ] {
        let variables = if id.is_empty() { json!({}) } else { json!({"id": id}) };
        let answer = bff.graphql_as(who, query, &variables).await;
        assert_eq!(answer["data"], seen, "{query} {id}: {answer}");
        for asked in bff.sidecar.take_asked() {
            assert_eq!(asked.authorization.as_ref(), Some(who), "{asked:?}");
            assert!(who == &olga || !asked.path.contains("beto"), "{asked:?}");
        }
    }
    // Over there the token may be judged otherwise: nobody is told of anything.
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/ana", 401, &json!({}));
    let answer = bff.graphql_as(&ana, one, &json!({"id": "ana"})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn without_a_token_nothing_is_told_but_that_there_must_be_one() {
    let Cast { bff, issuer, .. } = cast().await;
    let body = || Body::from(json!({"query": "{ __typename }"}).to_string());
    let now = now_ms() / 1000;
    let expired = issuer.sign(&issuer.header(), &claims(json!({"sub": "ana", "exp": now - 100})));
    let stranger = Issuer::new("k-1").cliente("ana");
    for authorization in [
        None,
        Some(format!("Bearer {expired}")),
        Some(stranger),
        Some("Basic YTpi".to_owned()),
    ] {
        for path in ["POST /v1", "GET /v1?query=%7B__typename%7D", "GET /stream"] {
            let (method, uri) = path.split_once(' ').unwrap();
            let mut request = Request::builder()
                .method(method)
                .uri(uri)
                .header("content-type", "application/json");
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            let answer = bff.call(request.body(body()).unwrap()).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {authorization:?}");
            assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
            assert!(answer.headers.contains_key(header::WWW_AUTHENTICATE));
        }
    }
    // What asks nobody answers whatever it is shown.
    for open in ["/health", "/spec", "/docs/"] {
        assert_eq!(bff.get(open).await.status, StatusCode::OK, "{open}");
        let shown = Request::get(open).header("authorization", "Bearer x.y.z");
        let answer = bff.call(shown.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{open}");
    }
}

#[tokio::test]
async fn a_stream_tells_a_client_of_its_own_payments() {
    let Cast {
        bff, ana, beto, olga, ..
    } = cast().await;
    let mut of_ana = bff.stream_as(&ana, "/stream?ultimo=0").await;
    let mut of_beto = bff.stream_as(&beto, "/stream").await;
    let mut of_olga = bff.stream_as(&olga, "/stream?ultimo=0").await;
    let mut spying = bff.stream_as(&beto, "/stream?idCorrelacion=p-ana&ultimo=0").await;
    bff.tell(&running_of("ana", "p-ana", 2)).await;
    bff.tell(&running_of("beto", "p-beto", 2)).await;
    bff.tell(&running_of("ana", "p-ana", 3)).await;
    let told = |numero: u64, id: &str, secuencia| (numero.to_string(), id.to_owned(), secuencia);
    let anas = [told(1, "p-ana", 1), told(3, "p-ana", 2), told(5, "p-ana", 3)];
    assert_eq!(news(&mut of_ana, 3).await, anas);
    assert_eq!(news(&mut of_beto, 1).await, [told(4, "p-beto", 2)]);
    assert_eq!(news(&mut of_olga, 5).await.len(), 5);
    // All have been told by now: nothing is on its way to who is not to see it.
    assert_eq!(of_beto.next().now_or_never(), None);
    assert_eq!(spying.next().now_or_never(), None);
}

#[tokio::test]
async fn what_was_stored_before_events_knew_their_client_is_told_to_its_client_alone() {
    let mut before = Migrator::DEFAULT;
    before.migrations = bff::MIGRATIONS.migrations[..1].to_vec().into();
    let database = Database::at(&before).await;
    for (id, client) in [("p-ana", "ana"), ("p-beto", "beto")] {
        let pago = serde_json::to_string(&running_of(client, id, 1)).unwrap();
        let statements = [
            format!(
                "INSERT INTO pagos VALUES ('{id}', 1, 'Running', '{client}', '24.10', 'USD', 'PSE', '1/4', '', '', '{pago}', '', '', 0, 1, 1, 0)"
            ),
            "UPDATE contador SET n = n + 1".to_owned(),
            format!("INSERT INTO eventos SELECT n, '{id}', '{pago}', 1 FROM contador"),
        ];
        for statement in statements {
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .execute(&database.pool)
                .await
                .unwrap();
        }
    }
    bff::MIGRATIONS.run(&*database.pool).await.unwrap();
    let issuer = Issuer::new("k-1");
    let bff = Bff::with(database, calm(), Auth::trusting(&issuer, None), &["--auth", "jwt"]).await;
    for (who, id) in [("ana", "p-ana"), ("beto", "p-beto")] {
        let mut stream = bff.stream_as(&issuer.cliente(who), "/stream?ultimo=0").await;
        assert_eq!(news(&mut stream, 1).await[0].1, id);
        assert_eq!(stream.next().now_or_never(), None, "{who}");
    }
}

/// A token that ends so soon, in milliseconds; its leeway of a minute has passed by then.
fn ends_in(issuer: &Issuer, id: &str, ms: i64) -> String {
    let exp = (now_ms() + ms - 60_000) / 1000;
    let own = json!({"sub": id, "iat": exp - 60, "nbf": exp - 60, "exp": exp});
    format!("Bearer {}", issuer.sign(&issuer.header(), &claims(own)))
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let Cast { bff, issuer, .. } = cast().await;
    let soon = ends_in(&issuer, "ana", 2_500);
    let mut stream = bff.stream_as(&soon, "/stream?ultimo=0").await;
    assert_eq!(news(&mut stream, 1).await.len(), 1, "it holds yet");
    let rest = tokio::time::timeout(std::time::Duration::from_secs(10), stream.collect::<Vec<_>>());
    assert_eq!(rest.await.expect("the stream goes on"), []);
}

async fn greet(address: &str, payload: Value) -> Socket {
    let mut socket = connect(address, Some("graphql-transport-ws")).await.unwrap();
    send(&mut socket, &json!({"type": "connection_init", "payload": payload})).await;
    socket
}

async fn subscribe(socket: &mut Socket, query: &str) {
    let operation = json!({"id": "1", "type": "subscribe", "payload": {"query": query}});
    send(socket, &operation).await;
}

/// The code that a socket is closed with.
async fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Frame::Close(frame) = next(socket).await.unwrap() {
            let frame = frame.unwrap();
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

#[tokio::test]
async fn a_subscription_tells_a_client_of_its_own_payments() {
    let Cast {
        bff, ana, beto, olga, ..
    } = cast().await;
    let address = serve(&bff).await;
    bff.sidecar
        .serve_page(App::GestionClientes, "/clientes/cliente/ana", 200, &client("ana"));
    let pago = "eventosPago(idCorrelacion: \"p-ana\") { idCliente }";
    let cliente = "eventosClientes(idCorrelacion: \"p-ana\") { id }";
    let of_pago = json!({"eventosPago": {"idCliente": "ana"}});
    let of_cliente = json!({"eventosClientes": {"id": "ana"}});
    for (header, who, query, told) in [
        ("Authorization", &ana, pago, &of_pago),
        ("authorization", &olga, pago, &of_pago),
        ("Authorization", &ana, cliente, &of_cliente),
    ] {
        let mut socket = greet(&address, json!({header: who})).await;
        assert_eq!(receive(&mut socket).await["type"], "connection_ack", "{query}");
        subscribe(&mut socket, &format!("subscription {{ {query} }}")).await;
        assert_eq!(&data(&mut socket).await["data"], told);
    }
    let asked = bff.sidecar.take_asked();
    let by_ana = asked.iter().all(|asked| asked.authorization.as_ref() == Some(&ana));
    assert!(!asked.is_empty() && by_ana, "{asked:?}");

    // Two spies, and one who sees all: when that one has been told, the spies would have been.
    let mut all = greet(&address, json!({"Authorization": olga})).await;
    subscribe(&mut all, "subscription { eventosPago { idCorrelacion } }").await;
    let mut spies = Vec::new();
    for query in [
        "eventosPago(idCorrelacion: \"p-ana\") { fase }",
        "eventosClientes(idCorrelacion: \"p-ana\") { correo }",
        "eventosPago { idCliente }",
    ] {
        let mut socket = greet(&address, json!({"Authorization": beto})).await;
        assert_eq!(receive(&mut socket).await["type"], "connection_ack");
        subscribe(&mut socket, &format!("subscription {{ {query} }}")).await;
        spies.push(socket);
    }
    assert_eq!(receive(&mut all).await["type"], "connection_ack");
    let mut secuencia = 1;
    loop {
        secuencia += 1;
        bff.tell(&running_of("ana", "p-ana", secuencia)).await;
        let soon = tokio::time::timeout(std::time::Duration::from_millis(50), data(&mut all));
        if soon.await.is_ok() {
            break;
        }
    }
    bff.tell(&running_of("ana", "p-ana", secuencia + 1)).await;
    data(&mut all).await;
    for spy in &mut spies {
        // An own operation is answered, and nothing was told before that.
        send(
            spy,
            &json!({"id": "2", "type": "subscribe", "payload": {"query": "{ __typename }"}}),
        )
        .await;
        let message = receive(spy).await;
        assert_eq!(message["id"], "2", "{message}");
    }
}

#[tokio::test]
async fn a_socket_is_judged_by_its_header_or_by_what_it_says_first() {
    let Cast { bff, issuer, ana, .. } = cast().await;
    let address = serve(&bff).await;
    let now = now_ms() / 1000;
    let expired = issuer.sign(&issuer.header(), &claims(json!({"sub": "ana", "exp": now - 100})));
    for payload in [
        json!(null),
        json!({}),
        json!({"Authorization": 7}),
        json!({"Authorization": "Basic YTpi"}),
        json!({"authorization": format!("Bearer {expired}")}),
        json!({"Authorization": Issuer::new("k-1").cliente("ana")}),
    ] {
        let mut socket = greet(&address, payload.clone()).await;
        assert_eq!(closed(&mut socket).await.0, 4401, "{payload}");
    }
    // A header that does not hold is refused before there is a socket.
    let shown = Some("Bearer x.y.z");
    match crate::subscription::connect_as(&address, Some("graphql-transport-ws"), shown).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), StatusCode::UNAUTHORIZED),
        other => panic!("{other:?}"),
    }
    // An operation before the greeting is none.
    let mut eager = connect(&address, Some("graphql-transport-ws")).await.unwrap();
    subscribe(&mut eager, "{ __typename }").await;
    closed(&mut eager).await;

    let mut by_header = crate::subscription::connect_as(&address, Some("graphql-transport-ws"), Some(&ana))
        .await
        .unwrap();
    send(&mut by_header, &json!({"type": "connection_init"})).await;
    assert_eq!(receive(&mut by_header).await["type"], "connection_ack");
}

#[tokio::test]
async fn a_socket_ends_with_its_token_and_when_nobody_speaks() {
    let issuer = Issuer::new("k-1");
    let pace = bff::Pace {
        hello: std::time::Duration::from_millis(100),
        ..calm()
    };
    let auth = Auth::trusting(&issuer, None);
    let bff = Bff::with(Database::open().await, pace, auth, &["--auth", "jwt"]).await;
    let address = serve(&bff).await;
    let mut silent = connect(&address, Some("graphql-transport-ws")).await.unwrap();
    assert_eq!(closed(&mut silent).await.0, 4408);

    bff.tell(&running_of("ana", "p-ana", 1)).await;
    let mut socket = greet(&address, json!({"Authorization": ends_in(&issuer, "ana", 2_500)})).await;
    assert_eq!(receive(&mut socket).await["type"], "connection_ack");
    subscribe(
        &mut socket,
        "subscription { eventosPago(idCorrelacion: \"p-ana\") { fase } }",
    )
    .await;
    data(&mut socket).await;
    assert_eq!(closed(&mut socket).await, (4401, "el token ha terminado".to_owned()));
}
