//! The sending application: our own `DaprSidecar`, in this process; and a reader of the receiver's dead letters.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt as _;
use local::wait::until;
use seedwork::contrato::Contracargo;
use seedwork::{App, IdCorrelacion, Message};
use seedwork_runtime::ServiceArgs;
use seedwork_runtime::serve::{self, Health, dress};
use seedwork_runtime::sidecar::{DaprSidecar, Event, Sidecar};
use serde_json::{Value, json};

use crate::failure::{During as _, Failure, Result};
use crate::receiver::{self, Kind};

/// The sending application: one that keeps documents, since the store is asked through its sidecar.
pub(crate) const APP: App = App::IntegracionPagos;

/// How many publishes are under way at a time.
const SIDE_BY_SIDE: usize = 8;

/// How long one message may be tried until the broker takes it.
const ACCEPT: Duration = Duration::from_secs(60);

/// How long a page may take: `/health` itself waits 5 s for its sidecar.
const ANSWER: Duration = Duration::from_secs(10);

/// The sender, and what it read from the dead letters.
pub(crate) struct Sender {
    pub(crate) sidecar: Arc<dyn Sidecar>,
    letters: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
    count: AtomicUsize,
    run: String,
}

/// How the sending went.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Publishes that failed and were repeated.
    pub(crate) repeated: usize,
}

// === impl Sender ===

impl Sender {
    /// Listens for dead letters; the sidecar may come later.
    pub(crate) async fn start(args: &ServiceArgs) -> Result<Self> {
        // It reads another application's dead letters, and no inbox of its own.
        let sidecar: Arc<dyn Sidecar> = Arc::new(DaprSidecar::new(args)?.without_inbox());
        let letters = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&letters);
        let receive = async move |Json(event): Json<Value>| {
            let subject = event["subject"].as_str().unwrap_or_default().to_owned();
            into.lock().unwrap_or_else(PoisonError::into_inner).push(subject);
            Json(json!({"status": "SUCCESS"}))
        };
        let topics = json!([{"pubsubname": "pubsub", "topic": receiver::APP.dead_letters(), "route": "/dead-letters"}]);
        let router = Router::new()
            .route("/dapr/subscribe", get(async move || Json(topics)))
            .route("/dead-letters", post(receive));
        let health = Health {
            sidecar: Arc::clone(&sidecar),
            pool: None,
            body: r#"{"status":"up"}"#,
        };
        let router = dress(router, health);
        let listener = serve::bind(args.host, args.port).await?;
        let server = tokio::spawn(async move {
            if let Err(error) = serve::run(listener, router, std::future::pending()).await {
                eprintln!("error: {}", error.chain());
            }
        });
        Ok(Self {
            sidecar,
            letters,
            server,
            count: AtomicUsize::new(0),
            run: format!("{:08x}", rand::random::<u32>()),
        })
    }

    /// Payments whose messages arrived as dead letters.
    pub(crate) fn letters(&self) -> BTreeSet<String> {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.iter().cloned().collect()
    }

    /// New ids of a kind.
    pub(crate) fn ids(&self, kind: Kind, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| {
                let number = self.count.fetch_add(1, Ordering::SeqCst);
                format!("{}-{}-{number}", kind.word(), self.run)
            })
            .collect()
    }

    /// One new id of a kind.
    pub(crate) fn id(&self, kind: Kind) -> String {
        self.ids(kind, 1).remove(0)
    }

    /// Publishes once; `Ok` means that the broker has taken it.
    pub(crate) async fn publish(&self, subject: &str, id: &str, traceparent: &str) -> Result<()> {
        let message = Message::ContracargoRecibido(Contracargo {
            id_correlacion: IdCorrelacion::parse(subject).during("make an id")?,
            motivo: "prueba".to_owned(),
        });
        let event = Event {
            id: id.to_owned(),
            event_type: message.event_type().to_owned(),
            source: APP.id().to_owned(),
            subject: subject.to_owned(),
            traceparent: Some(traceparent.to_owned()),
            data: message.data().during("write a message")?,
        };
        Ok(self.sidecar.publish(&receiver::APP.inbox(), event).await?)
    }

    /// Publishes one message until the broker takes it; answers how often that was refused.
    pub(crate) async fn send(&self, subject: &str) -> Result<usize> {
        let mut refused = 0;
        until("the broker to take a message", ACCEPT, async || {
            let id = format!("{subject}/{refused}");
            let published = self.publish(subject, &id, &traceparent()).await;
            published.map_err(|failure| {
                refused += 1;
                failure.to_string()
            })
        })
        .await?;
        Ok(refused)
    }

    /// Publishes each, some side by side, until the broker has taken all; `accepted` counts along.
    pub(crate) async fn send_all(&self, subjects: &[String], accepted: &AtomicUsize) -> Result<Sent> {
        let sending = subjects.iter().map(async |subject| {
            let refused = self.send(subject).await;
            accepted.fetch_add(1, Ordering::SeqCst);
            refused
        });
        let refused: Vec<Result<usize>> = futures::stream::iter(sending)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        let repeated = refused.into_iter().sum::<Result<usize>>()?;
        Ok(Sent { repeated })
    }

    /// [`Sender::send_all`] when nobody counts.
    pub(crate) async fn send_each(&self, subjects: &[String]) -> Result<Sent> {
        self.send_all(subjects, &AtomicUsize::new(0)).await
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A new trace's context.
pub(crate) fn traceparent() -> String {
    format!("00-{:032x}-{:016x}-01", rand::random::<u128>(), rand::random::<u64>())
}

/// The number that a page of a replica answers.
pub(crate) async fn number(url: &str) -> std::result::Result<usize, String> {
    let answer = client()?.get(url).send().await.map_err(|error| error.to_string())?;
    let text = answer.text().await.map_err(|error| error.to_string())?;
    text.parse().map_err(|_| text)
}

/// `POST` without a body.
pub(crate) async fn post_to(url: &str) -> Result<()> {
    let answer = client()
        .map_err(Failure)?
        .post(url)
        .send()
        .await
        .during(format!("post to {url}"))?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(Failure(format!("{url} answers {}", answer.status())))
    }
}

/// A client of what runs here.
pub(crate) fn client() -> std::result::Result<reqwest::Client, String> {
    local::http::client()
        .timeout(ANSWER)
        .build()
        .map_err(|error| error.to_string())
}
