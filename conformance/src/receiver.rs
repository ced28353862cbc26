//! A replica of the receiving application: our own inbox router, and a handler that does what the payment's id says.
//!
//! Every delivery is written to the journal as it was answered. A file, so that it outlives a `kill -9`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use seedwork::{App, Fault};
use seedwork_runtime::serve::{self, StartupError};
use seedwork_runtime::{Delivery, Inbox, Secret, ServiceArgs, inbox};
use serde_json::Value;
use tokio::sync::watch;

use crate::journal::{Entry, Verdict};

/// The receiving application: the one that the sender may publish to.
pub(crate) const APP: App = App::Operator;

/// How often a message of this kind fails before it succeeds.
pub(crate) const FAILURES: usize = 2;

/// What a replica is told.
#[derive(clap::Args)]
pub(crate) struct ReceiverArgs {
    #[arg(long)]
    port: u16,
    #[arg(long)]
    replica: usize,
    #[arg(long)]
    journal: PathBuf,
    #[arg(long, env = "APP_API_TOKEN", hide_env_values = true)]
    app_api_token: String,
}

/// What the handler does with a message: the first word of the payment's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Succeed.
    Plain,
    /// Fail in a way that may pass, [`FAILURES`] times.
    Retry,
    /// Fail in a way that may pass, always.
    Exhaust,
    /// Fail in a way that never passes.
    Drop,
    /// Wait until the gate is open, then succeed.
    Hold,
}

/// The handler.
struct Desk {
    failed: Mutex<BTreeMap<String, usize>>,
    gate: watch::Sender<bool>,
    held: AtomicUsize,
}

/// The settings of an application of the suite; only the ports differ.
pub(crate) fn service_args(port: u16, dapr: (u16, u16), dapr_token: &str, app_token: &str) -> ServiceArgs {
    ServiceArgs {
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port,
        dapr_http_port: dapr.0,
        dapr_grpc_port: dapr.1,
        dapr_api_token: Some(Secret::from(dapr_token.to_owned())),
        app_api_token: Some(Secret::from(app_token.to_owned())),
        pubsub_name: "pubsub".to_owned(),
        state_store: "statestore".to_owned(),
        database_url: Secret::from("sqlite::memory:".to_owned()),
    }
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: ReceiverArgs) -> Result<(), StartupError> {
    let journal = File::options()
        .create(true)
        .append(true)
        .open(&args.journal)
        .map_err(|error| StartupError::new("cannot write the journal", error))?;
    let desk = Arc::new(Desk {
        failed: Mutex::default(),
        gate: watch::Sender::new(true),
        held: AtomicUsize::new(0),
    });
    let settings = service_args(args.port, (0, 0), "", &args.app_api_token);
    let inbox = inbox::router(APP, &settings, Arc::<Desk>::clone(&desk))
        .layer(from_fn_with_state((args.replica, Arc::new(journal)), write_down));
    let controls = Router::new()
        .route("/gate/{state}", post(set_gate))
        .route("/held", get(held))
        .with_state(desk);
    let listener = serve::bind(settings.host, args.port).await?;
    serve::run(listener, controls.merge(inbox), serve::stop_signal()).await
}

async fn set_gate(State(desk): State<Arc<Desk>>, Path(state): Path<String>) {
    desk.gate.send_replace(state == "open");
}

async fn held(State(desk): State<Arc<Desk>>) -> String {
    desk.held.load(Ordering::SeqCst).to_string()
}

/// Notes each delivery with the answer it got.
async fn write_down(State((replica, journal)): State<(usize, Arc<File>)>, request: Request, next: Next) -> Response {
    const LIMIT: usize = 1024 * 1024;
    if request.uri().path() != "/inbox" {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LIMIT).await.unwrap_or_default();
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LIMIT).await.unwrap_or_default();
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let entry = Entry {
        replica,
        id: text("id"),
        subject: text("subject"),
        traceparent: text("traceparent"),
        verdict: answer["status"].as_str().map_or(Verdict::Refused, Verdict::of),
    };
    if let Ok(line) = serde_json::to_string(&entry) {
        // One write, so that lines of parallel deliveries don't mix.
        if let Err(error) = journal.as_ref().write_all(format!("{line}\n").as_bytes()) {
            eprintln!("the journal cannot be written: {error}");
        }
    }
    Response::from_parts(parts, Body::from(body)).into_response()
}

// === impl Kind ===

impl Kind {
    /// The first word of an id.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Retry => "retry",
            Self::Exhaust => "exhaust",
            Self::Drop => "drop",
            Self::Hold => "hold",
        }
    }

    fn of(id: &str) -> Self {
        let word = id.split('-').next().unwrap_or_default();
        [Self::Retry, Self::Exhaust, Self::Drop, Self::Hold]
            .into_iter()
            .find(|kind| kind.word() == word)
            .unwrap_or(Self::Plain)
    }
}

#[async_trait]
impl Inbox for Desk {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        let id = delivery.message.subject().as_str();
        match Kind::of(id) {
            Kind::Plain => Ok(()),
            Kind::Exhaust => Err(Fault::unavailable("never works", "as the id says")),
            Kind::Drop => Err(Fault::Rejected(vec!["as the id says".to_owned()])),
            Kind::Retry => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                let failures = failed.entry(id.to_owned()).or_default();
                *failures += 1;
                if *failures > FAILURES {
                    Ok(())
                } else {
                    Err(Fault::unavailable("works later", "as the id says"))
                }
            }
            Kind::Hold => {
                self.held.fetch_add(1, Ordering::SeqCst);
                // The sender lives as long as this handler's desk.
                self.gate.subscribe().wait_for(|open| *open).await.ok();
                self.held.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        }
    }
}
