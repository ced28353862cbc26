//! What strangers may send: bad requests at every door, bad messages at every inbox, and what nobody may read.

mod puertas;
mod rastro;
mod secretos;
mod venenos;

use checker::Accepted;
use local::world::accepted;
use seedwork::{App, IdCorrelacion};
use serde_json::{Value, json};

use self::puertas::{Bad, Body};
use self::rastro::{Footprint, nothing_but};
use crate::system::{Outcome, System, all_end_well, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "bad input at every door is refused with its rule, and nothing of it is done",
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

/// Sends a body as it is; the answer's status, content type and body.
async fn send(url: &str, body: &Body, system: &System) -> Outcome<(u16, String, Value)> {
    let mut request = system.world.http().post(url).body(body.text.clone());
    if let Some(kind) = body.content_type {
        request = request.header("content-type", kind);
    }
    if let Some(key) = &body.idempotency_key {
        request = request.header("idempotency-key", key.as_bytes());
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

/// Refused with a status and a sentence for each rule, none more: problem+json with the original's `error`.
fn by_rest(bad: &Bad, (status, kind, answer): &(u16, String, Value)) -> Outcome {
    let sentences: Vec<&str> = answer["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let right = *status == bad.status
        && kind == "application/problem+json"
        && answer["status"] == bad.status
        && answer["error"] == sentences.join("; ")
        && bad.says_all(&sentences);
    ensure(right, || {
        format!("{status} {kind} {answer}; it must be {} {:?}", bad.status, bad.says)
    })
}

/// Refused by GraphQL: 200 with an error for each rule; what is no GraphQL request at all has the original's text.
fn by_graphql(bad: &Bad, (status, _, answer): &(u16, String, Value)) -> Outcome {
    let messages = answer["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|error| error["message"].as_str());
    let mut sentences: Vec<&str> = messages.collect();
    if bad.status != 200 {
        sentences.extend(answer.as_str());
    }
    let right = *status == bad.status && answer["data"].is_null() && bad.says_all(&sentences);
    ensure(right, || {
        format!("{status} {answer}; it must be {} {:?}", bad.status, bad.says)
    })
}

async fn refused(
    system: &System,
    url: &str,
    table: &[Bad],
    judge: fn(&Bad, &(u16, String, Value)) -> Outcome,
) -> Outcome {
    for bad in table {
        let answer = send(url, &bad.body, system).await?;
        let shown: String = bad.body.text.chars().take(200).collect();
        judge(bad, &answer).map_err(|why| format!("POST {url} of {shown}: {why}"))?;
    }
    println!("          {:>3} bad requests refused at {url}", table.len());
    Ok(())
}

/// A payment asked for at one of the two doors of gestión-clientes.
async fn pay_at(system: &System, path: &str) -> Outcome<Accepted> {
    let body = json!({"medioPago": "TarjetaCredito", "idCliente": system.cliente, "monto": 24}).to_string();
    let url = system.world.url(App::GestionClientes, path);
    let request = system
        .world
        .http()
        .post(&url)
        .header("content-type", "application/json")
        .body(body);
    let response = request.send().await.map_err(text)?;
    let header = response
        .headers()
        .get("x-correlation-id")
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned);
    let answer: Value = response.json().await.map_err(text)?;
    let id = header
        .or_else(|| answer["id"].as_str().map(str::to_owned))
        .ok_or_else(|| answer.to_string())?;
    accepted(IdCorrelacion::parse(id).map_err(text)?, system.cliente.clone(), "24").map_err(text)
}

async fn post(system: &System, app: App, path: &str, body: Value, expected: u16) -> Outcome<Value> {
    let (status, answer) = system
        .world
        .post(&system.world.url(app, path), &body, None)
        .await
        .map_err(text)?;
    ensure(status == expected, || {
        format!("POST {path} of {body} answers {status}: {answer}")
    })?;
    Ok(answer)
}

async fn bad_requests(system: &mut System) -> Outcome {
    let system = &*system;
    let cliente = system.cliente.as_str();
    let kept = system.pagar("24.00").await?;
    let reversed = system.pagar("24.00").await?;
    all_end_well(system, &[kept.clone(), reversed.clone()]).await?;
    let before = Footprint::of(system).await?;

    // After each table, the next good request at the same door: what a bad one had left there would have gone before.
    refused(
        system,
        &system.world.url(App::Bff, "/v1"),
        &puertas::mutation(cliente),
        by_graphql,
    )
    .await?;
    let mut good = vec![system.pagar("24.00").await?];
    for path in ["/facturacion/realizar-pago", "/facturacion/realizar-pago-comando"] {
        let url = system.world.url(App::GestionClientes, path);
        refused(system, &url, &puertas::pago(cliente), by_rest).await?;
        good.push(pay_at(system, path).await?);
    }
    let ana = json!({"nombre": "Ana", "apellidos": "Pérez", "correo": "ana@example.com", "contrasena": "secreto"});
    for (path, answers) in [("/clientes/cliente", 200), ("/clientes/cliente-comando", 202)] {
        let url = system.world.url(App::GestionClientes, path);
        refused(system, &url, &puertas::cliente(), by_rest).await?;
        post(system, App::GestionClientes, path, ana.clone(), answers).await?;
    }
    let aviso = json!({"tipo": "ALERTA", "medio": "correo", "valor": "hola"});
    for (path, answers) in [
        ("/notificaciones/notificacion", 200),
        ("/notificaciones/notificacion-comando", 202),
    ] {
        let url = system.world.url(App::Notificaciones, path);
        refused(system, &url, &puertas::notificacion(), by_rest).await?;
        post(system, App::Notificaciones, path, aviso.clone(), answers).await?;
    }
    let path = "/pagos/simular-evento-de-compensacion";
    let url = system.world.url(App::IntegracionPagos, path);
    refused(system, &url, &puertas::contracargo(kept.id.as_str()), by_rest).await?;
    post(
        system,
        App::IntegracionPagos,
        path,
        json!({"idCorrelacion": reversed.id}),
        200,
    )
    .await?;

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
