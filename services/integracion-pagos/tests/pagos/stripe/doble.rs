//! A Stripe that keeps books: payment intents, charges, refunds and idempotency keys, over HTTP. It plays the outcome
//! table of the simulator (by the last two digits of the amount), and what only Stripe does: it stores a 500 under its
//! key and replays it, and it answers 400 to what the state of an intent rules out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use integracion_pagos::adapters::pasarela::stripe::{Conexion, MetodosFijos};
use integracion_pagos::adapters::pasarela::{Pasarela, PasarelaStripe};
use integracion_pagos::domain::Operacion;
use seedwork::IdCorrelacion;
use serde_json::Value;

use super::libro::{Campos, Intento, Libro};
use crate::banco::Banco;

const KEY: &str = "sk_test_of_these_tests";
const VERSION: &str = "2026-08-26.dahlia";

/// How long the adapter waits for an answer in these tests.
const PATIENCE: Duration = Duration::from_millis(500);

/// A Stripe, and the adapter in front of it.
pub(crate) struct Doble {
    libro: Arc<Mutex<Libro>>,
    pasarela: Arc<PasarelaStripe>,
    url: String,
}

// === impl Doble ===

impl Doble {
    pub(crate) async fn start() -> Self {
        let libro = Arc::new(Mutex::new(Libro::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(Arc::clone(&libro));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let pasarela = Arc::new(connect(&url, "pm_card_visa"));
        Self { libro, pasarela, url }
    }

    /// The adapter as another one would be set up: with another means of payment.
    pub(crate) fn with_method(&self, method: &str) -> PasarelaStripe {
        connect(&self.url, method)
    }

    pub(crate) fn stripe(&self) -> Arc<PasarelaStripe> {
        Arc::clone(&self.pasarela)
    }

    /// The next call of `operacion` is answered 500, and that answer is stored; the call is done before that, or not.
    pub(crate) fn break_next(&self, operacion: Operacion, done: bool) {
        self.libro().averia = Some((operacion, done));
    }

    /// The adapter as another one would be set up: without a means for PSE.
    pub(crate) fn without_pse(&self) -> PasarelaStripe {
        connect_with(&self.url, MetodosFijos::new("pm_card_visa", None, None, None).unwrap())
    }

    /// A person takes, or gives back, the promise at Stripe's own pages.
    pub(crate) fn by_hand(&self, intento: &str, status: &'static str) {
        let mut libro = self.libro();
        let intento = libro.intentos.get_mut(intento).unwrap();
        intento.status = status;
        if status == "succeeded" {
            intento.received = intento.amount;
        }
    }

    /// A person charges the client of a payment once more at Stripe's own pages, under our reference.
    pub(crate) fn charge_by_hand(&self, referencia: &str, amount: i64) {
        let mut libro = self.libro();
        libro.ids += 1;
        let number = libro.ids;
        let intento = Intento {
            referencia: referencia.to_owned(),
            amount,
            status: "succeeded",
            received: amount,
            refunded: 0,
            cargo: format!("ch_{number}"),
        };
        libro.intentos.insert(format!("pi_{number}"), intento);
    }

    /// A person gives back all that was taken from a payment at Stripe's own pages.
    pub(crate) fn refund_by_hand(&self, referencia: &str) {
        self.libro().refund_by_hand(referencia);
    }

    /// How many POSTs arrived.
    pub(crate) fn calls(&self) -> u32 {
        self.libro().pedidas
    }

    fn libro(&self) -> MutexGuard<'_, Libro> {
        self.libro.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(url: &str, method: &str) -> PasarelaStripe {
    connect_with(
        url,
        MetodosFijos::new(method, None, None, Some("pm_of_a_bank")).unwrap(),
    )
}

fn connect_with(url: &str, metodos: MetodosFijos) -> PasarelaStripe {
    let conexion = Conexion {
        url: url.to_owned(),
        secreto: KEY.to_owned().into(),
        version: VERSION.to_owned(),
        timeout: PATIENCE,
    };
    PasarelaStripe::new(conexion, Arc::new(metodos)).unwrap()
}

#[async_trait]
impl Banco for Doble {
    fn pasarela(&self) -> &dyn Pasarela {
        self.pasarela.as_ref()
    }

    async fn movimientos(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)> {
        let libro = self.libro();
        let mine = libro
            .movimientos
            .iter()
            .filter(|(referencia, ..)| referencia == id.as_str());
        let mut movements: Vec<_> = mine.map(|(_, operacion, minor)| (*operacion, *minor)).collect();
        movements.sort_unstable();
        movements
    }
}

async fn answer(
    State(libro): State<Arc<Mutex<Libro>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    assert_eq!(header("authorization"), format!("Bearer {KEY}"));
    assert_eq!(header("stripe-version"), VERSION);
    let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    let form = |text: &str| -> Campos {
        let url = reqwest::Url::parse(&format!("http://x/?{text}")).unwrap();
        url.query_pairs().into_owned().collect()
    };
    let lock = || libro.lock().unwrap_or_else(PoisonError::into_inner);
    if method == Method::GET {
        return reply(lock().look(&path, &form(uri.query().unwrap_or_default())));
    }
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded", "{uri}");
    let key = header("idempotency-key").to_owned();
    assert!(!key.is_empty() && key.len() <= 255, "{uri}: {key}");
    let text = String::from_utf8(body.to_vec()).unwrap();
    let asked = format!("{uri} {text}");
    let outcome = lock().call(&path, &key, &asked, &form(&text));
    match outcome {
        Some((status, body, replayed)) => {
            let mut response = reply((status, body));
            if replayed {
                response
                    .headers_mut()
                    .insert("idempotent-replayed", "true".parse().unwrap());
            }
            response
        }
        None => std::future::pending().await,
    }
}

fn reply((status, body): (u16, Value)) -> Response {
    let headers = [("content-type", "application/json"), ("request-id", "req_1")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}
