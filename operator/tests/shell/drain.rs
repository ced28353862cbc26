//! A release is drained: no new payment begins, what runs ends and leaves, and an uninstall that stops opens again.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use operator::config::DrainArgs;
use operator::{drain, requests};
use seedwork::App;
use seedwork::contrato::SolicitarPago;
use serde_json::{Value, json};

use crate::fixture::{NAMESPACE, Server, Stage};
use crate::payments::{ended, object, payment, solicitud, started};

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
async fn an_empty_namespace_is_believed_once_every_replica_knows_that_the_intake_is_closed() {
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(120);
    tokio::time::pause();
    let drained = stage
        .play(drain::drain(client, &settings), async |server, _| {
            // One that a replica was beginning when the mark was set shows at the second look.
            finds_nothing(server, "1").await;
            closes(server, "2").await;
            let late = serde_json::to_value(object(Some(&ended()), "7")).unwrap();
            server.list().await.send(200, &list(&[late]));
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
    let client = stage.client();
    let settings = settings(300);
    tokio::time::pause();
    let drained = stage
        .play(drain::drain(client, &settings), async |server, _| {
            finds_nothing(server, "1").await;
            // For so long that operators took new payments again.
            for _ in 0..30 {
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
async fn a_drain_that_fails_opens_the_intake_again_and_names_what_is_left() {
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(0);
    let drained = stage
        .play(drain::drain(client, &settings), async |server, _| {
            closes(server, "1").await;
            let running = serde_json::to_value(object(Some(&started()), "7")).unwrap();
            server.list().await.send(200, &list(&[running]));
            server.lease("GET").await.send(200, &lease(Some("drain"), "2"));
            let opened = server.lease("PUT").await;
            assert_eq!(opened.body["spec"], json!({}), "nobody holds it");
            assert_eq!(opened.resource_version(), "2");
            opened.echo();
        })
        .await;
    let sentence = drained.unwrap_err().chain();
    assert!(sentence.contains(&object(None, "7").name_any()), "{sentence}");
}

/// An API server that is away for a moment, such as while it is replaced, ends no drain.
#[tokio::test]
async fn a_call_that_fails_is_tried_again_while_there_is_patience() {
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(60);
    tokio::time::pause();
    let drained = stage
        .play(drain::drain(client, &settings), async |server, _| {
            server.lease("GET").await.refuse(500);
            closes(server, "1").await;
            server.list().await.refuse(500);
            closes(server, "2").await;
            let done = serde_json::to_value(object(Some(&ended()), "7")).unwrap();
            server.list().await.send(200, &list(&[done]));
            server.call("DELETE", "").await.refuse(500);
            for version in 3..=14 {
                finds_nothing(server, &version.to_string()).await;
            }
        })
        .await;
    drained.unwrap();
}

#[tokio::test]
async fn a_call_that_always_fails_ends_the_drain_with_its_patience() {
    let mut stage = Stage::new().await;
    let client = stage.client();
    let settings = settings(0);
    let drained = stage
        .play(drain::drain(client, &settings), async |server, _| {
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
    let client = stage.client();
    let settings = settings(0);
    let drained = stage
        .play(drain::drain(client, &settings), async |server, _| {
            server.lease("GET").await.refuse(404);
            server.list().await.send(200, &list(&[]));
        })
        .await;
    drained.unwrap();
}
