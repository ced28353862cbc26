//! The bus as a document: AsyncAPI 3.0, made from the types that are sent.
//!
//! Source of the format: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>.

use serde_json::{Map, Value, json};

use super::App;
use super::message::descriptions;

/// Every message: who sends it, on which topic, who reads it there, and what it holds.
pub fn document() -> Value {
    let (mut channels, mut operations) = (Map::new(), Map::new());
    let (mut messages, mut schemas) = (Map::new(), Map::new());
    for app in App::ALL {
        channels.insert(
            app.inbox(),
            json!({
                "address": app.inbox(),
                "title": format!("What {app} is told and asked"),
                "description": format!("Only {app} reads it. What it cannot read or handle goes to {}.", app.dead_letters()),
                "messages": {},
            }),
        );
    }
    for (name, senders, receivers, schema) in descriptions() {
        let mut schema = schema.to_value();
        if let Some(definitions) = schema.as_object_mut().and_then(|schema| schema.remove("$defs")) {
            schemas.extend(definitions.as_object().cloned().unwrap_or_default());
        }
        relocate(&mut schema);
        messages.insert(
            name.to_owned(),
            json!({
                "name": name,
                "title": name,
                "contentType": "application/json",
                "headers": {"$ref": "#/components/schemas/CloudEvent"},
                "payload": schema,
            }),
        );
        for receiver in receivers {
            let inbox = receiver.inbox();
            channels[&inbox]["messages"][name] = json!({"$ref": format!("#/components/messages/{name}")});
            let reference = json!({"$ref": format!("#/channels/{inbox}/messages/{name}")});
            let mut put = |app: App, action: &str| {
                let operation = operations.entry(format!("{app}.{action}.{inbox}")).or_insert_with(
                    || json!({"action": action, "channel": {"$ref": format!("#/channels/{inbox}")}, "messages": []}),
                );
                if let Some(list) = operation["messages"].as_array_mut()
                    && !list.contains(&reference)
                {
                    list.push(reference.clone());
                }
            };
            senders.iter().for_each(|sender| put(*sender, "send"));
            put(receiver, "receive");
        }
    }
    schemas.values_mut().for_each(relocate);
    schemas.insert("CloudEvent".to_owned(), cloud_event());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pagos: the bus",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One inbox for each application, over any broker that Dapr has a component for. At least once, in any order: \
                            a receiver de-duplicates by subject and type.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    })
}

/// The CloudEvents attributes around every payload.
fn cloud_event() -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "traceparent"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "description": "The message's key and the attempt: no two deliveries of a broker share it by chance."},
            "source": {"type": "string", "description": "The sender's app id."},
            "type": {"type": "string", "description": "The message's name."},
            "subject": {"type": "string", "description": "The payment's idCorrelacion."},
            "traceparent": {"type": "string", "description": "W3C trace context: one trace for each payment."},
        },
    })
}

/// References of a schema by itself, as references within the document.
fn relocate(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("$schema");
            if let Some(Value::String(reference)) = members.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/components/schemas/{name}");
            }
            members.values_mut().for_each(relocate);
        }
        Value::Array(items) => items.iter_mut().for_each(relocate),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_one_that_the_types_make() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/asyncapi.json");
        let committed: Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap_or_default()).unwrap_or_default();
        assert!(
            committed == document(),
            "asyncapi.json is not what the types make: run `make generate`"
        );
    }

    #[test]
    fn every_reference_leads_somewhere_and_only_the_operator_commands() {
        let document = document();
        let mut references = Vec::new();
        collect(&document, &mut references);
        for reference in references {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let commands = document["operations"].as_object().unwrap().iter();
        for (name, operation) in commands.filter(|(name, _)| name.contains(".send.inbox-notificaciones")) {
            assert!(name.starts_with("operator."), "{name}: {operation}");
        }
        assert_eq!(document["components"]["messages"].as_object().unwrap().len(), 33);
    }

    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    into.push(reference.clone());
                }
                members.values().for_each(|value| collect(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
