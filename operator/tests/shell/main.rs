//! The decisions that show only at the edge to the API server: the test plays it, call by call, and looks between them
//! at what was published. What the engine decides is proven in `saga`.

#![allow(clippy::unwrap_used)]

mod archive;
mod census;
mod drain;
mod fixture;
mod payments;
mod people;

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action as Requeue;
use operator::reconcile::{on_error, reconcile};
use operator::{replies, requests};
use saga::{Applied, Saga};
use seedwork::contrato::SolicitarPago;
use seedwork::{App, Fault, Phase, Reason, Step};
use serde_json::json;

use crate::fixture::Stage;
use crate::payments::{annotated, answer, done, ended, object, payment, solicitud, started, watched};

#[tokio::test]
async fn an_answer_is_judged_on_a_fresh_read_and_its_command_goes_out_after_the_write() {
    let mut stage = Stage::new().await;
    // To the cache this answer is an old one; who believed it would do nothing.
    stage.cache(&object(Some(&ended()), "99"));
    let answer = answer(Step::CrearFacturacion);
    let shell = Arc::clone(&stage.shell);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, published| {
            server.call("GET", "").await.answer(200, &object(None, "7"));
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.resource_version(), "7");
            assert_eq!(write.body["status"]["secuencia"], 2);
            assert_eq!(
                published.take_published(),
                [],
                "nothing is published before it is recorded"
            );
            write.accept("8");
        })
        .await;
    result.unwrap();
    assert_eq!(stage.topics(), ["inbox-integracion-pagos", "inbox-bff"]);
}

#[tokio::test]
async fn a_lost_write_is_read_again_and_decided_again_never_forced() {
    let mut stage = Stage::new().await;
    let answer = answer(Step::CrearFacturacion);
    let shell = Arc::clone(&stage.shell);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, published| {
            server.call("GET", "").await.answer(200, &object(None, "7"));
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.resource_version(), "7");
            write.refuse(409);
            // Somebody annotated it: the decision stands, over the new version.
            server.call("GET", "").await.answer(200, &annotated(object(None, "8")));
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.resource_version(), "8");
            assert!(write.body["metadata"]["annotations"].get("note").is_some());
            write.refuse(409);
            // Meanwhile the bank took the money back: the answer is late, and going on would be wrong.
            let Applied::Changed(back) = saga::chargeback(&started(), Reason::new("Contracargo", "fraude")) else {
                panic!("a running payment can be reversed");
            };
            server.call("GET", "").await.answer(200, &object(Some(&back), "9"));
            assert_eq!(published.take_published(), []);
        })
        .await;
    result.unwrap();
    assert_eq!(
        stage.topics(),
        Vec::<String>::new(),
        "who lost the race publishes nothing"
    );
}

#[tokio::test]
async fn a_write_that_is_always_lost_is_left_to_the_next_delivery() {
    let mut stage = Stage::new().await;
    let answer = answer(Step::CrearFacturacion);
    let shell = Arc::clone(&stage.shell);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, _| {
            for version in 0..8 {
                let fresh = object(None, &version.to_string());
                server.call("GET", "").await.answer(200, &fresh);
                server.call("PUT", "/status").await.refuse(409);
            }
        })
        .await;
    assert!(matches!(result, Err(Fault::Conflict(_))), "{result:?}");
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn a_pass_whose_write_fails_publishes_nothing_and_comes_back_in_its_time() {
    for (status, again) in [
        (409, Requeue::requeue(Duration::from_millis(200))),
        (500, Requeue::requeue(Duration::from_secs(2))),
        (422, Requeue::requeue(Duration::from_secs(30))),
        (404, Requeue::await_change()),
    ] {
        let mut stage = Stage::new().await;
        let (handle, recorder) = fixture::metrics();
        let _metrics = metrics::set_default_local_recorder(&recorder);
        let mut cancelled = object(None, "7");
        cancelled.spec.cancel = true;
        let seen = watched(&cancelled);
        let pass = reconcile(Arc::clone(&seen), Arc::clone(&stage.shell));
        let result = stage
            .play(pass, async |server, _| {
                let write = server.call("PUT", "/status").await;
                assert_eq!(write.resource_version(), "7");
                assert_eq!(write.body["status"]["phase"], "Compensating");
                write.refuse(status);
                // A rule that our own write breaks is ours to mend: a person is told.
                if status == 422 {
                    let event = server.event().await;
                    assert_eq!(event.body["reason"], "EscrituraRechazada");
                    event.echo();
                }
            })
            .await;
        let fault = result.unwrap_err();
        assert_eq!(on_error(seen, &fault, Arc::clone(&stage.shell)), again, "{status}");
        assert_eq!(stage.topics(), Vec::<String>::new(), "{status}");
        assert_eq!(matches!(fault, Fault::Bug { .. }), status == 422, "{status}: {fault:?}");
        let counted = handle.render().contains("operator_invalid_writes_total 1");
        assert_eq!(counted, status == 422, "{status}");
    }
}

#[tokio::test]
async fn an_answer_whose_write_breaks_a_rule_is_tried_once_per_delivery() {
    let mut stage = Stage::new().await;
    let answer = answer(Step::CrearFacturacion);
    let shell = Arc::clone(&stage.shell);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, _| {
            server.call("GET", "").await.answer(200, &object(None, "7"));
            server.call("PUT", "/status").await.refuse(422);
            server.event().await.echo();
        })
        .await;
    assert!(matches!(result, Err(Fault::Bug { .. })), "{result:?}");
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_is_a_resource_before_its_first_command_goes_out() {
    let mut stage = Stage::new().await;
    let shell = Arc::clone(&stage.shell);
    let asked = requests::solicitar(&shell, solicitar());
    let result = stage
        .play(asked, async |server, published| {
            let create = server.call("POST", "").await;
            assert_eq!(published.take_published(), []);
            assert_eq!(
                create.body["metadata"]["finalizers"],
                json!([operator::resource::FINALIZER])
            );
            create.answer(201, &object(None, "7"));
        })
        .await;
    result.unwrap();
    assert_eq!(stage.topics(), ["inbox-gestion-clientes", "inbox-bff"]);
}

#[tokio::test]
async fn a_request_that_another_replica_took_is_answered_and_not_begun_again() {
    let mut stage = Stage::new().await;
    let shell = Arc::clone(&stage.shell);
    let asked = requests::solicitar(&shell, solicitar());
    let result = stage
        .play(asked, async |server, _| {
            server.call("POST", "").await.refuse(409);
            server.call("GET", "").await.answer(200, &object(None, "7"));
        })
        .await;
    result.unwrap();
    assert_eq!(stage.topics(), ["inbox-bff"], "its state and no command");
}

#[tokio::test]
async fn the_answers_of_a_whole_payment_are_one_write_each() {
    let mut stage = Stage::new().await;
    let mut saga: Saga = started();
    for step in Step::ALL {
        let (answer, before) = (answer(step), object(Some(&saga), "7"));
        let shell = Arc::clone(&stage.shell);
        let result = stage
            .play(replies::respuesta(&shell, &answer), async |server, _| {
                server.call("GET", "").await.answer(200, &before);
                server.call("PUT", "/status").await.accept("8");
            })
            .await;
        result.unwrap();
        saga = done(&saga, step);
    }
    assert_eq!(saga.phase(), Phase::Completed);
    let bff = || "inbox-bff".to_owned();
    let next = |app: App| app.inbox();
    let expected = [
        next(App::IntegracionPagos),
        bff(),
        next(App::GestionClientes),
        bff(),
        next(App::Notificaciones),
        bff(),
        bff(),
    ];
    assert_eq!(stage.topics(), expected);
}

fn solicitar() -> SolicitarPago {
    SolicitarPago {
        id_correlacion: payment(),
        solicitud: solicitud(),
        origen: App::Bff,
    }
}
