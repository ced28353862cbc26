//! The models keep the contracts that the real parts keep: of the sidecar the very same suite, of the API server and of
//! SQL what the shell relies on.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use kube::api::{DeleteParams, Preconditions};
use operator::crd::{PaymentSaga, PaymentSagaSpec};
use operator::resource::{self, FINALIZER};
use saga::{OnExhausted, Politica, Saga};
use seedwork::{App, MedioPago, Phase};
use seedwork_runtime::sidecar::contract::Contract;
use simulation::Bases;
use simulation::life::Life;
use simulation::model::api_server::ApiServer;
use simulation::model::sidecar::SimulatedSidecar;
use simulation::plan::{CallFaults, Plan};
use simulation::sql::{self, Value};
use simulation::system::Incarnation;
use simulation::world::{Proc, World};
use sqlx::Row as _;

fn calm() -> (Arc<World>, Arc<Life>) {
    let world = World::new(Plan::default(), 1, Bases::new(), false);
    let life = Life::new(Arc::clone(&world), Proc::Notificaciones);
    (world, life)
}

async fn launched(world: &Arc<World>, proc: Proc) -> Arc<Incarnation> {
    world.launch(proc);
    loop {
        if let Some(incarnation) = world.running(proc) {
            return incarnation;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_sidecar_keeps_the_contract() {
    let (world, life) = calm();
    launched(&world, Proc::Clientes).await;
    let contract = Contract {
        sidecar: Arc::new(SimulatedSidecar(life)),
        app: App::Notificaciones,
        run: "model".to_owned(),
        neighbour: App::GestionClientes,
        page: "/clientes/cliente/c-1".to_owned(),
        answer: serde_json::json!({"id": "c-1", "correo": "ana@x.co"}),
    };
    contract.holds().await;
}

fn payment() -> PaymentSaga {
    let spec = PaymentSagaSpec {
        id_cliente: "c-1".to_owned(),
        medio_pago: MedioPago::Pse,
        monto: "24.00".to_owned(),
        moneda: "USD".to_owned(),
        politica: Some(Politica::standard(OnExhausted::Continue)),
        suspend: false,
        cancel: false,
    };
    let mut object = PaymentSaga::new("pago-1", spec);
    object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    object
}

fn code<T: std::fmt::Debug>(done: kube::Result<T>) -> u16 {
    let error = done.unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    status.code
}

#[test]
fn the_api_server_takes_a_write_over_the_last_version_only() {
    let api = ApiServer::default();
    let first = api.create(&payment()).unwrap();
    assert_eq!(code(api.create(&payment())), 409);
    let mut edited = first.clone();
    edited.spec.suspend = true;
    let second = api.replace(&edited).unwrap();
    assert_eq!(second.metadata.generation, Some(2));
    assert_eq!(code(api.replace(&edited)), 409, "it was written since");
    assert_eq!(code(api.replace_status(&first)), 409);
    let mut blind = second.clone();
    blind.metadata.resource_version = None;
    assert_eq!(code(api.replace(&blind)), 422, "no write is forced");
    assert_eq!(
        api.replace(&second).unwrap(),
        second,
        "what changes nothing is no version"
    );
}

#[test]
fn the_api_server_keeps_the_status_apart_and_its_rules() {
    let api = ApiServer::default();
    let made = api.create(&payment()).unwrap();
    let saga = Saga::start(made.spec.politica.clone().unwrap());
    let mut recorded = made.clone();
    recorded.spec.cancel = true;
    recorded.status = Some(resource::status(&made, &saga, jiff::Timestamp::UNIX_EPOCH));
    let recorded = api.replace_status(&recorded).unwrap();
    assert!(!recorded.spec.cancel, "a status write writes the status");
    let mut back = recorded.clone();
    if let Some(status) = &mut back.status {
        status.phase = Phase::Compensated;
    }
    assert_eq!(code(api.replace_status(&back)), 422, "the phase cannot jump");
    let mut other = recorded.clone();
    other.spec.monto = "25.00".to_owned();
    assert_eq!(code(api.replace(&other)), 422, "a payment cannot be changed");
    let mut gone = recorded.clone();
    gone.status = None;
    gone.spec.suspend = true;
    assert_eq!(
        api.replace(&gone).unwrap().status,
        recorded.status,
        "and the rest writes the rest"
    );
}

#[test]
fn the_api_server_holds_what_has_a_finalizer() {
    let api = ApiServer::default();
    let made = api.create(&payment()).unwrap();
    let stale = DeleteParams {
        preconditions: Some(Preconditions {
            uid: made.metadata.uid.clone(),
            resource_version: Some("0".to_owned()),
        }),
        ..DeleteParams::default()
    };
    assert_eq!(code(api.delete("pago-1", &stale)), 409);
    api.delete("pago-1", &DeleteParams::default()).unwrap();
    let mut held = PaymentSaga::clone(&api.get("pago-1").unwrap());
    assert!(held.metadata.deletion_timestamp.is_some());
    held.metadata.finalizers = Some(vec![FINALIZER.to_owned(), "another/one".to_owned()]);
    assert_eq!(code(api.replace(&held)), 422, "no finalizer can be added now");
    held.metadata.finalizers = None;
    api.replace(&held).unwrap();
    assert!(api.is_empty() && api.changes(0).last().unwrap().gone);
    assert_eq!(code(api.delete("pago-1", &DeleteParams::default())), 404);
}

#[tokio::test(start_paused = true)]
async fn sql_forgets_the_transaction_of_a_process_that_dies() {
    let (world, _) = calm();
    let base = &world.bases.bff;
    let count = || base.look("SELECT n FROM contador");
    let life = Arc::clone(launched(&world, Proc::Bff).await.life());
    let pool = sql::pool(base, &life).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let row = sqlx::query("UPDATE contador SET n = n + $2 WHERE id = $1 RETURNING n")
        .bind(1_i64)
        .bind(7_i64)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(row.try_get::<i64, _>("n").unwrap(), 7, "arguments go by their number");
    std::mem::forget(transaction); // nothing of a dead process runs, no destructor either
    assert_eq!(count(), [[Value::Number(7)]], "one connection sees what it did");
    world.kill(Proc::Bff);
    assert_eq!(count(), [[Value::Number(0)]]);
}

#[tokio::test(start_paused = true)]
async fn sql_may_do_a_statement_that_it_does_not_answer() {
    let plan = Plan {
        call: CallFaults {
            loses_answer: 1.0,
            ..CallFaults::default()
        },
        ..Plan::default()
    };
    let world = World::new(plan, 1, Bases::new(), false);
    let life = Life::new(Arc::clone(&world), Proc::Bff);
    let base = &world.bases.bff;
    let pool = sql::pool(base, &life).await.unwrap();
    assert!(pool.begin().await.is_err(), "nobody knows of this transaction");
    let update = sqlx::query("UPDATE contador SET n = 7 WHERE id = 1")
        .execute(&pool)
        .await;
    assert!(update.is_err(), "nobody is told");
    assert_eq!(
        base.look("SELECT n FROM contador"),
        [[Value::Number(7)]],
        "and it is done"
    );
}
