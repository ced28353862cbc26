//! The contract of [`Mensajeria`], as one suite over the double and over the real simulator.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use notificaciones::adapters::mensajeria::{Entrega, Mensajeria, MensajeriaEnMemoria, Proveedor};
use notificaciones::domain::{Medio, Mensaje};
use seedwork_runtime::participant::laws::eventually;
use seedwork_runtime::telemetry::{self, LogFormat, TelemetryArgs};
use serde_json::Value;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::simulador::Simulador;

/// What was delivered under a reference: medium, address, subject, text.
type Entregado = (String, String, Option<String>, String);

/// A provider under test, and its ledger.
#[async_trait]
trait Banco: Send + Sync {
    fn mensajeria(&self) -> &dyn Mensajeria;
    async fn entregados(&self, referencia: &str) -> Vec<Entregado>;
}

struct Memoria(MensajeriaEnMemoria);

struct Real {
    proveedor: Proveedor,
    simulador: Simulador,
}

#[async_trait]
impl Banco for Memoria {
    fn mensajeria(&self) -> &dyn Mensajeria {
        &self.0
    }

    async fn entregados(&self, referencia: &str) -> Vec<Entregado> {
        let of = |m: &Mensaje| m.referencia == referencia;
        let entregados = self.0.entregados().into_iter().filter(of);
        entregados
            .map(|m| (m.medio.to_string(), m.destino, m.asunto, m.texto))
            .collect()
    }
}

#[async_trait]
impl Banco for Real {
    fn mensajeria(&self) -> &dyn Mensajeria {
        &self.proveedor
    }

    async fn entregados(&self, referencia: &str) -> Vec<Entregado> {
        let url = format!("{}/mensajes?referencia={referencia}", self.simulador.url);
        let page: Value = seedwork_runtime::http::client()
            .build()
            .unwrap()
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let text = |mensaje: &Value, campo: &str| mensaje[campo].as_str().map(str::to_owned);
        let read = |m: &Value| {
            (
                text(m, "medio").unwrap(),
                text(m, "destino").unwrap(),
                text(m, "asunto"),
                text(m, "texto").unwrap(),
            )
        };
        page["mensajes"].as_array().unwrap().iter().map(read).collect()
    }
}

fn mensaje(referencia: &str, medio: Medio, destino: &str) -> Mensaje {
    Mensaje {
        id: Uuid::from_u128(1),
        clave: format!("{referencia}/ALERTA/{medio}"),
        referencia: referencia.to_owned(),
        medio,
        destino: destino.to_owned(),
        asunto: (medio == Medio::Correo).then(|| "Su pago está confirmado".to_owned()),
        texto: "Recibimos su pago de 24.00 USD".to_owned(),
    }
}

async fn the_contract_holds(banco: &dyn Banco) {
    a_message_is_delivered_as_it_was_given(banco).await;
    a_repeated_call_is_one_delivery(banco).await;
    the_same_key_never_says_another_thing(banco).await;
    a_refusal_is_definite(banco).await;
    a_message_that_cannot_be_taken_is_refused(banco).await;
    an_answer_that_was_lost_is_got_by_asking_again(banco).await;
}

async fn a_message_is_delivered_as_it_was_given(banco: &dyn Banco) {
    for medio in Medio::ALL {
        let m = mensaje("given", medio, &medio.destino("ana@x.co"));
        assert_eq!(banco.mensajeria().entregar(&m).await, Entrega::Entregado, "{medio}");
    }
    let asunto = Some("Su pago está confirmado".to_owned());
    let expected = [
        ("correo", "ana@x.co", asunto),
        ("sms", "sms:ana@x.co", None),
        ("push", "push:ana@x.co", None),
    ];
    let texto = "Recibimos su pago de 24.00 USD";
    let expected = expected.map(|(medio, destino, asunto)| (medio.into(), destino.into(), asunto, texto.into()));
    assert_eq!(banco.entregados("given").await, expected);
}

async fn a_repeated_call_is_one_delivery(banco: &dyn Banco) {
    let m = mensaje("repeated", Medio::Correo, "ana@x.co");
    for _ in 0..3 {
        assert_eq!(banco.mensajeria().entregar(&m).await, Entrega::Entregado);
    }
    assert_eq!(banco.entregados("repeated").await.len(), 1);
}

async fn the_same_key_never_says_another_thing(banco: &dyn Banco) {
    let m = mensaje("other", Medio::Correo, "ana@x.co");
    banco.mensajeria().entregar(&m).await;
    let other = Mensaje {
        texto: "otra cosa".to_owned(),
        ..m.clone()
    };
    let answer = banco.mensajeria().entregar(&other).await;
    assert!(
        matches!(answer, Entrega::Incierto(_)),
        "the first was delivered: no refusal can be told: {answer:?}"
    );
    assert_eq!(
        banco.entregados("other").await,
        [("correo".into(), m.destino, m.asunto, m.texto)]
    );
}

async fn a_refusal_is_definite(banco: &dyn Banco) {
    for (destino, medio) in [
        ("ana+rechaza@x.co", Medio::Correo),
        ("3000@x.co", Medio::Correo),
        ("rechaza-todo@x.co", Medio::Correo),
        ("sms:rechaza-todo@x.co", Medio::Sms),
        ("push:rechaza-todo@x.co", Medio::Push),
    ] {
        let m = mensaje(&format!("refused-{}", destino.len()), medio, destino);
        for _ in 0..2 {
            let answer = banco.mensajeria().entregar(&m).await;
            assert!(
                matches!(&answer, Entrega::Rechazado(r) if r.motivo == "MedioRechazado"),
                "{destino}: {answer:?}"
            );
        }
        assert_eq!(banco.entregados(&m.referencia).await, [], "{destino}");
    }
}

async fn a_message_that_cannot_be_taken_is_refused(banco: &dyn Banco) {
    let m = mensaje("unusable", Medio::Correo, &format!("{}@x.co", "a".repeat(400)));
    let answer = banco.mensajeria().entregar(&m).await;
    assert!(matches!(answer, Entrega::Rechazado(_)), "{answer:?}");
    assert_eq!(banco.entregados("unusable").await, []);
}

async fn an_answer_that_was_lost_is_got_by_asking_again(banco: &dyn Banco) {
    let m = mensaje("slow", Medio::Correo, "lento@x.co");
    let first = banco.mensajeria().entregar(&m).await;
    assert!(matches!(first, Entrega::Incierto(_)), "{first:?}");
    let last = eventually("a definite answer", || async {
        match banco.mensajeria().entregar(&m).await {
            Entrega::Incierto(_) => None,
            definite @ (Entrega::Entregado | Entrega::Rechazado(_)) => Some(definite),
        }
    });
    assert_eq!(last.await, Entrega::Entregado);
    assert_eq!(banco.entregados("slow").await.len(), 1);
}

#[tokio::test]
async fn the_contract_holds_in_memory() {
    the_contract_holds(&Memoria(MensajeriaEnMemoria::default())).await;
}

#[tokio::test]
async fn the_contract_holds_at_the_simulator() {
    // Slower than we wait, so that its slow answers are lost.
    let simulador = Simulador::start(2_000);
    let proveedor = Proveedor::new(&simulador.url, Duration::from_millis(1_000)).unwrap();
    the_contract_holds(&Real { proveedor, simulador }).await;
}

/// A provider that always answers this and keeps the headers of the last call.
async fn stub(status: u16, body: &'static str) -> (Proveedor, Arc<Mutex<HeaderMap>>) {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let answer = move |State(seen): State<Arc<Mutex<HeaderMap>>>, headers: HeaderMap| async move {
        *seen.lock().unwrap() = headers;
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    };
    let router = Router::new()
        .route("/mensajes", post(answer))
        .with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Proveedor::new(&url, Duration::from_secs(5)).unwrap(), seen)
}

#[tokio::test]
async fn a_provider_that_is_away_or_broken_refuses_nothing() {
    let m = mensaje("broken", Medio::Correo, "ana@x.co");
    let away = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let away = Proveedor::new(&away, Duration::from_secs(5)).unwrap();
    assert!(matches!(away.entregar(&m).await, Entrega::Incierto(_)));
    for (status, body) in [(500, ""), (503, "{}"), (404, "no such path"), (200, "<html>")] {
        let (proveedor, _) = stub(status, body).await;
        let answer = proveedor.entregar(&m).await;
        assert!(
            matches!(&answer, Entrega::Incierto(r) if !r.mensaje.contains("ana@x.co")),
            "{status}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_call_carries_its_key_and_a_span_of_the_callers_trace() {
    let args = TelemetryArgs {
        otlp_endpoint: None,
        log: "error,notificaciones=info,api=info".to_owned(),
        log_format: LogFormat::Text,
    };
    let _guard = telemetry::init("notificaciones", &args).unwrap();
    let (proveedor, seen) = stub(201, r#"{"estado":"entregado"}"#).await;
    let m = mensaje("traced", Medio::Correo, "ana@x.co");
    let span = tracing::info_span!("caller");
    let caller = telemetry::traceparent_of(&span).unwrap();
    assert_eq!(proveedor.entregar(&m).instrument(span).await, Entrega::Entregado);
    let headers = seen.lock().unwrap().clone();
    assert_eq!(headers["idempotency-key"], "traced/ALERTA/correo");
    let sent = headers["traceparent"].to_str().unwrap();
    assert_eq!(telemetry::trace_id_of(sent), telemetry::trace_id_of(&caller));
    assert_ne!(sent, caller, "the call has a span of its own");
}
