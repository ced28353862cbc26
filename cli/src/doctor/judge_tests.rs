//! What real sidecars said, and the same with one thing wrong.

use serde_json::{Value, json};

use super::*;

/// As daprd 1.18.2 answers for gestion-clientes on a laptop.
const RECORDED: &str = include_str!("metadata.json");

fn recorded() -> Value {
    serde_json::from_str(RECORDED).unwrap()
}

fn findings(metadata: &Value, in_cluster: bool) -> Vec<Finding> {
    findings_of(App::GestionClientes, metadata, in_cluster)
}

fn findings_of(app: App, metadata: &Value, in_cluster: bool) -> Vec<Finding> {
    let metadata: Metadata = serde_json::from_value(metadata.clone()).unwrap();
    let expected = Expected {
        app,
        port: 23082,
        in_cluster,
    };
    let names = Names {
        pubsub: "pubsub".to_owned(),
        store: "statestore".to_owned(),
    };
    examine(&metadata, &expected, &names)
}

/// The one finding that is not fit; a second one fails the test.
fn trouble(metadata: &Value, in_cluster: bool) -> Finding {
    let mut found = findings(metadata, in_cluster);
    found.retain(|finding| finding.grade != Grade::Fit);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

/// The recorded one, changed.
fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut metadata = recorded();
    change(&mut metadata);
    metadata
}

fn without(key: &str) -> Value {
    with(|metadata| {
        metadata.as_object_mut().unwrap().remove(key);
    })
}

#[test]
fn a_sidecar_as_it_must_be_is_fit_in_everything() {
    let found = findings(&recorded(), false);
    assert!(found.iter().all(|finding| finding.grade == Grade::Fit), "{found:#?}");
    let subjects: Vec<_> = found.iter().map(|finding| finding.subject.as_str()).collect();
    let expected = [
        "Dapr",
        "features",
        "application",
        "pubsub",
        "statestore",
        "inbox-gestion-clientes",
        "retries",
    ];
    assert_eq!(subjects, expected);
}

/// What is wrong, and words of its sentence and of its remedy.
fn unfit() -> Vec<(Value, &'static str, &'static str, &'static str)> {
    let pubsub = |kind: &'static str| with(move |metadata| metadata["components"][0]["type"] = json!(kind));
    vec![
        (
            with(|m| m["runtimeVersion"] = json!("1.17.4")),
            "Dapr",
            "1.17.4 is too old",
            "1.17.5 or newer",
        ),
        (
            with(|m| m["id"] = json!("clientes")),
            "app id",
            "runs as \"clientes\"",
            "set the app id to gestion-clientes",
        ),
        (
            without("appConnectionProperties"),
            "application",
            "no application port",
            "app port to 23082",
        ),
        (
            with(|m| m["appConnectionProperties"]["port"] = json!(5000)),
            "application",
            "delivers to http port 5000",
            "app port to 23082",
        ),
        (
            with(|m| m["appConnectionProperties"]["protocol"] = json!("grpc")),
            "application",
            "grpc port 23082",
            "protocol to http",
        ),
        (
            with(|m| {
                m["components"].as_array_mut().unwrap().remove(0);
            }),
            "pubsub",
            "no component is named pubsub",
            "list this app id in its scopes",
        ),
        (
            with(|m| {
                m["components"].as_array_mut().unwrap().remove(1);
            }),
            "statestore",
            "no component is named statestore",
            "list this app id in its scopes",
        ),
        (
            pubsub("pubsub.in-memory"),
            "pubsub",
            "forgets everything",
            "use one that persists",
        ),
        (
            pubsub("bindings.cron"),
            "pubsub",
            "is a bindings.cron, not a pubsub",
            "PUBSUB_NAME",
        ),
        (
            with(|m| m["components"][1]["type"] = json!("state.in-memory")),
            "statestore",
            "(state.in-memory) forgets everything",
            "use one that persists",
        ),
        (
            with(|m| m["components"][1]["capabilities"] = json!(["TTL"])),
            "statestore",
            "has no ETags",
            "use one that has",
        ),
        (
            without("subscriptions"),
            "inbox-gestion-clientes",
            "nobody reads it",
            "GET /dapr/subscribe",
        ),
        (
            with(|m| m["subscriptions"][0]["deadLetterTopic"] = json!("")),
            "inbox-gestion-clientes",
            "is dropped",
            "deadLetterTopic: dead-letter-gestion-clientes",
        ),
        (
            with(|m| m["subscriptions"][0]["deadLetterTopic"] = json!("dead-letter-bff")),
            "inbox-gestion-clientes",
            "go to dead-letter-bff",
            "deadLetterTopic: dead-letter-gestion-clientes",
        ),
        (without("resiliencies"), "retries", "given up", "resiliency.yaml"),
    ]
}

#[test]
fn what_is_unfit_is_said_with_its_remedy_and_nothing_else_is() {
    for (metadata, subject, says, remedy) in unfit() {
        let found = trouble(&metadata, false);
        assert_eq!((found.grade, found.subject.as_str()), (Grade::Unfit, subject));
        assert!(found.says.contains(says), "{found:#?}");
        assert!(found.remedy.as_ref().unwrap().contains(remedy), "{found:#?}");
    }
}

#[test]
fn a_subscription_on_another_component_is_not_the_inbox() {
    let found = findings(&with(|m| m["subscriptions"][0]["pubsubname"] = json!("events")), false);
    let troubles: Vec<_> = found
        .iter()
        .filter(|finding| finding.grade != Grade::Fit)
        .map(|finding| (finding.grade, finding.subject.as_str()))
        .collect();
    let inbox = "inbox-gestion-clientes";
    assert_eq!(troubles, [(Grade::Unfit, inbox), (Grade::Warning, inbox)]);
}

#[test]
fn what_was_not_tried_or_cannot_be_seen_is_a_warning() {
    let changed = [
        (
            with(|m| m["components"][0]["type"] = json!("pubsub.jetstream")),
            "was not tried",
        ),
        // The v1 of this store is another implementation than the v2 that was measured.
        (
            with(|m| m["components"][1]["type"] = json!("state.postgresql")),
            "state.postgresql v1 was not tried",
        ),
        (
            with(|m| m["components"][0]["type"] = json!("pubsub.mqtt3")),
            "keeps nothing",
        ),
        (with(|m| m["runtimeVersion"] = json!("edge")), "is no release"),
        (
            with(|m| {
                m["runtimeVersion"] = json!("1.17.5");
                m.as_object_mut().unwrap().remove("resiliencies");
            }),
            "does not say",
        ),
        (
            with(|m| {
                let more =
                    json!({"pubsubname": "pubsub", "topic": "news", "deadLetterTopic": "", "type": "DECLARATIVE"});
                m["subscriptions"].as_array_mut().unwrap().push(more);
            }),
            "reads this topic",
        ),
    ];
    for (metadata, says) in changed {
        let found = trouble(&metadata, false);
        assert_eq!(found.grade, Grade::Warning, "{found:#?}");
        assert!(found.says.contains(says), "{found:#?}");
    }
}

#[test]
fn a_file_is_a_store_on_a_laptop_and_none_in_a_cluster() {
    let found = trouble(&recorded(), true);
    assert_eq!((found.grade, found.subject.as_str()), (Grade::Unfit, "statestore"));
    let postgresql = with(|m| {
        m["components"][1] =
            json!({"name": "statestore", "type": "state.postgresql", "version": "v2", "capabilities": ["ETAG"]})
    });
    assert!(findings(&postgresql, true).iter().all(|one| one.grade == Grade::Fit));
}

#[test]
fn who_keeps_no_documents_needs_no_store_and_one_that_it_has_is_a_warning() {
    for app in [App::Operator, App::Bff] {
        let loaded = with(|m| {
            m["id"] = json!(app.id());
            m["subscriptions"][0]["topic"] = json!(app.inbox());
            m["subscriptions"][0]["deadLetterTopic"] = json!(app.dead_letters());
        });
        let mut scoped = loaded.clone();
        scoped["components"].as_array_mut().unwrap().remove(1);
        for in_cluster in [false, true] {
            let found = findings_of(app, &scoped, in_cluster);
            assert!(found.iter().all(|one| one.grade == Grade::Fit), "{found:#?}");
            assert!(found.iter().all(|one| one.subject != "statestore"), "{found:#?}");
            let mut found = findings_of(app, &loaded, in_cluster);
            found.retain(|one| one.grade != Grade::Fit);
            let troubles: Vec<_> = found.iter().map(|one| (one.grade, one.subject.as_str())).collect();
            assert_eq!(troubles, [(Grade::Warning, "statestore")]);
            assert!(found[0].remedy.as_ref().unwrap().contains(&format!("leave {app} out")));
        }
    }
}

#[test]
fn an_inbox_that_replicas_share_on_mqtt_is_the_inbox() {
    let shared = with(|m| m["subscriptions"][0]["topic"] = json!("$share/gestion-clientes/inbox-gestion-clientes"));
    assert!(findings(&shared, false).iter().all(|one| one.grade == Grade::Fit));
}

#[test]
fn versions_are_compared_as_numbers() {
    assert_eq!(parse_version("v1.18.0-rc.1"), Some([1, 18, 0]));
    for none in ["", "edge", "1.18", "1.18.x"] {
        assert_eq!(parse_version(none), None, "{none}");
    }
    let new = with(|m| m["runtimeVersion"] = json!("1.100.0"));
    assert!(findings(&new, false).iter().all(|one| one.grade == Grade::Fit));
}
