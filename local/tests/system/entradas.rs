//! What strangers may send: bad requests at every door, bad messages at every inbox, and what nobody may read.

mod puertas;
mod secretos;
mod venenos;

use std::collections::BTreeSet;

use checker::Accepted;
use local::world::accepted;
use seedwork::{App, IdCorrelacion};
use serde_json::{Value, json};

use self::puertas::{Bad, Body};
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

/// Everything that a request can leave behind.
#[derive(Debug, Default)]
struct Footprint {
    sagas: BTreeSet<String>,
    pagos: BTreeSet<String>,
    facturas: BTreeSet<String>,
    clientes: BTreeSet<String>,
    notificaciones: BTreeSet<String>,
    referencias: BTreeSet<String>,
}

// === impl Footprint ===

impl Footprint {
    async fn of(system: &System) -> Outcome<Self> {
        let sagas = system.sagas().list(&Default::default()).await.map_err(text)?;
        let facturas = format!("/facturacion?limite=100&idCliente={}", system.cliente);
        let lines = system.world.movimientos().await.map_err(text)?;
        Ok(Self {
            sagas: sagas.items.into_iter().filter_map(|saga| saga.metadata.name).collect(),
            pagos: pagos(system).await?,
            facturas: ids(system, App::GestionClientes, &facturas).await?,
            clientes: ids(system, App::GestionClientes, "/clientes/cliente?limite=100").await?,
            notificaciones: ids(system, App::Notificaciones, "/notificaciones/notificacion?limite=100").await?,
            referencias: lines.into_iter().map(|line| line.referencia).collect(),
        })
    }
}

/// The ids of a whole list.
async fn ids(system: &System, app: App, path: &str) -> Outcome<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let url = system.world.url(app, &format!("{path}{cursor}"));
        let response = system.world.http().get(&url).send().await.map_err(text)?;
        let next = response
            .headers()
            .get("x-next-cursor")
            .and_then(|next| next.to_str().ok())
            .map(str::to_owned);
        let page: Value = response.json().await.map_err(text)?;
        let page = page.as_array().ok_or_else(|| format!("{url} is no list: {page}"))?;
        all.extend(page.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)));
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(all),
        }
    }
}

/// The ids of all payments that the BFF knows of.
async fn pagos(system: &System) -> Outcome<BTreeSet<String>> {
    let query = "query($cursor: String) { pagos(limite: 100, cursor: $cursor) { pagos { idCorrelacion } cursor } }";
    let mut all = BTreeSet::new();
    let mut cursor = Value::Null;
    loop {
        let data = system
            .world
            .graphql(query, json!({ "cursor": cursor }), None)
            .await
            .map_err(text)?;
        let page = data["pagos"]["pagos"].as_array().cloned().unwrap_or_default();
        all.extend(
            page.iter()
                .filter_map(|pago| pago["idCorrelacion"].as_str().map(str::to_owned)),
        );
        cursor = data["pagos"]["cursor"].clone();
        if cursor.is_null() {
            return Ok(all);
        }
    }
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
    let body = json!({"medioPago": "PSE", "idCliente": system.cliente, "monto": 24}).to_string();
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

/// What is there now and was not before is what the good requests made.
async fn nothing_but(system: &System, before: &Footprint, good: &[Accepted]) -> Outcome {
    let Footprint {
        sagas,
        pagos,
        facturas,
        clientes,
        notificaciones,
        referencias,
    } = eventually("the two notifications to be listed", async || {
        // Those of the payments are made by then; those of the door are listed at once or, by command, soon.
        let now = Footprint::of(system).await?;
        let new = now.notificaciones.difference(&before.notificaciones).count();
        ensure(new >= good.len() + 2, || format!("{new} new notifications"))?;
        Ok(now)
    })
    .await?;
    let known: BTreeSet<String> = good.iter().map(|payment| payment.id.to_string()).collect();
    let only = |what: &str, now: &BTreeSet<String>, before: &BTreeSet<String>| {
        let new: BTreeSet<String> = now.difference(before).cloned().collect();
        ensure(new == known, || {
            format!("new {what} are {new:?}, the good requests are {known:?}")
        })
    };
    only("payments", &pagos, &before.pagos)?;
    only("invoices", &facturas, &before.facturas)?;
    only("references in the ledger", &referencias, &before.referencias)?;
    let names: BTreeSet<String> = good.iter().map(|payment| payment.id.resource_name()).collect();
    let unknown: Vec<_> = sagas
        .iter()
        .filter(|name| !names.contains(*name) && !before.sagas.contains(*name))
        .collect();
    ensure(unknown.is_empty(), || format!("nobody asked for {unknown:?}"))?;
    let added = clientes.difference(&before.clientes).count();
    ensure(added == 2, || format!("two clients were registered, {added} are new"))?;
    // One for each payment, two at the door, and the notice of the reversal.
    let added = notificaciones.difference(&before.notificaciones).count();
    ensure(added == good.len() + 3, || format!("{added} notifications are new"))
}
