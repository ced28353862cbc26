//! Integración-pagos: takes the money at the gateway and gives it back, exactly once each.
//!
//! ```text
//! daprd ──▶ adapters/inbox ──▶ participation ──▶ participante ──▶ domain/pago (the state machine)
//!                                   │                └──▶ pasarela: authorise, capture, void, refund
//!                                   └──▶ document pago:<idCorrelacion> ──▶ read_model: table pagos ──▶ GET /pagos
//! POST /pagos/simular-evento-de-compensacion ──▶ contracargos ──▶ the document, then the operator until it answers
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
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::{ServiceArgs, Sidecar, inbox, sql};
use sqlx::AnyPool;
use sqlx::migrate::Migrator;

use adapters::contracargos::Contracargos;
use adapters::inbox::Entrada;
use adapters::participante::Pagos;
use adapters::pasarela::PasarelaSimulada;
use adapters::read_model::ReadModel;
pub use config::Args;

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

/// Builds the service over daprd, the configured database and the simulated gateway.
pub async fn build(args: &Args) -> Result<App, StartupError> {
    let Args {
        service,
        pasarela_url,
        pasarela_timeout_ms,
        claves_vigencia_seconds,
    } = args;
    let pasarela = PasarelaSimulada::new(pasarela_url, Duration::from_millis(*pasarela_timeout_ms))?;
    let pool = sql::open(&service.database_url, &MIGRATIONS).await?;
    let sidecar = Arc::new(DaprSidecar::new(service)?);
    let vigencia = Duration::from_secs(*claves_vigencia_seconds);
    let read_model = ReadModel::new(pool.clone());
    let pagos = Pagos::new(
        Arc::new(pasarela),
        read_model,
        vigencia,
        Arc::new(seedwork_runtime::now_ms),
    );
    Ok(assemble(service, sidecar, pool, pagos))
}

/// Builds the service over any sidecar, a database with [`MIGRATIONS`] applied and any gateway, and starts its
/// background work. Must be called within a tokio runtime.
pub fn assemble(service: &ServiceArgs, sidecar: Arc<dyn Sidecar>, pool: AnyPool, pagos: Pagos) -> App {
    let read_model = pagos.read_model().clone();
    let participation = Participation::new(pagos, APP, Arc::clone(&sidecar));
    let contracargos = Contracargos::open(pool, Arc::clone(&sidecar), Arc::clone(&participation));
    let entrada = Entrada::new(Arc::clone(&participation), Arc::clone(&contracargos));
    let routes = adapters::http::router(read_model, contracargos);
    let router = routes.merge(inbox::router(APP, service, Arc::new(entrada)));
    let router = serve::dress(router, sidecar, r#"{"status":"up"}"#);
    App { router, participation }
}
