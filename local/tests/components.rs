//! What the design relies on in `dapr-components/local`, asked of a real Redis and real sidecars.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use local::credentials::{self, Tokens};
use local::holders;
use local::layout::{self, Layout};
use local::part::{Need, Part};
use local::parts::{self, Context};
use local::ports::Ports;
use local::process::{Identity, marked};
use local::settings::{Profile, Settings};
use local::status::Status;
use local::supervisor;
use local::tools::Tools;
use local::wait::until;
use nix::sys::signal::Signal;
use seedwork::contrato::App;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(60);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// One delivery, as an application sees it.
#[derive(Debug, Clone)]
struct Delivery {
    at: Instant,
    headers: HeaderMap,
    event: Value,
}

type Deliveries = Arc<Mutex<Vec<Delivery>>>;

/// Redis, and the sidecars of the operator, the BFF and a participant with a stand-in for each application.
struct System {
    layout: Layout,
    ports: Ports,
    tokens: Tokens,
    deliveries: Deliveries,
    supervisor: Child,
    _root: tempfile::TempDir,
}

impl System {
    async fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for folder in ["dapr-components", "tools"] {
            std::os::unix::fs::symlink(checkout.join(folder), root.path().join(folder)).unwrap();
        }
        let layout = Layout::new(root.path(), Profile::Up);
        layout.create().unwrap();
        let ports = free_ports();
        let context = Context {
            settings: Settings::of(Profile::Up, ports),
            tools: Tools::find(root.path()).unwrap(),
            ours: root.path().to_owned(),
            tokens: credentials::tokens(&layout).unwrap(),
            server: credentials::cluster(&layout, ports.kube_apiserver()).unwrap(),
            manifests: Vec::new(),
            layout,
        };
        let deliveries = Deliveries::default();
        for app in [App::Operator, App::Bff, App::GestionClientes] {
            serve(app, ports, Arc::clone(&deliveries)).await;
        }
        let wanted = ["redis", "daprd-operator", "daprd-bff", "daprd-gestion-clientes"];
        let mut list: Vec<Part> = parts::all(&context);
        list.retain(|part| wanted.contains(&part.name.as_str()));
        list.iter_mut()
            .for_each(|part| part.needs.retain(|need| matches!(need, Need::Ready(_))));

        let state = context.layout.state();
        parts::write(&context, &list).unwrap();
        let supervisor = supervisor::command(Path::new(env!("CARGO_BIN_EXE_local")), state)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let Context { layout, tokens, .. } = context;
        let system = Self {
            layout,
            ports,
            tokens,
            deliveries,
            supervisor,
            _root: root,
        };
        until("redis and the sidecars", PATIENCE, async || {
            match Status::of_running(system.layout.state()) {
                Ok(Some(status)) if status.all_ready() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
        system
    }

    fn sidecar(&self, app: App, path: &str) -> String {
        format!("http://127.0.0.1:{}/v1.0/{path}", self.ports.sidecar(app).http)
    }

    fn request(&self, method: reqwest::Method, url: String) -> reqwest::RequestBuilder {
        local::http::client()
            .build()
            .unwrap()
            .request(method, url)
            .header("dapr-api-token", &self.tokens.dapr_api)
    }

    /// Publishes an empty event of this type, whose id is its type, in the name of `from`.
    async fn publish(&self, from: App, topic: &str, event_type: &str) -> reqwest::StatusCode {
        let query = format!(
            "metadata.cloudevent.id={event_type}&metadata.cloudevent.type={event_type}&metadata.cloudevent.subject=pago-1\
             &metadata.cloudevent.traceparent=00-{TRACE}-b7ad6b7169203331-01"
        );
        let url = self.sidecar(from, &format!("publish/pubsub/{topic}?{query}"));
        self.request(reqwest::Method::POST, url)
            .json(&json!({}))
            .send()
            .await
            .unwrap()
            .status()
    }

    fn delivered(&self, event_type: &str) -> Vec<Delivery> {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries
            .iter()
            .filter(|delivery| delivery.event["type"] == event_type)
            .cloned()
            .collect()
    }

    async fn first_delivery(&self, event_type: &str) -> Delivery {
        until("a delivery", PATIENCE, async || {
            self.delivered(event_type).pop().ok_or_else(String::new)
        })
        .await
        .unwrap()
    }

    /// How many events a stream holds.
    async fn length(&self, topic: &str) -> u64 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.redis())).await.unwrap();
        let command = format!("AUTH {}\r\nXLEN {topic}\r\nQUIT\r\n", self.tokens.redis);
        stream.write_all(command.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
            .lines()
            .find_map(|line| line.strip_prefix(':'))
            .unwrap()
            .parse()
            .unwrap()
    }

    async fn dead_letters(&self, app: App, count: u64) {
        until("dead letters", PATIENCE, async || {
            match self.length(&app.dead_letters()).await {
                length if length == count => Ok(()),
                length => Err(format!("there are {length}")),
            }
        })
        .await
        .unwrap();
    }
}

impl Drop for System {
    fn drop(&mut self) {
        Identity::of(self.supervisor.id()).inspect(|supervisor| supervisor.signal(Signal::SIGTERM));
        self.supervisor.wait().ok();
        marked(self.layout.state())
            .iter()
            .for_each(|(_, process)| process.signal(Signal::SIGKILL));
    }
}

/// A hundred ports in a row that nobody listens on now, other ones for each test that runs at the same time.
fn free_ports() -> Ports {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap();
    let mut base = next.unwrap_or_else(|| 21_000 + u16::try_from(std::process::id() % 90).unwrap() * 100);
    while (base..base + 100).any(holders::taken) {
        base += 100;
    }
    *next = Some(base + 100);
    Ports::from_base(base).unwrap()
}

/// An application that records what it gets, and answers an event of type Retry… or Drop… with that.
async fn serve(app: App, ports: Ports, deliveries: Deliveries) {
    let subscription = json!([{
        "pubsubname": "pubsub", "topic": app.inbox(), "route": "/inbox", "deadLetterTopic": app.dead_letters(),
    }]);
    let router = Router::new()
        .route("/dapr/subscribe", get(async move || Json(subscription)))
        .route("/who", get(async move || app.id()))
        .route("/inbox", post(receive))
        .with_state(deliveries);
    let listener = TcpListener::bind(("127.0.0.1", ports.app(app))).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
}

async fn receive(Shared(deliveries): Shared<Deliveries>, headers: HeaderMap, body: String) -> Json<Value> {
    let event: Value = serde_json::from_str(&body).unwrap();
    let status = match event["type"].as_str() {
        Some(retry) if retry.starts_with("Retry") => "RETRY",
        Some(drop) if drop.starts_with("Drop") => "DROP",
        _ => "SUCCESS",
    };
    deliveries.lock().unwrap().push(Delivery {
        at: Instant::now(),
        headers,
        event,
    });
    Json(json!({ "status": status }))
}

#[tokio::test]
async fn an_event_arrives_as_it_was_sent_and_only_where_it_may_go() {
    let system = System::start().await;

    assert!(
        system
            .publish(App::Operator, &App::Bff.inbox(), "SagaActualizada")
            .await
            .is_success()
    );
    let Delivery { headers, event, .. } = system.first_delivery("SagaActualizada").await;
    assert_eq!(
        (&event["id"], &event["subject"]),
        (&json!("SagaActualizada"), &json!("pago-1"))
    );
    assert_eq!(event["traceparent"], format!("00-{TRACE}-b7ad6b7169203331-01"));
    let span = headers["traceparent"].to_str().unwrap();
    assert!(
        span.contains(TRACE) && !span.contains("b7ad6b7169203331"),
        "the sidecar's own span of the trace: {span}"
    );
    assert_eq!(headers["dapr-api-token"], system.tokens.app_api);

    // Participants take commands from the operator alone, and nobody fills another one's dead letters.
    for topic in [App::GestionClientes.inbox(), App::Operator.dead_letters()] {
        assert_eq!(
            system.publish(App::Bff, &topic, "CrearFacturacion").await,
            403,
            "{topic}"
        );
    }
    assert!(
        system
            .publish(App::Bff, &App::Operator.inbox(), "FinalRecibido")
            .await
            .is_success()
    );
    system.first_delivery("FinalRecibido").await;

    // Names resolve by the table in config.yaml.
    let url = system.sidecar(App::Operator, "invoke/bff/method/who");
    let answer = system
        .request(reqwest::Method::GET, url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(answer, "bff");

    // The second writer of a new document is told, and so is one with an old ETag.
    let first_write = json!([{"key": "doc", "value": 1, "options": {"concurrency": "first-write"}}]);
    let save = async |app: App| {
        let url = system.sidecar(app, "state/statestore");
        system
            .request(reqwest::Method::POST, url)
            .json(&first_write)
            .send()
            .await
            .unwrap()
            .status()
    };
    let keeper = App::GestionClientes;
    assert_eq!((save(keeper).await.as_u16(), save(keeper).await.as_u16()), (204, 409));
    // Who keeps none has no store.
    for app in [App::Operator, App::Bff] {
        let status = save(app).await;
        assert!(!status.is_success(), "{app}: {status}");
    }
}

#[tokio::test]
async fn a_delivery_that_fails_is_repeated_for_some_seconds_and_then_kept_as_a_dead_letter() {
    let system = System::start().await;
    let log = std::fs::read_to_string(layout::log_file(system.layout.state(), "daprd-bff")).unwrap();
    assert!(log.contains("Loading Resiliency configuration: resiliency"));

    // What cannot be read goes there at once.
    assert!(
        system
            .publish(App::Operator, &App::Bff.inbox(), "DropIt")
            .await
            .is_success()
    );
    system.dead_letters(App::Bff, 1).await;
    assert_eq!(system.delivered("DropIt").len(), 1);

    assert!(
        system
            .publish(App::Operator, &App::Bff.inbox(), "RetryIt")
            .await
            .is_success()
    );
    system.dead_letters(App::Bff, 2).await;
    let deliveries = system.delivered("RetryIt");
    assert_eq!(deliveries.len(), 8, "one, and seven more");
    let took = deliveries[7].at - deliveries[0].at;
    // 14.4 s with each pause up to half shorter or longer.
    assert!((7..=22).contains(&took.as_secs()), "{took:?}");
}
