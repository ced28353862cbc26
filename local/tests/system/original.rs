//! A client that was written for the original system: its calls as they were, no field, header or key that it did not know.

mod failures;

use seedwork::App;
use serde_json::{Value, json};

use crate::system::{Outcome, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!("a client written for the original works unchanged", unchanged),
        check!(
            "what a client of the original does wrong is refused, the field or the rule by its name",
            failures::refused
        ),
    ]
}

/// A call of the original's contract.
struct Call<'a> {
    app: App,
    /// Method and path.
    what: &'a str,
    body: Value,
    status: u16,
    /// Members that the answer has, as the original's clients read them; an array has to be one.
    members: Value,
}

const GESTION: App = App::GestionClientes;
const NOTIFICACIONES: App = App::Notificaciones;

async fn call(
    system: &System,
    Call {
        app,
        what,
        body,
        status,
        members,
    }: Call<'_>,
) -> Outcome<Value> {
    let (method, path) = what.split_once(' ').unwrap_or(("GET", what));
    let url = system.world.url(app, path);
    let (found, answer) = match method {
        "POST" if body.is_null() => {
            let answer = system.world.http().post(&url).send().await.map_err(text)?;
            let found = answer.status().as_u16();
            (found, answer.json().await.map_err(text)?)
        }
        "POST" => system.world.post(&url, &body, None).await.map_err(text)?,
        _ => system.world.get(&url).await.map_err(text)?,
    };
    ensure(found == status, || {
        format!("{what} answers {found} {answer}, the original {status}")
    })?;
    let fits = match &members {
        Value::Array(_) => answer.is_array(),
        Value::Object(members) => members.iter().all(|(name, value)| match value {
            Value::Null => answer.get(name).is_some(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                &answer[name] == value
            }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    ensure(fits, || {
        format!("{what} answers {answer}, an old client reads {members}")
    })?;
    Ok(answer)
}

async fn unchanged(system: &mut System) -> Outcome {
    for (app, status) in [
        (GESTION, "up"),
        (App::IntegracionPagos, "up"),
        (NOTIFICACIONES, "up"),
        (App::Bff, "ok"),
    ] {
        for (what, members) in [
            ("GET /health", json!({ "status": status })),
            // The original's document was of Swagger 2 and had no path in it.
            ("GET /spec", json!({"openapi": null, "info": null, "paths": null})),
        ] {
            call(
                system,
                Call {
                    app,
                    what,
                    body: Value::Null,
                    status: 200,
                    members,
                },
            )
            .await?;
        }
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
        let response = system
            .world
            .http()
            .get(system.world.url(App::Bff, path))
            .send()
            .await
            .map_err(text)?;
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
    let post = |what: &'static str, status, members| Call {
        app: GESTION,
        what,
        body: cliente.clone(),
        status,
        members,
    };
    let made = call(system, post("POST /clientes/cliente", 200, read.clone())).await?;
    call(system, post("POST /clientes/cliente-comando", 202, json!({}))).await?;
    let id = made["id"].as_str().unwrap_or_default();
    for route in ["cliente", "cliente-query"] {
        let get = |path: String, members| async move {
            call(
                system,
                Call {
                    app: GESTION,
                    what: &format!("GET {path}"),
                    body: Value::Null,
                    status: 200,
                    members,
                },
            )
            .await
        };
        // The original answered one id and stored another.
        get(format!("/clientes/{route}/{id}"), read.clone()).await?;
        get(format!("/clientes/{route}"), json!([])).await?;
    }
    Ok(())
}

async fn pagos(system: &System) -> Outcome {
    // Any text was a legal client: whether there is one, the payment says.
    let pago = json!({"medioPago": "PSE", "idCliente": "123", "monto": 24});
    let post = |what: &'static str, status, members| Call {
        app: GESTION,
        what,
        body: pago.clone(),
        status,
        members,
    };
    let answered = json!({"id": null, "medioPago": "PSE", "idCliente": "123", "monto": null});
    call(system, post("POST /facturacion/realizar-pago", 200, answered)).await?;
    call(system, post("POST /facturacion/realizar-pago-comando", 202, json!({}))).await?;
    let members = json!({"mensaje": "Evento de compensación emitido"});
    let what = "POST /pagos/simular-evento-de-compensacion";
    call(
        system,
        Call {
            app: App::IntegracionPagos,
            what,
            body: Value::Null,
            status: 200,
            members,
        },
    )
    .await?;

    let query = format!(
        "mutation {{ realizarPago(pago: {{medioPago: \"TarjetaCredito\", idCliente: \"{}\", monto: 24}}) {{ mensaje codigo }} }}",
        system.cliente
    );
    let members = json!({"data": {"realizarPago": {"mensaje": "Procesando Mensaje", "codigo": 203}}});
    call(
        system,
        Call {
            app: App::Bff,
            what: "POST /v1",
            body: json!({ "query": query }),
            status: 200,
            members,
        },
    )
    .await?;
    let query = "{ clientes { id fechaCreacion fechaActualizacion nombre correo contrasena estadoPlan idDesdeBD } }";
    let body = json!({ "query": query });
    let answer = call(
        system,
        Call {
            app: App::Bff,
            what: "POST /v1",
            body,
            status: 200,
            members: json!({"data": null}),
        },
    )
    .await?;
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
    let post = |what: &'static str, status, members| Call {
        app: NOTIFICACIONES,
        what,
        body: aviso.clone(),
        status,
        members,
    };
    let made = call(system, post("POST /notificaciones/notificacion", 200, read.clone())).await?;
    call(
        system,
        post("POST /notificaciones/notificacion-comando", 202, json!({})),
    )
    .await?;
    let id = made["id"].as_str().unwrap_or_default();
    for route in ["notificacion", "notificacion-query"] {
        let one = format!("GET /notificaciones/{route}/{id}");
        eventually("the notification to be read", async || {
            let call_one = Call {
                app: NOTIFICACIONES,
                what: &one,
                body: Value::Null,
                status: 200,
                members: read.clone(),
            };
            call(system, call_one).await.map(drop)
        })
        .await?;
        let all = format!("GET /notificaciones/{route}");
        call(
            system,
            Call {
                app: NOTIFICACIONES,
                what: &all,
                body: Value::Null,
                status: 200,
                members: json!([]),
            },
        )
        .await?;
    }
    Ok(())
}
