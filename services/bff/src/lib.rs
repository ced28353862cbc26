//! The backend for frontends: where payments are asked for and watched.
//!
//! ```text
//! browser ──POST /v1──▶ graphql ──realizarPago──▶ intake ──▶ SolicitarPago to the operator
//!                          │  └──clientes, cliente──▶ clientes ──▶ gestión-clientes, by invocation
//!                          └─────pago, pagos──▶ read_model
//! daprd ──▶ inbox ──▶ read_model: state + numbered event, one transaction ──▶ FinalRecibido to the operator
//!                                        │
//! browser ◀─GET /stream, subscriptions─ tail ◀── events, in commit order, of every replica
//! silence: payments nobody speaks of any more are asked about
//! ```
//!
//! Architecture invariant: a stored payment never goes back to an older state, and an event's number is in commit
//! order. Everything that streams rests on these two.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adapters;
mod config;
mod domain;

use std::sync::Arc;

use axum::Router;
use seedwork_runtime::intake::Intake;
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::{Sidecar, inbox, sql};
use sqlx::AnyPool;
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;

use adapters::clientes::Clientes;
use adapters::eventos::Eventos;
use adapters::graphql::{self, Sources};
use adapters::inbox::Desk;
use adapters::read_model::ReadModel;
use adapters::tail::Tail;
use adapters::{http, silence};

pub use config::{Args, Pace};

/// Who we are on the bus.
pub const APP: seedwork::App = seedwork::App::Bff;

/// The tables of this service.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The service, ready to serve.
pub struct App {
    /// Everything that browsers and daprd reach.
    pub router: Router,
    /// Cancelled, it ends every event stream, so that the process can stop.
    pub streams: CancellationToken,
}

/// Builds the service over daprd and the configured database.
pub async fn build(args: &Args) -> Result<App, StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATIONS).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    assemble(args, Pace::default(), sidecar, pool).await
}

/// Builds the service over any sidecar and a database with [`MIGRATIONS`] applied, and starts its background work.
pub async fn assemble(args: &Args, pace: Pace, sidecar: Arc<dyn Sidecar>, pool: AnyPool) -> Result<App, StartupError> {
    let Args { service, moneda } = args;
    let streams = CancellationToken::new();
    let intake = Intake::open(pool.clone(), Arc::clone(&sidecar), APP).await?;
    let read_model = ReadModel::new(pool.clone(), pace.silence);
    let tail = Tail::start(Eventos::new(pool), read_model.changed(), pace, streams.clone())
        .await
        .map_err(|fault| StartupError::new("cannot read the events; check DATABASE_URL", fault))?;
    tokio::spawn(silence::run(
        read_model.clone(),
        Arc::clone(&intake),
        Arc::clone(&sidecar),
        pace.look,
    ));

    let desk = Desk::new(read_model.clone(), Arc::clone(&intake), Arc::clone(&sidecar));
    let schema = graphql::schema(Sources {
        intake,
        read_model,
        clientes: Clientes::new(Arc::clone(&sidecar)),
        tail: Arc::clone(&tail),
        moneda: *moneda,
    });
    let routes = http::router(schema, tail, pace.ping);
    let router = routes.merge(inbox::router(APP, service, Arc::new(desk)));
    let router = serve::dress(router, sidecar, r#"{"status":"ok"}"#);
    Ok(App { router, streams })
}

/// The GraphQL schema, in its definition language: what `schema.graphql` keeps.
pub fn sdl() -> String {
    graphql::sdl()
}
