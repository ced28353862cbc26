//! Notificaciones: tells clients what became of their payments, and keeps the notifications that callers store.
//!
//! ```text
//! daprd ─▶ inbox ─▶ notificador (the laws: seedwork-runtime) ─▶ mensajeria ─▶ the message provider, a mail server
//!                        │  └─▶ clientes: the client's address, by service invocation
//!                        ▼
//!              documents notificaciones:<idCorrelacion>  ─▶ read_model (SQL) ◀─ http  GET
//!              documents notificacion:<id>  ◀─ registro ◀─────────┘  ▲─────────── http  POST
//!                                              └─▶ entregas: those for a client ─▶ clientes, mensajeria
//! domain    what a notification is, how it goes from medium to medium, what it says
//! ```
//!
//! Architecture invariants: a client's address leaves this service only towards the message provider, never in a reply
//! to the saga or in a log. A payment's notification is one delivery, however often it is asked for: its id, its
//! idempotency keys and its words are decided once.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod adapters;
mod config;
pub mod domain;

use std::sync::Arc;

use axum::Router;
use seedwork::App as AppId;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::serve::{Health, StartupError, dress};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Auth, ServiceArgs, Sidecar, auth, inbox};

use adapters::inbox::Buzon;
use adapters::mensajeria::Mensajeria;
use adapters::notificador::Notificador;
use adapters::read_model::{MIGRATOR, ReadModel};
use adapters::registro::Registro;
pub use config::{Args, ProveedorArgs, SmtpArgs};

/// The service, put together.
pub struct App {
    /// The saga's participant at work.
    pub participation: Arc<Participation<Notificador>>,
    /// The notifications made over HTTP.
    pub registro: Arc<Registro>,
    /// The notifications as they are listed.
    pub read_model: ReadModel,
    sidecar: Arc<dyn Sidecar>,
    pool: Pool,
}

/// Puts the service together from what it is told, and starts its sweep.
pub async fn build(args: &Args) -> Result<(App, Router), StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATOR).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    let mensajeria = args.mensajeria()?;
    let auth = Auth::open(&args.auth, args.service.app_api_token.as_ref()).await?;
    let app = App::new(sidecar, pool, mensajeria);
    app.registro.vigilar();
    let router = app.router(&args.service, auth);
    Ok((app, router))
}

// === impl App ===

impl App {
    /// Puts the service together from its parts; `pool` is open and its tables are up to date.
    pub fn new(sidecar: Arc<dyn Sidecar>, pool: Pool, mensajeria: Arc<dyn Mensajeria>) -> Self {
        let read_model = ReadModel::new(pool.clone());
        let notificador = Notificador::new(Arc::clone(&sidecar), Arc::clone(&mensajeria), read_model.clone());
        Self {
            participation: Participation::new(notificador, AppId::Notificaciones, Arc::clone(&sidecar)),
            registro: Registro::new(Arc::clone(&sidecar), read_model.clone(), mensajeria),
            read_model,
            sidecar,
            pool,
        }
    }

    /// Everything it serves, to those whom `auth` lets in.
    pub fn router(&self, args: &ServiceArgs, auth: Arc<Auth>) -> Router {
        let buzon = Arc::new(Buzon(Arc::clone(&self.participation)));
        let routes = adapters::http::router(Arc::clone(&self.registro), self.read_model.clone());
        let routes = auth::layer(routes, auth);
        let router = routes.merge(inbox::router(AppId::Notificaciones, args, buzon));
        let health = Health {
            sidecar: Arc::clone(&self.sidecar),
            pool: Some(self.pool.clone()),
            body: r#"{"status":"up"}"#,
        };
        dress(router, health)
    }
}

/// The OpenAPI document of the routes, as `GET /spec` serves it.
pub fn spec() -> String {
    adapters::http::spec()
}
