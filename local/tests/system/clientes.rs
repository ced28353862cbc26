//! Clients and their invoices on real parts: changed, listed, told, and their tables made again.

use local::wait::until;
use seedwork::contrato::App;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::system::{Outcome, PATIENCE, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "an acknowledged change of a client is in the list, whenever the service is killed",
            changes
        ),
        check!(
            "the tables of clients and invoices are made again while the system runs",
            rebuilt
        ),
    ]
}

fn cliente(nombre: &str) -> Value {
    json!({"nombre": nombre, "apellidos": "Peña", "correo": "luz@example.com"})
}

/// `PUT`, as a caller does it: the status and the ETag.
async fn put(system: &System, id: &str, body: &Value, if_match: Option<&str>) -> Outcome<(u16, String)> {
    let url = system
        .world
        .url(App::GestionClientes, &format!("/clientes/cliente/{id}"));
    let mut request = system.world.http().put(url).header("content-type", "application/json");
    if let Some(tag) = if_match {
        request = request.header("if-match", tag);
    }
    let answer = request.body(body.to_string()).send().await.map_err(text)?;
    let tag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok());
    Ok((answer.status().as_u16(), tag.unwrap_or_default().to_owned()))
}

/// Every client of the list, page by page.
async fn listed(system: &System) -> Outcome<Vec<Value>> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/clientes/cliente-query?limite=100&cursor={cursor}");
        let (status, page) = system.get(App::GestionClientes, &path).await?;
        let page = page.as_array().filter(|_| status == 200).cloned();
        let page = page.ok_or_else(|| format!("the list answers {status}"))?;
        let Some(last) = page.last() else { return Ok(all) };
        cursor = last["id"].as_str().unwrap_or_default().to_owned();
        all.extend(page);
    }
}

async fn changes(system: &mut System) -> Outcome {
    let luz = system
        .world
        .cliente("Luz", "luz@example.com", "luz")
        .await
        .map_err(text)?;
    let (status, tag) = put(system, luz.as_str(), &cliente("Luz 0"), Some("\"1\"")).await?;
    ensure((status, tag.as_str()) == (200, "\"2\""), || {
        format!("a change answers {status} {tag}")
    })?;
    let (status, _) = put(system, luz.as_str(), &cliente("Otra"), Some("\"1\"")).await?;
    ensure(status == 412, || format!("a stale change answers {status}"))?;
    for round in 1..=3 {
        system.kill(App::GestionClientes.id())?;
        // Not every try is answered while it is down; the one that is, is in the list.
        let nombre = format!("Luz {round}");
        until("a change to be taken", PATIENCE, async || {
            let (status, _) = put(system, luz.as_str(), &cliente(&nombre), None).await?;
            ensure(status == 200, || format!("a change answers {status}"))
        })
        .await
        .map_err(text)?;
        let list = listed(system).await?;
        let seen = list.iter().find(|one| one["id"] == luz.as_str());
        let seen = seen.ok_or("the client is not in the list")?;
        ensure(seen["nombre"] == nombre, || format!("the list has {seen}"))?;
    }
    system.until_ready().await
}

/// Both tables, cell by cell, as the doors show them.
async fn shown(system: &System) -> Outcome<(Vec<Value>, Value)> {
    let path = format!("/facturacion?limite=100&idCliente={}", system.cliente);
    let (status, invoices) = system.get(App::GestionClientes, &path).await?;
    ensure(status == 200, || format!("{path} answers {status}"))?;
    Ok((listed(system).await?, invoices))
}

async fn rebuilt(system: &mut System) -> Outcome {
    let payment = system.pagar("24.00").await?;
    system.ended(&payment.id).await?;
    let before = shown(system).await?;
    let url = system.layout.database_url(App::GestionClientes.id());
    let mut database = sqlx::SqliteConnection::connect(&url).await.map_err(text)?;
    for statement in [
        "UPDATE clientes SET nombre = '', apellidos = '', correo = '', fecha_creacion = 0",
        "UPDATE facturas SET estado = 'CANCELADO', periodo_fin = 0, monto = 1",
    ] {
        sqlx::query(statement).execute(&mut database).await.map_err(text)?;
    }
    database.close().await.map_err(text)?;
    let damaged = shown(system).await?;
    ensure(damaged != before, || "the tables were not damaged".to_owned())?;
    system.local(&["rebuild"])?;
    eventually("the tables to be as they were", async || {
        let after = shown(system).await?;
        ensure(after == before, || format!("{after:?} is not {before:?}"))
    })
    .await
}
