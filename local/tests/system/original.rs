//! A client that was written for the original system: its calls as they were, no field, header or key that it did not know.
//! What it does wrong is refused by doors that every client uses: [`super::entradas`].

use seedwork::App;
use serde_json::{Value, json};

use crate::system::{Outcome, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![check!("a client written for the original works unchanged", unchanged)]
}

const GESTION: App = App::GestionClientes;
const PAGOS: App = App::IntegracionPagos;
const NOTIFICACIONES: App = App::Notificaciones;

/// What has no body.
const NONE: &Value = &Value::Null;

/// Makes a call of the original's contract, method and path. The answer has the original's status, and members as the
/// original's clients read them, null for any value; an array has to be one.
async fn call(system: &System, app: App, what: &str, body: &Value, status: u16, members: &Value) -> Outcome<Value> {
    let (method, path) = what.split_once(' ').unwrap_or(("GET", what));
    let (found, answer) = match method {
        "POST" if body.is_null() => {
            let request = system.world.http().post(system.world.url(app, path));
            let answer = request.send().await.map_err(text)?;
            let found = answer.status().as_u16();
            (found, answer.json().await.map_err(text)?)
        }
        "POST" => system.post(app, path, body, None).await?,
        _ => system.get(app, path).await?,
    };
    ensure(found == status, || {
        format!("{what} answers {found} {answer}, the original {status}")
    })?;
    let is_there = |(name, value): (&String, &Value)| match value.is_null() {
        true => answer.get(name).is_some(),
        false => &answer[name] == value,
    };
    let fits = match members {
        Value::Array(_) => answer.is_array(),
        Value::Object(members) => members.iter().all(is_there),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    ensure(fits, || {
        format!("{what} answers {answer}, an old client reads {members}")
    })?;
    Ok(answer)
}

async fn unchanged(system: &mut System) -> Outcome {
    for (app, status) in [(GESTION, "up"), (PAGOS, "up"), (NOTIFICACIONES, "up"), (App::Bff, "ok")] {
        call(system, app, "GET /health", NONE, 200, &json!({ "status": status })).await?;
        // The original's document was of Swagger 2 and had no path in it.
        let spec = json!({"openapi": null, "info": null, "paths": null});
        call(system, app, "GET /spec", NONE, 200, &spec).await?;
    }
    pages(system).await?;
    clientes(system).await?;
    pagos(system).await?;
    notificaciones(system).await
}

/// What a browser opens: the page to try GraphQL on, and the events.
async fn pages(system: &System) -> Outcome {
    for (path, kind) in [("/v1", "text/html"), ("/stream", "text/event-stream")] {
        // Events have no end: what they begin with is all that is waited for.
        let request = system.world.http().get(system.world.url(App::Bff, path));
        let response = request.send().await.map_err(text)?;
        let (status, headers) = (response.status(), response.headers());
        let found = headers.get("content-type").and_then(|found| found.to_str().ok());
        let right = status == 200 && found.is_some_and(|found| found.starts_with(kind));
        ensure(right, || {
            format!("{path} answers {status} {found:?}, the original 200 {kind}")
        })?;
    }
    Ok(())
}

async fn clientes(system: &System) -> Outcome {
    let cliente = json!({
        "nombre": "Ana", "apellidos": "Pérez", "correo": "ana.original@example.com", "contrasena": "1234", "estado": "PENDIENTE",
    });
    let read = json!({"id": null, "nombre": "Ana", "apellidos": "Pérez", "correo": "ana.original@example.com", "estadoPlan": "PENDIENTE"});
    let made = call(system, GESTION, "POST /clientes/cliente", &cliente, 200, &read).await?;
    let what = "POST /clientes/cliente-comando";
    call(system, GESTION, what, &cliente, 202, &json!({})).await?;
    let id = made["id"].as_str().unwrap_or_default();
    for route in ["cliente", "cliente-query"] {
        // The original answered one id and stored another.
        let one = format!("GET /clientes/{route}/{id}");
        call(system, GESTION, &one, NONE, 200, &read).await?;
        let all = format!("GET /clientes/{route}");
        call(system, GESTION, &all, NONE, 200, &json!([])).await?;
    }
    Ok(())
}

async fn pagos(system: &System) -> Outcome {
    // Any text was a legal client: whether there is one, the payment says.
    let pago = json!({"medioPago": "PSE", "idCliente": "123", "monto": 24});
    let answered = json!({"id": null, "medioPago": "PSE", "idCliente": "123", "monto": null});
    let what = "POST /facturacion/realizar-pago";
    call(system, GESTION, what, &pago, 200, &answered).await?;
    let what = "POST /facturacion/realizar-pago-comando";
    call(system, GESTION, what, &pago, 202, &json!({})).await?;
    let emitted = json!({"mensaje": "Evento de compensación emitido"});
    let what = "POST /pagos/simular-evento-de-compensacion";
    call(system, PAGOS, what, NONE, 200, &emitted).await?;

    let query = format!(
        "mutation {{ realizarPago(pago: {{medioPago: \"TarjetaCredito\", idCliente: \"{}\", monto: 24}}) {{ mensaje codigo }} }}",
        system.cliente
    );
    let answered = json!({"data": {"realizarPago": {"mensaje": "Procesando Mensaje", "codigo": 203}}});
    let body = json!({ "query": query });
    call(system, App::Bff, "POST /v1", &body, 200, &answered).await?;
    let query = "{ clientes { id fechaCreacion fechaActualizacion nombre correo contrasena estadoPlan idDesdeBD } }";
    let body = json!({ "query": query });
    let answer = call(system, App::Bff, "POST /v1", &body, 200, &json!({"data": null})).await?;
    let clientes = answer["data"]["clientes"]
        .as_array()
        .ok_or_else(|| format!("clientes answers {answer}"))?;
    ensure(
        !clientes.is_empty() && clientes.iter().all(|one| one["contrasena"] == ""),
        || format!("clientes are {clientes:?}"),
    )
}

async fn notificaciones(system: &System) -> Outcome {
    let aviso = json!({"tipo": "ALERTA", "medio": "correo", "valor": "hola"});
    let read = json!({"id": null, "tipo": "ALERTA", "medio": "correo", "valor": "hola", "fecha_creacion": null, "fecha_actualizacion": null});
    let what = "POST /notificaciones/notificacion";
    let made = call(system, NOTIFICACIONES, what, &aviso, 200, &read).await?;
    let what = "POST /notificaciones/notificacion-comando";
    call(system, NOTIFICACIONES, what, &aviso, 202, &json!({})).await?;
    let id = made["id"].as_str().unwrap_or_default();
    for route in ["notificacion", "notificacion-query"] {
        let one = format!("GET /notificaciones/{route}/{id}");
        eventually("the notification to be read", async || {
            call(system, NOTIFICACIONES, &one, NONE, 200, &read).await.map(drop)
        })
        .await?;
        let all = format!("GET /notificaciones/{route}");
        call(system, NOTIFICACIONES, &all, NONE, 200, &json!([])).await?;
    }
    Ok(())
}
