//! A release is drained: no new payment begins, what runs ends and leaves, and an uninstall that stops opens again.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use operator::config::DrainArgs;
use operator::{drain, replies, requests};
use saga::Saga;
use seedwork::contrato::{Contracargo, SolicitarPago};
use seedwork::{App, Message};
use seedwork_runtime::serve::StartupError;
use serde_json::{Value, json};

use crate::fixture::{NAMESPACE, Server, Stage};
use crate::payments::{ended, object, payment, solicitud, started};

/// A drain that nobody stops.
fn draining(stage: &Stage, patience_seconds: u64) -> impl Future<Output = Result<(), StartupError>> + use<> {
    let client = stage.client();
    async move { drain::drain(client, &settings(patience_seconds), pending()).await }
}

/// The Lease as the chart makes it, or as a drain holds it.
fn lease(holder: Option<&str>, version: &str) -> Value {
    let metadata = json!({"name": "intake", "namespace": NAMESPACE, "resourceVersion": version});
    let spec = match holder {
        Some(holder) => json!({"holderIdentity": holder, "leaseDurationSeconds": 60}),
        None => json!({}),
    };
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "pagos.saludtech.dev/v1alpha1", "kind": "PaymentSagaList", "metadata": {}, "items": items})
}

/// A payment as it is listed.
fn listed(saga: &Saga) -> Value {
    serde_json::to_value(object(Some(saga), "7")).unwrap()
}

fn settings(patience_seconds: u64) -> DrainArgs {
    DrainArgs {
        namespace: NAMESPACE.to_owned(),
        patience_seconds,
    }
}

fn solicitar() -> SolicitarPago {
    SolicitarPago {
        id_correlacion: payment(),
        solicitud: solicitud(),
        origen: App::Bff,
    }
}

/// The drain says that the intake is closed.
async fn closes(server: &mut Server, version: &str) {
    server.lease("GET").await.send(200, &lease(None, version));
    let held = server.lease("PUT").await;
    assert_eq!(held.body["spec"]["holderIdentity"], "drain");
    assert_eq!(held.resource_version(), version);
    held.echo();
}

/// The same, and no payment is left.
async fn finds_nothing(server: &mut Server, version: &str) {
    closes(server, version).await;
    server.list().await.send(200, &list(&[]));
}

/// The drain gives up, and the intake is open again.
async fn opens(server: &mut Server, version: &str) {
    server.lease("GET").await.send(200, &lease(Some("drain"), version));
    let opened = server.lease("PUT").await;
    assert_eq!(opened.body["spec"], json!({}), "nobody holds it");
    assert_eq!(opened.resource_version(), version);
    opened.echo();
}

async fn looks(stage: &mut Stage, found: &Value) {
    let shell = Arc::clone(&stage.shell);
    let leases = kube::Api::namespaced(stage.client(), NAMESPACE);
    stage
        .play(shell.intake.look(&leases), async |server, _| {
            server.lease("GET").await.send(200, found);
        })
        .await;
}

#[tokio::test]
async fn while_the_mark_stands_a_new_payment_waits_in_its_door_and_a_known_one_is_answered() {
    let mut stage = Stage::new().await;
    looks(&mut stage, &lease(Some("drain"), "5")).await;
    let shell = Arc::clone(&stage.shell);
    // Whoever makes it waits for the API server, which is not played here.
    let asked = tokio::time::timeout(Duration::from_secs(5), requests::solicitar(&shell, solicitar()));
    let asked = asked.await.expect("it is not made");
    asked.unwrap();
    assert_eq!(stage.topics(), Vec::<String>::new(), "neither begun nor refused");

    stage.cache(&object(Some(&started()), "7"));
    let asked = requests::solicitar(&shell, solicitar()).await;
    asked.unwrap();
    assert_eq!(stage.topics(), ["inbox-bff"], "its state");
}

#[tokio::test]
async fn the_same_request_begins_once_the_mark_is_gone() {
    let mut stage = Stage::new().await;
    looks(&mut stage, &lease(Some("drain"), "5")).await;
    looks(&mut stage, &lease(None, "6")).await;
    let shell = Arc::clone(&stage.shell);
    let asked = stage
        .play(requests::solicitar(&shell, solicitar()), async |server, _| {
            server.call("POST", "").await.answer(201, &object(None, "7"));
        })
        .await;
    asked.unwrap();
}

#[tokio::test]
async fn a_chargeback_waits_for_the_end_of_a_drain_if_its_payment_has_left_and_else_does_not() {
    let mut stage = Stage::new().await;
    looks(&mut stage, &lease(Some("drain"), "5")).await;
    stage.archive(&object(Some(&ended()), "7")).await;
    let shell = Arc::clone(&stage.shell);
    let contracargo = Contracargo {
        id_correlacion: payment(),
        motivo: "fraude".to_owned(),
    };
    let left = stage
        .play(replies::contracargo(&shell, &contracargo), async |server, _| {
            server.call("GET", "").await.refuse(404);
        })
        .await;
    left.unwrap();
    assert_eq!(
        stage.topics(),
        Vec::<String>::new(),
        "not attended, so it is told again"
    );

    let taken = stage
        .play(replies::contracargo(&shell, &contracargo), async |server, _| {
            server.call("GET", "").await.answer(200, &object(Some(&ended()), "8"));
            server.call("PUT", "/status").await.accept("9");
            server.event().await.echo();
        })
        .await;
    taken.unwrap();
    let sent = stage.messages();
    let attended = |one: &Message| matches!(one, Message::ContracargoAtendido { .. });
    assert!(sent.iter().any(attended), "{sent:?}");
}

#[tokio::test]
async fn an_empty_namespace_is_believed_once_every_replica_knows_that_the_intake_is_closed() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 120);
    tokio::time::pause();
    let drained = stage
        .play(draining, async |server, _| {
            // One that a replica was beginning when the mark was set shows at the second look.
            finds_nothing(server, "1").await;
            closes(server, "2").await;
            server.list().await.send(200, &list(&[listed(&ended())]));
            let delete = server.call("DELETE", "").await;
            delete.answer(200, &object(Some(&ended()), "8"));
            for version in 3..=12 {
                finds_nothing(server, &version.to_string()).await;
            }
        })
        .await;
    // The mark is left standing: nothing may begin while the release is being removed.
    drained.unwrap();
}

#[tokio::test]
async fn a_mark_that_lapsed_is_a_new_one() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 300);
    tokio::time::pause();
    let drained = stage
        .play(draining, async |server, _| {
            finds_nothing(server, "1").await;
            // For so long that operators took new payments again.
            for _ in 0..20 {
                server.lease("GET").await.refuse(500);
            }
            closes(server, "2").await;
            server.list().await.send(200, &list(&[]));
            for version in 3..=13 {
                finds_nothing(server, &version.to_string()).await;
            }
        })
        .await;
    drained.unwrap();
}

#[tokio::test]
async fn a_mark_that_lapses_during_a_long_look_is_a_new_one() {
    /// How many are deleted at a time.
    const AT_ONCE: usize = 16;
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(300);
    let many = (0..7 * AT_ONCE).map(|number| {
        let mut one = listed(&ended());
        one["metadata"]["name"] = json!(format!("pago-p-{number}"));
        one
    });
    let many = list(&many.collect::<Vec<_>>());
    tokio::time::pause();
    let drained = stage
        .play(drain::drain(client, &settings, pending()), async |server, _| {
            finds_nothing(server, "1").await;
            closes(server, "2").await;
            server.list().await.send(200, &many);
            // Each is answered in time. Together they take longer than the mark stands, and new payments came.
            for _ in 0..7 {
                let mut asked = Vec::new();
                for _ in 0..AT_ONCE {
                    asked.push(server.delete().await);
                }
                tokio::time::sleep(Duration::from_secs(9)).await;
                for delete in asked {
                    delete.refuse(404);
                }
            }
            for version in 3..=14 {
                finds_nothing(server, &version.to_string()).await;
            }
        })
        .await;
    drained.unwrap();
}

#[tokio::test]
async fn a_drain_that_fails_opens_the_intake_again_and_names_what_is_left() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 0);
    let drained = stage
        .play(draining, async |server, _| {
            closes(server, "1").await;
            server.list().await.send(200, &list(&[listed(&started())]));
            opens(server, "2").await;
        })
        .await;
    let sentence = drained.unwrap_err().chain();
    assert!(sentence.contains(&object(None, "7").name_any()), "{sentence}");
}

#[tokio::test]
async fn what_cannot_be_read_has_not_ended_and_keeps_no_other_from_leaving() {
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(0);
    let mut unreadable = listed(&ended());
    unreadable["metadata"]["name"] = json!("pago-p-2");
    unreadable["spec"]["medioPago"] = json!("Trueque");
    let drained = stage
        .play(drain::drain(client, &settings, pending()), async |server, _| {
            closes(server, "1").await;
            let all = list(&[unreadable, listed(&ended())]);
            server.list().await.send(200, &all);
            let delete = server.call("DELETE", "").await;
            let preconditions = json!({"uid": "uid-1", "resourceVersion": "7"});
            assert_eq!(delete.body["preconditions"], preconditions);
            // Somebody wrote it just now: the next look decides.
            delete.refuse(409);
            opens(server, "2").await;
        })
        .await;
    let sentence = drained.unwrap_err().chain();
    let expected = ["2 payments are left", "pago-p-2 (cannot be read), pago-p-1"];
    assert!(expected.iter().all(|part| sentence.contains(part)), "{sentence}");
}

#[tokio::test]
async fn a_drain_whose_last_look_fails_names_what_was_left_before_and_says_why() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 3);
    tokio::time::pause();
    let drained = stage
        .play(draining, async |server, _| {
            closes(server, "1").await;
            server.list().await.send(200, &list(&[listed(&started())]));
            server.lease("GET").await.refuse(500);
            // Past its patience.
            server.lease("GET").await.refuse(500);
            opens(server, "2").await;
        })
        .await;
    let sentence = drained.unwrap_err().chain();
    let expected = ["1 payments are left", "pago-p-1", "cannot close the intake"];
    assert!(expected.iter().all(|part| sentence.contains(part)), "{sentence}");
}

#[tokio::test]
async fn a_deletion_that_always_fails_keeps_no_other_from_leaving() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 0);
    let ended: Vec<Value> = (0..20).map(|_| listed(&ended())).collect();
    let drained = stage
        .play(draining, async |server, _| {
            closes(server, "1").await;
            server.list().await.send(200, &list(&ended));
            server.delete().await.refuse(500);
            for _ in 1..20 {
                server.delete().await.refuse(404);
            }
            opens(server, "2").await;
        })
        .await;
    let sentence = drained.unwrap_err().chain();
    let expected = ["20 payments are left", "cannot delete"];
    assert!(expected.iter().all(|part| sentence.contains(part)), "{sentence}");
}

/// Its pod is evicted, say: whoever waits for the intake is not to wait until the mark lapses.
#[tokio::test]
async fn a_drain_that_is_stopped_opens_the_intake_again() {
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(60);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let stopped = async { stopped.await.unwrap() };
    let drained = stage
        .play(drain::drain(client, &settings, stopped), async |server, _| {
            closes(server, "1").await;
            server.list().await.send(200, &list(&[listed(&started())]));
            stop.send(()).unwrap();
            opens(server, "2").await;
        })
        .await;
    assert!(drained.unwrap_err().chain().contains("stopped before"));
}

/// An API server that is away for a moment, such as while it is replaced, ends no drain.
#[tokio::test]
async fn a_call_that_fails_is_tried_again_while_there_is_patience() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 60);
    tokio::time::pause();
    let drained = stage
        .play(draining, async |server, _| {
            server.lease("GET").await.refuse(500);
            closes(server, "1").await;
            server.list().await.refuse(500);
            closes(server, "2").await;
            server.list().await.send(200, &list(&[listed(&ended())]));
            server.call("DELETE", "").await.refuse(500);
            for version in 3..=13 {
                finds_nothing(server, &version.to_string()).await;
            }
        })
        .await;
    drained.unwrap();
}

#[tokio::test]
async fn a_call_that_always_fails_ends_the_drain_with_its_patience() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 0);
    let drained = stage
        .play(draining, async |server, _| {
            server.lease("GET").await.refuse(500);
            // It is to be opened again, which fails as well.
            server.lease("GET").await.refuse(500);
        })
        .await;
    assert!(drained.unwrap_err().chain().contains("cannot close the intake"));
}

#[tokio::test]
async fn without_a_lease_it_drains_all_the_same() {
    let mut stage = Stage::new().await;
    let draining = draining(&stage, 0);
    let drained = stage
        .play(draining, async |server, _| {
            server.lease("GET").await.refuse(404);
            server.list().await.send(200, &list(&[]));
        })
        .await;
    drained.unwrap();
}
