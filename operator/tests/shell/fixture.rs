//! The operator's shell, with an API server that is played by the test, a sidecar in memory and an archive in a file.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use http::request::Parts;
use http::{Request, Response};
use kube::client::Body;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::store::{Writer, store};
use kube::runtime::watcher;
use kube::{Api, Client};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use operator::ahead::Held;
use operator::archive::Archive;
use operator::census::Census;
use operator::config::{Args, Command, RunArgs};
use operator::crd::PaymentSaga;
use operator::intake::Intake;
use operator::memory::Memories;
use operator::record::Recorded;
use operator::room::Room;
use operator::shell::{Shell, Watched};
use seedwork::Message;
use seedwork_runtime::sidecar::MemorySidecar;
use seedwork_runtime::sql;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::payments::{object, payment};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How long a whole play may take; a drain takes most of it, where the clock is paused.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

/// The namespace of the payments.
pub(crate) const NAMESPACE: &str = "pagos";

/// A shell and what is around it.
pub(crate) struct Stage {
    pub(crate) shell: Arc<Shell>,
    sidecar: Arc<MemorySidecar>,
    server: Server,
    client: Client,
    cache: Writer<Watched>,
    pool: seedwork_runtime::sql::Pool,
    _folder: TempDir,
}

/// The API server, as far as the test plays it.
pub(crate) struct Server {
    incoming: mpsc::UnboundedReceiver<(Request<Body>, Reply)>,
    spec: Spec,
}

type Reply = oneshot::Sender<Response<Body>>;

/// The spec that the resource has: a write of the status says nothing of it, and is answered with it.
type Spec = Arc<Mutex<Value>>;

/// A call that waits for its answer.
pub(crate) struct Call {
    pub(crate) body: Value,
    reply: Reply,
    spec: Spec,
}

// === impl Stage ===

impl Stage {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/operator.db?mode=rwc", folder.path().display());
        let settings = settings(&url);
        let pool = sql::open(&settings.service.database_url, &MIGRATIONS).await.unwrap();
        let (client, server) = Server::new();
        let (reader, cache) = store();
        let sidecar = Arc::new(MemorySidecar::default());
        let reporter = Reporter {
            controller: "saga-operator".into(),
            instance: None,
        };
        let shell = Shell {
            api: Api::namespaced(client.clone(), NAMESPACE).into(),
            cache: reader,
            sidecar: sidecar.clone(),
            archive: Archive::new(pool.clone()),
            recorder: Recorder::new(client.clone(), reporter),
            intake: Intake::default(),
            memories: Memories::new(Instant::now()),
            held: Held::default(),
            room: Room::default(),
            census: Census::default(),
            settings,
        };
        Self {
            shell: Arc::new(shell),
            sidecar,
            server,
            client,
            cache,
            pool,
            _folder: folder,
        }
    }

    /// Every end that waits to be told again is due.
    pub(crate) async fn later(&self) {
        let due = sqlx::query("UPDATE archivo SET proximo = 0").execute(&self.pool);
        due.await.unwrap();
    }

    /// Runs `act` while `script` plays the API server. A call that the script does not expect fails the test, and so
    /// does one that does not come.
    pub(crate) async fn play<T>(
        &mut self,
        act: impl Future<Output = T>,
        script: impl AsyncFnOnce(&mut Server, &MemorySidecar),
    ) -> T {
        let mut played = false;
        let scripted = async {
            script(&mut self.server, &self.sidecar).await;
            played = true;
            let (request, _) = self.server.incoming.recv().await.unwrap();
            panic!("one call too many: {} {}", request.method(), request.uri())
        };
        let both = async {
            tokio::select! {
                result = act => result,
                () = scripted => unreachable!("it only ends in a panic"),
            }
        };
        let result = tokio::time::timeout(PATIENCE, both)
            .await
            .expect("the play comes to its end");
        assert!(played, "a call that was expected did not come");
        result
    }

    /// Makes the next `count` messages fail to go out.
    pub(crate) fn fail_publishes(&self, count: u32) {
        self.sidecar.fail_publishes(count);
    }

    /// Where messages went since the last look, in their order.
    pub(crate) fn topics(&self) -> Vec<String> {
        self.sidecar.take_published().into_iter().map(|one| one.topic).collect()
    }

    /// What was published since the last look.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.sidecar.take_messages()
    }

    /// Puts a resource into the cache.
    pub(crate) fn cache(&mut self, object: &PaymentSaga) {
        self.cache
            .apply_watcher_event(&watcher::Event::Apply(DeserializeGuard(Ok(object.clone()))));
    }

    /// Takes a resource out of the cache.
    pub(crate) fn uncache(&mut self, object: &PaymentSaga) {
        self.cache
            .apply_watcher_event(&watcher::Event::Delete(DeserializeGuard(Ok(object.clone()))));
    }

    /// The API server's other client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Puts a finished payment into the archive.
    pub(crate) async fn archive(&self, object: &PaymentSaga) {
        let recorded = Recorded::read(object.clone()).unwrap();
        self.shell.archive.store(&recorded).await.unwrap();
    }
}

// === impl Server ===

impl Server {
    /// A client, and the server that it talks to.
    fn new() -> (Client, Self) {
        let (calls, incoming) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (reply, answer) = oneshot::channel();
            // Without a test that plays on there is no answer, which is an error of the client's.
            let _ = calls.send((request, reply));
            answer
        });
        let spec = serde_json::to_value(object(None, "").spec).unwrap();
        let server = Self {
            incoming,
            spec: Arc::new(Mutex::new(spec)),
        };
        (Client::new(service, NAMESPACE), server)
    }

    /// The next call, which must be this one on the payment's resource.
    pub(crate) async fn call(&mut self, method: &str, subresource: &str) -> Call {
        let name = if method == "POST" {
            String::new()
        } else {
            format!("/{}", payment().resource_name())
        };
        let path = format!("/apis/pagos.saludtech.dev/v1alpha1/namespaces/{NAMESPACE}/paymentsagas{name}{subresource}");
        self.next(method, &path).await
    }

    /// The next call, which must be this one on the Lease of the intake.
    pub(crate) async fn lease(&mut self, method: &str) -> Call {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/intake");
        self.next(method, &path).await
    }

    /// The next call, which must list payments.
    pub(crate) async fn list(&mut self) -> Call {
        let path = format!("/apis/pagos.saludtech.dev/v1alpha1/namespaces/{NAMESPACE}/paymentsagas");
        self.next("GET", &path).await
    }

    /// The next call, which must delete a payment.
    pub(crate) async fn delete(&mut self) -> Call {
        let (parts, call) = self.take().await;
        assert_eq!(parts.method, "DELETE", "{}", parts.uri);
        call
    }

    /// The next call, which must be a new Kubernetes event.
    pub(crate) async fn event(&mut self) -> Call {
        self.next("POST", &format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"))
            .await
    }

    async fn next(&mut self, method: &str, path: &str) -> Call {
        let (parts, call) = self.take().await;
        assert_eq!((parts.method.as_str(), parts.uri.path()), (method, path));
        call
    }

    async fn take(&mut self) -> (Parts, Call) {
        let (request, reply) = self.incoming.recv().await.unwrap();
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let spec = Arc::clone(&self.spec);
        (parts, Call { body, reply, spec })
    }
}

// === impl Call ===

impl Call {
    /// The version that a write is to replace; every write must name one.
    pub(crate) fn resource_version(&self) -> &str {
        self.body["metadata"]["resourceVersion"]
            .as_str()
            .expect("a write names the version it replaces")
    }

    /// Answers with a resource.
    pub(crate) fn answer(self, status: u16, object: &PaymentSaga) {
        let object = serde_json::to_value(object).unwrap();
        *self.spec.lock().unwrap() = object["spec"].clone();
        self.send(status, &object);
    }

    /// Takes the write: what was sent is stored as this version.
    pub(crate) fn accept(mut self, version: &str) {
        self.resource_version();
        self.body["metadata"]["resourceVersion"] = version.into();
        let mut spec = self.spec.lock().unwrap();
        match self.body.get("spec") {
            Some(sent) => *spec = sent.clone(),
            None => self.body["spec"] = spec.clone(),
        }
        drop(spec);
        self.echo();
    }

    /// Answers with what was sent.
    pub(crate) fn echo(mut self) {
        let body = self.body.take();
        self.send(200, &body);
    }

    /// Answers with an error.
    pub(crate) fn refuse(self, code: u16) {
        // The client takes nothing but this word for the absence of a thing.
        let reason = if code == 404 { "NotFound" } else { "Played" };
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                            "message": "played by the test", "reason": reason, "code": code});
        self.send(code, &status);
    }

    /// Answers with anything.
    pub(crate) fn send(self, status: u16, body: &Value) {
        let response = Response::builder()
            .status(status)
            .body(Body::from(body.to_string().into_bytes()));
        self.reply
            .send(response.unwrap())
            .expect("whoever asked waits for the answer");
    }
}

/// A counter of everything that is counted while it is the local recorder.
pub(crate) fn metrics() -> (PrometheusHandle, PrometheusRecorder) {
    let recorder = PrometheusBuilder::new().build_recorder();
    (recorder.handle(), recorder)
}

fn settings(database_url: &str) -> RunArgs {
    let args = [
        "operator",
        "run",
        "--port",
        "1",
        "--namespace",
        NAMESPACE,
        "--ttl-seconds",
        "0",
    ];
    match Args::parse_from(args.into_iter().chain(["--database-url", database_url])).command {
        Command::Run(settings) => *settings,
        Command::Crd | Command::Asyncapi | Command::Drain(_) => unreachable!(),
    }
}
