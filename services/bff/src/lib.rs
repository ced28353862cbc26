//! The backend for frontends: where payments are asked for and watched.
//!
//! ```text
//! whoever asks ──▶ auth (whom), limits (how much) ──▶
//! browser ──POST /v1──▶ graphql ──realizarPago──▶ intake ──▶ SolicitarPago to the operator
//!                          │  └──clientes, cliente──▶ clientes ──▶ gestión-clientes, by invocation
//!                          └─────pago, pagos──▶ read_model
//! daprd ──▶ inbox ──▶ read_model: state, numbered event, request: one transaction ──▶ FinalRecibido to the operator
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
use seedwork_runtime::serve::{self, Health, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Auth, Sidecar, auth, inbox};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use adapters::clientes::Clientes;
use adapters::eventos::Eventos;
use adapters::graphql::{self, Executor, Sources};
use adapters::http::Door;
use adapters::inbox::Desk;
use adapters::limits::Limits;
use adapters::read_model::ReadModel;
use adapters::tail::Tail;
use adapters::{http, silence};

pub use config::{Args, LimitArgs, Network, NetworkError, Pace};

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
    /// The open WebSockets. Once `streams` is cancelled each is closed with a word why; who stops waits for that.
    pub sockets: TaskTracker,
}

/// Builds the service over daprd and the configured database.
pub async fn build(args: &Args) -> Result<App, StartupError> {
    let pool = sql::open(&args.service.database_url, &MIGRATIONS).await?;
    let sidecar = Arc::new(DaprSidecar::new(&args.service)?);
    let auth = Auth::open(&args.auth, args.service.app_api_token.as_ref()).await?;
    assemble(args, Pace::default(), sidecar, pool, auth).await
}

/// Builds the service over any sidecar, a database with [`MIGRATIONS`] applied and any judge of who asks, and starts
/// its background work.
pub async fn assemble(
    args: &Args,
    pace: Pace,
    sidecar: Arc<dyn Sidecar>,
    pool: Pool,
    auth: Arc<Auth>,
) -> Result<App, StartupError> {
    let Args {
        service,
        auth: _,
        moneda,
        limits,
        graphiql: _,      // asked of args itself: what they are unless told depends on auth
        introspection: _, // so does this
    } = args;
    let streams = CancellationToken::new();
    let sockets = TaskTracker::new();
    let intake = Intake::open(pool.clone(), Arc::clone(&sidecar), APP).await?;
    let read_model = ReadModel::new(pool.clone(), pace.silence);
    let tail = Tail::start(Eventos::new(pool.clone()), read_model.changed(), pace, streams.clone())
        .await
        .map_err(|fault| StartupError::new("cannot read the events; check DATABASE_URL", fault))?;
    tokio::spawn(silence::run(
        read_model.clone(),
        Arc::clone(&intake),
        Arc::clone(&sidecar),
        pace.look,
    ));

    let desk = Desk::new(read_model.clone(), Arc::clone(&intake), Arc::clone(&sidecar));
    let sources = Sources {
        intake,
        read_model,
        clientes: Clientes::new(Arc::clone(&sidecar)),
        tail: Arc::clone(&tail),
        moneda: *moneda,
    };
    let introspection = args.shows_schema();
    let executor = Executor::new(graphql::schema(sources, introspection), introspection);
    let door = Door {
        page: args.shows_graphiql().then(|| http::page(&executor)),
        executor,
        auth: Arc::clone(&auth),
        limits: Limits::start(limits),
        proxies: limits.trusted_proxies.clone().into(),
        tail,
        pace,
        stop: streams.clone(),
        sockets: sockets.clone(),
    };
    let routes = auth::layer(http::router(door), auth);
    let router = routes.merge(inbox::router(APP, service, Arc::new(desk)));
    let health = Health {
        sidecar,
        pool: Some(pool),
        body: r#"{"status":"ok"}"#,
    };
    let router = serve::dress(router, health);
    Ok(App {
        router,
        streams,
        sockets,
    })
}

/// What is behind the doors, over any sidecar and a database with [`MIGRATIONS`] applied: who handles the messages, the
/// intake, and the job that asks about silent payments, which is started. For the simulation.
pub async fn desk(
    pace: Pace,
    sidecar: Arc<dyn Sidecar>,
    pool: Pool,
) -> Result<(Arc<dyn inbox::Inbox>, Arc<Intake>), StartupError> {
    let intake = Intake::open(pool.clone(), Arc::clone(&sidecar), APP).await?;
    let read_model = ReadModel::new(pool, pace.silence);
    tokio::spawn(silence::run(
        read_model.clone(),
        Arc::clone(&intake),
        Arc::clone(&sidecar),
        pace.look,
    ));
    let desk = Desk::new(read_model, Arc::clone(&intake), sidecar);
    Ok((Arc::new(desk), intake))
}

/// The GraphQL schema, in its definition language: what `schema.graphql` keeps.
pub fn sdl() -> String {
    graphql::sdl()
}

/// The OpenAPI document of the routes: what `spec.json` keeps.
pub fn spec() -> String {
    http::spec()
}
