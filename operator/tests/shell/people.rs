//! Resources that people made or changed by hand.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action as Requeue;
use operator::crd::PaymentSaga;
use operator::reconcile::reconcile;
use operator::requests;
use operator::resource::FINALIZER;
use operator::shell::Watched;
use saga::Saga;
use seedwork::{Fault, Message, Step};
use serde_json::json;

use crate::fixture::Stage;
use crate::payments::{applied_by_a_person, done, ended, object, started, watched};

fn without_finalizer(saga: Option<&Saga>) -> PaymentSaga {
    let mut object = object(saga, "7");
    object.metadata.finalizers = None;
    object
}

#[tokio::test]
async fn a_payment_with_a_policy_of_its_own_is_held_before_its_first_command() {
    let mut stage = Stage::new().await;
    let mut own = without_finalizer(None);
    own.spec.politica.as_mut().unwrap().stall_after_seconds = 7;
    let pass = reconcile(watched(&own), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, published| {
            let adopt = server.call("PUT", "").await;
            assert_eq!(adopt.body["metadata"]["finalizers"], json!([FINALIZER]));
            assert_eq!(adopt.body["spec"]["politica"]["stallAfterSeconds"], 7);
            assert_eq!(published.take_published(), []);
            adopt.accept("8");
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    assert_eq!(stage.topics(), ["inbox-gestion-clientes"]);
}

#[tokio::test]
async fn a_running_payment_that_lost_its_finalizer_gets_it_back_and_nothing_else() {
    let mut stage = Stage::new().await;
    let running = done(&started(), Step::CrearFacturacion);
    let pass = reconcile(watched(&without_finalizer(Some(&running))), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            let adopt = server.call("PUT", "").await;
            assert_eq!(adopt.body["metadata"]["finalizers"], json!([FINALIZER]));
            adopt.accept("8");
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn another_payment_under_a_used_name_can_neither_be_cancelled_nor_undone_and_is_let_go() {
    let mut stage = Stage::new().await;
    stage.archive(&object(Some(&ended()), "7")).await;
    let mut other = applied_by_a_person("20");
    other.spec.politica = object(None, "").spec.politica;
    other.spec.monto = "25.00".to_owned();
    other.spec.cancel = true;
    other.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    let pass = reconcile(watched(&other), Arc::clone(&stage.shell));
    let result = stage.play(pass, async |server, _| server.event().await.echo()).await;
    assert!(matches!(result, Err(Fault::Rejected(_))), "{result:?}");
    assert_eq!(stage.topics(), Vec::<String>::new());

    let mut stage = Stage::new().await;
    stage.archive(&object(Some(&ended()), "7")).await;
    other.metadata.deletion_timestamp = Some(Time("2026-11-24T18:00:00Z".parse().unwrap()));
    let pass = reconcile(watched(&other), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            server.event().await.echo();
            let release = server.call("PUT", "").await;
            assert_eq!(release.body["metadata"]["finalizers"], json!([]));
            release.accept("21");
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_is_left_alone_and_a_person_is_told() {
    let mut stage = Stage::new().await;
    let mut strange = serde_json::to_value(object(None, "7")).unwrap();
    strange["spec"]["medioPago"] = json!("Trueque");
    let strange: Watched = serde_json::from_value(strange).unwrap();
    let DeserializeGuard(Err(_)) = &strange else {
        panic!("it can be read")
    };
    let pass = reconcile(Arc::new(strange), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            let event = server.event().await;
            assert_eq!(event.body["reason"], "EspecificacionInvalida");
            assert_eq!(event.body["regarding"]["name"], "pago-p-1");
            event.echo();
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn a_change_that_nothing_follows_from_is_recorded_as_seen() {
    let running = done(&started(), Step::CrearFacturacion);
    for (saga, suspend) in [(&ended(), false), (&running, true)] {
        let mut stage = Stage::new().await;
        let mut changed = object(Some(saga), "7");
        changed.metadata.generation = Some(2);
        changed.spec.suspend = suspend;
        let pass = reconcile(watched(&changed), Arc::clone(&stage.shell));
        let result = stage
            .play(pass, async |server, _| {
                let write = server.call("PUT", "/status").await;
                assert_eq!(write.body["status"]["observedGeneration"], 2);
                assert_eq!(write.body["status"]["secuencia"], saga.secuencia);
                write.accept("8");
            })
            .await;
        assert_eq!(result.unwrap(), Requeue::await_change());
        assert_eq!(stage.topics(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_request_whose_name_is_held_by_what_is_no_payment_is_refused() {
    let mut stage = Stage::new().await;
    let shell = Arc::clone(&stage.shell);
    let mut impossible = object(None, "7");
    impossible.spec.politica.as_mut().unwrap().pasos.swap(0, 1);
    let result = stage
        .play(requests::solicitar(&shell, crate::solicitar()), async |server, _| {
            server.call("POST", "").await.refuse(409);
            server.call("GET", "").await.answer(200, &impossible);
        })
        .await;
    result.unwrap();
    let sent = stage.messages();
    assert!(
        matches!(&sent[..], [Message::SolicitudRechazada { reason, .. }] if reason.motivo == "IdentidadUsada"),
        "{sent:?}"
    );
}
