//! The processes: the real handlers, put together as their services put them together, over the models.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clap::Parser as _;
use http::{Request, Response};
use integracion_pagos::adapters::contracargos::Contracargos;
use integracion_pagos::adapters::inbox::Entrada;
use integracion_pagos::adapters::participante::Pagos;
use integracion_pagos::adapters::read_model::ReadModel;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::store::store;
use notificaciones::adapters::inbox::Buzon;
use notificaciones::adapters::notificador::Notificador;
use operator::ahead::Held;
use operator::archive::Archive;
use operator::census::Census;
use operator::config::{Args, Command, RunArgs};
use operator::inbox::OperatorInbox;
use operator::intake::Intake as IntakeOfOperator;
use operator::memory::Memories;
use operator::resources::Resources;
use operator::room::Room;
use operator::shell::Shell;
use seedwork::{App, Fault, Message};
use seedwork_runtime::intake::Intake;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::sidecar::Event;
use seedwork_runtime::{Delivery, Inbox, Sidecar, inbox};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::controller;
use crate::life::Life;
use crate::model::api_server;
use crate::model::bank::Till;
use crate::model::post::Postman;
use crate::model::sidecar::SimulatedSidecar;
use crate::plan::Plan;
use crate::sql::{self, Base, Value};
use crate::world::Proc;

/// For how long the gateway remembers a key.
const KEYS_LIVE: Duration = Duration::from_secs(24 * 3600);

/// The databases of the services, kept from one world to the next of a thread.
pub struct Bases {
    /// Of the BFF.
    pub bff: Arc<Base>,
    /// Of gestión-clientes.
    pub clientes: Arc<Base>,
    /// Of integración-pagos.
    pub pagos: Arc<Base>,
    /// Of notificaciones.
    pub notificaciones: Arc<Base>,
    /// Of the operators.
    pub operator: Arc<Base>,
}

/// A process that is ready to serve.
pub struct Incarnation {
    life: Arc<Life>,
    door: Door,
    /// Where clients ask for payments.
    pub intake: Option<Arc<Intake>>,
    /// Where chargebacks come in.
    pub contracargos: Option<Arc<Contracargos>>,
}

enum Door {
    /// Its handler.
    Handler(Arc<dyn Inbox>),
    /// Its real inbox, which is posted to as daprd posts.
    Wire(Router),
}

/// What a process answers to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Success,
    /// It is to come again.
    Retry,
    /// It is to be set aside.
    Drop,
}

static OPERATOR_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../operator/migrations");

// === impl Bases ===

impl Bases {
    /// Makes them.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            bff: sql::base(&bff::MIGRATIONS),
            clientes: sql::base(&gestion_clientes::MIGRATIONS),
            pagos: sql::base(&integracion_pagos::MIGRATIONS),
            notificaciones: sql::base(&notificaciones::adapters::read_model::MIGRATOR),
            operator: sql::base(&OPERATOR_MIGRATIONS),
        })
    }

    /// Makes them empty.
    pub fn wipe(&self) {
        let Self {
            bff,
            clientes,
            pagos,
            notificaciones,
            operator,
        } = self;
        for base in [bff, clientes, pagos, notificaciones, operator] {
            base.wipe();
        }
    }

    /// What is not done yet: the rows that say so, the first column of each naming its payment.
    pub fn undone(&self) -> impl Iterator<Item = (&'static str, Vec<Vec<Value>>)> {
        let open = "SELECT id_correlacion FROM solicitudes WHERE estado = 'abierta'";
        let unconfirmed = "SELECT id_correlacion FROM archivo WHERE acusado = 0";
        let untold = "SELECT id FROM contracargos WHERE atendido = 0";
        let shown = "SELECT id_correlacion FROM pagos WHERE ended = 0";
        let tables = [
            (&self.bff, "requests are still open at the BFF", open),
            (&self.clientes, "requests are still open at gestión-clientes", open),
            (&self.operator, "ends are not confirmed", unconfirmed),
            (&self.pagos, "chargebacks are not attended to", untold),
            (&self.bff, "screens show no end", shown),
        ];
        tables.into_iter().map(|(base, what, query)| (what, base.look(query)))
    }
}

/// Starts a process.
pub async fn start(life: &Arc<Life>) -> Result<Incarnation, String> {
    let world = life.world();
    let sidecar: Arc<dyn Sidecar> = Arc::new(SimulatedSidecar(Arc::clone(life)));
    let bases = &world.bases;
    let (mut intake, mut contracargos) = (None, None);
    let base = match life.proc() {
        Proc::Bff => &bases.bff,
        Proc::Clientes => &bases.clientes,
        Proc::Pagos => &bases.pagos,
        Proc::Notificaciones => &bases.notificaciones,
        Proc::Operator(_) => &bases.operator,
    };
    let pool = sql::pool(base, life).await.map_err(|error| error.to_string())?;
    let handler: Arc<dyn Inbox> = match life.proc() {
        Proc::Bff => {
            let opened = bff::desk(bff::Pace::default(), sidecar, pool).await;
            let (desk, opened) = opened.map_err(|error| error.to_string())?;
            intake = Some(opened);
            desk
        }
        Proc::Clientes => {
            let opened = gestion_clientes::desk(sidecar, pool).await;
            let (desk, opened) = opened.map_err(|error| error.to_string())?;
            intake = Some(opened);
            desk
        }
        Proc::Pagos => {
            let pasarela = Arc::new(Till(Arc::clone(life)));
            let read_model = ReadModel::new(pool.clone());
            let pagos = Pagos::new(pasarela, read_model, KEYS_LIVE, Arc::new(seedwork_runtime::now_ms));
            let participation = Participation::new(pagos, App::IntegracionPagos, Arc::clone(&sidecar));
            let opened = Contracargos::open(pool, sidecar, Arc::clone(&participation));
            contracargos = Some(Arc::clone(&opened));
            Arc::new(Entrada::new(participation, opened))
        }
        Proc::Notificaciones => {
            let mensajeria = Arc::new(Postman(Arc::clone(life)));
            let read_model = notificaciones::adapters::read_model::ReadModel::new(pool);
            let notificador = Notificador::new(Arc::clone(&sidecar), mensajeria, read_model);
            Arc::new(Buzon(Participation::new(notificador, App::Notificaciones, sidecar)))
        }
        Proc::Operator(_) => {
            let (cache, writer) = store();
            let (client, recorder) = events();
            drop(client);
            let shell = Arc::new(Shell {
                api: Resources::new(api_server::Client(Arc::clone(life))),
                cache,
                sidecar,
                archive: Archive::new(pool),
                recorder,
                intake: IntakeOfOperator::default(),
                memories: Memories::new(Instant::now()),
                held: Held::default(),
                room: Room::default(),
                census: Census::default(),
                settings: settings(&world.plan),
            });
            controller::run(life, writer, &shell);
            tokio::spawn(operator::app::tell_ends(Arc::clone(&shell)));
            tokio::spawn(operator::ahead::catch_up(Arc::clone(&shell)));
            tokio::spawn(operator::room::admit(Arc::clone(&shell)));
            Arc::new(OperatorInbox(shell))
        }
    };
    let door = if world.plan.wire {
        Door::Wire(inbox::router(
            life.proc().app(),
            &settings(&world.plan).service,
            handler,
        ))
    } else {
        Door::Handler(handler)
    };
    Ok(Incarnation {
        life: Arc::clone(life),
        door,
        intake,
        contracargos,
    })
}

// === impl Incarnation ===

impl Incarnation {
    /// Its life.
    pub fn life(&self) -> &Arc<Life> {
        &self.life
    }

    /// Hands a message over.
    pub async fn receive(&self, event: &Event) -> Answer {
        match &self.door {
            Door::Handler(handler) => {
                let Ok(message) = Message::decode(&event.event_type, event.data.clone()) else {
                    return Answer::Drop;
                };
                let source = App::from_id(&event.source);
                match handler.receive(Delivery { message, source }).await {
                    Ok(()) => Answer::Success,
                    Err(fault) => {
                        self.life.world().note(|| {
                            let proc = self.life.proc();
                            format!(
                                "{proc} fails at {} of {}: {}",
                                event.event_type,
                                event.subject,
                                fault.chain()
                            )
                        });
                        self.look(&fault);
                        if fault.retryable() { Answer::Retry } else { Answer::Drop }
                    }
                }
            }
            Door::Wire(router) => Box::pin(posted(router.clone(), event)).await,
        }
    }

    /// A fault that no fault of the world explains is a broken law.
    fn look(&self, fault: &Fault) {
        if let Fault::Bug { .. } = fault {
            self.life
                .world()
                .broken(format!("{}: {}", self.life.proc(), fault.chain()));
        }
    }
}

/// Posts an event as daprd does, and reads the answer as daprd reads it.
async fn posted(router: Router, event: &Event) -> Answer {
    let Event {
        id,
        event_type,
        source,
        subject,
        traceparent,
        data,
    } = event;
    let body = serde_json::json!({
        "specversion": "1.0", "id": id, "type": event_type, "source": source, "subject": subject,
        "traceparent": traceparent, "datacontenttype": "application/json", "data": data,
    });
    let Ok(request) = Request::post("/inbox").body(Body::from(body.to_string())) else {
        return Answer::Retry;
    };
    let Ok(response) = router.oneshot(request).await;
    if !response.status().is_success() {
        return Answer::Retry;
    }
    let body = axum::body::to_bytes(response.into_body(), 4096)
        .await
        .unwrap_or_default();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer.get("status").and_then(serde_json::Value::as_str) {
        Some("RETRY") => Answer::Retry,
        Some("DROP") => Answer::Drop,
        Some(_) | None => Answer::Success,
    }
}

/// Kubernetes events go to an API server that takes them all.
fn events() -> (Client, Recorder) {
    let service = tower::service_fn(|request: Request<kube::client::Body>| async move {
        let body = request.into_body().collect_bytes().await.unwrap_or_default();
        Ok::<_, std::convert::Infallible>(Response::new(kube::client::Body::from(body.to_vec())))
    });
    let client = Client::new(service, "pagos");
    let reporter = Reporter {
        controller: "saga-operator".into(),
        instance: None,
    };
    (client.clone(), Recorder::new(client, reporter))
}

fn settings(plan: &Plan) -> RunArgs {
    let notification = if plan.notification_compensates {
        "Compensate"
    } else {
        "Continue"
    };
    let arguments = [
        "operator".to_owned(),
        "run".to_owned(),
        "--port=1".to_owned(),
        "--database-url=simulado:0".to_owned(),
        "--namespace=pagos".to_owned(),
        format!("--ttl-seconds={}", plan.ttl_seconds),
        format!("--deadline-seconds={}", plan.deadline_seconds),
        format!("--stall-after-seconds={}", plan.stall_after_seconds),
        format!("--aviso-deadline-seconds={}", plan.deadline_seconds),
        format!("--politica-notificacion={notification}"),
    ];
    match Args::parse_from(arguments).command {
        Command::Run(settings) => *settings,
        Command::Crd | Command::Asyncapi | Command::Drain(_) => unreachable!("the words say run"),
    }
}
