//! A payment leaves the API server, and comes back.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action as Requeue;
use operator::crd::PaymentSaga;
use operator::reconcile::reconcile;
use operator::record::Recorded;
use operator::replies;
use saga::Applied;
use seedwork::{Fault, Reason, Step};
use serde_json::json;

use crate::fixture::{Call, PATIENCE, Server, Stage};
use crate::payments::{answer, applied_by_a_person, ended, object, payment, watched};

#[tokio::test]
async fn a_finished_payment_leaves_by_the_version_that_was_archived() {
    let mut stage = Stage::new().await;
    let archive = stage.shell.archive.clone();
    let mut leaving = object(Some(&ended()), "8");
    leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    let pass = reconcile(watched(&object(Some(&ended()), "7")), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            let delete = server.call("DELETE", "").await;
            let preconditions = &delete.body["preconditions"];
            assert_eq!(*preconditions, json!({"uid": "uid-1", "resourceVersion": "7"}));
            let archived = archive.find(&payment()).await.unwrap().unwrap();
            assert_eq!(
                archived.metadata.resource_version.as_deref(),
                Some("7"),
                "archived before it is let go"
            );
            delete.answer(200, &leaving);
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    // Looked at again before the watch has the deletion: it is not asked for twice.
    let pass = reconcile(watched(&object(Some(&ended()), "7")), Arc::clone(&stage.shell));
    let passed = tokio::time::timeout(PATIENCE, pass).await;
    passed.expect("the API server is not asked").unwrap();

    // The watch has it. Somebody writes just then: the next pass tries again, with what is there now.
    let result = let_go(&mut stage, &leaving, |release| release.refuse(409)).await;
    assert!(matches!(result, Err(Fault::Conflict(_))), "{result:?}");
    leaving.metadata.resource_version = Some("9".to_owned());
    let result = let_go(&mut stage, &leaving, |release| release.accept("10")).await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    let pass = reconcile(watched(&leaving), Arc::clone(&stage.shell));
    let passed = tokio::time::timeout(PATIENCE, pass).await;
    passed.expect("it is let go once").unwrap();
}

/// A pass over a payment that is deleted: its finalizer is taken from that very version.
async fn let_go(stage: &mut Stage, leaving: &PaymentSaga, answer: impl FnOnce(Call)) -> Result<Requeue, Fault> {
    let pass = reconcile(watched(leaving), Arc::clone(&stage.shell));
    stage
        .play(pass, async |server, _| {
            let release = server.call("PUT", "").await;
            assert_eq!(
                release.resource_version(),
                leaving.metadata.resource_version.as_deref().unwrap()
            );
            assert_eq!(release.body["metadata"]["finalizers"], json!([]));
            assert_eq!(
                release.body["metadata"]["managedFields"],
                json!([{}]),
                "nobody asks any more"
            );
            assert_eq!(release.body.get("status"), None);
            answer(release);
        })
        .await
}

#[tokio::test]
async fn a_payment_is_held_by_us_until_nobody_else_holds_it() {
    let mut stage = Stage::new().await;
    let mut leaving = object(Some(&ended()), "8");
    leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    let mut held = leaving.clone();
    let finalizers = held.metadata.finalizers.get_or_insert_default();
    finalizers.push("another/one".to_owned());
    let pass = reconcile(watched(&held), Arc::clone(&stage.shell));
    let passed = tokio::time::timeout(PATIENCE, pass).await;
    passed.expect("the API server is not asked").unwrap();
    let result = let_go(&mut stage, &leaving, |release| release.accept("9")).await;
    assert_eq!(result.unwrap(), Requeue::await_change());
}

#[tokio::test]
async fn a_payment_that_we_hold_twice_leaves_like_any_other() {
    let mut stage = Stage::new().await;
    let mut leaving = object(Some(&ended()), "8");
    leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    let finalizers = leaving.metadata.finalizers.get_or_insert_default();
    finalizers.extend_from_within(..);
    assert_eq!(finalizers.len(), 2);
    let result = let_go(&mut stage, &leaving, |release| release.accept("9")).await;
    assert_eq!(result.unwrap(), Requeue::await_change());
}

#[tokio::test]
async fn a_chargeback_on_a_payment_that_is_leaving_is_done_before_it_goes() {
    let stage = Stage::new().await;
    let reason = Reason::new("Contracargo", "");
    let Applied::Changed(reversed) = saga::chargeback(&ended(), reason) else {
        panic!("a completed payment can be reversed")
    };
    let mut leaving = object(Some(&reversed), "9");
    leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    let pass = reconcile(watched(&leaving), Arc::clone(&stage.shell));
    let passed = tokio::time::timeout(PATIENCE, pass).await;
    passed.expect("the API server is not asked").unwrap();
    let expected = ["inbox-notificaciones", "inbox-bff"];
    assert_eq!(stage.topics(), expected, "undone and told, and held until it is");
}

#[tokio::test]
async fn a_finished_payment_that_changes_before_it_leaves_stays() {
    let mut stage = Stage::new().await;
    let pass = reconcile(watched(&object(Some(&ended()), "7")), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| server.call("DELETE", "").await.refuse(409))
        .await;
    assert!(matches!(result, Err(Fault::Conflict(_))), "{result:?}");
}

#[tokio::test]
async fn an_archived_payment_that_is_applied_again_is_restored_and_nothing_runs() {
    let finished = ended();
    // By a person; half made again by an operator that died; and cancelled before anybody looked at it.
    let made_again = object(None, "20");
    let mut cancelled = made_again.clone();
    cancelled.spec.cancel = true;
    for fresh in [applied_by_a_person("20"), made_again, cancelled] {
        let by_a_person = fresh.spec.politica.is_none();
        let mut stage = Stage::new().await;
        stage.archive(&object(Some(&finished), "7")).await;
        let pass = reconcile(watched(&fresh), Arc::clone(&stage.shell));
        let result = stage
            .play(pass, async |server, _| {
                if by_a_person {
                    let adopt = server.call("PUT", "").await;
                    assert_eq!(adopt.resource_version(), "20");
                    adopt.accept("21");
                }
                let write = server.call("PUT", "/status").await;
                assert_eq!(write.resource_version(), if by_a_person { "21" } else { "20" });
                assert_eq!(write.body["status"]["phase"], "Completed");
                assert_eq!(write.body["status"]["secuencia"], finished.secuencia);
                write.accept("22");
            })
            .await;
        assert_eq!(result.unwrap(), Requeue::await_change());
        assert_eq!(stage.topics(), ["inbox-bff"], "its old state and no command");
    }
}

/// The answer to step 1, when the API server has this resource; the topics of what is sent then.
async fn late_answer(stage: &mut Stage, fresh: &PaymentSaga, script: impl AsyncFnOnce(&mut Server)) -> Vec<String> {
    let shell = Arc::clone(&stage.shell);
    let late = answer(Step::CrearFacturacion);
    let result = stage
        .play(replies::respuesta(&shell, &late), async |server, _| {
            server.call("GET", "").await.answer(200, fresh);
            script(server).await;
        })
        .await;
    result.unwrap();
    stage.topics()
}

#[tokio::test]
async fn an_answer_to_an_earlier_life_does_not_begin_a_second_one() {
    let finished = ended();
    let made_again = object(None, "20");
    let mut cancelled = made_again.clone();
    cancelled.spec.cancel = true;
    for fresh in [&made_again, &cancelled] {
        let mut stage = Stage::new().await;
        stage.archive(&object(Some(&finished), "7")).await;
        let told = late_answer(&mut stage, fresh, async |server| {
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.body["status"]["phase"], "Completed");
            assert_eq!(write.body["status"]["secuencia"], finished.secuencia);
            write.accept("21");
        });
        assert_eq!(told.await, ["inbox-bff"], "its old state and no command");
    }
    // Another payment under its name: not its answer.
    let mut other = made_again.clone();
    other.spec.monto = "25.00".to_owned();
    let mut stage = Stage::new().await;
    stage.archive(&object(Some(&finished), "7")).await;
    let told = late_answer(&mut stage, &other, async |server| server.event().await.echo());
    assert_eq!(told.await, Vec::<String>::new());
    // Its first life: the word that was read is obeyed before the answer.
    let mut stage = Stage::new().await;
    let told = late_answer(&mut stage, &cancelled, async |server| {
        let write = server.call("PUT", "/status").await;
        assert_eq!(write.body["status"]["phase"], "Compensating");
        let mut turned = cancelled.clone();
        turned.status = serde_json::from_value(write.body["status"].clone()).unwrap();
        turned.metadata.resource_version = Some("21".to_owned());
        write.accept("21");
        server.event().await.echo();
        server.call("GET", "").await.answer(200, &turned);
    });
    assert_eq!(
        told.await,
        ["inbox-gestion-clientes", "inbox-bff"],
        "an undo and the news"
    );
}

#[tokio::test]
async fn another_payment_under_the_name_of_an_archived_one_is_refused_to_the_person_who_applied_it() {
    let mut stage = Stage::new().await;
    stage.archive(&object(Some(&ended()), "7")).await;
    let mut other = applied_by_a_person("20");
    other.spec.monto = "25.00".to_owned();
    let pass = reconcile(watched(&other), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            server.call("PUT", "").await.accept("21");
            let event = server.event().await;
            assert_eq!(event.body["reason"], "IdentidadUsada");
            event.echo();
        })
        .await;
    assert!(matches!(result, Err(Fault::Rejected(_))), "{result:?}");
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn an_end_is_due_to_be_told_again_until_that_very_end_is_confirmed() {
    let stage = Stage::new().await;
    let archive = &stage.shell.archive;
    let end = Recorded::read(object(Some(&ended()), "7")).unwrap();
    archive.store(&end).await.unwrap();
    assert_eq!(archive.claim_unconfirmed().await.unwrap().len(), 0, "not at once");
    archive.confirmed(payment(), ended().secuencia - 1);
    stage.later().await;
    assert_eq!(archive.claim_unconfirmed().await.unwrap().len(), 1);
    archive.confirmed(payment(), ended().secuencia);
    stage.later().await;
    assert_eq!(archive.claim_unconfirmed().await.unwrap().len(), 0);
}
