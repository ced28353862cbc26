//! What strangers may send: bad requests at every door, bad messages at every inbox, and what nobody may read.

mod puertas;
mod rastro;
mod secretos;
mod venenos;

use local::world::accepted;
use seedwork::{App, SolicitudPago};
use serde_json::Value;

use self::puertas::{Bad, Door};
use self::rastro::{Footprint, nothing_but};
use crate::system::{Outcome, System, all_end_well, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "bad input at every door is refused with its rule, alike at all doors for payments, and nothing of it is done",
            bad_requests
        ),
        check!(
            "a poison message at every inbox is set aside with a warning, and payments go on",
            venenos::at_every_inbox
        ),
        check!(
            "an inbox takes nothing from who has not its token",
            venenos::without_token
        ),
        check!(
            "no secret is in a log, a trace, a resource or a list of processes",
            secretos::nowhere
        ),
    ]
}

/// Sends a request as it is; the answer's status, content type and body.
async fn send(url: &str, bad: &Bad, system: &System) -> Outcome<(u16, String, Value)> {
    let mut request = system.world.http().post(url).body(bad.body.clone());
    if let Some(kind) = bad.content_type {
        request = request.header("content-type", kind);
    }
    if let Some(key) = &bad.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.map_err(text)?;
    let status = response.status().as_u16();
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let answer = response.text().await.map_err(text)?;
    Ok((
        status,
        kind,
        serde_json::from_str(&answer).unwrap_or(Value::String(answer)),
    ))
}

/// Refused with its status and a sentence for each rule, none more: as problem+json with the original's `error`; at the
/// BFF as GraphQL errors, or, what is no GraphQL request at all, in the original's plain text.
fn judge(app: App, bad: &Bad, (status, kind, answer): &(u16, String, Value)) -> Outcome {
    let errors = answer["errors"].as_array().into_iter().flatten();
    let mut sentences: Vec<&str> = errors
        .filter_map(|error| error.as_str().or(error["message"].as_str()))
        .collect();
    let form = if app == App::Bff {
        sentences.extend(answer.as_str());
        answer["data"].is_null()
    } else {
        kind == "application/problem+json" && answer["status"] == bad.status && answer["error"] == sentences.join("; ")
    };
    ensure(*status == bad.status && form && bad.says_all(&sentences), || {
        format!("{status} {kind} {answer}; it must be {} {:?}", bad.status, bad.says)
    })
}

async fn bad_requests(system: &mut System) -> Outcome {
    let system = &*system;
    let cliente = system.cliente.as_str();
    let kept = system.pagar("24.00").await?;
    let reversed = system.pagar("24.00").await?;
    all_end_well(system, &[kept.clone(), reversed.clone()]).await?;
    let before = Footprint::of(system).await?;

    let mut good = Vec::new();
    for door in puertas::all(cliente, &kept.id, &reversed.id) {
        let Door { app, path, .. } = door;
        let url = system.world.url(app, path);
        for bad in &door.bad {
            let answer = send(&url, bad, system).await?;
            let shown: String = bad.body.chars().take(200).collect();
            judge(app, bad, &answer).map_err(|why| format!("POST {url} of {shown}: {why}"))?;
        }
        println!("          {:>3} bad requests refused at {url}", door.bad.len());
        // The next good request at the same door: what a bad one had left there would have gone before.
        let taken = system.world.post(&url, &door.good, Some(path)).await;
        let (status, answer) = taken.map_err(text)?;
        ensure(status == door.taken && answer["errors"].is_null(), || {
            format!("POST {url} of {} answers {status}: {answer}", door.good)
        })?;
        if door.pays {
            let id = SolicitudPago::keyed_id(cliente, path);
            good.push(accepted(id, system.cliente.clone(), "24").map_err(text)?);
        }
    }

    all_end_well(system, &good).await?;
    eventually("the good chargeback to reverse its payment", async || {
        let fase = system.ended(&reversed.id).await?;
        ensure(fase == "Compensated", || format!("it is {fase}"))
    })
    .await?;
    let fase = system.ended(&kept.id).await?;
    ensure(fase == "Completed", || {
        format!("a bad chargeback made its payment {fase}")
    })?;
    nothing_but(system, &before, &good).await
}
