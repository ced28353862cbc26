//! The app under test, one method a route.

use std::{net::SocketAddr, path::Path, time::Duration};

use clap::Parser;
use pasarela_simulada::{App, AppError, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

/// Longer than any test: what waits this long is waiting for ever.
pub(crate) const NEVER_MS: u64 = 3_600_000;

pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), AppError>>,
}

/// Delays of a test; the defaults are as short as can be, but for what must not happen by itself.
#[derive(Clone, Copy)]
pub(crate) struct Delays {
    pub(crate) slow_ms: u64,
    pub(crate) late_ms: u64,
    pub(crate) timeout_ms: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
    pub(crate) content_type: String,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            slow_ms: 1,
            late_ms: NEVER_MS,
            timeout_ms: 1,
        }
    }
}

pub(crate) fn database_url(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("pasarela.db").display())
}

pub(crate) fn config(
    folder: &Path,
    Delays {
        slow_ms,
        late_ms,
        timeout_ms,
    }: Delays,
) -> Config {
    Config::parse_from([
        "pasarela-simulada",
        "--host=127.0.0.1",
        "--port=0",
        &format!("--database-url={}", database_url(folder)),
        &format!("--slow-ms={slow_ms}"),
        &format!("--late-ms={late_ms}"),
        &format!("--timeout-ms={timeout_ms}"),
    ])
}

/// Lets the late capture of a stopped app be due, as if `LATE_MS` had passed.
pub(crate) async fn make_due(folder: &Path) {
    let pool = sqlx::SqlitePool::connect(&database_url(folder)).await.unwrap();
    let changed = sqlx::query("UPDATE aterrizajes SET vence_ms = 0")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    pool.close().await;
}

/// An authorisation request for an amount.
pub(crate) fn autorizacion(referencia: &str, monto: i64) -> Value {
    json!({ "referencia": referencia, "monto": monto, "moneda": "USD", "medioPago": "TarjetaCredito" })
}

/// A client for the app. The workspace's reqwest has TLS and wants to be told by whom; told before is as good.
pub(crate) fn http_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// POSTs to an app at `address`; an error is a connection that was closed without an answer.
pub(crate) async fn post(address: SocketAddr, path: &str, key: &str, body: &Value) -> reqwest::Result<Reply> {
    let response = http_client()
        .post(format!("http://{address}{path}"))
        .header("Idempotency-Key", key)
        .json(body)
        .timeout(Duration::from_secs(30))
        .send()
        .await?;
    Reply::read(response).await
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Reply {
    let response = http_client()
        .get(format!("http://{address}{path}"))
        .send()
        .await
        .unwrap();
    Reply::read(response).await.unwrap()
}

// === impl Reply ===

impl Reply {
    async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let (replayed, content_type) = (header("idempotency-replayed"), header("content-type"));
        Ok(Self {
            status: response.status().as_u16(),
            replayed: replayed.as_deref() == Some("true"),
            content_type: content_type.unwrap_or_default(),
            body: response.json().await?,
        })
    }

    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }

    pub(crate) fn codigo(&self) -> &str {
        self.body["error"]["codigo"].as_str().unwrap()
    }
}

// === impl TestApp ===

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(Delays::default()).await
    }

    pub(crate) async fn start_with(delays: Delays) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), delays).await
    }

    pub(crate) async fn start_in(folder: TempDir, delays: Delays) -> Self {
        let app = App::build(&config(folder.path(), delays)).await.unwrap();
        let address = app.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(app.run(async move {
            let _ = stopped.await;
        }));
        Self {
            address,
            folder,
            stop,
            task,
        }
    }

    /// Stops it in good order and gives its folder back.
    pub(crate) async fn stop(self) -> TempDir {
        let _ = self.stop.send(());
        self.task.await.unwrap().unwrap();
        self.folder
    }

    pub(crate) async fn restart(self, delays: Delays) -> Self {
        Self::start_in(self.stop().await, delays).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        post(self.address, path, key, body).await.unwrap()
    }

    /// Expects the connection to be closed without an answer.
    pub(crate) async fn post_unanswered(&self, path: &str, key: &str, body: &Value) {
        let error = post(self.address, path, key, body).await.unwrap_err();
        // Neither an answer that cannot be read, nor a client that gave up.
        assert!(
            error.is_request() && !error.is_timeout() && !error.is_connect(),
            "{error:?}"
        );
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        get(self.address, path).await
    }

    pub(crate) async fn autorizar(&self, key: &str, referencia: &str, monto: i64) -> Reply {
        self.post("/autorizaciones", key, &autorizacion(referencia, monto))
            .await
    }

    pub(crate) async fn capturar(&self, key: &str, autorizacion: &str, monto: i64) -> Reply {
        self.post(
            &format!("/autorizaciones/{autorizacion}/captura"),
            key,
            &json!({ "monto": monto }),
        )
        .await
    }

    pub(crate) async fn capturar_unanswered(&self, key: &str, autorizacion: &str, monto: i64) {
        self.post_unanswered(
            &format!("/autorizaciones/{autorizacion}/captura"),
            key,
            &json!({ "monto": monto }),
        )
        .await;
    }

    pub(crate) async fn anular(&self, key: &str, autorizacion: &str) -> Reply {
        self.post(&format!("/autorizaciones/{autorizacion}/anulacion"), key, &json!({}))
            .await
    }

    pub(crate) async fn reembolsar(&self, key: &str, cargo: &str, monto: i64) -> Reply {
        self.post(&format!("/cargos/{cargo}/reembolso"), key, &json!({ "monto": monto }))
            .await
    }

    /// What the ledger has under a reference: how many authorisations, charges and refunds.
    pub(crate) async fn cuenta(&self, referencia: &str) -> (usize, usize, usize) {
        let reply = self.get(&format!("/referencias/{referencia}")).await;
        let cuenta = |lista: &str| reply.body[lista].as_array().unwrap().len();
        (cuenta("autorizaciones"), cuenta("cargos"), cuenta("reembolsos"))
    }

    /// An approved, captured payment: its authorisation and its charge.
    pub(crate) async fn cobrar(&self, referencia: &str, monto: i64) -> (String, String) {
        let autorizada = self.autorizar(&format!("{referencia}-aut"), referencia, monto).await;
        assert_eq!(autorizada.status, 201, "{autorizada:?}");
        let cargo = self
            .capturar(&format!("{referencia}-cap"), autorizada.id(), monto)
            .await;
        assert_eq!(cargo.status, 201, "{cargo:?}");
        (autorizada.id().to_owned(), cargo.id().to_owned())
    }
}
