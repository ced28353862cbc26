//! kubectl as the screen: lists, selectors, explanations, waiting, deleting, and sentences for what is wrong.

use seedwork::IdCliente;
use serde_json::Value;

use crate::cluster::{Cluster, Outcome};
use crate::report::{PATIENCE, ensure, text};
use local::wait::until;

/// What a person sees of payments that have ended.
pub(crate) fn lists(cluster: &Cluster, completed: &str, cliente: &IdCliente) -> Outcome {
    let wait = ["wait", "--for=condition=Completed", "--timeout=10s", completed];
    cluster.kubectl(&wait)?;
    let narrow = ["NAME", "PHASE", "STEP", "REASON", "CLIENTE", "MONTO", "MONEDA", "AGE"];
    let wide = ["DURATION", "TRACE", "MESSAGE"];
    columns(&cluster.kubectl(&["get", "psaga"])?, &narrow, &wide)?;
    let table = cluster.kubectl(&["get", "psaga", "-o", "wide"])?;
    columns(&table, &[narrow.as_slice(), wide.as_slice()].concat(), &[])?;
    let selected =
        |selector: &str| cluster.kubectl(&["get", "paymentsagas", "--field-selector", selector, "-o", "name"]);
    let all = selected("status.phase=Completed")?;
    ensure(all.contains(completed.trim_start_matches("paymentsaga/")), || {
        format!("Completed are only\n{all}")
    })?;
    let none = selected("status.phase=Stalled")?;
    ensure(none.trim().is_empty(), || format!("stalled are\n{none}"))?;
    let own = selected(&format!("spec.idCliente={cliente}"))?;
    ensure(!own.trim().is_empty(), || "nothing is found by its client".to_owned())?;
    let explained = cluster.kubectl(&["explain", "paymentsaga.spec.cancel"])?;
    ensure(
        explained.contains("DESCRIPTION") && !explained.contains("<empty>"),
        || explained,
    )?;
    let explained = cluster.kubectl(&["explain", "paymentsaga"])?;
    ensure(explained.contains("A payment:"), || explained)?;
    let described = cluster.kubectl(&["describe", completed])?;
    ensure(described.contains("CrearNotificacion"), || {
        format!("its steps are not described:\n{described}")
    })
}

/// The heads of a table: these are there, those are not.
fn columns(table: &str, there: &[&str], absent: &[&str]) -> Outcome {
    let heads: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    let missing = there.iter().find(|column| !heads.contains(column));
    let strange = absent.iter().find(|column| heads.contains(column));
    ensure(missing.is_none() && strange.is_none(), || {
        format!("{missing:?} is missing or {strange:?} is too many in\n{table}")
    })
}

/// Why a declined payment was undone stands under its events, for whoever describes it.
pub(crate) fn story(cluster: &Cluster, declined: &str) -> Outcome {
    let described = cluster.kubectl(&["describe", declined])?;
    let events = described.split_once("\nEvents:").map_or("", |(_, events)| events);
    ensure(events.contains("Warning") && events.contains("PagoFallido"), || {
        format!("its refusal is not among its events:\n{described}")
    })
}

/// A resource that breaks a rule is refused by the API server with a sentence that names the field.
pub(crate) fn refusals(cluster: &Cluster) -> Outcome {
    for (field, value, word) in [
        ("monto", "-1.00", "monto"),
        ("medioPago", "Cheque", "medioPago"),
        ("moneda", "pesos", "moneda"),
    ] {
        let mut spec = serde_json::json!({"idCliente": "ana", "medioPago": "PSE", "monto": "1.00", "moneda": "USD"});
        spec[field] = Value::String(value.to_owned());
        let resource = serde_json::json!({
            "apiVersion": "pagos.saludtech.dev/v1alpha1", "kind": "PaymentSaga",
            "metadata": {"name": "pago-e2e-refused"}, "spec": spec
        });
        match cluster.apply(&resource.to_string()) {
            Ok(()) => return Err(format!("a resource with {field} {value} was taken")),
            Err(said) => ensure(said.contains(word), || {
                format!("{field} {value} is refused with {said}")
            })?,
        }
    }
    Ok(())
}

/// `kubectl delete` of a payment under way: it is undone first, then it is gone.
pub(crate) async fn delete_running(cluster: &Cluster, cliente: &IdCliente) -> Outcome<String> {
    let name = "pago-e2e-deleted";
    let resource = serde_json::json!({
        "apiVersion": "pagos.saludtech.dev/v1alpha1", "kind": "PaymentSaga", "metadata": {"name": name},
        // The gateway is slow to answer for this amount.
        "spec": {"idCliente": cliente, "medioPago": "PSE", "monto": "24.15", "moneda": "USD"}
    });
    cluster.apply(&resource.to_string())?;
    until("its second step", PATIENCE, async || {
        let phase = cluster.kubectl(&["get", "psaga", name, "-o", "jsonpath={.status.steps[1].state}"])?;
        ensure(phase == "Issued", || format!("it is {phase}"))
    })
    .await
    .map_err(text)?;
    cluster.kubectl(&["delete", "psaga", name, "--wait=false"])?;
    let mut last = String::new();
    until("it to be gone", PATIENCE, async || {
        match cluster.kubectl(&["get", "psaga", name, "-o", "jsonpath={.status.phase}"]) {
            Ok(phase) => {
                last.clone_from(&phase);
                Err(format!("it is {phase}"))
            }
            Err(said) if said.contains("NotFound") => Ok(()),
            Err(said) => Err(said),
        }
    })
    .await
    .map_err(text)?;
    Ok(last)
}
