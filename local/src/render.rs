//! Filling in `${NAME}` in the files of `dapr-components/local`, so that the folder stays the one source.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use seedwork::contrato::App;

use crate::error::{During, Error, Result};
use crate::layout::Layout;
use crate::settings::Settings;
use crate::status::write_atomically;

/// The file that is a Configuration, not a resource.
const CONFIG: &str = "config.yaml";

/// Replaces each `${NAME}` by its value.
pub fn fill_in(text: &str, values: &BTreeMap<String, String>) -> std::result::Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("a \"${\" without its \"}\"")?;
        let value = values
            .get(name)
            .ok_or_else(|| format!("nobody knows the value of ${{{name}}}"))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What the placeholders stand for.
pub fn values(settings: &Settings, state: &Path, redis_password: &str) -> BTreeMap<String, String> {
    let ports = settings.ports;
    let mut values = BTreeMap::from([
        ("SAMPLING_RATE".to_owned(), settings.sampling_rate.as_str().to_owned()),
        ("REDIS_PORT".to_owned(), ports.redis().to_string()),
        ("REDIS_PASSWORD".to_owned(), redis_password.to_owned()),
        ("OTLP_GRPC_PORT".to_owned(), ports.otlp_grpc().to_string()),
        ("STATE_DIR".to_owned(), state.display().to_string()),
    ]);
    for app in App::ALL {
        let name = app.id().to_uppercase().replace('-', "_");
        values.insert(
            format!("{name}_INTERNAL_GRPC_PORT"),
            ports.sidecar(app).internal_grpc.to_string(),
        );
    }
    values
}

/// The whole folder with its values: the text of each file in the state dir.
fn rendered(layout: &Layout, values: &BTreeMap<String, String>) -> Result<BTreeMap<PathBuf, String>> {
    let source = layout.root().join("dapr-components/local");
    let reading = || format!("read {}", source.display());
    let mut rendered = BTreeMap::new();
    for entry in fs::read_dir(&source).during(reading())? {
        let file = entry.during(reading())?.path();
        let Some(name) = file
            .file_name()
            .filter(|_| file.extension().is_some_and(|ending| ending == "yaml"))
        else {
            continue;
        };
        let text = fs::read_to_string(&file).during(format!("read {}", file.display()))?;
        let filled = fill_in(&text, values).map_err(|why| Error::advice(format!("{}: {why}", file.display())))?;
        let target = if name == CONFIG {
            layout.dapr_config()
        } else {
            layout.resources().join(name)
        };
        rendered.insert(target, filled);
    }
    Ok(rendered)
}

/// Renders the whole folder into the state dir. A file that is gone from the source is gone from there, too.
pub fn render(layout: &Layout, values: &BTreeMap<String, String>) -> Result<()> {
    let rendered = rendered(layout, values)?;
    fs::remove_dir_all(layout.resources()).during("empty the folder of Dapr resources")?;
    layout.create()?;
    rendered
        .iter()
        .try_for_each(|(file, text)| write_atomically(file, text.as_bytes()))
}

/// Whether the state dir holds what [`render`] would write there.
pub fn is_rendered(layout: &Layout, values: &BTreeMap<String, String>) -> Result<bool> {
    let as_it_is = |(file, text): (&PathBuf, &String)| fs::read_to_string(file).is_ok_and(|found| found == *text);
    Ok(rendered(layout, values)?.iter().all(as_it_is))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_yaml_ng::Value;

    use super::*;
    use crate::ports::Ports;
    use crate::settings::Profile;

    #[test]
    fn other_settings_of_the_sidecars_are_noticed() {
        let (_checkout, layout) = rendered();
        let mut settings = Settings::of(Profile::Up, Ports::from_base(17000).unwrap());
        let same = |settings: &Settings| is_rendered(&layout, &values(settings, layout.state(), "secreto")).unwrap();
        assert!(same(&settings));
        settings.sampling_rate = "0".parse().unwrap();
        assert!(!same(&settings));
    }

    fn known(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn each_placeholder_is_filled_in_and_templates_of_others_are_left_alone() {
        let filled = fill_in(
            "a: ${X}:${X} {appID} {{if eq .ID \"b\"}}${Y}{{end}}",
            &known(&[("X", "1"), ("Y", "2")]),
        );
        assert_eq!(filled.unwrap(), "a: 1:1 {appID} {{if eq .ID \"b\"}}2{{end}}");
    }

    #[test]
    fn a_placeholder_that_nobody_knows_is_refused() {
        assert_eq!(
            fill_in("${Z}", &known(&[])),
            Err("nobody knows the value of ${Z}".to_owned())
        );
        assert!(fill_in("${Z", &known(&[])).is_err());
    }

    /// The real folder, rendered into a state dir of its own.
    fn rendered() -> (tempfile::TempDir, Layout) {
        let checkout = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dapr-components");
        std::os::unix::fs::symlink(source.canonicalize().unwrap(), checkout.path().join("dapr-components")).unwrap();
        let layout = Layout::new(checkout.path(), Profile::Up);
        layout.create().unwrap();
        let settings = Settings::of(Profile::Up, Ports::from_base(17000).unwrap());
        render(&layout, &values(&settings, layout.state(), "secreto")).unwrap();
        (checkout, layout)
    }

    fn yaml(file: &Path) -> Value {
        serde_yaml_ng::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn the_committed_components_render_to_one_document_each() {
        let (_checkout, layout) = rendered();
        let kinds: BTreeSet<String> = fs::read_dir(layout.resources())
            .unwrap()
            .map(|entry| yaml(&entry.unwrap().path())["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, BTreeSet::from(["Component".to_owned(), "Resiliency".to_owned()]));
        assert_eq!(yaml(&layout.dapr_config())["kind"], "Configuration");
    }

    #[test]
    fn only_the_operator_may_publish_to_participants_and_everyone_reads_only_their_own_inbox() {
        let (_checkout, layout) = rendered();
        let pubsub = yaml(&layout.resources().join("pubsub.yaml"));
        let metadata = |name: &str| {
            let entries = pubsub["spec"]["metadata"].as_sequence().unwrap();
            let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
            entry["value"].as_str().unwrap().to_owned()
        };
        let scopes = |name: &str| -> BTreeMap<String, BTreeSet<String>> {
            metadata(name)
                .split(';')
                .map(|entry| entry.split_once('=').unwrap())
                .map(|(app, topics)| (app.to_owned(), topics.split(',').map(str::to_owned).collect()))
                .collect()
        };
        let mut publishing = BTreeMap::new();
        let mut subscribing = BTreeMap::new();
        for app in App::ALL {
            let mut topics = BTreeSet::from([app.dead_letters()]);
            match app {
                App::Operator => topics.extend(App::ALL.into_iter().filter(|to| *to != app).map(App::inbox)),
                App::Bff | App::GestionClientes | App::IntegracionPagos | App::Notificaciones => {
                    topics.insert(App::Operator.inbox());
                }
            }
            publishing.insert(app.id().to_owned(), topics);
            subscribing.insert(app.id().to_owned(), BTreeSet::from([app.inbox()]));
        }
        assert_eq!(scopes("publishingScopes"), publishing);
        assert_eq!(scopes("subscriptionScopes"), subscribing);
    }

    #[test]
    fn every_app_resolves_to_the_sidecar_it_has() {
        let (_checkout, layout) = rendered();
        let config = yaml(&layout.dapr_config());
        let template = config["spec"]["nameResolution"]["configuration"]["template"]
            .as_str()
            .unwrap();
        let ports = Ports::from_base(17000).unwrap();
        for app in App::ALL {
            let branch = format!(
                "eq .ID \"{}\"}}}}127.0.0.1:{}{{{{",
                app.id(),
                ports.sidecar(app).internal_grpc
            );
            assert!(template.contains(&branch), "{branch} in {template}");
        }
    }
}
