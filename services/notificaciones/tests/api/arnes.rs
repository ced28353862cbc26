//! The service with everything around it in memory, but for SQL, which is a file of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode, header};
use clap::Parser;
use notificaciones::adapters::mensajeria::{Mensajeria, MensajeriaEnMemoria, Reparto};
use notificaciones::adapters::read_model::{Fila, MIGRATOR};
use notificaciones::domain::{Avisos, Cual, Notificacion};
use notificaciones::{App, Args};
use seedwork::contrato::Comando;
use seedwork::{App as AppId, IdCorrelacion, Outcome};
use seedwork_runtime::participant::Documento;
use seedwork_runtime::participant::laws::reply_to;
use seedwork_runtime::sidecar::{Event, Expect, Invoked, MemorySidecar, Sidecar, SidecarError, Stored};
use seedwork_runtime::{Auth, sql};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

/// Where the client of [`seedwork_runtime::participant::laws::comando`] is asked for.
const CLIENTE: &str = "/clientes/cliente/c-1";

pub(crate) struct Arnes {
    pub(crate) sidecar: Arc<MemorySidecar>,
    pub(crate) mensajeria: Arc<MensajeriaEnMemoria>,
    pub(crate) app: App,
    pub(crate) puerta: Arc<Puerta>,
    pub(crate) pool: sql::Pool,
    router: Router,
    _folder: TempDir,
}

/// What a caller gets.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A sidecar whose store can be taken away.
pub(crate) struct Puerta {
    memory: Arc<MemorySidecar>,
    closed: AtomicBool,
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    own: Args,
}

pub(crate) fn args(folder: &TempDir) -> Args {
    let url = format!("sqlite://{}/n.db?mode=rwc", folder.path().display());
    let cli = Cli::parse_from([
        "notificaciones",
        "--port",
        "1",
        "--database-url",
        &url,
        "--proveedor-url",
        "http://127.0.0.1:1",
    ]);
    cli.own
}

// === impl Arnes ===

impl Arnes {
    /// With client `c-1` at ana@saludtech.co.
    pub(crate) async fn new() -> Self {
        Self::with(Auth::none(), None).await
    }

    /// The same, its callers judged by `auth`, its mails delivered by `correo`.
    pub(crate) async fn with(auth: Arc<Auth>, correo: Option<Arc<dyn Mensajeria>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let args = args(&folder);
        let pool = sql::open(&args.service.database_url, &MIGRATOR).await.unwrap();
        let sidecar = Arc::new(MemorySidecar::default());
        sidecar.serve_page(
            AppId::GestionClientes,
            CLIENTE,
            200,
            &json!({"id": "c-1", "correo": "ana@saludtech.co"}),
        );
        let mensajeria = Arc::new(MensajeriaEnMemoria::default());
        let puerta = Arc::new(Puerta {
            memory: Arc::clone(&sidecar),
            closed: AtomicBool::new(false),
        });
        let all: Arc<dyn Mensajeria> = match correo {
            None => mensajeria.clone(),
            Some(correo) => Arc::new(Reparto {
                correo,
                resto: mensajeria.clone(),
            }),
        };
        let app = App::new(puerta.clone(), pool.clone(), all);
        let router = app.router(&args.service, auth);
        Self {
            sidecar,
            mensajeria,
            app,
            puerta,
            pool,
            router,
            _folder: folder,
        }
    }

    /// From now on gestion-clientes answers so when it is asked for the client.
    pub(crate) fn client_is(&self, status: u16, correo: &str) {
        let page = json!({"correo": correo});
        self.sidecar.serve_page(AppId::GestionClientes, CLIENTE, status, &page);
    }

    /// Delivers a command to its end and takes the reply, if there is one.
    pub(crate) async fn run(&self, comando: &Comando) -> Option<Outcome> {
        self.app.participation.run(comando).await.unwrap();
        reply_to(&self.sidecar.take_messages(), comando.action).map(|respuesta| respuesta.outcome)
    }

    pub(crate) async fn document(&self, id: &str) -> Documento<Avisos> {
        let document = self
            .app
            .participation
            .document(&IdCorrelacion::parse(id).unwrap())
            .await
            .unwrap();
        document.value.unwrap_or_default()
    }

    /// The notification of a payment as the document has it.
    pub(crate) async fn aviso(&self, id: &str, cual: Cual) -> Notificacion {
        self.document(id).await.agregado.unwrap().de(cual).unwrap().clone()
    }

    /// The notification of a payment as the read model has it.
    pub(crate) async fn fila(&self, id: &str, cual: Cual) -> Option<Fila> {
        let id = Notificacion::id_de(&IdCorrelacion::parse(id).unwrap(), &cual.tipo());
        self.app.read_model.buscar(&id).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// With headers, such as an `Authorization`.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask_with(Request::get(path), headers, Body::empty()).await
    }

    /// With headers, such as an `Idempotency-Key`.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.ask_with(request, headers, Body::from(body.to_owned())).await
    }

    async fn ask_with(&self, request: Builder, headers: &[(&str, &str)], body: Body) -> Answer {
        let with = |request: Builder, (name, value): &(&str, &str)| request.header(*name, *value);
        self.ask(headers.iter().fold(request, with).body(body).unwrap()).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

// === impl Answer ===

impl Answer {
    /// The sentences of a problem+json with this status.
    pub(crate) fn problem(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let errors = self.body["errors"].as_array().unwrap().iter();
        let sentences: Vec<_> = errors.map(|error| error.as_str().unwrap().to_owned()).collect();
        assert_eq!(self.body["error"], sentences.join("; "));
        sentences
    }
}

// === impl Puerta ===

impl Puerta {
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }
}

#[async_trait]
impl Sidecar for Puerta {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        self.memory.get(key).await
    }

    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(SidecarError::Unavailable {
                doing: "write".to_owned(),
                source: "planted by the test".into(),
            });
        }
        self.memory.put(key, value, expect).await
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
        self.memory.publish(topic, event).await
    }

    async fn invoke_get(&self, app: AppId, path: &str) -> Result<Invoked, SidecarError> {
        self.memory.invoke_get(app, path).await
    }

    async fn ready(&self) -> Result<(), SidecarError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(SidecarError::Unavailable {
                doing: "reach".to_owned(),
                source: "planted by the test".into(),
            });
        }
        self.memory.ready().await
    }
}
