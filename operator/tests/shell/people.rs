//! Resources that people made or changed by hand.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action as Requeue;
use operator::crd::PaymentSaga;
use operator::reconcile::reconcile;
use operator::record::Recorded;
use operator::resource::FINALIZER;
use operator::shell::Watched;
use operator::{replies, requests};
use saga::{Applied, Controls, Memory, Saga};
use seedwork::contrato::{Contracargo, Respuesta};
use seedwork::{Action, Fault, Message, Outcome, Reason, Step};
use serde_json::json;

use crate::fixture::{self, Stage};
use crate::payments::{answer, applied_by_a_person, done, ended, object, payment, stalled, started, told, watched};

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

/// One pass over it writes it once, with our finalizer on it once.
async fn is_held_once(stage: &mut Stage, payment: &PaymentSaga) {
    let pass = reconcile(watched(payment), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            let adopt = server.call("PUT", "").await;
            assert_eq!(adopt.body["metadata"]["finalizers"], json!([FINALIZER]));
            adopt.accept("8");
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
}

#[tokio::test]
async fn a_finalizer_that_came_with_a_copied_payment_is_not_put_on_it_twice() {
    let mut copied = applied_by_a_person("7");
    copied.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    is_held_once(&mut Stage::new().await, &copied).await;
}

#[tokio::test]
async fn a_running_payment_that_lost_its_finalizer_gets_it_back_and_nothing_else() {
    let mut stage = Stage::new().await;
    let running = done(&started(), Step::CrearFacturacion);
    is_held_once(&mut stage, &without_finalizer(Some(&running))).await;
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
    // It is looked at every few seconds; the person heard it once.
    let again = asking_nobody(reconcile(watched(&other), Arc::clone(&stage.shell))).await;
    assert!(matches!(again, Err(Fault::Rejected(_))), "{again:?}");

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

/// A resource that cannot be read.
fn strange() -> Arc<Watched> {
    let mut strange = serde_json::to_value(object(None, "7")).unwrap();
    strange["spec"]["medioPago"] = json!("Trueque");
    let strange: Watched = serde_json::from_value(strange).unwrap();
    let DeserializeGuard(Err(_)) = &strange else {
        panic!("it can be read")
    };
    Arc::new(strange)
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_is_left_alone_and_a_person_is_told() {
    let mut stage = Stage::new().await;
    let (handle, recorder) = fixture::metrics();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let pass = reconcile(strange(), Arc::clone(&stage.shell));
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
    // It is looked at every few seconds; the person heard it once, and it counts as one.
    let again = reconcile(strange(), Arc::clone(&stage.shell));
    assert_eq!(asking_nobody(again).await.unwrap(), Requeue::await_change());
    let counted = handle.render();
    let line = "operator_resources_left_alone_total 1";
    assert!(counted.lines().any(|one| one == line), "{counted}");
}

#[tokio::test]
async fn a_payment_that_can_be_read_no_more_takes_no_room_any_more() {
    let mut stage = Stage::new().await;
    let shell = Arc::clone(&stage.shell);
    let all = shell.held.room();
    shell.held.keep(&Recorded::read(object(None, "6")).unwrap());
    assert_eq!(shell.held.room(), all - 1, "it waits for its first step");
    let pass = reconcile(strange(), Arc::clone(&shell));
    let result = stage.play(pass, async |server, _| server.event().await.echo()).await;
    result.unwrap();
    assert_eq!(shell.held.room(), all);
}

#[tokio::test]
async fn a_word_to_a_person_that_nobody_takes_does_not_hold_up_what_follows() {
    let mut stage = Stage::new().await;
    tokio::time::pause();
    let mut unanswered = None;
    let pass = reconcile(strange(), Arc::clone(&stage.shell));
    let result = stage
        .play(pass, async |server, _| {
            unanswered = Some(server.event().await);
        })
        .await;
    assert_eq!(result.unwrap(), Requeue::await_change());
    assert!(unanswered.is_some(), "it was said");
    // Nobody heard it, so it is said again.
    let again = reconcile(strange(), Arc::clone(&stage.shell));
    let result = stage.play(again, async |server, _| server.event().await.echo()).await;
    assert_eq!(result.unwrap(), Requeue::await_change());
}

/// What makes no call to the API server.
async fn asking_nobody<T>(act: impl Future<Output = T>) -> T {
    let act = tokio::time::timeout(Duration::from_secs(5), act);
    act.await.expect("nothing is asked of the API server")
}

/// A payment that a newer operator has brought on.
fn of_the_newer() -> PaymentSaga {
    let mut newer = object(Some(&done(&started(), Step::CrearFacturacion)), "7");
    newer.status.as_mut().unwrap().engine_version += 1;
    newer
}

#[tokio::test]
async fn a_payment_of_a_newer_operator_is_left_to_it_without_a_word() {
    let mut stage = Stage::new().await;
    let pass = reconcile(watched(&of_the_newer()), Arc::clone(&stage.shell));
    assert_eq!(asking_nobody(pass).await.unwrap(), Requeue::await_change());
    let shell = Arc::clone(&stage.shell);
    let asked = requests::solicitar(&shell, crate::solicitar());
    let result = stage
        .play(asked, async |server, _| {
            server.call("POST", "").await.refuse(409);
            server.call("GET", "").await.answer(200, &of_the_newer());
        })
        .await;
    result.unwrap();
    let answer = answer(Step::RealizarPago);
    let answered = replies::respuesta(&shell, &answer);
    let result = stage
        .play(answered, async |server, _| {
            server.call("GET", "").await.answer(200, &of_the_newer());
        })
        .await;
    assert!(
        result.is_err_and(|fault| fault.retryable()),
        "the newer one is to have the answer"
    );
    assert_eq!(stage.topics(), Vec::<String>::new(), "nothing is refused that runs");
}

#[tokio::test]
async fn a_payment_that_a_newer_operator_took_over_takes_no_room_any_more() {
    let stage = Stage::new().await;
    let held = &stage.shell.held;
    let all = held.room();
    held.keep(&Recorded::read(object(None, "6")).unwrap());
    assert_eq!(held.room(), all - 1, "it waits for its first step");
    let pass = reconcile(watched(&of_the_newer()), Arc::clone(&stage.shell));
    asking_nobody(pass).await.unwrap();
    assert_eq!(held.room(), all);
}

#[tokio::test]
async fn an_answer_to_a_payment_that_a_newer_operator_brought_on_is_not_acted_on_from_what_was_held() {
    let mut stage = Stage::new().await;
    let ours = object(Some(&done(&started(), Step::CrearFacturacion)), "6");
    stage.shell.held.keep(&Recorded::read(ours).unwrap());
    stage.cache(&of_the_newer());
    let shell = Arc::clone(&stage.shell);
    let answer = answer(Step::RealizarPago);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, _| {
            server.call("GET", "").await.answer(200, &of_the_newer());
        })
        .await;
    assert!(
        result.is_err_and(|fault| fault.retryable()),
        "the newer one is to have the answer"
    );
    assert_eq!(stage.topics(), Vec::<String>::new());
}

#[tokio::test]
async fn who_is_told_that_a_payment_is_stalled_is_told_the_remedy_as_far_as_a_note_goes() {
    for (letter, is_whole) in [("ñ", true), ("🧾", false)] {
        let mut stage = Stage::new().await;
        let cancel = Controls {
            cancel: true,
            ..Controls::default()
        };
        let undoing = told(&started(), &cancel, &Memory::default());
        let failed = Respuesta {
            action: Action::Undo(Step::CrearFacturacion),
            outcome: Outcome::Failed(Reason::new("SinConexion", letter.repeat(256))),
            ..answer(Step::CrearFacturacion)
        };
        let Applied::Changed(failing) = saga::apply(&undoing, &failed) else {
            panic!("it is shown that an undo fails")
        };
        let failing_object = watched(&object(Some(&failing), "7"));
        tokio::time::pause();
        let first = reconcile(Arc::clone(&failing_object), Arc::clone(&stage.shell));
        asking_nobody(first).await.unwrap();
        let patience = failing.politica.stall_after_seconds;
        tokio::time::advance(Duration::from_secs(patience.into())).await;
        let pass = reconcile(failing_object, Arc::clone(&stage.shell));
        let result = stage
            .play(pass, async |server, _| {
                let write = server.call("PUT", "/status").await;
                assert_eq!(write.body["status"]["phase"], "Stalled");
                let message = write.body["status"]["message"].as_str().unwrap().to_owned();
                write.accept("8");
                let event = server.event().await;
                assert_eq!(event.body["reason"], "SinConexion");
                let note = event.body["note"].as_str().unwrap();
                assert!(message.starts_with(note) && note.len() <= 1024, "{note}");
                assert_eq!(note.ends_with("once settled by hand."), is_whole, "{note}");
                event.echo();
            })
            .await;
        result.unwrap();
        tokio::time::resume();
    }
}

#[tokio::test]
async fn an_answer_does_not_overtake_a_cancel_that_was_read() {
    let mut stage = Stage::new().await;
    let mut cancelled = object(Some(&done(&started(), Step::CrearFacturacion)), "7");
    cancelled.spec.cancel = true;
    let shell = Arc::clone(&stage.shell);
    let answer = answer(Step::RealizarPago);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, _| {
            server.call("GET", "").await.answer(200, &cancelled);
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.body["status"]["phase"], "Compensating");
            let mut turned = cancelled.clone();
            turned.status = serde_json::from_value(write.body["status"].clone()).unwrap();
            turned.metadata.resource_version = Some("8".to_owned());
            write.accept("8");
            server.event().await.echo();
            server.call("GET", "").await.answer(200, &turned);
        })
        .await;
    result.unwrap();
    let expected = ["inbox-notificaciones", "inbox-bff"];
    assert_eq!(
        stage.topics(),
        expected,
        "the undo of all that may have begun, and the news"
    );
}

#[tokio::test]
async fn a_chargeback_of_an_archived_payment_is_not_held_up_by_what_was_asked_of_its_first_life() {
    let mut stage = Stage::new().await;
    let mut suspended = object(Some(&ended()), "7");
    suspended.spec.suspend = true;
    suspended.spec.cancel = true;
    stage.archive(&suspended).await;
    let shell = Arc::clone(&stage.shell);
    let contracargo = Contracargo {
        id_correlacion: payment(),
        motivo: "fraude".to_owned(),
    };
    let result = stage
        .play(replies::contracargo(&shell, &contracargo), async |server, _| {
            server.call("GET", "").await.refuse(404);
            let made = server.call("POST", "").await;
            assert_ne!(made.body["spec"]["suspend"], true);
            assert_ne!(made.body["spec"]["cancel"], true);
            made.answer(201, &object(None, "8"));
            server.call("PUT", "/status").await.accept("9");
            // Another replica let it leave in this very moment: it is made again.
            let lost = server.call("PUT", "/status").await;
            assert_eq!(lost.body["status"]["phase"], "Compensating");
            lost.refuse(404);
            server.call("GET", "").await.refuse(404);
            server.call("POST", "").await.answer(201, &object(None, "10"));
            server.call("PUT", "/status").await.accept("11");
            server.call("PUT", "/status").await.accept("12");
            server.event().await.echo();
        })
        .await;
    result.unwrap();
    let sent = stage.messages();
    let undo = sent.iter().any(|one| matches!(one, Message::Comando(_)));
    let attended = sent
        .iter()
        .any(|one| matches!(one, Message::ContracargoAtendido { .. }));
    assert!(undo && attended, "{sent:?}");
}

/// A payment that ended by a person's word; nobody answered to the undo of its first step.
fn settled_in_silence() -> Saga {
    let word = Controls {
        resolved_by: Some("ana: there is no invoice".to_owned()),
        ..Controls::default()
    };
    let late = Memory {
        elapsed: Duration::from_hours(1),
        ..Memory::default()
    };
    let settled = told(&stalled(), &word, &Memory::default());
    let ended = told(&settled, &Controls::default(), &late);
    assert!(ended.ended());
    ended
}

#[tokio::test]
async fn what_a_person_settled_in_silence_is_asked_for_and_stays_until_it_is_answered() {
    let mut stage = Stage::new().await;
    let settled = settled_in_silence();
    // Its time was up long ago, and somebody deletes it, too.
    let mut object = object(Some(&settled), "7");
    object.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
    let why = object.status.as_ref().unwrap().message.as_ref().unwrap();
    assert!(why.contains("RevertirFacturacion"), "{why}");
    let every = Duration::from_secs(settled.politica.undo.max_seconds.into());
    let pass = |stage: &Stage| asking_nobody(reconcile(watched(&object), Arc::clone(&stage.shell)));
    pass(&stage).await.unwrap();
    assert_eq!(stage.topics(), Vec::<String>::new(), "it was asked for just now");
    assert!(stage.shell.archive.find(&payment()).await.unwrap().is_some());
    tokio::time::pause();
    tokio::time::advance(every).await;
    pass(&stage).await.unwrap();
    tokio::time::resume();
    let undo = Action::Undo(Step::CrearFacturacion);
    let [Message::Comando(comando)] = &stage.messages()[..] else {
        panic!("the undo is asked for");
    };
    assert_eq!(comando.action, undo);

    let shell = Arc::clone(&stage.shell);
    let answer = Respuesta {
        action: undo,
        ..answer(Step::CrearFacturacion)
    };
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, _| {
            server.call("GET", "").await.answer(200, &object);
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.body["status"]["steps"][0]["state"], "Undone");
            assert_eq!(write.body["status"]["phase"], "Compensated");
            let why = write.body["status"]["message"].as_str().unwrap();
            assert!(!why.contains("RevertirFacturacion"), "{why}");
            write.accept("8");
        })
        .await;
    result.unwrap();
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
