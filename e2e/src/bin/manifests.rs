//! `manifests`: rendered manifests, from stdin, against what an API server publishes of its types.
//!
//!     helm template … | manifests --schemas …/api/openapi-spec/v3 --definitions …/crds
//!
//! Stricter than the API server: a field that a type does not have is an error, as a typing mistake that is silently
//! dropped is none of a chart's business.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use serde::Deserialize as _;
use serde_json::{Value, json};

/// Validates the manifests on stdin.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with an API server's OpenAPI documents, one for each group and version.
    #[arg(long)]
    schemas: PathBuf,
    /// Folders or files with CustomResourceDefinitions.
    #[arg(long)]
    definitions: Vec<PathBuf>,
}

/// Schemas of resources by `apiVersion` and `kind`: the document they stand in, and where in it.
type Schemas = BTreeMap<(String, String), (Arc<Value>, String)>;

fn main() -> ExitCode {
    match check(&Args::parse()) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn check(Args { schemas, definitions }: &Args) -> Result<String, String> {
    let mut manifests = String::new();
    std::io::stdin()
        .read_to_string(&mut manifests)
        .map_err(|error| error.to_string())?;
    let manifests = documents(&manifests)?;
    let mut known = Schemas::new();
    for (group, version) in manifests
        .iter()
        .filter_map(|manifest| group_of(&manifest["apiVersion"]))
    {
        let file = match group.as_str() {
            "" => format!("api__{version}_openapi.json"),
            group => format!("apis__{group}__{version}_openapi.json"),
        };
        if let Ok(text) = std::fs::read_to_string(schemas.join(file)) {
            built_in(
                &serde_json::from_str(&text).map_err(|error| error.to_string())?,
                &mut known,
            );
        }
    }
    for path in definitions {
        for file in files(path)? {
            let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            documents(&text)?
                .iter()
                .for_each(|definition| custom(definition, &mut known));
        }
    }
    manifests
        .iter()
        .filter(|manifest| manifest["kind"] == "CustomResourceDefinition")
        .for_each(|one| custom(one, &mut known));
    let mut validators = Validators::new();
    let wrong: Vec<String> = manifests
        .iter()
        .flat_map(|manifest| judge(manifest, &known, &mut validators))
        .collect();
    if wrong.is_empty() {
        Ok(format!("{} manifests fit", manifests.len()))
    } else {
        Err(wrong.join("\n"))
    }
}

/// One for each kind that was met: a schema is worth being read once.
type Validators = BTreeMap<(String, String), jsonschema::Validator>;

fn judge(manifest: &Value, known: &Schemas, validators: &mut Validators) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = (text(&manifest["apiVersion"]), text(&manifest["kind"]));
    let name = format!("{}/{}", kind.1, text(&manifest["metadata"]["name"]));
    let validator = match validators.entry(kind) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let Some((document, pointer)) = known.get(entry.key()) else {
                return vec![format!("{name}: nobody knows this kind of {}", entry.key().0)];
            };
            let mut schema = Value::clone(document);
            schema["$ref"] = json!(pointer);
            match jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .build(&schema)
            {
                Ok(validator) => entry.insert(validator),
                Err(error) => return vec![format!("{name}: its schema is none: {error}")],
            }
        }
    };
    let errors = validator.iter_errors(manifest);
    errors
        .map(|error| format!("{name}{}: {error}", error.instance_path()))
        .collect()
}

/// The resources that an OpenAPI document describes.
fn built_in(document: &Value, known: &mut Schemas) {
    let mut strict = document.clone();
    close(&mut strict);
    let whole = Arc::new(json!({"components": strict["components"]}));
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        for identity in schema["x-kubernetes-group-version-kind"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let part = |part: &str| identity[part].as_str().unwrap_or_default().to_owned();
            let version = match part("group").as_str() {
                "" => part("version"),
                group => format!("{group}/{}", part("version")),
            };
            known.insert(
                (version, part("kind")),
                (Arc::clone(&whole), format!("#/components/schemas/{name}")),
            );
        }
    }
}

/// The resources that a CustomResourceDefinition describes.
fn custom(definition: &Value, known: &mut Schemas) {
    let spec = &definition["spec"];
    for version in spec["versions"].as_array().into_iter().flatten() {
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        // What every object has, the API server adds itself.
        for own in ["apiVersion", "kind"] {
            schema["properties"][own] = json!({"type": "string"});
        }
        schema["properties"]["metadata"] = json!({"type": "object"});
        close(&mut schema);
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = format!("{}/{}", part(&spec["group"]), part(&version["name"]));
        known.insert(
            (name, part(&spec["names"]["kind"])),
            (Arc::new(json!({"own": schema})), "#/own".to_owned()),
        );
    }
}

/// Says of each object that lists its fields that it has no others; and what is nullable may be null.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let open = members
                .get("x-kubernetes-preserve-unknown-fields")
                .is_some_and(|value| value == true);
            let listed = members.get("properties").is_some_and(Value::is_object)
                && members.get("type").is_some_and(Value::is_string);
            if listed && !open && !members.contains_key("additionalProperties") {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            if members.get("nullable").is_some_and(|value| value == true)
                && let Some(kind @ Value::String(_)) = members.get("type").cloned()
            {
                members.insert("type".to_owned(), json!([kind, "null"]));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn group_of(version: &Value) -> Option<(String, String)> {
    let version = version.as_str()?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Some((group.to_owned(), version.to_owned()))
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    let documents = serde_yaml_ng::Deserializer::from_str(text).map(Value::deserialize);
    let documents: Result<Vec<Value>, _> = documents.collect();
    Ok(documents
        .map_err(|error| error.to_string())?
        .into_iter()
        .filter(|one| !one.is_null())
        .collect())
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml");
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(yaml)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Schemas {
        let mut known = Schemas::new();
        let definition = json!({"kind": "CustomResourceDefinition", "spec": {"group": "a.example", "names": {"kind": "Thing"},
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties":
                {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}}}}}]}});
        custom(&definition, &mut known);
        known
    }

    fn thing(spec: &Value) -> Vec<String> {
        judge(
            &json!({"apiVersion": "a.example/v1", "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}),
            &known(),
            &mut Validators::new(),
        )
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_is_named() {
        assert_eq!(thing(&json!({"size": 1})), Vec::<String>::new());
        for (spec, word) in [
            (json!({"size": "one"}), "integer"),
            (json!({}), "size"),
            (json!({"size": 1, "sise": 2}), "sise"),
        ] {
            let said = thing(&spec);
            assert!(
                said.len() == 1 && said[0].starts_with("Thing/x") && said[0].contains(word),
                "{said:?}"
            );
        }
        let stranger = json!({"apiVersion": "b/v1", "kind": "Thing", "metadata": {"name": "x"}});
        assert!(judge(&stranger, &known(), &mut Validators::new())[0].contains("nobody knows"));
    }
}
