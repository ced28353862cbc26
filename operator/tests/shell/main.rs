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

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::runtime::controller::Action as Requeue;
use operator::reconcile::{on_error, reconcile};
use operator::record::Recorded;
use operator::shell::Watched;
use operator::{replies, requests};
use saga::Applied;
use seedwork::contrato::SolicitarPago;
use seedwork::{App, Fault, IdCorrelacion, Message, Reason, Step};
use serde_json::json;

use crate::fixture::{PATIENCE, Stage};
use crate::payments::{
    annotated, answer, applied_by_a_person, done, ended, object, payment, solicitud, started, watched,
};

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
    assert_eq!(
        stage.topics(),
        ["inbox-integracion-pagos"],
        "where it goes on from is no news yet"
    );
}

#[tokio::test]
async fn a_write_of_the_status_says_nothing_of_the_spec_nor_of_who_wrote_which_field() {
    let mut stage = Stage::new().await;
    let mut object = object(None, "7");
    object.metadata.managed_fields = Some(vec![ManagedFieldsEntry::default()]);
    let answer = answer(Step::CrearFacturacion);
    let shell = Arc::clone(&stage.shell);
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, _| {
            server.call("GET", "").await.answer(200, &object);
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.body["metadata"].get("managedFields"), None);
            assert_eq!(write.body.get("spec"), None);
            assert_eq!(write.body["apiVersion"], "pagos.saludtech.dev/v1alpha1");
            assert_eq!(write.body["kind"], "PaymentSaga");
            write.accept("8");
        })
        .await;
    result.unwrap();
}

#[tokio::test]
async fn a_stale_read_is_looked_at_again_though_nothing_wakes_us() {
    let stage = Stage::new().await;
    let seen = stage.shell.memories.of("uid-1", 3, false, tokio::time::Instant::now());
    assert!(seen.is_some());
    // After its restart the API server's watch lists anew, and we are woken before the cache has what it lists.
    let older = watched(&object(Some(&started()), "7"));
    let requeued = reconcile(older, Arc::clone(&stage.shell)).await;
    assert_eq!(requeued.unwrap(), Requeue::requeue(Duration::from_secs(1)));
    assert_eq!(
        stage.topics(),
        Vec::<String>::new(),
        "nothing is sent of what has passed"
    );
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
        (409, Requeue::requeue(Duration::from_secs(1))),
        (500, Requeue::requeue(Duration::from_secs(2))),
        (422, Requeue::requeue(Duration::from_secs(30))),
        (404, Requeue::await_change()),
    ] {
        let mut stage = Stage::new().await;
        let (handle, recorder) = fixture::metrics();
        let _metrics = metrics::set_default_local_recorder(&recorder);
        operator::fault::count_from_zero();
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
        let line = format!("operator_invalid_writes_total {}", u8::from(status == 422));
        assert!(handle.render().contains(&line), "{status}: no {line}");
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
    assert_eq!(
        stage.topics(),
        ["inbox-gestion-clientes"],
        "that it exists is no news yet"
    );
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
async fn a_request_waits_for_room_and_begins_as_soon_as_there_is_some() {
    let mut stage = Stage::new().await;
    let shell = Arc::clone(&stage.shell);
    for number in 0..shell.held.room() {
        shell.held.keep(&other(number));
    }
    let asked = tokio::time::timeout(PATIENCE, requests::solicitar(&shell, solicitar())).await;
    asked.expect("nothing is asked of the API server").unwrap();
    assert_eq!(stage.topics(), Vec::<String>::new());
    shell.held.let_go(&other(0).payment().id);
    let begun = async {
        while shell.held.find(&payment()).is_none() {
            tokio::task::yield_now().await;
        }
        // Its command goes out in the same breath; one more round lets that end.
        tokio::task::yield_now().await;
    };
    let both = beside(operator::room::admit(Arc::clone(&shell)), begun);
    let play = stage.play(both, async |server, _| {
        server.call("POST", "").await.answer(201, &object(None, "7"));
    });
    play.await;
    assert!(shell.room.is_empty());
    assert_eq!(stage.topics(), ["inbox-gestion-clientes"]);
}

/// Another payment that waits for its first step.
fn other(number: usize) -> Recorded {
    let id = IdCorrelacion::parse(format!("other-{number}")).unwrap();
    let mut object = object(None, "1");
    object.metadata.name = Some(id.resource_name());
    object.metadata.uid = Some(id.to_string());
    Recorded::read(object).unwrap()
}

/// Brings a payment to where its money is asked for, with the record of that.
async fn money_asked_for(stage: &mut Stage) {
    let (shell, answer) = (Arc::clone(&stage.shell), answer(Step::CrearFacturacion));
    let result = stage
        .play(replies::respuesta(&shell, &answer), async |server, published| {
            server.call("GET", "").await.answer(200, &object(None, "7"));
            let write = server.call("PUT", "/status").await;
            assert_eq!(
                published.take_published(),
                [],
                "money is never asked for without a record"
            );
            write.accept("8");
        })
        .await;
    result.unwrap();
}

/// A payment that was paid, and that is not written yet.
async fn paid_ahead_of_its_record() -> Stage {
    let mut stage = Stage::new().await;
    money_asked_for(&mut stage).await;
    goes_ahead(&stage, Step::RealizarPago).await;
    stage
}

/// An answer that is neither read for nor written.
async fn goes_ahead(stage: &Stage, step: Step) {
    let answer = answer(step);
    let gone = tokio::time::timeout(Duration::from_secs(5), replies::respuesta(&stage.shell, &answer));
    gone.await.expect("nothing is asked of the API server").unwrap();
}

#[tokio::test]
async fn a_whole_payment_is_read_once_and_written_where_money_is_asked_for_and_at_its_end() {
    let mut stage = paid_ahead_of_its_record().await;
    goes_ahead(&stage, Step::ConfirmarFacturacion).await;
    let shell = Arc::clone(&stage.shell);
    let last = answer(Step::CrearNotificacion);
    let result = stage
        .play(replies::respuesta(&shell, &last), async |server, _| {
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.resource_version(), "8");
            assert_eq!(write.body["status"]["phase"], "Completed");
            assert_eq!(
                write.body["status"]["secuencia"], 5,
                "as if each answer had been written"
            );
            write.accept("9");
        })
        .await;
    result.unwrap();
    let expected = [
        App::IntegracionPagos,
        App::GestionClientes,
        App::Notificaciones,
        App::Bff,
    ];
    assert_eq!(
        stage.topics(),
        expected.map(|app| app.inbox()),
        "and its end alone is told"
    );
    assert!(shell.held.find(&payment()).is_none(), "what has ended is let go");
}

/// What is told to the BFF beside `act`: the numbers of the states.
async fn told_beside(stage: &Stage, act: impl Future<Output = ()>) -> Vec<u64> {
    let told = async {
        loop {
            let secuencia = |message: Message| {
                let Message::SagaActualizada(estado) = message else {
                    return None;
                };
                Some(estado.secuencia)
            };
            let told: Vec<u64> = stage.messages().into_iter().filter_map(secuencia).collect();
            if !told.is_empty() {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, beside(act, told)).await;
    told.expect("it is told")
}

#[tokio::test]
async fn where_a_payment_stays_is_told() {
    let mut stage = Stage::new().await;
    money_asked_for(&mut stage).await;
    let shell = Arc::clone(&stage.shell);
    let told = told_beside(&stage, operator::ahead::catch_up(Arc::clone(&shell))).await;
    assert_eq!(told, [2_u64]);
    let quiet = tokio::time::timeout(Duration::from_millis(500), operator::ahead::catch_up(shell)).await;
    assert!(quiet.is_err() && stage.topics().is_empty(), "once");
}

#[tokio::test]
async fn where_a_payment_stays_is_told_again_if_the_broker_does_not_take_it() {
    let mut stage = Stage::new().await;
    money_asked_for(&mut stage).await;
    stage.topics();
    stage.fail_publishes(1);
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let told = async {
        let mut told = Vec::new();
        while told.is_empty() && began.elapsed() < PATIENCE {
            tokio::time::advance(Duration::from_millis(50)).await;
            told = stage.topics();
        }
        told
    };
    let told = beside(operator::ahead::catch_up(Arc::clone(&stage.shell)), told).await;
    assert_eq!(told, ["inbox-bff"]);
}

#[tokio::test]
async fn a_payment_that_stays_at_its_beginning_is_told_though_nobody_asked_for_it() {
    let mut stage = Stage::new().await;
    let mut suspended = applied_by_a_person("6");
    suspended.spec.suspend = true;
    let shell = Arc::clone(&stage.shell);
    let pass = reconcile(watched(&suspended), Arc::clone(&shell));
    let adopted = stage
        .play(pass, async |server, _| server.call("PUT", "").await.accept("7"))
        .await;
    adopted.unwrap();
    let told = told_beside(&stage, operator::ahead::catch_up(shell)).await;
    assert_eq!(told, [1_u64]);
}

#[tokio::test]
async fn who_takes_over_from_a_writer_that_is_gone_tells_what_that_may_not_have_told() {
    let stage = Stage::new().await;
    let running = watched(&object(Some(&done(&started(), Step::CrearFacturacion)), "8"));
    assert_eq!(passed(&stage, &running).await, ["inbox-integracion-pagos", "inbox-bff"]);
    assert_eq!(passed(&stage, &running).await, Vec::<String>::new(), "once");
}

/// Where messages went in a pass that asks nothing of the API server.
async fn passed(stage: &Stage, object: &Arc<Watched>) -> Vec<String> {
    let pass = reconcile(Arc::clone(object), Arc::clone(&stage.shell));
    let passed = tokio::time::timeout(PATIENCE, pass).await;
    passed.expect("the API server is not asked").unwrap();
    stage.topics()
}

#[tokio::test]
async fn where_a_payment_stands_whose_command_goes_unanswered_is_told_again_less_and_less_often() {
    let stage = Stage::new().await;
    // Whoever was told that it is complete asks no more.
    let Applied::Changed(undoing) = saga::chargeback(&ended(), Reason::new("Contracargo", "")) else {
        panic!("a completed payment can be reversed");
    };
    let undoing = watched(&object(Some(&undoing), "9"));
    tokio::time::pause();
    let mut told = Vec::new();
    for sends in 0..=8_u32 {
        let topics = passed(&stage, &undoing).await;
        assert_eq!(topics[0], "inbox-notificaciones", "{sends}");
        told.extend(topics[1..].iter().map(|topic| (sends, topic.clone())));
        tokio::time::advance(Duration::from_secs(15)).await;
    }
    assert_eq!(told, [0_u32, 2, 4, 8].map(|sends| (sends, App::Bff.inbox())));
}

#[tokio::test]
async fn where_a_suspended_payment_stands_is_told_now_and_then() {
    let stage = Stage::new().await;
    let mut suspended = object(Some(&done(&started(), Step::CrearFacturacion)), "8");
    suspended.spec.suspend = true;
    let suspended = watched(&suspended);
    tokio::time::pause();
    let mut told = Vec::new();
    for second in (0..=130_u64).step_by(10) {
        let topics = passed(&stage, &suspended).await;
        told.extend(topics.into_iter().map(|topic| (second, topic)));
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!(told, [60_u64, 120].map(|second| (second, App::Bff.inbox())));
}

#[tokio::test]
async fn what_ran_ahead_and_is_written_because_a_person_is_seen_is_told_with_it() {
    let mut stage = paid_ahead_of_its_record().await;
    stage.topics();
    let mut suspended = object(Some(&done(&started(), Step::CrearFacturacion)), "9");
    suspended.metadata.generation = Some(2);
    suspended.spec.suspend = true;
    let pass = reconcile(watched(&suspended), Arc::clone(&stage.shell));
    let observed = stage
        .play(pass, async |server, _| {
            let write = server.call("PUT", "/status").await;
            assert_eq!(write.body["status"]["steps"][1]["state"], "Done");
            write.accept("10");
        })
        .await;
    observed.unwrap();
    let told = told_beside(&stage, operator::ahead::catch_up(Arc::clone(&stage.shell))).await;
    assert_eq!(told, [3_u64]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_told_when_it_is_found() {
    let mut stage = paid_ahead_of_its_record().await;
    stage.topics();
    let shell = Arc::clone(&stage.shell);
    let play = stage.play(until_told(Arc::clone(&shell)), async |server, _| {
        server.call("PUT", "/status").await.refuse(409);
        let asked = done(&started(), Step::CrearFacturacion);
        let written = object(Some(&done(&asked, Step::RealizarPago)), "9");
        server.call("GET", "").await.answer(200, &written);
    });
    play.await;
    let told = told_beside(&stage, operator::ahead::catch_up(shell)).await;
    assert_eq!(told, [3_u64]);
}

#[tokio::test]
async fn what_went_ahead_of_its_record_is_written_and_told_soon_after_over_whatever_changed_meanwhile() {
    let mut stage = paid_ahead_of_its_record().await;
    stage.topics();
    let shell = Arc::clone(&stage.shell);
    let play = stage.play(until_told(Arc::clone(&shell)), async |server, _| {
        let write = server.call("PUT", "/status").await;
        assert_eq!(write.resource_version(), "8");
        write.refuse(409);
        let mut annotated = annotated(object(Some(&done(&started(), Step::CrearFacturacion)), "9"));
        annotated.spec.suspend = true;
        server.call("GET", "").await.answer(200, &annotated);
        let write = server.call("PUT", "/status").await;
        assert_eq!(write.resource_version(), "9");
        assert_eq!(write.body["status"]["steps"][1]["state"], "Done");
        assert_eq!(write.body["status"]["steps"][2]["state"], "Issued");
        write.accept("10");
    });
    play.await;
    assert_eq!(stage.topics(), ["inbox-bff"], "its command went out long ago");
}

#[tokio::test]
async fn what_went_ahead_and_has_left_meanwhile_is_let_go() {
    let mut stage = paid_ahead_of_its_record().await;
    let shell = Arc::clone(&stage.shell);
    let gone = async {
        while shell.held.find(&payment()).is_some() {
            tokio::task::yield_now().await;
        }
    };
    let both = beside(operator::ahead::catch_up(Arc::clone(&shell)), gone);
    let play = stage.play(both, async |server, _| {
        // Another replica brought it to its end, and it was archived and deleted.
        server.call("PUT", "/status").await.refuse(404);
        server.call("GET", "").await.refuse(404);
    });
    play.await;
}

#[tokio::test]
async fn an_answer_that_comes_while_progress_is_written_is_recorded_over_that_write() {
    let mut stage = paid_ahead_of_its_record().await;
    goes_ahead(&stage, Step::ConfirmarFacturacion).await;
    let shell = Arc::clone(&stage.shell);
    let (begun, late) = tokio::sync::oneshot::channel();
    let last = answer(Step::CrearNotificacion);
    let answered = async {
        late.await.unwrap();
        replies::respuesta(&shell, &last).await
    };
    let both = beside(operator::ahead::catch_up(Arc::clone(&shell)), answered);
    let result = stage
        .play(both, async |server, _| {
            let progress = server.call("PUT", "/status").await;
            assert_eq!(progress.resource_version(), "8");
            begun.send(()).unwrap();
            tokio::task::yield_now().await;
            progress.accept("9");
            let end = server.call("PUT", "/status").await;
            assert_eq!(end.resource_version(), "9", "no race is lost against ourselves");
            assert_eq!(end.body["status"]["phase"], "Completed");
            end.accept("10");
        })
        .await;
    result.unwrap();
}

/// Catches up until what was behind is recorded and told.
async fn until_told(shell: Arc<operator::shell::Shell>) {
    let told = async {
        while shell.held.find(&payment()).is_some_and(|held| held.is_ahead()) {
            tokio::task::yield_now().await;
        }
        // Told as soon as it is recorded, by a task of its own: two more rounds let that end.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
    };
    beside(operator::ahead::catch_up(Arc::clone(&shell)), told).await;
}

/// Does this while that runs, which never ends by itself.
async fn beside<T>(that: impl Future<Output = ()>, this: impl Future<Output = T>) -> T {
    tokio::select! {
        () = that => unreachable!("it goes on for ever"),
        result = this => result,
    }
}

fn solicitar() -> SolicitarPago {
    SolicitarPago {
        id_correlacion: payment(),
        solicitud: solicitud(),
        origen: App::Bff,
    }
}
