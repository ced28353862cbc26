//! The service under test, and those who call it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use clap::Parser;
use gestion_clientes::{App, Args, MIGRATIONS};
use seedwork::contrato::Comando;
use seedwork::{Action, EstadoPago, IdCorrelacion, Message, Moneda, Outcome, Phase, Reason, SolicitudPago, Step};
use seedwork_runtime::participant::laws::reply_to;
use seedwork_runtime::sidecar::MemorySidecar;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Auth, Sidecar};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) sidecar: Arc<MemorySidecar>,
    pub(crate) pool: Pool,
    _folder: tempfile::TempDir,
}

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    args: Args,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

pub(crate) const CREAR: Action = Action::Do(Step::CrearFacturacion);
pub(crate) const CONFIRMAR: Action = Action::Do(Step::ConfirmarFacturacion);
pub(crate) const REVERTIR: Action = Action::Undo(Step::CrearFacturacion);
pub(crate) const REVERTIR_CONFIRMACION: Action = Action::Undo(Step::ConfirmarFacturacion);

pub(crate) const ANA: &str =
    r#"{"nombre":"Ana","apellidos":"Peña","correo":"ana@example.com","contrasena":"s3cr3ta!"}"#;

pub(crate) async fn service() -> Service {
    service_with(&[]).await
}

pub(crate) async fn service_with(settings: &[&str]) -> Service {
    judged_by(settings, Auth::none()).await
}

pub(crate) async fn judged_by(settings: &[&str], auth: Arc<Auth>) -> Service {
    let sidecar = Arc::new(MemorySidecar::default());
    let (pool, folder) = database().await;
    let app = assemble_for(settings, sidecar.clone(), &pool, auth).await;
    Service {
        app,
        sidecar,
        pool,
        _folder: folder,
    }
}

pub(crate) async fn database() -> (Pool, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/gestion-clientes.db?mode=rwc", folder.path().display());
    (sql::open(&url.into(), &MIGRATIONS).await.unwrap(), folder)
}

pub(crate) async fn assemble(settings: &[&str], sidecar: Arc<dyn Sidecar>, pool: &Pool) -> App {
    assemble_for(settings, sidecar, pool, Auth::none()).await
}

async fn assemble_for(settings: &[&str], sidecar: Arc<dyn Sidecar>, pool: &Pool, auth: Arc<Auth>) -> App {
    // Tests run the timed jobs themselves, at times of their own.
    let fixed = [
        "test",
        "--port",
        "1",
        "--database-url",
        "unused",
        "--recordatorio-cada",
        "0",
    ];
    let args = Settings::parse_from(fixed.iter().chain(settings)).args;
    gestion_clientes::assemble(&args, sidecar, pool.clone(), auth)
        .await
        .unwrap()
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
            .to_str()
            .unwrap()
    }

    /// The sentences of a problem+json with this status.
    pub(crate) fn problem(&self, status: u16) -> Vec<String> {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(body["error"].is_string(), "the original's key is there");
        body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sentence| sentence.as_str().unwrap().to_owned())
            .collect()
    }
}

// === impl Service ===

impl Service {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        self.send(post(path, body)).await
    }

    /// Pays with an `Idempotency-Key`.
    pub(crate) async fn pay_with_key(&self, key: &str, body: &str) -> Answer {
        self.post_with_key("/facturacion/realizar-pago", key, body).await
    }

    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &str) -> Answer {
        self.send(with(post(path, body), &[("idempotency-key", key)])).await
    }

    /// `PUT`, with headers.
    pub(crate) async fn put(&self, path: &str, body: impl Into<String>, headers: &[(&'static str, &str)]) -> Answer {
        self.send(with(request("PUT", path, body), headers)).await
    }

    /// Registers Ana and answers her id.
    pub(crate) async fn ana(&self) -> String {
        self.post("/clientes/cliente", ANA).await.json()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A payment that a client asks for at this door; its id.
    pub(crate) async fn asked(&self, id_cliente: &str) -> String {
        let body = format!(r#"{{"medioPago":"PSE","idCliente":"{id_cliente}","monto":24.10}}"#);
        let taken = self.post("/facturacion/realizar-pago", body).await.json();
        taken["id"].as_str().unwrap().to_owned()
    }

    /// How many payments were asked for at this door.
    pub(crate) async fn taken(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM solicitudes");
        count.fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn plan(&self, id_cliente: &str) -> String {
        let cliente = self.get(&format!("/clientes/cliente/{id_cliente}")).await.json();
        cliente["estadoPlan"]
            .as_str()
            .unwrap_or_else(|| panic!("{cliente}"))
            .to_owned()
    }

    pub(crate) async fn estado(&self, id: &str) -> String {
        let factura = self.get(&format!("/facturacion/{id}")).await.json();
        factura["estado"]
            .as_str()
            .unwrap_or_else(|| panic!("{factura}"))
            .to_owned()
    }

    /// Delivers a message as daprd does; answers the status that daprd reads.
    pub(crate) async fn deliver(&self, event_type: &str, data: &Value) -> String {
        let event = json!({"type": event_type, "source": "operator", "data": data});
        let answer = self.post("/inbox", event.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()["status"].as_str().unwrap().to_owned()
    }

    /// Plays the operator of a payment that comes to nothing: what it tells of it, at its end or before.
    pub(crate) async fn tell(&self, id: &str, id_cliente: &str, ended: bool) {
        let estado = EstadoPago {
            id_correlacion: IdCorrelacion::parse(id).unwrap(),
            secuencia: 9,
            solicitud: comando(CREAR, id, id_cliente).solicitud,
            phase: Phase::Compensated,
            step: "2/4".to_owned(),
            reason: None,
            steps: Vec::new(),
            trace_id: None,
            start_time: String::new(),
            completion_time: None,
            ended,
        };
        let message = Message::SagaActualizada(Box::new(estado));
        let told = self.deliver(message.event_type(), &message.data().unwrap()).await;
        assert_eq!(told, "SUCCESS");
    }

    /// Plays the operator: one command, its delivery, its reply.
    pub(crate) async fn command(&self, action: Action, id: &str, id_cliente: &str) -> Outcome {
        self.order(comando(action, id, id_cliente)).await
    }

    /// Plays the operator of a payment that is undone for this reason.
    pub(crate) async fn undo(&self, action: Action, id: &str, id_cliente: &str, motivo: &str) -> Outcome {
        let reason = Reason::new(motivo, "lo dice la pasarela");
        self.undo_because(action, id, id_cliente, reason).await
    }

    pub(crate) async fn undo_because(&self, action: Action, id: &str, id_cliente: &str, reason: Reason) -> Outcome {
        let reason = Some(reason);
        let order = Comando {
            reason,
            ..comando(action, id, id_cliente)
        };
        self.order(order).await
    }

    async fn order(&self, order: Comando) -> Outcome {
        let action = order.action;
        self.sidecar.take_messages();
        let message = Message::Comando(order);
        assert_eq!(
            self.deliver(message.event_type(), &message.data().unwrap()).await,
            "SUCCESS"
        );
        reply_to(&self.sidecar.take_messages(), action).unwrap().outcome
    }
}

pub(crate) fn post(path: &str, body: impl Into<String>) -> Request<Body> {
    request("POST", path, body)
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<String>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.into()))
        .unwrap()
}

/// The request with headers added.
pub(crate) fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

pub(crate) fn comando(action: Action, id: &str, id_cliente: &str) -> Comando {
    Comando {
        action,
        id_correlacion: IdCorrelacion::parse(id).unwrap(),
        solicitud: SolicitudPago::parse("PSE", id_cliente, "24.10", Moneda::USD).unwrap(),
        reason: None,
    }
}

/// The `motivo` of a refusal.
pub(crate) fn motivo(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused(reason) => &reason.motivo,
        Outcome::Done | Outcome::Failed(_) => panic!("{outcome:?}"),
    }
}
