//! Whether the Dapr components behind the sidecar can hold what this design promises.
//!
//! A component is swapped by YAML, so nothing but a look at start-up keeps one away that forgets, or that cannot tell
//! who wrote first. What Dapr says about its components and subscriptions (`GET /v1.0/metadata`) is judged until it is
//! fit; so long `/health` answers 503 with the sentence.

use seedwork::App;
use serde::Deserialize;

/// What a sidecar says of itself: what it has loaded for its application. What is inside a component, the scopes and
/// the tracing are not in it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The app id it runs for.
    pub id: String,
    /// Its version: `1.18.2`; a build of one's own says something else.
    pub runtime_version: String,
    /// Features that are on.
    pub enabled_features: Vec<String>,
    /// The components.
    pub components: Vec<Component>,
    /// What it reads for its application.
    pub subscriptions: Vec<Subscription>,
    /// How it reaches its application.
    pub app_connection_properties: AppConnection,
    /// The Resiliency resources; sidecars before 1.18 do not name them.
    pub resiliencies: Vec<Named>,
}

/// A component.
#[derive(Debug, Deserialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// `pubsub.redis`, `state.postgresql`…
    #[serde(rename = "type")]
    pub kind: String,
    /// `v1`, `v2`.
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    capabilities: Option<Vec<String>>,
}

/// A subscription.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The pubsub component.
    pub pubsubname: String,
    /// The topic.
    pub topic: String,
    /// Where deliveries go that are given up; empty: nowhere.
    #[serde(default)]
    pub dead_letter_topic: String,
}

/// How a sidecar reaches its application.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AppConnection {
    /// The application's port; 0 without one.
    pub port: u16,
    /// `http`, `grpc`.
    pub protocol: String,
}

/// Something that is known by its name only.
#[derive(Debug, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
}

/// Why the components will not do, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no such component for this application.
    #[error(
        "no component is named {name}: add a {kind} component of that name (see dapr-components/), or list this app id \
         in its scopes, or set {setting} to the one there is"
    )]
    Missing {
        /// The name that was looked for.
        name: String,
        /// What it should be.
        kind: &'static str,
        /// The setting that holds the name.
        setting: &'static str,
    },
    /// The name belongs to a component of another kind.
    #[error(
        "the component {name} is a {found}, not a {kind}: give the name to a {kind} component, or set {setting} to one"
    )]
    Other {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
        /// What it should be.
        kind: &'static str,
        /// The setting that holds the name.
        setting: &'static str,
    },
    /// The component keeps nothing over a restart, so accepted payments would be lost.
    #[error(
        "the component {name} ({found}) forgets everything when its sidecar stops: use one that persists, as in dapr-components/"
    )]
    Forgets {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
    },
    /// The store has no conditional writes, so two writers would overwrite each other.
    #[error(
        "the state store {name} ({found}) has no ETags, so it cannot refuse a second writer: use one that has, as in dapr-components/"
    )]
    NoEtags {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
    },
}

/// The kind of a component, the setting that names it.
const PUBSUB: (&str, &str) = ("pubsub", "PUBSUB_NAME");
const STATE: (&str, &str) = ("state", "STATE_STORE");

/// Everything that is wrong with the broker and, where documents are kept, the state store of these names; nothing when
/// they are fit.
pub fn judge(metadata: &Metadata, pubsub: &str, store: &str) -> Vec<Unfit> {
    let unfit_store = || metadata.named(store, STATE).and_then(has_etags).err();
    [
        metadata.named(pubsub, PUBSUB).err(),
        metadata.keeps_documents().then(unfit_store).flatten(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn has_etags(store: &Component) -> Result<(), Unfit> {
    let mut capabilities = store.capabilities.iter().flatten();
    if capabilities.any(|capability| capability == "ETAG") {
        Ok(())
    } else {
        Err(Unfit::NoEtags {
            name: store.name.clone(),
            found: store.kind.clone(),
        })
    }
}

// === impl Metadata ===

impl Metadata {
    /// Whether the sidecar reads its own application's inbox from this broker.
    pub fn reads_its_inbox(&self, pubsub: &str) -> bool {
        let own = |app| self.subscriptions.iter().any(|one| one.is_inbox_of(app, pubsub));
        App::from_id(&self.id).is_some_and(own)
    }

    /// Whether its application needs a state store. One that is none of ours may.
    pub fn keeps_documents(&self) -> bool {
        App::from_id(&self.id).is_none_or(App::keeps_documents)
    }

    /// The component of this name, if it is of this kind and persists.
    fn named(&self, name: &str, (kind, setting): (&'static str, &'static str)) -> Result<&Component, Unfit> {
        let name = name.to_owned();
        let Some(component) = self.components.iter().find(|component| component.name == name) else {
            return Err(Unfit::Missing { name, kind, setting });
        };
        let found = component.kind.clone();
        match found.split_once('.') {
            Some((of, _)) if of != kind => Err(Unfit::Other {
                name,
                found,
                kind,
                setting,
            }),
            Some((_, "in-memory")) => Err(Unfit::Forgets { name, found }),
            Some(_) | None => Ok(component),
        }
    }
}

// === impl Subscription ===

impl Subscription {
    /// Whether it is to this application's inbox. Replicas that share an inbox on MQTT read it as
    /// `$share/<group>/<topic>`.
    pub fn is_inbox_of(&self, app: App, pubsub: &str) -> bool {
        let inbox = app.inbox();
        let shared = format!("$share/{app}/{inbox}");
        self.pubsubname == pubsub && (self.topic == inbox || self.topic == shared)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is wrong with these components of an application that keeps documents, in words.
    fn judged(components: &serde_json::Value) -> Vec<String> {
        judged_of("notificaciones", components)
    }

    fn judged_of(id: &str, components: &serde_json::Value) -> Vec<String> {
        let metadata: Metadata = serde_json::from_value(json!({"id": id, "components": components})).unwrap();
        let unfit = judge(&metadata, "pubsub", "statestore");
        unfit.iter().map(ToString::to_string).collect()
    }

    fn component(name: &str, kind: &str, capabilities: &[&str]) -> serde_json::Value {
        json!({"name": name, "type": kind, "version": "v1", "capabilities": capabilities})
    }

    #[test]
    fn a_broker_and_a_store_with_etags_are_fit() {
        let pubsub = json!({"name": "pubsub", "type": "pubsub.redis", "version": "v1"});
        let store = component("statestore", "state.sqlite", &["ETAG", "TRANSACTIONAL"]);
        assert_eq!(judged(&json!([pubsub, store])), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named_with_its_setting() {
        let found = judged(&json!([]));
        assert!(
            found[0].contains("pubsub component of that name") && found[0].contains("PUBSUB_NAME"),
            "{found:?}"
        );
        assert!(
            found[1].contains("named statestore") && found[1].contains("STATE_STORE"),
            "{found:?}"
        );
        assert_eq!(judge(&Metadata::default(), "p", "s").len(), 2);
    }

    #[test]
    fn a_store_is_asked_of_who_keeps_documents_and_of_strangers() {
        let pubsub = component("pubsub", "pubsub.redis", &[]);
        for (id, missing) in [
            ("operator", false),
            ("bff", false),
            ("gestion-clientes", true),
            ("integracion-pagos", true),
            ("notificaciones", true),
            ("stranger", true),
        ] {
            let found = judged_of(id, &json!([pubsub]));
            assert_eq!(found.len(), usize::from(missing), "{id}: {found:?}");
            let found = judged_of(id, &json!([]));
            assert!(found[0].contains("named pubsub"), "{id}: {found:?}");
        }
    }

    #[test]
    fn a_store_without_etags_is_refused_whether_it_says_nothing_or_something_else() {
        let pubsub = component("pubsub", "pubsub.kafka", &[]);
        for store in [
            component("statestore", "state.jetstream", &[]),
            component("statestore", "state.cassandra", &["TTL"]),
            json!({"name": "statestore", "type": "state.x", "capabilities": null}),
        ] {
            let found = judged(&json!([pubsub, store]));
            assert!(found.len() == 1 && found[0].contains("has no ETags"), "{found:?}");
        }
    }

    #[test]
    fn what_forgets_is_refused_though_it_has_etags() {
        let found = judged(&json!([
            component("pubsub", "pubsub.in-memory", &[]),
            component("statestore", "state.in-memory", &["ETAG"]),
        ]));
        assert!(
            found.len() == 2 && found.iter().all(|text| text.contains("forgets")),
            "{found:?}"
        );
    }

    #[test]
    fn a_name_that_belongs_to_another_kind_is_refused() {
        let found = judged(&json!([
            component("pubsub", "state.redis", &["ETAG"]),
            component("statestore", "state.redis", &["ETAG"]),
        ]));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("the component pubsub is a state.redis, not a pubsub"),
            "{found:?}"
        );
    }

    #[test]
    fn an_inbox_is_read_by_its_name_or_as_one_that_replicas_share() {
        let read = |id: &str, pubsub: &str, topic: &str| {
            let other = json!({"pubsubname": "pubsub", "topic": "inbox-operator"});
            let own = json!({"pubsubname": pubsub, "topic": topic});
            let metadata = json!({"id": id, "subscriptions": [other, own]});
            let metadata: Metadata = serde_json::from_value(metadata).unwrap();
            metadata.reads_its_inbox("pubsub")
        };
        for (id, pubsub, topic, expected) in [
            ("bff", "pubsub", "inbox-bff", true),
            ("bff", "pubsub", "$share/bff/inbox-bff", true),
            ("operator", "pubsub", "inbox-bff", true),
            ("bff", "other", "inbox-bff", false),
            ("bff", "pubsub", "inbox-notificaciones", false),
            ("bff", "pubsub", "$share/notificaciones/inbox-bff", false),
            ("bff", "pubsub", "dead-letter-bff", false),
            ("stranger", "pubsub", "inbox-stranger", false),
        ] {
            assert_eq!(read(id, pubsub, topic), expected, "{id} {pubsub} {topic}");
        }
        assert!(!Metadata::default().reads_its_inbox("pubsub"));
    }
}
