//! Wiring: client, watch, inbox, tellers, server.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::coordination::v1::Lease;
use kube::client::ClientBuilder;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use metrics_exporter_prometheus::PrometheusBuilder;
use seedwork::App;
use seedwork_runtime::serve::{self, Health, StartupError};
use seedwork_runtime::sidecar::DaprSidecar;
use seedwork_runtime::{Sidecar, inbox, sql, telemetry};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::timeout::TimeoutLayer;

use crate::ahead::{self, Held};
use crate::archive::Archive;
use crate::census::{self, Census};
use crate::config::RunArgs;
use crate::crd::PaymentSaga;
use crate::fault;
use crate::inbox::OperatorInbox;
use crate::intake::{self, Intake};
use crate::memory::Memories;
use crate::reconcile::{on_error, reconcile};
use crate::record::{self, Recorded};
use crate::resources::{CALL, whole};
use crate::room::{self, Room};
use crate::shell::{Shell, Watched};

/// How many resources are reconciled at once.
const CONCURRENCY: u16 = 32;

/// How often every resource is looked at, whatever the watch says. When it lists anew it wakes us for each resource before
/// the cache has it: one that is new to the cache is not found then, and nobody would wake us for it again.
const LOOK_AT_ALL: Duration = Duration::from_secs(10);

/// How long one watch goes on before the next takes over from it: nothing is heard of a connection whose other end is gone.
const WATCH_SECONDS: u32 = 60;

/// How long a connection may say nothing while an answer is awaited. A watch may, until the next takes over from it.
const QUIET_SECONDS: u32 = WATCH_SECONDS + 30;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Runs until told to stop.
pub async fn run(settings: RunArgs) -> Result<(), StartupError> {
    let _telemetry = telemetry::init("operator", &settings.telemetry)?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| StartupError::new("cannot set up metrics", error))?;
    fault::count_from_zero();
    let args = settings.service.clone();
    let client = connect().await.map_err(|error| {
        StartupError::new(
            "cannot find a Kubernetes API server; set KUBECONFIG, or run in a cluster",
            error,
        )
    })?;
    let namespace = &settings.namespace;
    let watched: Api<Watched> = Api::namespaced(client.clone(), namespace);
    let api: Api<PaymentSaga> = Api::namespaced(client.clone(), namespace);
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    // As it is watched: a resource that cannot be read must not keep the operator from starting either.
    let first = kube::api::ListParams::default().limit(1);
    whole(watched.list(&first)).await.map_err(|error| {
        StartupError::new(
            format!("cannot list paymentsagas in namespace {namespace}; is the definition applied?"),
            error,
        )
    })?;
    let pool = sql::open(&args.database_url, &MIGRATIONS).await?;
    let readers = sql::readers(&args.database_url, &pool).await?;
    let sidecar: Arc<dyn Sidecar> = Arc::new(DaprSidecar::new(&args)?);
    let config = ControllerConfig::default().concurrency(CONCURRENCY);
    let controller = Controller::new(watched, watcher::Config::default().timeout(WATCH_SECONDS)).with_config(config);
    let shell = Arc::new(Shell {
        api: api.into(),
        cache: controller.store(),
        sidecar: Arc::clone(&sidecar),
        archive: Archive::new(pool.clone()).read_by(readers),
        recorder: Recorder::new(
            client,
            Reporter {
                controller: record::NAME.into(),
                instance: None,
            },
        ),
        intake: Intake::default(),
        memories: Memories::new(Instant::now()),
        held: Held::default(),
        room: Room::default(),
        census: Census::default(),
        settings,
    });
    // Before the first request is heard: a replica that starts during a drain must know of it.
    shell.intake.look(&leases).await;
    // Not before it can serve: the sidecar asks an open port what it subscribes to, a few times, and then never again.
    let listener = serve::bind(args.host, args.port).await?;
    let mut background = JoinSet::new();
    background.spawn(watch_intake(Arc::clone(&shell), leases));
    background.spawn(tell_ends(Arc::clone(&shell)));
    background.spawn(ahead::catch_up(Arc::clone(&shell)));
    background.spawn(room::admit(Arc::clone(&shell)));

    let ticks = stream::unfold(tokio::time::interval(LOOK_AT_ALL), async |mut ticks| {
        ticks.tick().await;
        Some(((), ticks))
    });
    let watching = controller
        .reconcile_all_on(ticks)
        .graceful_shutdown_on(serve::stop_signal())
        .run(reconcile, on_error, Arc::clone(&shell))
        .for_each(|pass| async {
            if let Err(error) = pass {
                tracing::debug!(%error, "a pass failed");
            }
        });
    let counted = Arc::clone(&shell);
    let render = move || async move {
        census::take(&counted);
        metrics.render()
    };
    let router = inbox::router(App::Operator, &args, Arc::new(OperatorInbox(shell)));
    let router = router.route("/metrics", get(render));
    let health = Health {
        sidecar,
        pool: Some(pool),
        body: r#"{"status":"up"}"#,
    };
    let router = serve::dress(router, health);
    let serving = serve::run(listener, router, serve::stop_signal());
    tokio::select! {
        (served, ()) = async { tokio::join!(serving, watching) } => served,
        // Each goes on for ever, and without it we would look well and do half of our work: better to be started again.
        Some(Err(panic)) = background.join_next() => Err(StartupError::new("a part of the operator has ended", panic)),
    }
}

/// The API server of the environment.
pub(crate) async fn connect() -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    Ok(patient(kube::Config::infer().await?)?)
}

/// A client each of whose answers begins within [`CALL`], or the call has failed. Without it a call into a connection whose
/// other end is gone hangs for a quarter of an hour, and with it whatever waits for its turn. And one that has begun fails once
/// nothing more has come for [`QUIET_SECONDS`]: the watch lists without a limit of ours.
fn patient(mut config: kube::Config) -> kube::Result<Client> {
    config.read_timeout = Some(Duration::from_secs(QUIET_SECONDS.into()));
    // From when a call is sent: the time for which its connection lay idle before would be taken from a watch.
    config.reset_reader_on_write = true;
    let builder = ClientBuilder::try_from(config)?;
    // Until the answer begins, so that a watch may go on for as long as it likes.
    Ok(builder.with_layer(&TimeoutLayer::new(CALL)).build())
}

/// Keeps knowing whether new payments are taken.
async fn watch_intake(shell: Arc<Shell>, leases: Api<Lease>) {
    let mut ticks = tokio::time::interval(intake::LOOK);
    loop {
        ticks.tick().await;
        shell.intake.look(&leases).await;
    }
}

/// Tells the BFF each end until it confirms, and forgets what is gone.
pub async fn tell_ends(shell: Arc<Shell>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let present = shell.cache.state().iter().filter_map(|object| object.uid()).collect();
        shell.memories.keep(&present, Instant::now());
        shell.held.retain(&present);
        let unconfirmed = match shell.archive.claim_unconfirmed().await {
            Ok(unconfirmed) => unconfirmed,
            Err(fault) => {
                tracing::warn!(error = fault.chain(), "unable to look for unconfirmed ends");
                continue;
            }
        };
        for object in unconfirmed {
            match Recorded::read(object) {
                Ok(recorded) => shell.announce(&recorded).await,
                Err(fault) => tracing::error!(error = fault.chain(), "an archived payment cannot be read"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ListParams;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn api_at(listener: &TcpListener) -> Api<PaymentSaga> {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = patient(kube::Config::new(url.parse().unwrap())).unwrap();
        Api::namespaced(client, "pagos")
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_nobody_answers_fails_in_time() {
        // It takes connections, and never says a word.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = api_at(&listener);
        let listed = tokio::time::timeout(CALL * 2, api.list(&ListParams::default())).await;
        assert!(listed.expect("it does not hang").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_cut_in_the_middle_fails_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = api_at(&listener);
        let asked = tokio::time::Instant::now();
        let listed = tokio::spawn(async move { api.list(&ListParams::default()).await.is_err() });
        let (mut connection, _) = listener.accept().await.unwrap();
        assert!(connection.read(&mut [0; 1024]).await.unwrap() > 0);
        let begun = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        connection.write_all(begun).await.unwrap();
        let quiet = Duration::from_secs(QUIET_SECONDS.into());
        let failed = tokio::time::timeout(quiet * 2, listed).await;
        assert!(failed.expect("it does not hang").unwrap());
        assert!(asked.elapsed() >= quiet, "its answer had not begun");
    }
}
