//! The Dapr resources of a run: the files of `dapr-components/` as they are shipped, with their placeholders filled in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use local::render::fill_in;
use serde_yaml_ng::Value;

use crate::failure::{During as _, Failure, Result};
use crate::receiver;
use crate::rig::Choice;
use crate::sender;

/// What the placeholders stand for.
pub(crate) type Values = BTreeMap<String, String>;

/// The files for a pair.
pub(crate) fn of(root: &Path, choice: Choice) -> Result<Vec<PathBuf>> {
    let Choice {
        broker,
        store,
        defaults,
    } = choice;
    if defaults {
        let folder = root.join("conformance/defaults");
        return Ok(vec![
            folder.join(format!("{}.yaml", broker.name())),
            folder.join(format!("{}.yaml", store.name())),
        ]);
    }
    let components = root.join("dapr-components");
    let mut files = vec![
        components.join(broker.name()).join("pubsub.yaml"),
        components.join(store.folder()).join("statestore.yaml"),
        components.join("local/resiliency.yaml"),
    ];
    let subscriptions = components.join(broker.name()).join("subscriptions.yaml");
    files.extend(subscriptions.is_file().then_some(subscriptions));
    Ok(files)
}

/// Writes the files into `target`, filled in.
pub(crate) fn render(files: &[PathBuf], values: &Values, target: &Path) -> Result<()> {
    fs::create_dir_all(target).during(format!("make {}", target.display()))?;
    for file in files {
        let name = file.file_name().unwrap_or_default();
        fs::write(target.join(name), admitted(&filled(file, values)?)?).during(format!("write {}", name.display()))?;
    }
    Ok(())
}

/// One file, filled in.
pub(crate) fn filled(file: &Path, values: &Values) -> Result<String> {
    let text = fs::read_to_string(file).during(format!("read {}", file.display()))?;
    fill_in(&text, values).map_err(|why| Failure(format!("{}: {why}", file.display())))
}

/// The suite reads the receiver's dead letters in the sender's name, to see that they are there. Nobody may by the
/// shipped access list, so that is put into it; nothing else is touched.
fn admitted(text: &str) -> Result<String> {
    const LIST: &str = "subscriptionScopes";
    if !text.contains(LIST) {
        return Ok(text.to_owned());
    }
    let mut component: Value = serde_yaml_ng::from_str(text).during("read a component")?;
    let entries = component["spec"]["metadata"].as_sequence_mut();
    let list = entries
        .into_iter()
        .flatten()
        .find(|entry| entry["name"] == LIST)
        .ok_or_else(|| Failure(format!("{LIST} is not in the metadata")))?;
    let scopes = list["value"].as_str().unwrap_or_default();
    let prefix = format!("{}=", sender::APP.id());
    let scopes: Vec<String> = scopes
        .split(';')
        .map(|entry| match entry.strip_prefix(&prefix) {
            Some(_) => format!("{entry},{}", receiver::APP.dead_letters()),
            None => entry.to_owned(),
        })
        .collect();
    list["value"] = Value::from(scopes.join(";"));
    serde_yaml_ng::to_string(&component).during("write a component")
}

#[cfg(test)]
mod tests {
    use seedwork::App;

    use super::*;
    use crate::brokers::Broker;
    use crate::stores::Store;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    fn pairs() -> impl Iterator<Item = Choice> {
        use clap::ValueEnum as _;
        Broker::value_variants().iter().flat_map(|broker| {
            Store::value_variants().iter().flat_map(move |store| {
                [false, true].map(|defaults| Choice {
                    broker: *broker,
                    store: *store,
                    defaults,
                })
            })
        })
    }

    #[test]
    fn each_pair_has_its_files_and_every_placeholder_is_known() {
        let names = [
            "BROKER_ADDRESS",
            "BROKER_USER",
            "BROKER_PASSWORD",
            "REDIS_PORT",
            "REDIS_PASSWORD",
            "STATE_DIR",
            "STORE_HOST",
            "STORE_PORT",
            "STORE_USER",
            "STORE_PASSWORD",
            "STORE_DATABASE",
        ];
        let values = names.map(|name| (name.to_owned(), "7".to_owned())).into();
        for choice in pairs() {
            for file in of(root(), choice).unwrap() {
                let text = filled(&file, &values).unwrap();
                let documents = serde_yaml_ng::Deserializer::from_str(&text);
                for document in documents {
                    let document = <Value as serde::Deserialize>::deserialize(document).unwrap();
                    assert!(document["kind"].is_string(), "{}", file.display());
                }
            }
        }
    }

    #[test]
    fn every_hardened_broker_has_the_same_access_lists_and_no_app_reads_anothers_inbox() {
        let list = |folder: &str, name: &str| {
            let text = fs::read_to_string(root().join("dapr-components").join(folder).join("pubsub.yaml")).unwrap();
            let component: Value = serde_yaml_ng::from_str(&text).unwrap();
            let entries = component["spec"]["metadata"].as_sequence().unwrap();
            let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
            entry["value"].as_str().unwrap().to_owned()
        };
        for folder in ["redis", "rabbitmq", "mqtt", "kafka", "pulsar"] {
            assert_eq!(
                list(folder, "publishingScopes"),
                list("local", "publishingScopes"),
                "{folder}"
            );
            let reading = list(folder, "subscriptionScopes");
            // Only MQTT reads by shared subscriptions, which are named after the application.
            let reading: Vec<_> = reading
                .split(';')
                .map(|entry| {
                    let (app, topic) = entry.split_once('=').unwrap();
                    format!("{app}={}", topic.trim_start_matches(&format!("$share/{app}/")))
                })
                .collect();
            assert_eq!(reading.join(";"), list("local", "subscriptionScopes"), "{folder}");
        }
    }

    #[test]
    fn every_store_is_there_for_who_keeps_documents_and_for_nobody_else() {
        let keeping = App::ALL.into_iter().filter(|app| app.keeps_documents());
        let keeping: Vec<_> = keeping.map(App::id).collect();
        for folder in ["local", "postgresql", "mysql"] {
            let path = root().join("dapr-components").join(folder).join("statestore.yaml");
            let component: Value = serde_yaml_ng::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            let scopes = component["scopes"].as_sequence().unwrap();
            let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str().unwrap()).collect();
            assert_eq!(scopes, keeping, "{folder}");
        }
    }

    #[test]
    fn redis_in_a_cluster_and_on_a_laptop_differ_only_in_where_it_is() {
        let values = |folder: &str| {
            let text = fs::read_to_string(root().join("dapr-components").join(folder).join("pubsub.yaml")).unwrap();
            let component: Value = serde_yaml_ng::from_str(&text).unwrap();
            let mut entries = component["spec"]["metadata"].as_sequence().unwrap().clone();
            entries.retain(|entry| !["redisHost", "redisPassword"].contains(&entry["name"].as_str().unwrap()));
            (component["spec"]["type"].clone(), entries)
        };
        assert_eq!(values("redis"), values("local"));
    }

    #[test]
    fn the_sender_is_let_read_the_dead_letters_and_nothing_else_changes() {
        let text = "spec:\n  metadata:\n  - name: subscriptionScopes\n    value: \
                    operator=inbox-operator;integracion-pagos=inbox-integracion-pagos\n";
        let changed = admitted(text).unwrap();
        assert_eq!(
            changed,
            text.replace(
                "inbox-integracion-pagos",
                "inbox-integracion-pagos,dead-letter-operator"
            )
        );
        assert_eq!(admitted("a: 1 # as it is").unwrap(), "a: 1 # as it is");
    }
}
