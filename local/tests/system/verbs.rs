//! What a person may do to a payment: cancel, suspend, resume, delete, retry, resolve.

use seedwork::contrato::App;
use serde_json::{Value, json};

use crate::resources::{
    annotate, apply, delete, ends, factura, gone, patch, pay, phase, refusal, row, saldo, seen, spec, step, warning,
};
use crate::system::{Outcome, System, all_end_well, ensure, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "spec.cancel while the gateway works gives everything back, and never goes back",
            cancel
        ),
        check!(
            "a suspended payment stays where it is, and goes on when it is resumed",
            suspend
        ),
        check!("kubectl delete of a running payment undoes it first", delete_running),
        check!(
            "kubectl delete of a completed payment takes nothing back",
            delete_completed
        ),
        check!(
            "an undo that can never succeed is Stalled, retried at a word, and ended by hand",
            stalled
        ),
        check!(
            "a payment with a policy of its own follows it, and is held until it ends",
            own_policy
        ),
    ]
}

const ARCHIVED: &str = "SELECT 'archived' FROM archivo WHERE id_correlacion = $1";

async fn cancel(system: &mut System) -> Outcome {
    let payment = system.pagar("24.15").await?;
    let id = &payment.id;
    step(system, id, 2, "Issued").await?;
    let cancelled = patch(system, id, json!({"spec": {"cancel": true}}))
        .await
        .map_err(text)?;
    let state = &cancelled.data["status"]["steps"][1]["state"];
    ensure(state == "Issued", || {
        format!("too late to see anything: step 2 is {state}")
    })?;
    for back in [json!(false), Value::Null] {
        let answer = patch(system, id, json!({"spec": {"cancel": back}})).await;
        let sentence = refusal("cancel: false", answer)?;
        ensure(sentence.contains("cancel never goes back"), || sentence)?;
    }
    ends(system, id, "Compensated", Some("Cancelado")).await?;
    warning(system, &cancelled, "Cancelado").await?;
    factura(system, id, "CANCELADO").await?;
    all_end_well(system, &[payment]).await
}

async fn suspend(system: &mut System) -> Outcome {
    let payment = system.pagar("24.15").await?;
    let id = &payment.id;
    step(system, id, 2, "Issued").await?;
    let suspended = patch(system, id, json!({"spec": {"suspend": true}}))
        .await
        .map_err(text)?;
    let state = &suspended.data["status"]["steps"][1]["state"];
    ensure(state == "Issued", || {
        format!("too late to see anything: step 2 is {state}")
    })?;
    // The outstanding answer is recorded, with the next step as issued.
    let stopped = step(system, id, 2, "Done").await?;
    // Another payment begins, ends and leaves meanwhile: several times as long as an unanswered command waits.
    let other = system.pagar("24.00").await?;
    system.ended(&other.id).await?;
    gone(system, &other.id).await?;
    let still = phase(system, id, "Running").await?;
    let (before, after) = (&stopped.data["status"], &still.data["status"]);
    ensure(before == after, || format!("it went on from {before} to {after}"))?;
    factura(system, id, "PAGO_ENVIADO").await?;
    patch(system, id, json!({"spec": {"suspend": false}}))
        .await
        .map_err(text)?;
    ends(system, id, "Completed", None).await?;
    all_end_well(system, &[payment]).await
}

async fn delete_running(system: &mut System) -> Outcome {
    let payment = system.pagar("24.15").await?;
    let id = &payment.id;
    step(system, id, 2, "Issued").await?;
    let deleted = delete(system, id).await?;
    let marked = deleted.and_then(|object| object.metadata.deletion_timestamp);
    ensure(marked.is_some(), || "it is gone at once".to_owned())?;
    let undoing = phase(system, id, "Compensating").await?;
    ensure(undoing.metadata.deletion_timestamp.is_some(), || {
        "it is not being deleted".to_owned()
    })?;
    gone(system, id).await?;
    // Whatever has to be undone was undone before it went.
    let saldo = saldo(system, id).await?;
    let open = saldo.autorizaciones - saldo.anulaciones - saldo.capturas;
    ensure(saldo.neto() == 0 && open == 0, || format!("it went with {saldo:?}"))?;
    factura(system, id, "CANCELADO").await?;
    row(system, App::Operator, ARCHIVED, id, "archived").await?;
    ends(system, id, "Compensated", Some("Eliminado")).await?;
    all_end_well(system, &[payment]).await
}

async fn delete_completed(system: &mut System) -> Outcome {
    let payment = system.pagar("24.00").await?;
    let id = &payment.id;
    phase(system, id, "Completed").await?;
    delete(system, id).await?;
    gone(system, id).await?;
    row(system, App::Operator, ARCHIVED, id, "archived").await?;
    ends(system, id, "Completed", None).await?;
    factura(system, id, "CONFIRMADO").await?;
    all_end_well(system, &[payment]).await
}

async fn stalled(system: &mut System) -> Outcome {
    // No message reaches Rosa, so her payment is undone; the gateway refuses to give this amount back.
    let rosa = system
        .world
        .cliente("Rosa", "rechaza-todo@example.com", "rosa")
        .await
        .map_err(text)?;
    let mut spec = json!({"idCliente": rosa, "medioPago": "TarjetaCredito", "monto": "24.21", "moneda": "USD"});
    // It need not wait as long as a payment without a policy of its own.
    let steps = [
        "CrearFacturacion",
        "RealizarPago",
        "ConfirmarFacturacion",
        "CrearNotificacion",
    ];
    spec["politica"] = politica(&steps, 3);
    let id = &crate::resources::id("atascado")?;
    apply(system, id, &spec).await?;
    let stalled = phase(system, id, "Stalled").await?;
    let status = &stalled.data["status"];
    ensure(status["steps"][1]["state"] == "UndoFailing", || {
        format!("it stalls elsewhere: {status}")
    })?;
    ensure(status["reason"] == "ReembolsoImposible", || {
        format!("the reason is {}", status["reason"])
    })?;
    let message = status["message"].as_str().unwrap_or_default();
    let remedy = message.contains("retry-requested-at") && message.contains("resolved-by=");
    ensure(remedy, || format!("the message names no remedy: {message}"))?;
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let condition = conditions.iter().find(|condition| condition["type"] == "Stalled");
    ensure(
        condition.is_some_and(|stalled| stalled["status"] == "True" && stalled["reason"] == "ReembolsoImposible"),
        || format!("the conditions are {conditions:?}"),
    )?;
    let note = warning(system, &stalled, "ReembolsoImposible").await?;
    ensure(note.contains("resolved-by="), || {
        format!("the event names no remedy: {note}")
    })?;

    // Each word is acted on once: two words cost the same number of transitions, and the first none after the second.
    let secuencia = |status: &Value| status["secuencia"].as_u64().unwrap_or_default();
    let mut ends_of_retries = vec![secuencia(status)];
    for word in ["first", "second"] {
        annotate(system, id, "pagos.saludtech.dev/retry-requested-at", word).await?;
        let last = ends_of_retries.last().copied().unwrap_or_default();
        let again = seen(system, id, "Stalled again", |status| {
            status["retrySeen"] == word && status["phase"] == "Stalled" && secuencia(status) > last
        });
        ends_of_retries.push(secuencia(&again.await?.data["status"]));
    }
    let [start, first, second] = ends_of_retries[..] else {
        return Err("no two retries".to_owned());
    };
    ensure(first - start == second - first, || {
        format!("the retries end at {start}, {first}, {second}")
    })?;

    let who = "ana: returned by bank transfer 4711";
    annotate(system, id, "pagos.saludtech.dev/resolved-by", who).await?;
    let ended = phase(system, id, "Compensated").await?;
    let status = &ended.data["status"];
    ensure(status["resolvedBy"] == who, || {
        format!("resolvedBy is {}", status["resolvedBy"])
    })?;
    ensure(status["steps"][1]["state"] == "Resolved", || {
        format!("the steps are {}", status["steps"])
    })?;
    ends(system, id, "Compensated", Some("NotificacionFallida")).await?;
    factura(system, id, "CANCELADO").await?;
    gone(system, id).await?;
    // Who ended it is archived with it: applied again, it says so.
    apply(system, id, &spec).await?;
    let restored = phase(system, id, "Compensated").await?;
    ensure(restored.data["status"]["resolvedBy"] == who, || {
        format!("the archive says {}", restored.data["status"])
    })?;
    let saldo = saldo(system, id).await?;
    ensure(saldo.capturas == 1 && saldo.reembolsado == 0, || {
        format!("the ledger has {saldo:?}")
    })
}

/// A policy under which a payment is undone for want of any of its steps.
fn politica(pasos: &[&str], stall_after_seconds: u32) -> Value {
    let paso = |nombre| json!({"nombre": nombre, "deadlineSeconds": 60, "onExhausted": "Compensate"});
    let backoff = json!({"firstSeconds": 1, "maxSeconds": 15});
    json!({
        "pasos": pasos.iter().map(paso).collect::<Vec<_>>(),
        "reenvio": backoff, "undo": backoff, "stallAfterSeconds": stall_after_seconds, "avisoDeadlineSeconds": 5,
    })
}

async fn own_policy(system: &mut System) -> Outcome {
    let mut spec = spec(system, "24.15");
    spec["politica"] = politica(&["CrearFacturacion", "RealizarPago", "ConfirmarFacturacion"], 60);
    let completed = crate::resources::id("politica-propia")?;
    apply(system, &completed, &spec).await?;
    let end = phase(system, &completed, "Completed").await?;
    let steps = &end.data["status"]["step"];
    ensure(steps == "3/3", || format!("it did {steps}"))?;

    let deleted = crate::resources::id("politica-propia-borrada")?;
    apply(system, &deleted, &spec).await?;
    step(system, &deleted, 2, "Issued").await?;
    delete(system, &deleted).await?;
    gone(system, &deleted).await?;
    ends(system, &deleted, "Compensated", Some("Eliminado")).await?;
    let saldo = saldo(system, &deleted).await?;
    ensure(saldo.neto() == 0, || format!("it went with {saldo:?}"))?;
    // Any other payment without a policy has been given ours.
    let ours = pay(system, "politica-nuestra", "24.00").await?;
    let end = phase(system, &ours.id, "Completed").await?;
    let steps = &end.data["status"]["step"];
    ensure(steps == "4/4", || format!("it did {steps}"))
}
