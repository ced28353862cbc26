//! Integración-pagos: takes the money at the gateway and gives it back, exactly once each.
//!
//! ```text
//! daprd ──▶ adapters/inbox ──▶ participation ──▶ participante ──▶ domain/pago (the state machine)
//!                                   │                └──▶ pasarela: authorise, capture, void, refund
//!                                   └──▶ document pago:<idCorrelacion> ──▶ read_model: table pagos ──▶ GET /pagos
//! POST /pagos/simular-evento-de-compensacion ┬─▶ contracargos ──▶ the document, then the operator until it answers
//! POST /pagos/webhook/stripe (signed) ───────┘
//! every day, POST /conciliacion ──▶ conciliacion ──▶ our books against the gateway's: named differences
//! ```
//!
//! `domain` decides (synchronous, no I/O, no clock); `adapters` do.
//!
//! Architecture invariant: no call to the gateway is made that was not recorded before it, and none is made under a key
//! that does not derive from the payment's identity.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod adapters;
mod config;
pub mod domain;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::serve::{self, Health, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Auth, Secret, ServiceArgs, Sidecar, auth, inbox};
use sqlx::migrate::Migrator;

use adapters::conciliacion::{Conciliacion, Plan};
use adapters::contracargos::Contracargos;
use adapters::http::Services;
use adapters::inbox::Entrada;
use adapters::participante::Pagos;
use adapters::pasarela::PasarelaStripe;
use adapters::read_model::ReadModel;
use adapters::webhook::Webhook;
pub use config::{Args, ConciliacionArgs, Eleccion, PasarelaArgs, StripeArgs};

/// Who we are on the bus.
pub const APP: seedwork::App = seedwork::App::IntegracionPagos;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The service, ready to serve.
pub struct App {
    /// Everything that callers and daprd reach.
    pub router: Router,
    /// The participant of the saga at work.
    pub participation: Arc<Participation<Pagos>>,
}

/// What the service is assembled from.
pub struct Parts {
    /// The way to Dapr.
    pub sidecar: Arc<dyn Sidecar>,
    /// A database with [`MIGRATIONS`] applied.
    pub pool: Pool,
    /// The participant, with its gateway.
    pub pagos: Pagos,
    /// The judge of who asks.
    pub auth: Arc<Auth>,
    /// When our books are compared with the gateway's.
    pub plan: Plan,
    /// The secrets that webhooks are signed with; none: no webhook is taken.
    pub webhook_secrets: Vec<Secret>,
    /// Stripe, when it is the gateway.
    pub stripe: Option<Arc<PasarelaStripe>>,
}

/// Builds the service over daprd, the configured database and the configured gateway.
pub async fn build(args: &Args) -> Result<App, StartupError> {
    let Args {
        service,
        auth,
        pasarela,
        stripe: stripe_args,
        conciliacion,
    } = args;
    let (gateway, stripe) = pasarela.open(stripe_args)?;
    let webhook_secrets = stripe_args.webhook_secrets()?;
    let pool = sql::open(&service.database_url, &MIGRATIONS).await?;
    let vigencia = Duration::from_secs(pasarela.claves_vigencia_seconds);
    let read_model = ReadModel::new(pool.clone());
    let parts = Parts {
        sidecar: Arc::new(DaprSidecar::new(service)?),
        pool,
        pagos: Pagos::new(gateway, read_model, vigencia, Arc::new(seedwork_runtime::now_ms)),
        auth: Auth::open(auth, service.app_api_token.as_ref()).await?,
        plan: conciliacion.plan(),
        webhook_secrets,
        stripe,
    };
    Ok(assemble(service, parts))
}

/// Builds the service over any parts and starts its background work. Must be called within a tokio runtime.
pub fn assemble(service: &ServiceArgs, parts: Parts) -> App {
    let Parts {
        sidecar,
        pool,
        pagos,
        auth,
        plan,
        webhook_secrets,
        stripe,
    } = parts;
    let read_model = pagos.read_model().clone();
    let participation = Participation::new(pagos, APP, Arc::clone(&sidecar));
    let contracargos = Contracargos::open(pool.clone(), Arc::clone(&sidecar), Arc::clone(&participation));
    let entrada = Entrada::new(Arc::clone(&participation), Arc::clone(&contracargos));
    let conciliacion = Conciliacion::open(pool.clone(), Arc::clone(&sidecar), Arc::clone(&participation), plan);
    let webhook = Webhook::new(
        webhook_secrets,
        pool.clone(),
        Arc::clone(&participation),
        Arc::clone(&contracargos),
        stripe,
    );
    let services = Services {
        read_model,
        contracargos,
        conciliacion,
        webhook: Arc::new(webhook),
    };
    let routes = auth::layer(adapters::http::router(services), auth);
    let router = routes.merge(inbox::router(APP, service, Arc::new(entrada)));
    let health = Health {
        sidecar,
        pool: Some(pool),
        body: r#"{"status":"up"}"#,
    };
    let router = serve::dress(router, health);
    App { router, participation }
}

/// The OpenAPI document of the routes, as `GET /spec` serves it.
pub fn spec() -> String {
    adapters::http::spec()
}
