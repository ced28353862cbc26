//! Notificaciones: tells clients what became of their payments, and keeps the notifications that callers store.
//!
//! ```text
//! daprd ─▶ inbox ─▶ notificador (the laws: seedwork-runtime) ─▶ mensajeria ─▶ the message provider
//!                        │  └─▶ clientes: the client's address, by service invocation
//!                        ▼
//!              documents notificaciones:<idCorrelacion>  ─▶ read_model (SQL) ◀─ http  GET
//!              documents notificacion:<id>  ◀─ registro ◀─────────┘  ▲─────────── http  POST
//! domain    what a notification is, how it goes from medium to medium, what it says
//! ```
//!
//! Architecture invariants: a client's address leaves this service only towards the message provider, never in a reply
//! to the saga or in a log. A payment's notification is one delivery, however often it is asked for: its id, its
//! idempotency keys and its words are decided once.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod adapters;
pub mod config;
pub mod domain;

use std::sync::Arc;

use axum::Router;
use seedwork::App as AppId;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::serve::{StartupError, dress};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::{ServiceArgs, Sidecar, inbox, sql};
use sqlx::AnyPool;

use adapters::inbox::Buzon;
use adapters::mensajeria::{Mensajeria, Proveedor};
use adapters::notificador::Notificador;
use adapters::read_model::{MIGRATOR, ReadModel};
use adapters::registro::Registro;
pub use config::Args;

/// The service, put together.
pub struct App {
    /// The saga's participant at work.
    pub participation: Arc<Participation<Notificador>>,
    /// The notifications made over HTTP.
    pub registro: Arc<Registro>,
    /// The notifications as they are listed.
    pub read_model: ReadModel,
    sidecar: Arc<dyn Sidecar>,
}

/// Puts the service together from what it is told, and starts its sweep.
pub async fn build(args: &Args) -> Result<(App, Router), StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATOR).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    let proveedor = Arc::new(Proveedor::new(&args.proveedor_url, args.proveedor_timeout())?);
    let app = App::new(sidecar, pool, proveedor);
    app.registro.vigilar();
    let router = app.router(&args.service);
    Ok((app, router))
}

// === impl App ===

impl App {
    /// Puts the service together from its parts; `pool` is open and its tables are up to date.
    pub fn new(sidecar: Arc<dyn Sidecar>, pool: AnyPool, mensajeria: Arc<dyn Mensajeria>) -> Self {
        let read_model = ReadModel::new(pool);
        let notificador = Notificador::new(Arc::clone(&sidecar), mensajeria, read_model.clone());
        Self {
            participation: Participation::new(notificador, AppId::Notificaciones, Arc::clone(&sidecar)),
            registro: Registro::new(Arc::clone(&sidecar), read_model.clone()),
            read_model,
            sidecar,
        }
    }

    /// Everything it serves.
    pub fn router(&self, args: &ServiceArgs) -> Router {
        let buzon = Arc::new(Buzon(Arc::clone(&self.participation)));
        let router = adapters::http::router(Arc::clone(&self.registro), self.read_model.clone()).merge(inbox::router(
            AppId::Notificaciones,
            args,
            buzon,
        ));
        dress(router, Arc::clone(&self.sidecar), r#"{"status":"up"}"#)
    }
}
