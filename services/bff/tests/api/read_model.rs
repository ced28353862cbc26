//! The read model: what the operator tells, and how it is shown.

use seedwork::contrato::{Contracargo, SolicitarPago};
use seedwork::{App, EstadoPago, IdCorrelacion, Message, PasoVisto, Phase, Reason, Step};
use serde_json::{Value, json};

use crate::support::{Bff, Database, calm, completed, running};

async fn events(bff: &Bff) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM eventos")
        .fetch_one(&bff.database.pool)
        .await
        .unwrap()
}

async fn pago(bff: &Bff, id: &str) -> Value {
    let query = "query($id: String!) { pago(idCorrelacion: $id) { fase secuencia step motivo mensaje terminado } }";
    bff.graphql_with(query, &json!({"id": id}), None).await["data"]["pago"].clone()
}

fn acknowledged(bff: &Bff) -> Vec<(String, u64)> {
    let read = |message| {
        let Message::FinalRecibido {
            id_correlacion,
            secuencia,
        } = message
        else {
            return None;
        };
        Some((id_correlacion.to_string(), secuencia))
    };
    bff.sidecar.take_messages().into_iter().filter_map(read).collect()
}

#[tokio::test]
async fn the_read_model_never_goes_back() {
    let bff = Bff::start().await;
    let states = [
        running("p-1", 3),
        running("p-1", 1),
        completed("p-1", 6),
        running("p-1", 5),
        completed("p-1", 6),
    ];
    for (state, (secuencia, count)) in states.iter().zip([(3, 1), (3, 1), (6, 2), (6, 2), (6, 2)]) {
        bff.tell(state).await;
        assert_eq!(
            pago(&bff, "p-1").await["secuencia"],
            secuencia,
            "after {}",
            state.secuencia
        );
        assert_eq!(events(&bff).await, count, "an old state and a repeat make no event");
    }
    assert_eq!(pago(&bff, "p-1").await["fase"], "Completed");
}

#[tokio::test]
async fn states_that_arrive_at_once_leave_the_highest_and_numbers_without_a_gap() {
    let bff = Bff::start().await;
    let states: Vec<_> = (1..=20).flat_map(|n| [running("p-1", n), running("p-2", n)]).collect();
    futures::future::join_all(states.iter().map(|state| bff.tell(state))).await;
    for id in ["p-1", "p-2"] {
        assert_eq!(pago(&bff, id).await["secuencia"], 20);
    }
    let (first, last): (i64, i64) = sqlx::query_as("SELECT MIN(numero), MAX(numero) FROM eventos")
        .fetch_one(&bff.database.pool)
        .await
        .unwrap();
    assert_eq!((first, last), (1, events(&bff).await));
}

#[tokio::test]
async fn an_end_is_acknowledged_each_time_it_is_told_and_nothing_else_is() {
    let bff = Bff::start().await;
    bff.tell(&running("p-1", 1)).await;
    assert_eq!(acknowledged(&bff), []);
    for _ in 0..2 {
        bff.tell(&completed("p-1", 6)).await;
        assert_eq!(acknowledged(&bff), [("p-1".to_owned(), 6)]);
    }
}

#[tokio::test]
async fn an_end_that_could_not_be_acknowledged_is_delivered_again() {
    let bff = Bff::start().await;
    let message = Message::SagaActualizada(Box::new(completed("p-1", 6)));
    bff.sidecar.fail_publishes(1);
    assert_eq!(bff.deliver(&message).await, "RETRY");
    assert_eq!(bff.deliver(&message).await, "SUCCESS");
    assert_eq!(acknowledged(&bff), [("p-1".to_owned(), 6)]);
    assert_eq!(events(&bff).await, 1);
}

#[tokio::test]
async fn the_end_of_a_payment_closes_its_request() {
    let bff = Bff::start().await;
    let id = bff.pay("c-1").await;
    let estado = async || -> String {
        sqlx::query_scalar("SELECT estado FROM solicitudes")
            .fetch_one(&bff.database.pool)
            .await
            .unwrap()
    };
    bff.tell(&running(id.as_str(), 1)).await;
    assert_eq!(estado().await, "abierta");
    bff.tell(&completed(id.as_str(), 6)).await;
    assert_eq!(estado().await, "cerrada");
    // One that was asked for again when its end was known already: what closes it is no news.
    bff.database.execute("UPDATE solicitudes SET estado = 'abierta'").await;
    bff.tell(&completed(id.as_str(), 6)).await;
    assert_eq!(estado().await, "cerrada");
    assert_eq!(events(&bff).await, 2);
}

#[tokio::test]
async fn a_chargeback_reopens_a_completed_payment() {
    let bff = Bff::start().await;
    bff.tell(&completed("p-1", 6)).await;
    let reason = Reason::new("Contracargo", "el banco devolvió el dinero");
    let compensating = EstadoPago {
        phase: Phase::Compensating,
        reason: Some(reason),
        ..running("p-1", 7)
    };
    bff.tell(&compensating).await;
    let expected = json!({
        "fase": "Compensating", "secuencia": 7, "step": "1/4", "motivo": "Contracargo",
        "mensaje": "el banco devolvió el dinero", "terminado": false,
    });
    assert_eq!(pago(&bff, "p-1").await, expected);
}

#[tokio::test]
async fn a_payment_is_shown_whole() {
    let bff = Bff::start().await;
    let reason = Reason::new("PagoFallido", "no hay fondos");
    let steps = vec![
        PasoVisto {
            nombre: Step::CrearFacturacion,
            estado: "Undone".to_owned(),
            motivo: None,
        },
        PasoVisto {
            nombre: Step::RealizarPago,
            estado: "Refused".to_owned(),
            motivo: Some(reason.clone()),
        },
    ];
    let estado = EstadoPago {
        phase: Phase::Compensated,
        reason: Some(reason),
        steps,
        ..completed("p-1", 9)
    };
    bff.tell(&estado).await;
    let query = r#"{ pago(idCorrelacion: "p-1") { idCorrelacion fase secuencia idCliente monto montoTexto moneda
        medioPago step motivo mensaje pasos { nombre estado motivo mensaje } inicio fin traceId terminado } }"#;
    let expected = json!({
        "idCorrelacion": "p-1", "fase": "Compensated", "secuencia": 9, "idCliente": "c-1", "monto": 24.1,
        "montoTexto": "24.10", "moneda": "USD", "medioPago": "TarjetaCredito", "step": "4/4", "motivo": "PagoFallido",
        "mensaje": "no hay fondos",
        "pasos": [
            {"nombre": "CrearFacturacion", "estado": "Undone", "motivo": null, "mensaje": null},
            {"nombre": "RealizarPago", "estado": "Refused", "motivo": "PagoFallido", "mensaje": "no hay fondos"},
        ],
        "inicio": "2026-11-24T18:00:00Z", "fin": "2026-11-24T18:00:09Z",
        "traceId": "0af7651916cd43dd8448eb211c80319c", "terminado": true,
    });
    assert_eq!(bff.graphql(query).await, json!({"data": {"pago": expected}}));
    for id in ["nadie", "NO ES UN ID", ""] {
        assert_eq!(pago(&bff, id).await, Value::Null, "{id:?}");
    }
}

#[tokio::test]
async fn a_refused_request_is_shown_with_its_reason() {
    let bff = Bff::start().await;
    let id = bff.pay("c-1").await;
    // The operator speaks to who runs it; a client reads its own language.
    let reason = Reason::new("SolicitudInvalida", "spec.monto: it cannot be");
    let refused = Message::SolicitudRechazada {
        id_correlacion: id.clone(),
        reason,
    };
    let expected = json!({
        "fase": "Rechazado", "secuencia": 0, "step": "0/4", "motivo": "SolicitudInvalida",
        "mensaje": "la plataforma no acepta esta solicitud; no se hizo ningún cobro", "terminado": true,
    });
    for _ in 0..2 {
        assert_eq!(bff.deliver(&refused).await, "SUCCESS");
        assert_eq!(pago(&bff, id.as_str()).await, expected);
        assert_eq!(events(&bff).await, 1, "a repeat is no news");
    }
    bff.tell(&running(id.as_str(), 1)).await;
    assert_eq!(
        pago(&bff, id.as_str()).await["fase"],
        "Running",
        "a saga supersedes a refusal"
    );
    assert_eq!(bff.deliver(&refused).await, "SUCCESS");
    assert_eq!(
        pago(&bff, id.as_str()).await["fase"],
        "Running",
        "and a refusal does not supersede a saga"
    );
}

/// How the one request at this door stands, and why.
async fn request(bff: &Bff) -> (String, String) {
    sqlx::query_as("SELECT estado, motivo FROM solicitudes")
        .fetch_one(&bff.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_refusal_that_could_not_be_shown_closes_no_request() {
    let bff = Bff::start().await;
    let id_correlacion = bff.pay("c-1").await;
    let reason = Reason::new("SolicitudInvalida", "no puede ser");
    let refused = Message::SolicitudRechazada { id_correlacion, reason };
    bff.database.execute("ALTER TABLE eventos RENAME TO apartados").await;
    assert_eq!(bff.deliver(&refused).await, "RETRY");
    assert_eq!(request(&bff).await.0, "abierta", "so it is asked about again");
    bff.database.execute("ALTER TABLE apartados RENAME TO eventos").await;
    assert_eq!(bff.deliver(&refused).await, "SUCCESS");
    assert_eq!(request(&bff).await.0, "rechazada");
    assert_eq!(events(&bff).await, 1);
}

#[tokio::test]
async fn a_request_whose_key_another_door_used_first_is_refused_also_where_that_payment_ends_before_it_is() {
    let bff = Bff::start().await;
    let pay = "mutation { realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c-1\", monto: 25}) { idCorrelacion } }";
    let answer = bff.graphql_with(pay, &Value::Null, Some("k-1")).await;
    let id = answer["data"]["realizarPago"]["idCorrelacion"].as_str().unwrap();
    // With the same key, for 24.10 and by card.
    bff.tell(&running(id, 2)).await;
    bff.tell(&completed(id, 6)).await;
    let refused = ("rechazada".to_owned(), "IdentidadUsada".to_owned());
    assert_eq!(request(&bff).await, refused);
    assert_eq!(acknowledged(&bff), [(id.to_owned(), 6)]);
    // The operator's own answer to the request.
    let message = Message::SolicitudRechazada {
        id_correlacion: IdCorrelacion::parse(id).unwrap(),
        reason: Reason::new("IdentidadUsada", "another payment exists under this idCorrelacion"),
    };
    assert_eq!(bff.deliver(&message).await, "SUCCESS");
    assert_eq!(request(&bff).await, refused);
    let told: Vec<(String,)> = sqlx::query_as("SELECT datos FROM eventos ORDER BY numero")
        .fetch_all(&bff.database.pool)
        .await
        .unwrap();
    let told: Vec<Value> = told
        .iter()
        .map(|(datos,)| serde_json::from_str(datos).unwrap())
        .collect();
    let phases: Vec<_> = told.iter().map(|pago| pago["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["Rechazado", "Running", "Completed"]);
    let why = "ya existe otro pago con este idCorrelacion";
    assert_eq!(
        (&told[0]["reason"]["mensaje"], &told[0]["solicitud"]["monto"]),
        (&json!(why), &json!("25.00"))
    );
}

#[tokio::test]
async fn a_refusal_of_what_never_came_through_this_door_goes_to_the_dead_letters() {
    let bff = Bff::start().await;
    let id = IdCorrelacion::parse("p-9").unwrap();
    let refused = Message::SolicitudRechazada {
        id_correlacion: id.clone(),
        reason: Reason::new("R", "r"),
    };
    assert_eq!(bff.deliver(&refused).await, "DROP");
    bff.tell(&running("p-9", 2)).await;
    assert_eq!(
        bff.deliver(&refused).await,
        "SUCCESS",
        "a payment that is known stays as it is"
    );
    assert_eq!(pago(&bff, "p-9").await["fase"], "Running");
}

#[tokio::test]
async fn messages_for_others_go_to_the_dead_letters() {
    let bff = Bff::start().await;
    let id = IdCorrelacion::parse("p-1").unwrap();
    for message in [
        Message::FinalRecibido {
            id_correlacion: id.clone(),
            secuencia: 1,
        },
        Message::ContracargoAtendido {
            id_correlacion: id.clone(),
        },
        Message::ContracargoRecibido(Contracargo {
            id_correlacion: id.clone(),
            motivo: "x".to_owned(),
        }),
        Message::SolicitarPago(SolicitarPago {
            id_correlacion: id,
            solicitud: running("p-1", 1).solicitud,
            origen: App::GestionClientes,
        }),
    ] {
        assert_eq!(bff.deliver(&message).await, "DROP", "{}", message.event_type());
    }
}

#[tokio::test]
async fn payments_are_listed_newest_first_a_page_at_a_time() {
    let bff = Bff::start().await;
    for n in 1..=5 {
        bff.tell(&running(&format!("p-{n}"), 1)).await;
    }
    let query = "query($c: String, $cursor: String) {
        pagos(idCliente: $c, limite: 2, cursor: $cursor) { pagos { idCorrelacion } cursor } }";
    for client in [Value::Null, json!("c-1")] {
        let mut seen = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let page = bff
                .graphql_with(query, &json!({"c": client, "cursor": cursor}), None)
                .await;
            let page = &page["data"]["pagos"];
            let ids = page["pagos"].as_array().unwrap();
            seen.extend(
                ids.iter()
                    .map(|pago| pago["idCorrelacion"].as_str().unwrap().to_owned()),
            );
            // A payment that moves on while pages are turned stays in its place.
            bff.tell(&running("p-1", 2)).await;
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                break;
            }
            assert_eq!(ids.len(), 2);
        }
        assert_eq!(seen, ["p-5", "p-4", "p-3", "p-2", "p-1"]);
    }
    let none = bff
        .graphql_with(query, &json!({"c": "c-2", "cursor": null}), None)
        .await;
    assert_eq!(none["data"]["pagos"], json!({"pagos": [], "cursor": null}));
}

#[tokio::test]
async fn a_payment_that_cannot_be_read_is_left_out_of_its_page_and_the_next_one_follows() {
    let bff = Bff::start().await;
    for n in 1..=3 {
        bff.tell(&running(&format!("p-{n}"), 1)).await;
    }
    bff.database
        .execute("UPDATE pagos SET estado = '{}' WHERE id_correlacion = 'p-2'")
        .await;
    let query = "query($cursor: String) { pagos(limite: 2, cursor: $cursor) { pagos { idCorrelacion } cursor } }";
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let answer = bff.graphql_with(query, &json!({ "cursor": cursor }), None).await;
        let page = &answer["data"]["pagos"];
        seen.push(page["pagos"].clone());
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(
        seen,
        [json!([{"idCorrelacion": "p-3"}]), json!([{"idCorrelacion": "p-1"}])]
    );
}

#[tokio::test]
async fn payments_are_listed_by_phase_and_a_bad_filter_is_told_rule_by_rule() {
    let bff = Bff::start().await;
    bff.tell(&running("p-1", 1)).await;
    bff.tell(&completed("p-2", 6)).await;
    let listed = async |filter: &str| {
        bff.graphql(&format!("{{ pagos({filter}) {{ pagos {{ idCorrelacion }} }} }}"))
            .await
    };
    let answer = listed(r#"fase: "Completed""#).await;
    assert_eq!(answer["data"]["pagos"]["pagos"], json!([{"idCorrelacion": "p-2"}]));
    let answer = listed(r#"fase: "Stalled", idCliente: "c-1""#).await;
    assert_eq!(answer["data"]["pagos"]["pagos"], json!([]));
    let answer = listed(r#"fase: "Pagado", idCliente: "", limite: 0, cursor: "x""#).await;
    let sentences: Vec<_> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["message"].as_str().unwrap())
        .collect();
    let fields: Vec<_> = sentences
        .iter()
        .map(|sentence| sentence.split(' ').next().unwrap())
        .collect();
    assert_eq!(fields, ["idCliente", "fase", "cursor", "limite"]);
    assert!(listed("limite: 101").await["errors"].is_array());
}

#[tokio::test]
async fn payments_are_listed_from_a_moment_to_another() {
    let bff = Bff::start().await;
    for (n, id) in ["p-1", "p-2", "p-3", "p-4"].into_iter().enumerate() {
        bff.tell(&running(id, 1)).await;
        let creado_ms = 1_764_000_000_000 + 1_000 * i64::try_from(n).unwrap();
        sqlx::query("UPDATE pagos SET creado_ms = $1 WHERE id_correlacion = $2")
            .bind(creado_ms)
            .bind(id)
            .execute(&bff.database.pool)
            .await
            .unwrap();
    }
    let (second, fourth) = ("2025-11-24T16:00:01Z", "2025-11-24T11:00:03-05:00");
    let query = "query($c: String, $d: DateTime, $h: DateTime, $cursor: String) {
        pagos(idCliente: $c, desde: $d, hasta: $h, cursor: $cursor, limite: 2) { pagos { idCorrelacion } cursor } }";
    for client in [Value::Null, json!("c-1")] {
        for (desde, hasta, expected) in [
            (json!(second), Value::Null, vec!["p-4", "p-3", "p-2"]),
            (Value::Null, json!(fourth), vec!["p-3", "p-2", "p-1"]),
            (json!(second), json!(fourth), vec!["p-3", "p-2"]),
            (json!(fourth), json!(second), vec![]),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let variables = json!({"c": client, "d": desde, "h": hasta, "cursor": cursor});
                let answer = bff.graphql_with(query, &variables, None).await;
                let page = &answer["data"]["pagos"];
                let ids = page["pagos"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
                seen.extend(ids.map(|pago| pago["idCorrelacion"].as_str().unwrap().to_owned()));
                cursor = page["cursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            assert_eq!(seen, expected, "{client} {desde} {hasta}");
        }
    }
    let answer = bff.graphql("{ pagos(desde: \"ayer\") { cursor } }").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
#[ignore = "of Postgres: BFF_TEST_POSTGRES"]
async fn a_replica_that_vanishes_within_a_transaction_holds_the_others_up_for_seconds() {
    let database = Database::open().await;
    let mut vanished = database.pool.begin().await.unwrap();
    sqlx::query("UPDATE contador SET n = n + 1 WHERE id = 1")
        .execute(&mut *vanished)
        .await
        .unwrap();
    // Nothing is heard of `vanished` any more.
    let bff = Bff::on(database.clone(), calm()).await;
    let message = Message::SagaActualizada(Box::new(running("p-1", 1)));
    let told = async { while bff.deliver(&message).await != "SUCCESS" {} };
    let within = std::time::Duration::from_secs(20);
    tokio::time::timeout(within, told)
        .await
        .expect("the counter stays locked");
    assert_eq!(events(&bff).await, 1);
}
