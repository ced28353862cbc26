//! What the in-memory doubles promise, asked of the real parts: one suite for both. A sidecar's contract over daprd with
//! its SQLite store and its Redis broker; the participants' laws over the same, the gateway and the message provider.
//!
//! The participants are built here and driven by hand, beside the services that run, so each interleaving is exact.
//! Their answers go to the operator, which knows nothing of these payments and ignores them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use checker::{Saldo, saldos};
use futures::FutureExt as _;
use integracion_pagos::adapters::participante::Pagos;
use integracion_pagos::adapters::pasarela::PasarelaSimulada;
use local::credentials;
use notificaciones::adapters::mensajeria::Proveedor;
use seedwork::{App, Step};
use seedwork_runtime::participant::laws::Laws;
use seedwork_runtime::participant::{Participant, Participation};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::sidecar::contract::Contract;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{ServiceArgs, Sidecar};
use serde_json::json;
use sqlx::migrate::Migrator;
use tempfile::TempDir;

use crate::system::{Outcome, System, ensure, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!("daprd keeps the contract that its in-memory double keeps", sidecar),
        check!("billing keeps the laws of a participant over daprd", facturacion),
        check!(
            "payments keep the laws of a participant over daprd, and the gateway's ledger says so",
            pagos
        ),
        check!(
            "notifications keep the laws of a participant over daprd, and each is delivered once",
            notificaciones_
        ),
    ]
}

/// How long one call to the simulator may take.
const TIMEOUT: Duration = Duration::from_secs(3);

async fn sidecar(system: &mut System) -> Outcome {
    // Each that keeps documents has a store of its own, and the operator alone may publish to the others.
    for app in App::ALL.into_iter().filter(|app| app.keeps_documents()) {
        let contract = Contract {
            sidecar: sidecar_of(system, app)?,
            app,
            run: run(),
            neighbour: App::GestionClientes,
            page: "/health".to_owned(),
            answer: json!({"status": "up"}),
        };
        holds(contract.holds()).await.map_err(|why| format!("{app}: {why}"))?;
    }
    Ok(())
}

async fn facturacion(system: &mut System) -> Outcome {
    let sidecar = sidecar_of(system, App::GestionClientes)?;
    let (pool, _folder) = database(&gestion_clientes::MIGRATIONS).await?;
    let participation = gestion_clientes::participation(Arc::clone(&sidecar), pool);
    for cliente in [system.cliente.as_str(), "nobody"] {
        let laws = laws(&participation, &sidecar, cliente);
        holds(laws.hold_for(&[Step::CrearFacturacion, Step::ConfirmarFacturacion])).await?;
    }
    Ok(())
}

async fn pagos(system: &mut System) -> Outcome {
    let sidecar = sidecar_of(system, App::IntegracionPagos)?;
    let (pool, _folder) = database(&integracion_pagos::MIGRATIONS).await?;
    let pasarela = PasarelaSimulada::new(&system.world.pasarela(""), TIMEOUT).map_err(text)?;
    let read_model = integracion_pagos::adapters::read_model::ReadModel::new(pool);
    let day = Duration::from_secs(24 * 60 * 60);
    let pagos = Pagos::new(Arc::new(pasarela), read_model, day, Arc::new(seedwork_runtime::now_ms));
    let participation = Participation::new(pagos, App::IntegracionPagos, Arc::clone(&sidecar));
    let laws = laws(&participation, &sidecar, system.cliente.as_str());
    holds(laws.hold_for(&[Step::RealizarPago])).await?;

    let saldos = saldos(&system.world.movimientos().await.map_err(text)?);
    for (law, taken, kept) in [("repeat", 1, 2400), ("early", 0, 0), ("twice", 1, 0), ("after", 1, 0)] {
        let id = laws.id(law, Step::RealizarPago);
        let saldo = saldos.get(&id).cloned().unwrap_or_default();
        let Saldo {
            autorizaciones,
            capturas,
            ..
        } = saldo;
        ensure((autorizaciones, capturas, saldo.neto()) == (taken, taken, kept), || {
            format!("{id}: {saldo:?}")
        })?;
    }
    Ok(())
}

async fn notificaciones_(system: &mut System) -> Outcome {
    let sidecar = sidecar_of(system, App::Notificaciones)?;
    let (pool, _folder) = database(&notificaciones::adapters::read_model::MIGRATOR).await?;
    let proveedor = Proveedor::new(&system.world.pasarela(""), TIMEOUT).map_err(text)?;
    let app = notificaciones::App::new(Arc::clone(&sidecar), pool, Arc::new(proveedor));
    // Who the client is, the service that runs is asked by invocation; it does not know the second.
    for (cliente, told) in [(system.cliente.as_str(), 1), ("nobody", 0)] {
        let laws = laws(&app.participation, &sidecar, cliente);
        holds(laws.hold_for(&[Step::CrearNotificacion])).await?;
        for (law, count) in [("repeat", told), ("early", 0), ("twice", told), ("after", told)] {
            let id = laws.id(law, Step::CrearNotificacion);
            let url = system.world.pasarela(&format!("/mensajes?referencia={id}"));
            let (_, page) = system.world.get(&url).await.map_err(text)?;
            let delivered = page["mensajes"].as_array().map(Vec::len);
            ensure(delivered == Some(count), || format!("{id}, client {cliente}: {page}"))?;
        }
    }
    Ok(())
}

/// The sidecar of an application that runs, as that application uses it.
fn sidecar_of(system: &System, app: App) -> Outcome<Arc<dyn Sidecar>> {
    let tokens = credentials::tokens(&system.layout).map_err(text)?;
    let ports = system.ports.sidecar(app);
    let args = ServiceArgs {
        host: [127, 0, 0, 1].into(),
        port: system.ports.app(app),
        dapr_http_port: ports.http,
        dapr_grpc_port: ports.grpc,
        dapr_api_token: Some(tokens.dapr_api.into()),
        app_api_token: Some(tokens.app_api.into()),
        pubsub_name: "pubsub".to_owned(),
        state_store: "statestore".to_owned(),
        database_url: String::new().into(),
    };
    Ok(Arc::new(DaprSidecar::new(&args).map_err(text)?))
}

/// Read models of its own: those of the service that runs are not disturbed.
async fn database(migrations: &Migrator) -> Outcome<(Pool, TempDir)> {
    let folder = tempfile::tempdir().map_err(text)?;
    let url = format!("sqlite://{}/laws.db?mode=rwc", folder.path().display());
    Ok((sql::open(&url.into(), migrations).await.map_err(text)?, folder))
}

fn laws<P: Participant>(participation: &Arc<Participation<P>>, sidecar: &Arc<dyn Sidecar>, cliente: &str) -> Laws<P> {
    Laws {
        participation: Arc::clone(participation),
        sidecar: Arc::clone(sidecar),
        run: run(),
        cliente: cliente.to_owned(),
    }
}

/// What no run before had: the store keeps everything. Its random end is enough of an id, and short.
fn run() -> String {
    let id = seedwork_runtime::new_id().simple().to_string();
    format!("r{}", &id[id.len() - 12..])
}

/// A suite panics where it does not hold.
async fn holds(suite: impl Future<Output = ()>) -> Outcome {
    AssertUnwindSafe(suite).catch_unwind().await.map_err(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        message
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a suite panicked".to_owned())
    })
}
