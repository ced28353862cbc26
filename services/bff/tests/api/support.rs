//! The service under test, and the operator's part played by hand.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use bff::Pace;
use clap::Parser;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use seedwork::{EstadoPago, IdCorrelacion, Message, Moneda, PasoVisto, Phase, SolicitudPago, Step};
use seedwork_runtime::auth::issuer::Issuer;
use seedwork_runtime::config::Secret;
use seedwork_runtime::sidecar::MemorySidecar;
use seedwork_runtime::sql::Pool;
use seedwork_runtime::{Auth, Sidecar};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tower::ServiceExt as _;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    own: bff::Args,
}

/// One replica of the service.
pub(crate) struct Bff {
    pub(crate) app: bff::App,
    pub(crate) sidecar: Arc<MemorySidecar>,
    pub(crate) database: Arc<Database>,
}

/// A database that two replicas can share.
pub(crate) struct Database {
    pub(crate) pool: Pool,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sse {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// A pace at which nothing happens by itself but the reading of events.
pub(crate) fn calm() -> Pace {
    let never = Duration::from_secs(3600);
    Pace {
        ping: never,
        hello: Duration::from_secs(10),
        poll: Duration::from_millis(20),
        silence: never,
        look: never,
        prune: never,
        keep_events: 1000,
    }
}

// === impl Bff ===

impl Bff {
    pub(crate) async fn start() -> Self {
        Self::at(calm()).await
    }

    pub(crate) async fn at(pace: Pace) -> Self {
        Self::on(Database::open().await, pace).await
    }

    pub(crate) async fn on(database: Arc<Database>, pace: Pace) -> Self {
        Self::with(database, pace, Auth::none(), &[]).await
    }

    /// With settings of its own.
    pub(crate) async fn told(words: &[&str]) -> Self {
        Self::with(Database::open().await, calm(), Auth::none(), words).await
    }

    /// Judging callers by the tokens of this issuer.
    pub(crate) async fn judging(issuer: &Issuer, words: &[&str]) -> Self {
        let words = [&["--auth", "jwt"], words].concat();
        let auth = Auth::trusting(issuer, None);
        Self::with(Database::open().await, calm(), auth, &words).await
    }

    pub(crate) async fn with(database: Arc<Database>, pace: Pace, auth: Arc<Auth>, words: &[&str]) -> Self {
        let needed = ["bff", "--port", "1", "--database-url", "unused"];
        let args = Cli::parse_from(needed.iter().chain(words));
        let sidecar = Arc::new(MemorySidecar::default());
        let port: Arc<dyn Sidecar> = sidecar.clone();
        let app = bff::assemble(&args.own, pace, port, database.pool.clone(), auth)
            .await
            .unwrap();
        Self { app, sidecar, database }
    }

    pub(crate) fn router(&self) -> Router {
        self.app.router.clone()
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// `POST /v1` of JSON, with headers.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post("/v1").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(body.into()).unwrap()).await
    }

    /// A GraphQL operation over POST; the status is always 200.
    pub(crate) async fn graphql(&self, query: &str) -> Value {
        self.graphql_with(query, &Value::Null, None).await
    }

    pub(crate) async fn graphql_with(&self, query: &str, variables: &Value, key: Option<&str>) -> Value {
        let key = key.map(|key| ("idempotency-key", key));
        let body = json!({"query": query, "variables": variables}).to_string();
        let answer = self.post(key.as_slice(), body).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.headers["content-type"], "application/json");
        answer.json()
    }

    /// Asks for a payment, the one that [`running_of`] tells of; its identity.
    pub(crate) async fn pay(&self, id_cliente: &str) -> IdCorrelacion {
        let query = "mutation($c: String!) {
            realizarPago(pago: {medioPago: \"TarjetaCredito\", idCliente: $c, monto: 24.1}) { idCorrelacion } }";
        let answer = self.graphql_with(query, &json!({"c": id_cliente}), None).await;
        let id = answer["data"]["realizarPago"]["idCorrelacion"].as_str().unwrap();
        IdCorrelacion::parse(id).unwrap()
    }

    /// How many payments were asked for at this door.
    pub(crate) async fn taken(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM solicitudes");
        count.fetch_one(&self.database.pool).await.unwrap()
    }

    /// Delivers a message as daprd would; the status of its acknowledgement.
    pub(crate) async fn deliver(&self, message: &Message) -> String {
        let event =
            json!({"type": message.event_type(), "source": "operator", "data": message.data().unwrap()}).to_string();
        let answer = self
            .call(Request::post("/inbox").body(Body::from(event)).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()["status"].as_str().unwrap().to_owned()
    }

    /// The operator tells a state.
    pub(crate) async fn tell(&self, estado: &EstadoPago) {
        let message = Message::SagaActualizada(Box::new(estado.clone()));
        assert_eq!(self.deliver(&message).await, "SUCCESS");
    }

    /// A GraphQL operation in somebody's name.
    pub(crate) async fn graphql_as(&self, authorization: &str, query: &str, variables: &Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        let answer = self.post(&[("authorization", authorization)], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// Opens an event stream: the events of it.
    pub(crate) async fn stream(&self, path: &str, last_event_id: Option<&str>) -> BoxStream<'static, Sse> {
        events(self.blocks(path, last_event_id).await)
    }

    /// Opens an event stream: all that comes, also what is no event.
    pub(crate) async fn blocks(&self, path: &str, last_event_id: Option<&str>) -> BoxStream<'static, Sse> {
        self.stream_of(Request::get(path), last_event_id).await
    }

    /// Opens an event stream in somebody's name.
    pub(crate) async fn stream_as(&self, authorization: &str, path: &str) -> BoxStream<'static, Sse> {
        let request = Request::get(path).header("authorization", authorization);
        events(self.stream_of(request, None).await)
    }

    async fn stream_of(
        &self,
        mut request: axum::http::request::Builder,
        last_event_id: Option<&str>,
    ) -> BoxStream<'static, Sse> {
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = self
            .router()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        parse_sse(response.into_body().into_data_stream().map(Result::unwrap)).boxed()
    }
}

// === impl Database ===

impl Database {
    pub(crate) async fn open() -> Arc<Self> {
        Self::at(&bff::MIGRATIONS).await
    }

    /// As these migrations leave it.
    pub(crate) async fn at(migrations: &Migrator) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let url = match std::env::var_os("BFF_TEST_POSTGRES") {
            None => format!("sqlite://{}/bff.db?mode=rwc", folder.path().display()),
            Some(server) => {
                let server = server.into_string().unwrap();
                sqlx::any::install_default_drivers();
                let name = format!("bff_{}", seedwork_runtime::new_id().simple());
                let pool = sqlx::AnyPool::connect(&server).await.unwrap();
                let create = format!("CREATE DATABASE {name}");
                sqlx::query(sqlx::AssertSqlSafe(create)).execute(&pool).await.unwrap();
                format!("{}/{name}", server.rsplit_once('/').unwrap().0)
            }
        };
        let pool = seedwork_runtime::sql::open(&Secret::from(url), migrations)
            .await
            .unwrap();
        Arc::new(Self { pool, _folder: folder })
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

/// What a browser would dispatch.
fn events(blocks: BoxStream<'static, Sse>) -> BoxStream<'static, Sse> {
    blocks
        .filter(|block| std::future::ready(!block.event.is_empty()))
        .boxed()
}

/// Reads server-sent events off a body.
fn parse_sse(chunks: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Sse> + Send {
    futures::stream::unfold((chunks.boxed(), String::new()), |(mut chunks, mut text)| async move {
        loop {
            if let Some((event, rest)) = text.split_once("\n\n") {
                let mut sse = Sse::default();
                for (field, value) in event.lines().filter_map(|line| line.split_once(": ")) {
                    match field {
                        "event" => value.clone_into(&mut sse.event),
                        "id" => value.clone_into(&mut sse.id),
                        "data" => value.clone_into(&mut sse.data),
                        other => panic!("an unknown field {other}"),
                    }
                }
                let rest = rest.to_owned();
                return Some((sse, (chunks, rest)));
            }
            let chunk = chunks.next().await?;
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    })
}

/// The next item, waited for at most ten seconds.
pub(crate) async fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> T {
    let next = tokio::time::timeout(Duration::from_secs(10), stream.next());
    next.await
        .expect("nothing came in ten seconds")
        .expect("the stream has ended")
}

/// The next `count` events, as (number, payment, sequence).
pub(crate) async fn news(stream: &mut (impl Stream<Item = Sse> + Unpin), count: usize) -> Vec<(String, String, u64)> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let sse = next(stream).await;
        assert_eq!(sse.event, "NuevoEvento", "{sse:?}");
        let data: EstadoPago = serde_json::from_str(&sse.data).unwrap();
        seen.push((sse.id, data.id_correlacion.to_string(), data.secuencia));
    }
    seen
}

/// A state of a running payment of 24.10 USD by this client.
pub(crate) fn running_of(id_cliente: &str, id: &str, secuencia: u64) -> EstadoPago {
    EstadoPago {
        solicitud: SolicitudPago::parse("TarjetaCredito", id_cliente, "24.1", Moneda::USD).unwrap(),
        ..running(id, secuencia)
    }
}

/// A state of a running payment of 24.10 USD by `c-1`.
pub(crate) fn running(id: &str, secuencia: u64) -> EstadoPago {
    let pasos = Step::ALL.into_iter().map(|nombre| PasoVisto {
        nombre,
        estado: "Pending".to_owned(),
        motivo: None,
    });
    EstadoPago {
        id_correlacion: IdCorrelacion::parse(id).unwrap(),
        secuencia,
        solicitud: SolicitudPago::parse("TarjetaCredito", "c-1", "24.1", Moneda::USD).unwrap(),
        phase: Phase::Running,
        step: "1/4".to_owned(),
        reason: None,
        steps: pasos.collect(),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        start_time: "2026-11-24T18:00:00Z".to_owned(),
        completion_time: None,
        ended: false,
    }
}

/// A state of a completed payment.
pub(crate) fn completed(id: &str, secuencia: u64) -> EstadoPago {
    EstadoPago {
        phase: Phase::Completed,
        step: "4/4".to_owned(),
        completion_time: Some("2026-11-24T18:00:09Z".to_owned()),
        ended: true,
        ..running(id, secuencia)
    }
}
