//! What the bus and every door read: events, messages, amounts, ids.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use clap::Parser;
use seedwork::contrato::{Comando, Contracargo, Respuesta, SolicitarPago};
use seedwork::{
    Action, App, Dinero, EstadoPago, Fault, IdCliente, IdCorrelacion, Message, Moneda, Outcome, PasoVisto, Phase,
    Reason, SolicitudPago, Step,
};
use serde_json::Value;
use tower::ServiceExt as _;

use super::Fuzz;
use crate::inbox::{Delivery, Inbox, router};

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    service: crate::ServiceArgs,
}

/// Keeps the last message.
#[derive(Default)]
struct Recorder {
    seen: Mutex<Option<Message>>,
}

#[async_trait]
impl Inbox for Recorder {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        *self.seen.lock().unwrap() = Some(delivery.message);
        Ok(())
    }
}

/// One message of each kind.
fn messages() -> Vec<Message> {
    let id_correlacion = IdCorrelacion::parse("4321-dcba").unwrap();
    let solicitud = SolicitudPago::parse("PSE", "c-1", "24.10", Moneda::USD).unwrap();
    let reason = Reason::new("FondosInsuficientes", "no hay fondos");
    let estado = EstadoPago {
        id_correlacion: id_correlacion.clone(),
        secuencia: 7,
        solicitud: solicitud.clone(),
        phase: Phase::Compensating,
        step: "2/4".to_owned(),
        reason: Some(reason.clone()),
        steps: Step::ALL
            .map(|nombre| PasoVisto {
                nombre,
                estado: "Refused".to_owned(),
                motivo: Some(reason.clone()),
            })
            .to_vec(),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        start_time: "2026-11-24T18:00:00Z".to_owned(),
        completion_time: None,
        ended: false,
    };
    let mut all = vec![
        Message::SagaActualizada(Box::new(estado)),
        Message::SolicitarPago(SolicitarPago {
            id_correlacion: id_correlacion.clone(),
            solicitud: solicitud.clone(),
            origen: App::Bff,
        }),
        Message::SolicitudRechazada {
            id_correlacion: id_correlacion.clone(),
            reason: reason.clone(),
        },
        Message::FinalRecibido {
            id_correlacion: id_correlacion.clone(),
            secuencia: 7,
        },
        Message::ContracargoRecibido(Contracargo {
            id_correlacion: id_correlacion.clone(),
            motivo: "fraude".to_owned(),
        }),
        Message::ContracargoAtendido {
            id_correlacion: id_correlacion.clone(),
        },
    ];
    for action in Action::all() {
        let comando = Comando {
            action,
            id_correlacion: id_correlacion.clone(),
            solicitud: solicitud.clone(),
            reason: Some(reason.clone()),
        };
        let outcomes = [Outcome::Done, Outcome::Refused(reason.clone())];
        all.extend(outcomes.map(|outcome| Message::Respuesta(Respuesta::new(&comando, outcome))));
        all.push(Message::Comando(comando));
    }
    all
}

/// Each as its CloudEvent.
fn events() -> Vec<String> {
    let event = |message: &Message| {
        serde_json::json!({"specversion": "1.0", "id": "4321-dcba/1", "type": message.event_type(), "source": "operator",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "data": message.data().unwrap()})
        .to_string()
    };
    messages().iter().map(event).collect()
}

fn same_again(message: &Message) {
    let data = message.data().unwrap();
    assert_eq!(&Message::decode(message.event_type(), data).unwrap(), message);
}

#[tokio::test]
async fn events_at_the_inbox() {
    let args = Args::parse_from(["test", "--port", "1", "--database-url", "unused"]);
    let recorder = Arc::new(Recorder::default());
    let router = router(App::Bff, &args.service, recorder.clone());
    let mut fuzz = Fuzz::new("inbox", &events());
    while let Some(body) = fuzz.next_input() {
        let request = Request::post("/inbox").body(Body::from(body)).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let answer = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        match (recorder.seen.lock().unwrap().take(), answer["status"].as_str()) {
            (Some(message), Some("SUCCESS")) => {
                same_again(&message);
                fuzz.accepted();
            }
            (None, Some("DROP")) => fuzz.refused("DROP"),
            (seen, status) => panic!("{seen:?} was answered with {status:?}"),
        }
    }
}

#[test]
fn messages_of_the_contract() {
    let mut fuzz = Fuzz::new("messages", &events());
    while let Some(input) = fuzz.next_input() {
        let mut event: Value = serde_json::from_slice(&input).unwrap_or_default();
        // A member of what is no object is null.
        let data = event.get_mut("data").map(Value::take).unwrap_or_default();
        let event_type = event.get("type").and_then(Value::as_str).unwrap_or_default();
        match Message::decode(event_type, data) {
            Ok(message) => {
                assert_eq!(message.event_type(), event_type);
                same_again(&message);
                fuzz.accepted();
            }
            Err(error) => fuzz.refused(&error.to_string()),
        }
    }
}

/// An amount without the zeros that mean nothing.
fn plain(text: &str) -> (&str, &str) {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    (whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
}

#[test]
fn amounts() {
    let mut fuzz = Fuzz::new(
        "amounts",
        &[
            "24",
            "24.10",
            "0.01",
            "1000000",
            "24.100",
            "500 CLP",
            "0.005 KWD",
            "1.0 JPY",
        ],
    );
    while let Some(text) = fuzz.next_text() {
        let (monto, code) = text.rsplit_once(' ').unwrap_or((&text, "USD"));
        let moneda = match Moneda::parse(code) {
            Ok(moneda) => {
                assert_eq!(moneda.as_str(), code);
                moneda
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                Moneda::USD
            }
        };
        match Dinero::parse(monto, moneda) {
            Ok(dinero) => {
                assert_eq!(
                    plain(&dinero.monto()),
                    plain(monto),
                    "what was written is what is charged"
                );
                assert_eq!(Dinero::parse(&dinero.monto(), moneda), Ok(dinero));
                assert_eq!(Dinero::from_minor(dinero.minor(), moneda), Ok(dinero));
                let wire = serde_json::to_value(dinero).unwrap();
                assert_eq!(serde_json::from_value::<Dinero>(wire).unwrap(), dinero);
                fuzz.accepted();
            }
            Err(error) => fuzz.refused(&error.to_string()),
        }
    }
}

#[test]
fn ids() {
    let mut fuzz = Fuzz::new(
        "ids",
        &[
            "4321-dcba",
            "p-1",
            "c-1",
            "Peña 7",
            "0af76519-16cd-43dd-8448-eb211c80319c",
        ],
    );
    while let Some(text) = fuzz.next_text() {
        if let Ok(id) = IdCliente::parse(text.as_str()) {
            assert_eq!(id.as_str(), text);
        }
        match IdCorrelacion::parse(text.as_str()) {
            Ok(id) => {
                assert_eq!(id.as_str(), text);
                let name = id.resource_name();
                assert!(name.len() <= 63 && name.is_ascii(), "{name} is a name in Kubernetes");
                assert_eq!(IdCorrelacion::from_resource_name(&name), Some(id));
                fuzz.accepted();
            }
            Err(error) => fuzz.refused(&error.to_string()),
        }
    }
}
