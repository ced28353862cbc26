//! Gestión-clientes: clients and their plan state, invoices, and one of the two doors for payments.
//!
//! ```text
//! callers ──▶ adapters/http ──▶ clientes ─────▶ document cliente:<id> ──▶ table clientes
//!                   └─────────▶ intake ───────▶ SolicitarPago to the operator
//! daprd ────▶ adapters/inbox ─▶ participation ▶ document factura:<idCorrelacion> ──▶ table facturas ─┐
//!                   └─────────▶ intake (what became of a request)                                    │
//! adapters/http ◀── a client is read with the plan state derived from its invoices ◀─────────────────┤
//! timed jobs ◀───── what falls due: told by notificaciones; what was declined softly: tried again ◀──┘
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
use seedwork_runtime::leader::Leader;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::serve::{self, Health, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Auth, Sidecar, auth, inbox};
use sqlx::migrate::Migrator;

use adapters::reintentos::Enlaces;
use adapters::trabajos;

pub use adapters::clientes::{ClienteVisto, Clientes, Condicion, Identidad, Rechazo};
pub use adapters::facturacion::Facturacion;
pub use adapters::facturas::Facturas;
pub use adapters::http::spec;
pub use adapters::proyecciones::Reconstruccion;
pub use adapters::recordatorios::Recordatorios;
pub use adapters::reintentos::Reintentos;
pub use config::{Args, RecordatorioArgs, ReintentoArgs};

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
    /// The job that tells clients what falls due.
    pub recordatorios: Arc<Recordatorios>,
    /// The job that tries declined payments again.
    pub reintentos: Arc<Reintentos>,
}

/// Builds the service over daprd and the configured database.
pub async fn build(args: &Args) -> Result<App, StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATIONS).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    let auth = Auth::open(&args.auth, args.service.app_api_token.as_ref()).await?;
    assemble(args, sidecar, pool, auth).await
}

/// Builds the service over any sidecar, a database with [`MIGRATIONS`] applied and any judge of who asks, and starts
/// its background work.
pub async fn assemble(
    args: &Args,
    sidecar: Arc<dyn Sidecar>,
    pool: Pool,
    auth: Arc<Auth>,
) -> Result<App, StartupError> {
    let Args {
        service,
        auth: _,
        moneda,
        contrasena_minima,
        recordatorios,
        reintentos,
    } = args;
    let calendario = reintentos.calendario()?;
    let clientes = Arc::new(Clientes::new(Arc::clone(&sidecar), pool.clone())?);
    let facturas = Facturas::new(pool.clone());
    let participation = participation(Arc::clone(&sidecar), pool.clone());
    let intake = Intake::open(pool.clone(), Arc::clone(&sidecar), APP).await?;
    tokio::spawn(Arc::clone(&clientes).sweep());
    let recordar = Recordatorios::new(Arc::clone(&sidecar), pool.clone(), recordatorios.reglas());
    let recordar = Arc::new(recordar);
    let reintentar = Arc::new(Reintentos::new(Arc::clone(&intake), pool.clone(), calendario));
    let cada = Some(recordatorios.recordatorio_cada).filter(|cada| !cada.is_zero());
    if let Some(cada) = cada {
        let leader = Leader::new(Arc::clone(&sidecar), "recordatorios", trabajos::LEASE);
        let job = Arc::clone(&recordar);
        tokio::spawn(trabajos::run(leader, "recordatorios", cada, move |ahora| {
            let job = Arc::clone(&job);
            async move { job.avisar(ahora).await }
        }));
    }
    if let Some(cada) = reintentos.cada() {
        let leader = Leader::new(Arc::clone(&sidecar), "reintentos", trabajos::LEASE);
        let job = Arc::clone(&reintentar);
        tokio::spawn(trabajos::run(leader, "reintentos", cada, move |ahora| {
            let job = Arc::clone(&job);
            async move { job.reintentar(ahora).await }
        }));
    }

    let desk = adapters::inbox::Desk::new(Arc::clone(&participation), Arc::clone(&intake));
    let routes = adapters::http::router(adapters::http::Services {
        clientes: Arc::clone(&clientes),
        facturas: facturas.clone(),
        participation: Arc::clone(&participation),
        intake,
        enlaces: Enlaces::new(pool.clone()),
        moneda: *moneda,
        contrasena_minima: usize::from(*contrasena_minima),
    });
    let routes = auth::layer(routes, auth);
    let router = routes.merge(inbox::router(APP, service, Arc::new(desk)));
    let health = Health {
        sidecar,
        pool: Some(pool),
        body: r#"{"status":"up"}"#,
    };
    let router = serve::dress(router, health);
    Ok(App {
        router,
        clientes,
        facturas,
        participation,
        recordatorios: recordar,
        reintentos: reintentar,
    })
}

/// Makes the tables `clientes` and `facturas` again from the documents, over daprd and the configured database. The
/// service may run meanwhile.
pub async fn rebuild(args: &Args) -> Result<Reconstruccion, StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATIONS).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    rebuild_over(sidecar, pool).await
}

/// [`rebuild`], over any sidecar and a database with [`MIGRATIONS`] applied.
pub async fn rebuild_over(sidecar: Arc<dyn Sidecar>, pool: Pool) -> Result<Reconstruccion, StartupError> {
    Intake::prepare(&pool).await?;
    adapters::proyecciones::reconstruir(&sidecar, &pool).await
}

/// What is behind the doors, over any sidecar and a database with [`MIGRATIONS`] applied: who handles the messages, and
/// the intake. For the simulation.
pub async fn desk(sidecar: Arc<dyn Sidecar>, pool: Pool) -> Result<(Arc<dyn inbox::Inbox>, Arc<Intake>), StartupError> {
    let participation = participation(Arc::clone(&sidecar), pool.clone());
    let intake = Intake::open(pool, sidecar, APP).await?;
    let desk = adapters::inbox::Desk::new(participation, Arc::clone(&intake));
    Ok((Arc::new(desk), intake))
}

/// The participant alone, over any sidecar and a database with [`MIGRATIONS`] applied.
pub fn participation(sidecar: Arc<dyn Sidecar>, pool: Pool) -> Arc<Participation<Facturacion>> {
    let enlaces = Enlaces::new(pool.clone());
    let facturacion = Facturacion::new(Arc::clone(&sidecar), Facturas::new(pool), enlaces);
    Participation::new(facturacion, APP, sidecar)
}
