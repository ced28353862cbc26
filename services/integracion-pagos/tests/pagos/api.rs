//! The service from outside: its routes and its inbox.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use seedwork::contrato::SolicitarPago;
use seedwork::{Action, App, Message, Outcome, Step};
use seedwork_runtime::participant::laws::eventually;
use serde_json::{Value, json};

use crate::servicio::{DO, Servicio, UNDO, id, order};

const DOOR: &str = "/pagos/simular-evento-de-compensacion";

#[tokio::test]
async fn a_payment_is_read_as_it_stands() {
    let servicio = Servicio::new().await;
    servicio.settle(&order(DO, "p-1", "24.10")).await;
    let answer = servicio.get("/pagos/p-1").await;
    assert_eq!(answer.status, StatusCode::OK);
    let Value::Object(mut body) = answer.body else {
        panic!("an object")
    };
    assert_eq!(body.remove("intentos").unwrap().as_array().unwrap().len(), 2);
    for volatile in ["fecha_creacion", "fecha_actualizacion", "autorizacion", "cargo"] {
        assert!(
            body.remove(volatile)
                .unwrap()
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{volatile}"
        );
    }
    let expected = json!({
        "estado": "CONFIRMADO", "id": "p-1", "idCliente": "c-1", "medioPago": "TarjetaCredito", "moneda": "USD",
        "monto": 24.10, "montoCobrado": 24.10, "pasarela": "SIMULADA",
    });
    assert_eq!(Value::Object(body), expected);
}

#[tokio::test]
async fn a_payment_shows_how_it_ended() {
    let servicio = Servicio::new().await;
    for (name, monto, undone, estado, motivo) in [
        ("declined", "24.01", false, "RECHAZADO", "FondosInsuficientes"),
        ("declined-undone", "24.01", true, "RECHAZADO", "FondosInsuficientes"),
        ("refunded", "24.00", true, "REEMBOLSADO", ""),
        ("wrong", "24.18", true, "REEMBOLSADO", ""),
        ("stuck", "24.21", false, "CONFIRMADO", ""),
    ] {
        servicio.settle(&order(DO, name, monto)).await;
        if undone {
            assert_eq!(servicio.settle(&order(UNDO, name, monto)).await, Outcome::Done);
        }
        let seen = servicio.get(&format!("/pagos/{name}")).await.body;
        assert_eq!(
            (&seen["estado"], seen["motivo"].as_str().unwrap_or_default()),
            (&estado.into(), motivo),
            "{name}"
        );
    }
    servicio.deliver(&order(DO, "voided", "24.14")).await;
    servicio.settle(&order(UNDO, "voided", "24.14")).await;
    assert_eq!(servicio.get("/pagos/voided").await.body["estado"], "ANULADO");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let servicio = Servicio::new().await;
    for path in ["/pagos/nobody", "/pagos/No%20Es", "/pagos/%FF"] {
        let unknown = servicio.get(path).await;
        assert_eq!(unknown.problem(404), ["no hay ningún pago con este id"], "{path}");
    }
    servicio.get("/nada").await.problem(404);
    servicio.get(DOOR).await.problem(405);
}

#[tokio::test]
async fn a_clients_payments_are_paged_newest_first() {
    let servicio = Servicio::new().await;
    for number in 0..5 {
        servicio.settle(&order(DO, &format!("p-{number}"), "24.00")).await;
        // Two of each moment: the id must tell them apart.
        servicio.pass(if number % 2 == 0 { 1_000 } else { 0 });
    }
    let mut seen = Vec::new();
    let mut path = "/pagos?idCliente=c-1&limite=2".to_owned();
    loop {
        let answer = servicio.get(&path).await;
        let page = answer.body.as_array().unwrap().clone();
        assert!(!page.is_empty() && page.len() <= 2);
        seen.extend(page.iter().map(|pago| pago["id"].as_str().unwrap().to_owned()));
        let Some(next) = answer.headers.get("x-next-cursor") else {
            break;
        };
        path = format!("/pagos?idCliente=c-1&limite=2&cursor={}", next.to_str().unwrap());
    }
    assert_eq!(seen, ["p-4", "p-3", "p-2", "p-1", "p-0"]);
    assert_eq!(servicio.get("/pagos").await.body.as_array().unwrap().len(), 5);
    assert_eq!(servicio.get("/pagos?idCliente=c-2").await.body, json!([]));
    let refused = servicio.get("/pagos?limite=0&idCliente=&cursor=x").await;
    let sentences = [
        "limite debe ser un número de 1 a 100",
        "cursor debe ser uno que haya respondido una lista",
        "idCliente no puede estar vacío",
    ];
    assert_eq!(refused.problem(400), sentences);
}

#[tokio::test]
async fn an_older_state_never_overwrites_a_newer_one() {
    let servicio = Servicio::new().await;
    servicio.deliver(&order(DO, "p-1", "24.12")).await;
    let before = servicio.documento(&id("p-1")).await;
    servicio.deliver(&order(DO, "p-1", "24.12")).await;
    let read_model = servicio.participation.participant().read_model();
    read_model
        .project(&before.agregado.unwrap(), before.version, &[])
        .await
        .unwrap();
    assert_eq!(servicio.get("/pagos/p-1").await.body["estado"], "CONFIRMADO");
}

#[tokio::test]
async fn the_door_answers_as_the_original_and_reverses_nothing_without_an_id() {
    let servicio = Servicio::new().await;
    servicio.settle(&order(DO, "p-1", "24.00")).await;
    let bare = servicio.ask(Request::post(DOOR).body(Body::empty()).unwrap()).await;
    for answer in [bare, servicio.post(DOOR, "{}").await] {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body, json!({"mensaje": "Evento de compensación emitido"}));
    }
    assert!(servicio.pago(&id("p-1")).await.contracargo.is_none());
}

#[tokio::test]
async fn a_malformed_chargeback_is_refused_with_its_rules_and_nothing_of_it_is_kept() {
    let servicio = Servicio::new().await;
    servicio.settle(&order(DO, "p-1", "24.00")).await;
    let object = "el cuerpo debe ser un objeto JSON";
    let words = "motivo debe tener como máximo 256 caracteres imprimibles";
    let (name, said) = ("x".repeat(59), "x".repeat(257));
    let long = format!(r#"{{"idCorrelacion":"{name}","motivo":"{said}"}}"#);
    let table: [(&str, &[&str]); 8] = [
        ("{", &[object]),
        ("[]", &[object]),
        (r#""p-1""#, &[object]),
        (
            r#"{"idCorrelacion":5,"motivo":["x"]}"#,
            &["idCorrelacion debe ser un texto", "motivo debe ser un texto"],
        ),
        (r#"{"idCorrelacion":""}"#, &["idCorrelacion no puede estar vacío"]),
        (
            r#"{"idCorrelacion":"No Es"}"#,
            &["idCorrelacion solo puede tener letras minúsculas sin tilde, dígitos y guiones interiores"],
        ),
        (&long, &["idCorrelacion debe tener como máximo 58 caracteres", words]),
        (r#"{"idCorrelacion":"p-1","motivo":"a\u0007b"}"#, &[words]),
    ];
    for (body, sentences) in table {
        let refused = servicio.post(DOOR, body.to_owned()).await;
        assert_eq!(refused.problem(400), sentences, "{body}");
    }
    let huge = servicio.post(DOOR, "x".repeat(100 * 1024)).await;
    assert_eq!(huge.problem(413), ["el cuerpo debe tener como máximo 65536 bytes"]);
    assert!(servicio.pago(&id("p-1")).await.contracargo.is_none());
    let kept = sqlx::query("SELECT * FROM contracargos").fetch_all(&servicio.pool);
    assert_eq!(kept.await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_command_frees_its_delivery_and_is_answered_later() {
    let servicio = Servicio::new().await;
    let held = servicio
        .pasarela
        .retener(integracion_pagos::domain::Operacion::Capturar);
    let order = order(DO, "p-1", "24.00");
    assert_eq!(servicio.receive(&Message::Comando(order.clone())).await, "SUCCESS");
    held.llego().await;
    assert_eq!(
        servicio.receive(&Message::Comando(order)).await,
        "SUCCESS",
        "the gateway blocks nobody"
    );
    assert_eq!(servicio.replied(DO), None);
    held.seguir();
    let outcome = eventually("the reply", || async { servicio.replied(DO) }).await;
    assert_eq!(outcome, Outcome::Done);
}

#[tokio::test]
async fn what_is_not_ours_goes_to_the_dead_letters() {
    let servicio = Servicio::new().await;
    let foreign = order(Action::Do(Step::CrearFacturacion), "p-1", "24.00");
    let solicitar = SolicitarPago {
        id_correlacion: id("p-1"),
        solicitud: foreign.solicitud.clone(),
        origen: App::Bff,
    };
    for message in [
        Message::Comando(order(Action::AvisarReversion, "p-1", "24.00")),
        Message::Comando(foreign),
        Message::SolicitarPago(solicitar),
        Message::FinalRecibido {
            id_correlacion: id("p-1"),
            secuencia: 1,
        },
    ] {
        assert_eq!(servicio.receive(&message).await, "DROP", "{}", message.event_type());
    }
    assert_eq!(servicio.pasarela.llamadas(), 0);
}

#[tokio::test]
async fn the_inbox_is_subscribed_with_dead_letters() {
    let servicio = Servicio::new().await;
    let body = servicio.get("/dapr/subscribe").await.body;
    assert_eq!(body[0]["topic"], "inbox-integracion-pagos");
    assert_eq!(body[0]["deadLetterTopic"], "dead-letter-integracion-pagos");
    assert_eq!(servicio.get("/health").await.body, json!({"status": "up"}));
}

#[tokio::test]
async fn the_document_lists_what_is_served_and_nothing_else() {
    let servicio = Servicio::new().await;
    let spec = servicio.get("/spec").await.body;
    let mut listed = Vec::new();
    for (path, methods) in spec["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"] {
            let request = Request::builder().method(method.to_uppercase().as_str());
            let request = request.uri(path.replace("{id}", "nobody")).body(Body::empty()).unwrap();
            let answer = servicio.ask(request).await;
            let served =
                answer.status != StatusCode::METHOD_NOT_ALLOWED && answer.body["detail"] != "no existe esta ruta";
            let declared = methods.as_object().unwrap().contains_key(method);
            // `/pagos/{id}` answers GET behind every path of that form, the chargeback's door included.
            let door = method == "get" && path == DOOR;
            assert!(served == declared || door, "{method} {path}: {answer:?}");
            if declared {
                listed.push(format!("{method} {path}"));
            }
        }
    }
    listed.sort();
    let expected = [
        "get /conciliacion",
        "get /conciliacion/{id}",
        "get /health",
        "get /pagos",
        "get /pagos/{id}",
        "get /spec",
        "post /conciliacion",
        "post /pagos/simular-evento-de-compensacion",
        "post /pagos/webhook/stripe",
    ];
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn the_committed_document_is_the_one_that_is_served() {
    let committed = include_str!("../../spec.json");
    assert!(
        committed == integracion_pagos::spec(),
        "spec.json is old; run: cargo run -p integracion-pagos -- spec > services/integracion-pagos/spec.json"
    );
    let servicio = Servicio::new().await;
    let committed: Value = serde_json::from_str(committed).unwrap();
    assert_eq!(servicio.get("/spec").await.body, committed);
}

#[tokio::test]
async fn a_payment_shows_its_calls_to_the_gateway() {
    let servicio = Servicio::new().await;
    servicio.settle(&order(DO, "p-1", "24.12")).await;
    let calls = servicio.get("/pagos/p-1").await.body["intentos"].clone();
    let text = |number: usize, name: &str| calls[number][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text(0, "operacion"), text(0, "resultado"), &calls[0]["veces"]),
        ("autorizar".into(), "HECHO".into(), &1.into())
    );
    assert_eq!(
        (text(1, "operacion"), text(1, "resultado"), &calls[1]["veces"]),
        ("capturar".into(), "HECHO".into(), &2.into())
    );
    servicio.settle(&order(DO, "declined", "24.01")).await;
    let declined = servicio.get("/pagos/declined").await.body["intentos"][0].clone();
    assert_eq!(
        (&declined["resultado"], &declined["motivo"]),
        (&"RECHAZADO".into(), &"FondosInsuficientes".into())
    );
    assert!(
        servicio.get("/pagos").await.body[0]["intentos"].is_null(),
        "only a look at one payment shows them"
    );
}
