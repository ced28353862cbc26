//! The service over an in-memory sidecar and gateway and a real SQLite file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use clap::Parser;
use integracion_pagos::adapters::conciliacion::Plan;
use integracion_pagos::adapters::participante::Pagos;
use integracion_pagos::adapters::pasarela::{Pasarela, PasarelaMemoria, PasarelaStripe};
use integracion_pagos::adapters::read_model::ReadModel;
use integracion_pagos::domain::{Operacion, Pago};
use integracion_pagos::{App, Args, MIGRATIONS, Parts, assemble};
use seedwork::contrato::Comando;
use seedwork::{Action, IdCorrelacion, Message, Moneda, Outcome, SolicitudPago, Step};
use seedwork_runtime::participant::laws::{comando, eventually, reply_to};
use seedwork_runtime::participant::{Documento, Participation};
use seedwork_runtime::sidecar::MemorySidecar;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Auth, Sidecar};

/// Takes the money.
pub(crate) const DO: Action = Action::Do(Step::RealizarPago);
/// Gives it back.
pub(crate) const UNDO: Action = Action::Undo(Step::RealizarPago);

/// How long keys live in these tests, in milliseconds.
pub(crate) const VIGENCIA_MS: i64 = 60_000;

/// What webhooks are signed with in these tests.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_of_these_tests";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    own: Args,
}

/// The service under test.
pub(crate) struct Servicio {
    pub(crate) router: Router,
    pub(crate) participation: Arc<Participation<Pagos>>,
    pub(crate) sidecar: Arc<MemorySidecar>,
    pub(crate) pasarela: Arc<PasarelaMemoria>,
    pub(crate) pool: Pool,
    /// Milliseconds since the epoch, as the service sees them.
    pub(crate) ahora: Arc<AtomicI64>,
    folder: tempfile::TempDir,
}

/// Where the money is taken.
struct Gateway {
    pasarela: Arc<dyn Pasarela>,
    stripe: Option<Arc<PasarelaStripe>>,
}

impl Gateway {
    fn memory(pasarela: &Arc<PasarelaMemoria>) -> Self {
        Self {
            pasarela: pasarela.clone(),
            stripe: None,
        }
    }
}

/// An answer of the router's.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: serde_json::Value,
}

// === impl Answer ===

impl Answer {
    /// The sentences of a problem+json with this status.
    pub(crate) fn problem(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let errors = self.body["errors"].as_array().unwrap().iter();
        let sentences: Vec<_> = errors.map(|error| error.as_str().unwrap().to_owned()).collect();
        assert_eq!(self.body["error"], sentences.join("; "));
        sentences
    }
}

// === impl Servicio ===

impl Servicio {
    pub(crate) async fn new() -> Self {
        Self::judged_by(Auth::none()).await
    }

    /// One that asks who asks.
    pub(crate) async fn judged_by(auth: Arc<Auth>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ahora = Arc::new(AtomicI64::new(1_795_543_200_000));
        let pasarela = Arc::default();
        let gateway = Gateway::memory(&pasarela);
        Self::over(Arc::default(), pasarela, gateway, ahora, folder, auth).await
    }

    /// One whose gateway is Stripe.
    pub(crate) async fn at_stripe(stripe: Arc<PasarelaStripe>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ahora = Arc::new(AtomicI64::new(1_795_543_200_000));
        let gateway = Gateway {
            pasarela: stripe.clone(),
            stripe: Some(stripe),
        };
        Self::over(Arc::default(), Arc::default(), gateway, ahora, folder, Auth::none()).await
    }

    /// The next process, with the same store, gateway, clock and file.
    pub(crate) async fn restarted(self) -> Self {
        let Self {
            router,
            participation,
            sidecar,
            pasarela,
            pool,
            ahora,
            folder,
        } = self;
        drop((router, participation));
        pool.close().await;
        let gateway = Gateway::memory(&pasarela);
        Self::over(sidecar, pasarela, gateway, ahora, folder, Auth::none()).await
    }

    async fn over(
        sidecar: Arc<MemorySidecar>,
        pasarela: Arc<PasarelaMemoria>,
        gateway: Gateway,
        ahora: Arc<AtomicI64>,
        folder: tempfile::TempDir,
        auth: Arc<Auth>,
    ) -> Self {
        let url = format!("sqlite://{}/pagos.db?mode=rwc", folder.path().display());
        let pool = sql::open(&url.into(), &MIGRATIONS).await.unwrap();
        let clock = Arc::clone(&ahora);
        let port: Arc<dyn Sidecar> = sidecar.clone();
        let pagos = Pagos::new(
            gateway.pasarela,
            ReadModel::new(pool.clone()),
            Duration::from_millis(VIGENCIA_MS.unsigned_abs()),
            Arc::new(move || clock.load(Ordering::SeqCst)),
        );
        let parts = Parts {
            sidecar: port,
            pool: pool.clone(),
            pagos,
            auth,
            // Only when it is asked for, whatever the clock of the day, and without a margin.
            plan: Plan {
                cada: Duration::ZERO,
                ventana: Duration::from_secs(36_500 * 86_400),
                margen: Duration::ZERO,
                cuentas: 1_000,
            },
            webhook_secrets: vec![WEBHOOK_SECRET.to_owned().into()],
            stripe: gateway.stripe,
        };
        let App { router, participation } = assemble(&args().service, parts);
        Self {
            router,
            participation,
            sidecar,
            pasarela,
            pool,
            ahora,
            folder,
        }
    }

    /// Delivers a command once and gives the reply, if there is one.
    pub(crate) async fn deliver(&self, comando: &Comando) -> Option<Outcome> {
        self.participation.run(comando).await.unwrap();
        self.replied(comando.action)
    }

    /// The reply to this action among what was published since it was last asked.
    pub(crate) fn replied(&self, action: Action) -> Option<Outcome> {
        reply_to(&self.sidecar.take_messages(), action).map(|reply| reply.outcome)
    }

    /// Delivers a command until it has an outcome that is not a failed attempt.
    pub(crate) async fn settle(&self, comando: &Comando) -> Outcome {
        for _ in 0..8 {
            match self.deliver(comando).await {
                Some(outcome @ (Outcome::Done | Outcome::Refused(_))) => return outcome,
                Some(Outcome::Failed(_)) | None => {}
            }
        }
        panic!(
            "{} of {} is not settled by eight deliveries",
            comando.action.command_type(),
            comando.id_correlacion
        )
    }

    pub(crate) async fn documento(&self, id: &IdCorrelacion) -> Documento<Pago> {
        self.participation.document(id).await.unwrap().value.unwrap_or_default()
    }

    pub(crate) async fn pago(&self, id: &IdCorrelacion) -> Pago {
        self.documento(id).await.agregado.unwrap()
    }

    pub(crate) fn movimientos(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)> {
        self.pasarela.movimientos(id)
    }

    /// Lets the service's clock run.
    pub(crate) fn pass(&self, ms: i64) {
        self.ahora.fetch_add(ms, Ordering::SeqCst);
    }

    /// Waits for a chargeback to be published.
    pub(crate) async fn told(&self) -> (IdCorrelacion, String) {
        eventually("a chargeback on its way to the operator", || async {
            let messages = self.sidecar.take_messages();
            messages.into_iter().find_map(|message| {
                let Message::ContracargoRecibido(told) = message else {
                    return None;
                };
                Some((told.id_correlacion, told.motivo))
            })
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.ask(request.body(body.into()).unwrap()).await
    }

    /// `GET` as somebody: the text of an `Authorization` header.
    pub(crate) async fn get_as(&self, path: &str, authorization: &str) -> Answer {
        let request = Request::get(path).header("authorization", authorization);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// `POST` without a body as somebody.
    pub(crate) async fn post_as(&self, path: &str, authorization: &str) -> Answer {
        let request = Request::post(path).header("authorization", authorization);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = tower::ServiceExt::oneshot(self.router.clone(), request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1024 * 1024).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Posts a message to the inbox as daprd does; gives daprd's instruction.
    pub(crate) async fn receive(&self, message: &Message) -> String {
        let event = serde_json::json!({
            "type": message.event_type(), "source": "operator", "data": message.data().unwrap(),
        });
        let answer = self.post("/inbox", event.to_string()).await;
        answer.body["status"].as_str().unwrap().to_owned()
    }
}

fn args() -> Args {
    Cli::parse_from(["integracion-pagos", "--port", "1", "--database-url", "sqlite::memory:"]).own
}

/// An order for this amount of USD.
pub(crate) fn order(action: Action, id: &str, monto: &str) -> Comando {
    let solicitud = SolicitudPago::parse("TarjetaCredito", "c-1", monto, Moneda::USD).unwrap();
    Comando {
        solicitud,
        ..comando(action, id)
    }
}

pub(crate) fn id(text: &str) -> IdCorrelacion {
    IdCorrelacion::parse(text).unwrap()
}

/// The code of a refusal.
pub(crate) fn refusal(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(reason) => &reason.motivo,
        Outcome::Done | Outcome::Failed(_) => panic!("not a refusal: {outcome:?}"),
    }
}
