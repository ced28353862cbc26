//! Gestión-clientes: clients and their plan state, invoices, and one of the two doors for payments.
//!
//! ```text
//! callers ──▶ adapters/http ──▶ clientes ─────▶ document cliente:<id> ──▶ table clientes
//!                   └─────────▶ intake ───────▶ SolicitarPago to the operator
//! daprd ────▶ adapters/inbox ─▶ participation ▶ document factura:<idCorrelacion> ──▶ table facturas ─┐
//!                   └─────────▶ intake (what became of a request)                                    │
//! adapters/http ◀── a client is read with the plan state derived from its invoices ◀─────────────────┘
//! ```
//!
//! `domain` decides (synchronous, no I/O, no clock); `adapters` do. Documents are the truth, tables are read models.
//!
//! Architecture invariant: no write spans two documents. A client's plan state is stored nowhere, so concurrent and
//! reverted payments of one client cannot leave it wrong.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adapters;
mod config;
pub mod domain;

use std::sync::Arc;

use axum::Router;
use seedwork_runtime::intake::Intake;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::{Sidecar, inbox, sql};
use sqlx::AnyPool;
use sqlx::migrate::Migrator;

pub use adapters::clientes::{ClienteVisto, Clientes};
pub use adapters::facturacion::Facturacion;
pub use adapters::facturas::Facturas;
pub use config::Args;

/// Who we are on the bus.
pub const APP: seedwork::App = seedwork::App::GestionClientes;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The service, ready to serve.
pub struct App {
    /// Everything that callers and daprd reach.
    pub router: Router,
    /// The register of clients.
    pub clientes: Arc<Clientes>,
    /// The read model of invoices.
    pub facturas: Facturas,
    /// The participant of the saga at work.
    pub participation: Arc<Participation<Facturacion>>,
}

/// Builds the service over daprd and the configured database.
pub async fn build(args: &Args) -> Result<App, StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATIONS).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    assemble(args, sidecar, pool).await
}

/// Builds the service over any sidecar and a database with [`MIGRATIONS`] applied, and starts its background work.
pub async fn assemble(args: &Args, sidecar: Arc<dyn Sidecar>, pool: AnyPool) -> Result<App, StartupError> {
    let Args {
        service,
        moneda,
        contrasena_minima,
    } = args;
    let clientes = Arc::new(Clientes::new(Arc::clone(&sidecar), pool.clone())?);
    let facturas = Facturas::new(pool.clone());
    let participation = participation(Arc::clone(&sidecar), pool.clone());
    let intake = Intake::open(pool, Arc::clone(&sidecar), APP).await?;
    tokio::spawn(Arc::clone(&clientes).sweep());

    let desk = adapters::inbox::Desk::new(Arc::clone(&participation), Arc::clone(&intake));
    let routes = adapters::http::router(adapters::http::Services {
        clientes: Arc::clone(&clientes),
        facturas: facturas.clone(),
        participation: Arc::clone(&participation),
        intake,
        moneda: *moneda,
        contrasena_minima: usize::from(*contrasena_minima),
    });
    let router = routes.merge(inbox::router(APP, service, Arc::new(desk)));
    let router = serve::dress(router, sidecar, r#"{"status":"up"}"#);
    Ok(App {
        router,
        clientes,
        facturas,
        participation,
    })
}

/// The participant alone, over any sidecar and a database with [`MIGRATIONS`] applied.
pub fn participation(sidecar: Arc<dyn Sidecar>, pool: AnyPool) -> Arc<Participation<Facturacion>> {
    let facturacion = Facturacion::new(Arc::clone(&sidecar), Facturas::new(pool));
    Participation::new(facturacion, APP, sidecar)
}
