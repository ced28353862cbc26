//! What the payments left behind, as a person would look at it.

use std::process::Command;
use std::time::Duration;

use checker::{Accepted, Evidence, Saldo, Verdict, saldos};
use kube::api::Request;
use serde_json::Value;

use super::Stage;
use super::trace::{spans, tree, without_sidecars};
use crate::error::{Error, Result};
use crate::kubernetes::NAMESPACE;
use crate::out::say;
use crate::settings::Settings;
use crate::wait::until;

/// `kubectl get paymentsagas`; without kubectl, the API server's own table.
pub(super) async fn table(stage: &Stage) -> Result<()> {
    say(format!("\n{}", stage.paint.strong("$ kubectl get paymentsagas")));
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["get", "paymentsagas", "--sort-by=.metadata.creationTimestamp"]);
    kubectl.env("KUBECONFIG", stage.layout.admin_kubeconfig());
    if let Ok(output) = kubectl.output()
        && output.status.success()
    {
        say(String::from_utf8_lossy(&output.stdout).trim_end());
        return Ok(());
    }
    for line in server_table(stage).await? {
        say(line);
    }
    Ok(())
}

/// The table that the API server draws for kubectl.
async fn server_table(stage: &Stage) -> Result<Vec<String>> {
    let path = format!("/apis/pagos.saludtech.dev/v1alpha1/namespaces/{NAMESPACE}");
    let failed = |error: &dyn std::fmt::Display| Error::advice(format!("the API server draws no table: {error}"));
    let mut request = Request::new(format!("{path}/paymentsagas"))
        .list(&Default::default())
        .map_err(|e| failed(&e))?;
    let accept = http::HeaderValue::from_static("application/json;as=Table;v=v1;g=meta.k8s.io");
    request.headers_mut().insert(http::header::ACCEPT, accept);
    let answer: Value = stage
        .world
        .kube()
        .request(request)
        .await
        .map_err(|error| failed(&error))?;
    let columns: Vec<usize> = (0..)
        .zip(answer["columnDefinitions"].as_array().into_iter().flatten())
        .filter(|(_, column)| column["priority"] == 0)
        .map(|(position, _)| position)
        .collect();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
            .replace("null", "")
    };
    let head = columns
        .iter()
        .map(|c| text(&answer["columnDefinitions"][c]["name"]).to_uppercase())
        .collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    for row in answer["rows"].as_array().into_iter().flatten() {
        rows.push(columns.iter().map(|column| text(&row["cells"][column])).collect());
    }
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let draw = |row: &Vec<String>| {
        row.iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect::<Vec<_>>()
            .join("   ")
    };
    Ok(rows.iter().map(draw).collect())
}

/// The span tree of one payment.
pub(super) async fn trace(stage: &Stage, payment: &Accepted) -> Result<()> {
    let pago = stage.world.pago(&payment.id).await?.unwrap_or_default();
    let trace = pago
        .trace_id
        .ok_or_else(|| Error::advice("the declined payment has no trace id"))?;
    let url = stage.world.jaeger(&format!("/api/traces/{trace}"));
    // Spans travel in batches: wait for the last of them, the notice to the client.
    let found = until("the trace in Jaeger", Duration::from_secs(15), async || {
        let (_, answer) = stage.world.get(&url).await.map_err(|error| error.to_string())?;
        let found = spans(&answer);
        let whole = found.iter().any(|span| span.name == "receive ReversionAvisada");
        if whole {
            Ok(found)
        } else {
            Err(format!("{} spans so far", found.len()))
        }
    });
    let found = found.await.map_err(|late| Error::advice(late.to_string()))?;
    let shown = without_sidecars(&found);
    let folded = found.len() - shown.len();
    say(format!(
        "\n{}",
        stage.paint.strong(format!("the trace of payment 2: GET {url}"))
    ));
    for line in tree(&shown) {
        say(line);
    }
    let hidden = format!("({folded} spans of the sidecars are folded away)");
    say(stage.paint.faint(hidden));
    Ok(())
}

/// The gateway's ledger beside the sagas.
pub(super) fn ledger(stage: &Stage, evidence: &Evidence, verdict: &Verdict) {
    say(format!(
        "\n{}",
        stage.paint.strong("the gateway's ledger beside the sagas (cents)")
    ));
    say(format!(
        "{:<42} {:<12} {:>8} {:>8} {:>8} {:>8}",
        "PAYMENT", "SAGA", "ASKED", "TAKEN", "RETURNED", "KEPT"
    ));
    let saldos = saldos(evidence.movimientos.as_deref().unwrap_or_default());
    for Accepted { id, minor, .. } in &stage.accepted {
        let seen = evidence.sagas.as_ref().and_then(|sagas| sagas.get(id));
        let phase = seen.map_or("none", |seen| seen.phase.as_str());
        let saldo = saldos.get(id.as_str()).cloned().unwrap_or_default();
        let Saldo {
            capturado,
            reembolsado,
            contracargado,
            ..
        } = saldo;
        let returned = reembolsado + contracargado;
        let kept = capturado - returned;
        say(format!(
            "{:<42} {phase:<12} {minor:>8} {capturado:>8} {returned:>8} {kept:>8}",
            id.resource_name()
        ));
    }
    let conserved = if verdict.money_conserved() {
        stage.paint.good("yes")
    } else {
        stage.paint.bad("no")
    };
    say(format!(
        "money conserved: {conserved} (the gateway holds {}, the completed sagas say {})",
        verdict.held, verdict.owed
    ));
    for violation in &verdict.violations {
        say(format!("  {} {violation}", stage.paint.bad("violation:")));
    }
    say(stage.paint.faint(verdict.coverage()));
    say(verdict);
}

/// Where a person goes from here.
pub(super) fn addresses(stage: &Stage, settings: &Settings) {
    let bff = settings.ports.app(seedwork::App::Bff);
    let kubeconfig = stage.layout.admin_kubeconfig();
    say(format!("\n{}", stage.paint.strong("try next")));
    say(format!(
        "  export KUBECONFIG={}; kubectl get paymentsagas -w",
        kubeconfig.display()
    ));
    say(format!("  curl -N http://127.0.0.1:{bff}/stream"));
    say("  make logs S=operator");
    say(format!("\n{}", stage.paint.strong("open")));
    say(format!("  GraphQL            http://127.0.0.1:{bff}/v1"));
    say(format!("  gateway outcomes   {}", stage.world.pasarela("/resultados")));
    say(format!("  gateway ledger     {}", stage.world.pasarela("/movimientos")));
    say(format!(
        "  traces (JSON)      {}",
        stage.world.jaeger("/api/traces?service=bff&limit=20")
    ));
}
