//! `realizarPago`.

use axum::http::StatusCode;
use seedwork::contrato::SolicitarPago;
use seedwork::{App, Message, SolicitudPago};
use seedwork_runtime::participant::laws::eventually;
use serde_json::{Value, json};

use crate::support::{Bff, running};

const PAY: &str = "mutation($pago: RealizarPagoInput!) { realizarPago(pago: $pago) { mensaje codigo } }";
const PAY_FOR_ID: &str = "mutation($pago: RealizarPagoInput!) { realizarPago(pago: $pago) { idCorrelacion } }";

fn variables(monto: &Value) -> Value {
    json!({"pago": {"medioPago": "TarjetaCredito", "idCliente": "abcd-1234", "monto": monto}})
}

async fn asked(bff: &Bff) -> SolicitarPago {
    let read = |message| {
        if let Message::SolicitarPago(solicitar) = message {
            Some(solicitar)
        } else {
            None
        }
    };
    let published = || async { bff.sidecar.take_messages().into_iter().find_map(read) };
    eventually("a published request", published).await
}

#[tokio::test]
async fn the_three_fields_are_answered_exactly_as_by_the_original() {
    let bff = Bff::start().await;
    let query = r#"mutation { realizarPago(pago: {medioPago: "TarjetaCredito", idCliente: "123", monto: 24.1}) {
        mensaje codigo } }"#;
    let answer = bff.graphql(query).await;
    assert_eq!(
        answer,
        json!({"data": {"realizarPago": {"mensaje": "Procesando Mensaje", "codigo": 203}}})
    );
    let sent = asked(&bff).await;
    assert_eq!(sent.origen, App::Bff);
    assert_eq!(sent.solicitud.dinero.to_string(), "24.10 USD");
}

#[tokio::test]
async fn the_identity_that_is_answered_is_the_one_that_is_asked_for_and_can_be_looked_up_at_once() {
    let bff = Bff::start().await;
    let answer = bff.graphql_with(PAY_FOR_ID, &variables(&json!(24)), None).await;
    let id = answer["data"]["realizarPago"]["idCorrelacion"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(asked(&bff).await.id_correlacion.as_str(), id);
    let query = "query($id: String!) { pago(idCorrelacion: $id) {
        idCorrelacion fase secuencia idCliente monto montoTexto moneda medioPago step motivo pasos { nombre } inicio fin
        traceId terminado } }";
    let answer = bff.graphql_with(query, &json!({"id": id}), None).await;
    let expected = json!({
        "idCorrelacion": id, "fase": "Solicitado", "secuencia": 0, "idCliente": "abcd-1234", "monto": 24.0,
        "montoTexto": "24.00", "moneda": "USD", "medioPago": "TarjetaCredito", "step": "0/4", "motivo": null,
        "pasos": [], "inicio": null, "fin": null, "traceId": null, "terminado": false,
    });
    assert_eq!(answer["data"]["pago"], expected);
}

#[tokio::test]
async fn an_amount_is_taken_as_it_was_written() {
    let bff = Bff::start().await;
    for (monto, text) in [
        (json!(24), "24.00"),
        (json!(24.10), "24.10"),
        (json!(0.01), "0.01"),
        (json!(1_000_000.0), "1000000.00"),
        (json!(0.29), "0.29"),
    ] {
        let answer = bff.graphql_with(PAY, &variables(&monto), None).await;
        assert_eq!(answer["errors"], Value::Null, "{monto}");
        assert_eq!(asked(&bff).await.solicitud.dinero.monto(), text);
    }
}

/// What was written, in a variable and in the document itself: the amount it is taken for, or the field refused.
#[tokio::test]
async fn an_amount_is_never_taken_for_another_one() {
    let bff = Bff::start().await;
    let table = [
        ("24", Some("24.00")),
        ("24.10", Some("24.10")),
        ("24.100000", Some("24.10")),
        ("2.4e1", Some("24.00")),
        ("24.0000000000000", Some("24.00")),
        ("999999.99", Some("999999.99")),
        ("1000000", Some("1000000.00")),
        ("0.01", Some("0.01")),
        ("24.105", None),
        ("24.001", None),
        ("24.00000000000001", None),
        // A double would make these 24, 0.01 and 1000000.
        ("24.000000000000001", None),
        ("24.00000000000000000000000001", None),
        ("0.01000000000000000001", None),
        ("1000000.0000000000001", None),
        ("0.00999999999999999999", None),
    ];
    for (written, taken) in table {
        let fields = format!(r#"medioPago: "PSE", idCliente: "c", monto: {written}"#);
        let literal =
            json!({"query": format!("mutation {{ realizarPago(pago: {{{fields}}}) {{ codigo }} }}")}).to_string();
        let pago = format!(r#"{{"medioPago": "PSE", "idCliente": "c", "monto": {written}}}"#);
        let variable = format!(r#"{{"query": {}, "variables": {{"pago": {pago}}}}}"#, json!(PAY));
        for body in [literal, variable] {
            let answer = bff.post(&[], body.clone()).await.json();
            match taken {
                Some(text) => {
                    assert_eq!(answer["errors"], Value::Null, "{body}");
                    assert_eq!(asked(&bff).await.solicitud.dinero.monto(), text, "{body}");
                }
                None => {
                    assert_eq!(
                        answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
                        "{body}: {answer}"
                    );
                    assert_eq!(answer["data"], Value::Null, "{body}");
                }
            }
        }
    }
    assert_eq!(bff.sidecar.take_messages(), []);
}

#[tokio::test]
async fn what_the_request_shows_to_be_wrong_is_refused_with_an_error_per_rule() {
    let bff = Bff::start().await;
    let all = [
        "medioPago debe ser uno de TarjetaCredito, TarjetaDebito, PSE",
        "idCliente no puede estar vacío",
        "monto debe ser mayor que 0",
    ];
    let decimals = "monto debe tener como máximo 2 decimales en USD";
    // As a double is written out; the rules themselves are shown where they are made: `seedwork`.
    let table: [(&str, &str, Value, &[&str]); 3] = [
        ("Efectivo", " ", json!(-0.0), &all),
        ("PSE", "c-1", json!(1e300), &["monto debe ser como máximo 1000000"]),
        ("PSE", "c-1", json!(1e-7), &[decimals]),
    ];
    for (medio_pago, id_cliente, monto, sentences) in table {
        let pago = json!({"medioPago": medio_pago, "idCliente": id_cliente, "monto": monto});
        let answer = bff.graphql_with(PAY, &json!({"pago": pago}), None).await;
        assert_eq!(answer["data"], Value::Null, "{pago}");
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), sentences.len(), "{pago}: {errors:?}");
        for (error, sentence) in errors.iter().zip(sentences) {
            assert_eq!(error["message"], *sentence, "{pago}");
            assert_eq!(error["path"], json!(["realizarPago"]), "{pago}");
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{pago}");
            assert!(error["locations"][0]["line"].is_number(), "{pago}");
        }
    }
    assert_eq!(bff.taken().await, 0, "nothing of it is stored");
}

#[tokio::test]
async fn a_request_of_the_wrong_types_is_a_graphql_error() {
    let bff = Bff::start().await;
    for pago in [
        json!({"medioPago": "PSE", "idCliente": "c"}),
        json!({"medioPago": "PSE", "idCliente": "c", "monto": "24"}),
        json!({"medioPago": "PSE", "idCliente": "c", "monto": null}),
        json!({"medioPago": "PSE", "idCliente": 7, "monto": 24}),
        json!({"medioPago": "PSE", "idCliente": "c", "monto": 24, "moneda": "USD"}),
        json!(null),
        json!([]),
    ] {
        let answer = bff.graphql_with(PAY, &json!({"pago": pago}), None).await;
        assert_eq!(answer["data"], Value::Null, "{pago}");
        assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{pago}");
    }
    // JSON has no numbers that are not finite; a literal that overflows a double is the nearest to it.
    let query = r#"mutation { realizarPago(pago: {medioPago: "PSE", idCliente: "c", monto: 1e400}) { codigo } }"#;
    assert!(bff.graphql(query).await["errors"].is_array());
}

#[tokio::test]
async fn the_same_key_of_the_same_client_is_the_same_payment() {
    let bff = Bff::start().await;
    let pay = async |id_cliente: &str, monto: f64, key: Option<&str>| {
        let pago = json!({"pago": {"medioPago": "PSE", "idCliente": id_cliente, "monto": monto}});
        bff.graphql_with(PAY_FOR_ID, &pago, key).await
    };
    let id = |answer: &Value| {
        answer["data"]["realizarPago"]["idCorrelacion"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = id(&pay("c-1", 24.0, Some("k-1")).await);
    assert_eq!(id(&pay("c-1", 24.0, Some("k-1")).await), first);
    assert_ne!(id(&pay("c-1", 24.0, Some("k-2")).await), first);
    assert_ne!(
        id(&pay("c-2", 24.0, Some("k-1")).await),
        first,
        "another client's key is another key"
    );
    assert_ne!(id(&pay("c-1", 24.0, None).await), id(&pay("c-1", 24.0, None).await));

    let conflict = pay("c-1", 25.0, Some("k-1")).await;
    assert_eq!(conflict["data"], Value::Null);
    assert_eq!(conflict["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(
        conflict["errors"][0]["message"],
        "Idempotency-Key ya se usó con otra petición"
    );

    for key in ["", &"k".repeat(256)] {
        let refused = pay("c-1", 24.0, Some(key)).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
        let sentence = "Idempotency-Key debe tener de 1 a 255 caracteres";
        assert_eq!(refused["errors"][0]["message"], sentence);
    }
}

#[tokio::test]
async fn while_a_request_is_being_answered_another_under_its_key_is_to_come_back() {
    let bff = Bff::start().await;
    let (pay, other) = (variables(&json!(24)), variables(&json!(25)));
    // All the connections that there are: the first request waits for one, half-way.
    let pool = &bff.database.pool;
    let mut connections = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        connections.push(pool.acquire().await.unwrap());
    }
    let mut first = std::pin::pin!(bff.graphql_with(PAY_FOR_ID, &pay, Some("k-1")));
    assert!(futures::poll!(first.as_mut()).is_pending());
    for variables in [&pay, &other] {
        let second = bff.graphql_with(PAY_FOR_ID, variables, Some("k-1")).await;
        assert_eq!(second["data"], Value::Null);
        assert_eq!(
            (&second["errors"][0]["extensions"], &second["errors"][0]["message"]),
            (
                &json!({"code": "IDEMPOTENCY_KEY_IN_USE", "retryAfter": 1}),
                &json!("otra petición con esta Idempotency-Key se está atendiendo; repita la suya en 1 s")
            )
        );
    }
    drop(connections);
    let first = first.await;
    assert!(first["data"]["realizarPago"]["idCorrelacion"].is_string(), "{first}");
    assert_eq!(bff.graphql_with(PAY_FOR_ID, &pay, Some("k-1")).await, first);
    let reused = bff.graphql_with(PAY_FOR_ID, &other, Some("k-1")).await;
    assert_eq!(reused["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_key_that_stands_for_a_payment_of_another_door_is_refused_unless_it_is_the_same() {
    let bff = Bff::start().await;
    let known = SolicitudPago::keyed_id("c-1", "k-1");
    bff.tell(&running(known.as_str(), 1)).await;
    let pay = async |monto: f64| {
        let pago = json!({"pago": {"medioPago": "TarjetaCredito", "idCliente": "c-1", "monto": monto}});
        bff.graphql_with(PAY_FOR_ID, &pago, Some("k-1")).await
    };
    assert_eq!(
        pay(25.0).await["errors"][0]["extensions"]["code"],
        "IDEMPOTENCY_KEY_REUSED"
    );
    assert_eq!(bff.sidecar.take_messages(), [], "nothing was asked of the operator");
    assert_eq!(pay(24.1).await["data"]["realizarPago"]["idCorrelacion"], known.as_str());
}

#[tokio::test]
async fn a_database_that_fails_is_told_without_its_inside() {
    let bff = Bff::start().await;
    bff.database.execute("DROP TABLE solicitudes").await;
    let answer = bff.graphql_with(PAY, &variables(&json!(24)), None).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    assert_eq!(
        answer["errors"][0]["message"],
        "una parte del sistema no responde; intente de nuevo"
    );
    assert!(!answer.to_string().contains("solicitudes"));
    assert_eq!(bff.get("/health").await.status, StatusCode::OK);
}
