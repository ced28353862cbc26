//! Secrets stay where they belong.

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use seedwork::{App, IdCorrelacion};
use serde_json::json;

use crate::system::{Outcome, System, ensure, eventually, text};

/// One of the secrets between the parts, by the name of its file.
pub(super) fn credential(system: &System, name: &str) -> Outcome<String> {
    let file = system.layout.credentials().join(name);
    fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
}

/// A password that is nowhere else, typed rightly and wrongly at both doors.
const CONTRASENA: &str = "contrasena-que-nadie-debe-ver";

async fn register(system: &System) -> Outcome {
    let good = json!({"nombre": "Eva", "apellidos": "Gil", "correo": "eva@example.com", "contrasena": CONTRASENA});
    let mut wrong_mail = good.clone();
    wrong_mail["correo"] = json!(CONTRASENA);
    let mut too_long = good.clone();
    too_long["contrasena"] = json!(CONTRASENA.repeat(20));
    let cut = good.to_string().replace('}', "");
    let bodies = [
        good.to_string(),
        wrong_mail.to_string(),
        too_long.to_string(),
        cut,
        json!(CONTRASENA).to_string(),
    ];
    for path in ["/clientes/cliente", "/clientes/cliente-comando"] {
        for body in &bodies {
            let request = system.world.http().post(system.world.url(App::GestionClientes, path));
            let request = request.header("content-type", "application/json").body(body.clone());
            let answer = request.send().await.map_err(text)?.text().await.map_err(text)?;
            // What a caller typed as the whole body it may be told again; what it typed as its password never.
            let whole = body.starts_with('"');
            ensure(whole || !answer.contains(CONTRASENA), || {
                format!("POST {path} of {body} answers {answer}")
            })?;
        }
    }
    let (_, listed) = system.get(App::GestionClientes, "/clientes/cliente").await?;
    let listed = listed.to_string();
    ensure(listed.contains("apellidos") && !listed.contains("contrasena"), || {
        format!("the list of clients is {listed}")
    })?;
    let query = "{ clientes { contrasena correo } }";
    let told = system.world.graphql(query, json!({}), None).await.map_err(text)?;
    let told = told["clientes"].as_array().cloned().unwrap_or_default();
    let empty = told.iter().all(|cliente| cliente["contrasena"] == "");
    ensure(
        empty && told.iter().any(|cliente| cliente["correo"] == "eva@example.com"),
        || format!("{told:?}"),
    )
}

pub(super) async fn nowhere(system: &mut System) -> Outcome {
    let system = &*system;
    register(system).await?;
    let payment = system.pagar("24.00").await?;
    let undone = system.pagar("24.02").await?;
    for payment in [&payment, &undone] {
        system.ended(&payment.id).await?;
    }
    let between = ["dapr-api-token", "app-api-token", "redis-password"];
    let between: Vec<String> = between
        .iter()
        .map(|name| credential(system, name))
        .collect::<Outcome<_>>()?;
    ensure(between.iter().all(|secret| secret.len() >= 32), || {
        "a token is no secret".to_owned()
    })?;
    let own = [CONTRASENA, local::world::CONTRASENA];
    let secrets: Vec<&str> = between.iter().map(String::as_str).chain(own).collect();
    let clean = |place: &str, found: &str, secrets: &[&str]| {
        let shown = secrets.iter().position(|secret| found.contains(secret));
        ensure(shown.is_none(), || {
            format!("{place} holds secret number {}", shown.unwrap_or_default())
        })
    };

    let mut logs = 0;
    for file in files(&local::layout::logs(system.layout.state()))? {
        let log = fs::read(&file).map_err(text)?;
        clean(&file.display().to_string(), &String::from_utf8_lossy(&log), &secrets)?;
        logs += usize::from(!log.is_empty());
    }
    ensure(logs >= 10, || format!("only {logs} logs say anything"))?;

    let traces = traces(system, &undone.id).await?;
    for found in &traces {
        clean("Jaeger", found, &secrets)?;
    }

    let sagas = system.sagas().list(&ListParams::default()).await.map_err(text)?;
    let events: Api<Event> = Api::all(system.world.kube().clone());
    let events = events.list(&ListParams::default()).await.map_err(text)?;
    // The payment that was undone has one.
    ensure(!events.items.is_empty(), || "no event is there".to_owned())?;
    clean("a resource", &serde_json::to_string(&sagas).map_err(text)?, &secrets)?;
    clean(
        "a Kubernetes event",
        &serde_json::to_string(&events).map_err(text)?,
        &secrets,
    )?;

    // A password is kept as its hash, wherever it is kept: databases, documents, the broker's log, etcd.
    let data = files(&system.layout.data())?;
    ensure(!data.is_empty(), || "nothing is kept".to_owned())?;
    for file in data {
        let kept = fs::read(&file).map_err(text)?;
        clean(&file.display().to_string(), &String::from_utf8_lossy(&kept), &own)?;
    }
    // Anybody on the machine can list processes with their arguments.
    for part in system.parts()? {
        let process = system.process(&part).ok_or_else(|| format!("{part} does not run"))?;
        let command = fs::read(format!("/proc/{}/cmdline", process.pid)).map_err(text)?;
        clean(
            &format!("the command line of {part}"),
            &String::from_utf8_lossy(&command),
            &secrets,
        )?;
    }
    println!(
        "          {logs} logs, {} traces in bytes",
        traces.iter().map(String::len).sum::<usize>()
    );
    Ok(())
}

/// The newest traces of every service, once those of this check are there: spans travel in batches.
async fn traces(system: &System, undone: &IdCorrelacion) -> Outcome<Vec<String>> {
    let pago = system.world.pago(undone).await.map_err(text)?;
    let trace = pago.and_then(|pago| pago.trace_id).unwrap_or_default();
    let services = App::ALL.map(App::id).into_iter().chain(["pasarela-simulada"]);
    let paths = services.map(|service| format!("/api/traces?service={service}&limit=200"));
    let paths: Vec<String> = paths.chain([format!("/api/traces/{trace}")]).collect();
    eventually("the last spans in Jaeger", async || {
        let mut all = Vec::new();
        for path in &paths {
            let (_, found) = system.world.get(&system.world.jaeger(path)).await.map_err(text)?;
            all.push(found.to_string());
        }
        for last in ["receive ReversionAvisada", "POST /clientes/cliente-comando"] {
            ensure(all.iter().any(|found| found.contains(last)), || {
                format!("{last} is not there yet")
            })?;
        }
        let empty = all.iter().position(|found| !found.contains("\"spans\""));
        ensure(empty.is_none(), || {
            format!("nothing at {:?}", empty.map(|at| &paths[at]))
        })?;
        Ok(all)
    })
    .await
}

/// Every file under a folder.
fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(text)? {
        let path = entry.map_err(text)?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    Ok(all)
}
