//! Messages that nobody can use.

use std::collections::BTreeMap;

use local::layout::{log_file, logs};
use local::process::Identity;
use seedwork::contrato::Comando;
use seedwork::{Action, App, Dinero, IdCorrelacion, MedioPago, Message, Moneda, Reason, SolicitudPago, Step};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::secretos::credential;
use crate::system::{Outcome, System, all_end_well, ensure, eventually, text};

/// A message and what the log says of it.
struct Poison {
    kind: &'static str,
    event_type: Option<&'static str>,
    content_type: &'static str,
    /// Not wrapped into a CloudEvent.
    raw: bool,
    data: String,
    warning: String,
}

/// What is wrong for each inbox, of every kind that passes the broker and the sidecar in a way of its own: data that do not
/// fit a type that is for it, a type that is for somebody else, what is not JSON, and what is not even a CloudEvent. What
/// else an inbox sets aside, the tests of the inboxes show.
fn poisons(app: App) -> Outcome<Vec<Poison>> {
    let own_type = match app {
        App::Operator => "PagoRealizado",
        App::Bff => "SagaActualizada",
        App::GestionClientes => "CrearFacturacion",
        App::IntegracionPagos => "RealizarPago",
        App::Notificaciones => "CrearNotificacion",
    };
    let foreign = command(if app == App::IntegracionPagos {
        Step::CrearNotificacion
    } else {
        Step::RealizarPago
    })?;
    let poison = |kind, event_type, data: String, warning: String| Poison {
        kind,
        event_type,
        content_type: "application/json",
        raw: false,
        data,
        warning,
    };
    let unknown_type = "unknown message type \"com.dapr.event.sent\"".to_owned();
    let not_json = "esto no es JSON".to_owned();
    Ok(vec![
        poison(
            "unreadable",
            Some(own_type),
            json!({"x": 1}).to_string(),
            format!("the data of {own_type} does not fit"),
        ),
        poison(
            "foreign-type",
            Some(foreign.event_type()),
            foreign.data().map_err(text)?.to_string(),
            format!("event_type=\"{}\"", foreign.event_type()),
        ),
        Poison {
            content_type: "text/plain",
            ..poison("not-json", None, not_json.clone(), unknown_type)
        },
        Poison {
            raw: true,
            ..poison(
                "no-event",
                None,
                json!({"no": "event"}).to_string(),
                "an event that cannot be read".to_owned(),
            )
        },
        // The sidecar cannot read it either, so the application never sees it: the sidecar's log has the line.
        Poison {
            raw: true,
            content_type: "text/plain",
            ..poison("raw", None, not_json, "error deserializing cloud event".to_owned())
        },
    ])
}

fn command(step: Step) -> Outcome<Message> {
    Ok(Message::Comando(Comando {
        action: Action::Do(step),
        id_correlacion: IdCorrelacion::parse("veneno").map_err(text)?,
        solicitud: SolicitudPago {
            id_cliente: seedwork::IdCliente::parse("nadie").map_err(text)?,
            medio_pago: MedioPago::Pse,
            dinero: Dinero::parse("24.00", Moneda::USD).map_err(text)?,
        },
        reason: None,
    }))
}

/// Publishes in the name of an app that may: the operator to participants, a participant to the operator.
async fn publish(system: &System, to: App, marker: &str, poison: &Poison) -> Outcome {
    let from = if to == App::Operator { App::Bff } else { App::Operator };
    let port = system.ports.sidecar(from).http;
    let base = format!("http://127.0.0.1:{port}/v1.0/publish/pubsub/{}", to.inbox());
    let mut parameters = vec![("metadata.cloudevent.id", marker)];
    parameters.extend(poison.event_type.map(|kind| ("metadata.cloudevent.type", kind)));
    // What is not wrapped has no id: its data carry the mark.
    let data = if poison.raw {
        poison.data.replace("no", marker)
    } else {
        poison.data.clone()
    };
    if poison.raw {
        parameters = vec![("metadata.rawPayload", "true")];
    }
    let url = reqwest::Url::parse_with_params(&base, parameters).map_err(text)?;
    let request = system
        .world
        .http()
        .post(url)
        .header("dapr-api-token", credential(system, "dapr-api-token")?);
    let response = request
        .header("content-type", poison.content_type)
        .body(data)
        .send()
        .await
        .map_err(text)?;
    ensure(response.status().is_success(), || {
        format!("{} to {to}: {}", poison.kind, response.status())
    })
}

/// The entries of a topic's stream, as Redis sends them: each begins with its id, `<milliseconds>-<number>`.
async fn stream(system: &System, topic: &str) -> Outcome<Vec<String>> {
    let mut redis = TcpStream::connect(("127.0.0.1", system.ports.redis()))
        .await
        .map_err(text)?;
    let commands = format!(
        "AUTH {}\r\nXRANGE {topic} - +\r\nQUIT\r\n",
        credential(system, "redis-password")?
    );
    redis.write_all(commands.as_bytes()).await.map_err(text)?;
    let mut answer = Vec::new();
    redis.read_to_end(&mut answer).await.map_err(text)?;
    let answer = String::from_utf8_lossy(&answer);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut entries: Vec<String> = Vec::new();
    for line in answer.split("\r\n") {
        if line
            .split_once('-')
            .is_some_and(|(time, number)| is_number(time) && is_number(number))
        {
            entries.push(String::new());
        }
        if let Some(entry) = entries.last_mut() {
            entry.push_str(line);
        }
    }
    Ok(entries)
}

/// What a log has gained since it had `before` bytes.
fn news(system: &System, part: &str, before: usize) -> String {
    let log = std::fs::read(log_file(system.layout.state(), part)).unwrap_or_default();
    String::from_utf8_lossy(log.get(before..).unwrap_or_default()).into_owned()
}

fn length(system: &System, part: &str) -> usize {
    news(system, part, 0).len()
}

fn processes(system: &System) -> Outcome<BTreeMap<String, Option<Identity>>> {
    let process = |part: String| (part.clone(), system.process(&part));
    Ok(system.parts()?.into_iter().map(process).collect())
}

pub(super) async fn at_every_inbox(system: &mut System) -> Outcome {
    let system = &*system;
    let before = processes(system)?;
    ensure(before.len() == 15 && logs(system.layout.state()).is_dir(), || {
        format!("{} parts", before.len())
    })?;
    let mut sent = 0;
    for app in App::ALL {
        let sidecar = format!("daprd-{app}");
        let (own_log, sidecar_log) = (length(system, app.id()), length(system, &sidecar));
        for (number, poison) in poisons(app)?.iter().enumerate() {
            let marker = format!("veneno-{app}-{number}");
            publish(system, app, &marker, poison).await?;
            sent += 1;
            eventually(
                &format!("the {} message for {app} to be set aside", poison.kind),
                async || {
                    let kept = stream(system, &app.dead_letters()).await?;
                    let kept = kept.iter().filter(|entry| entry.contains(&marker)).count();
                    ensure(kept == 1, || {
                        format!("{marker} is in {} {kept} times", app.dead_letters())
                    })?;
                    let told = |part: &str, before: usize, level: &str| {
                        let mut lines = news(system, part, before);
                        lines.retain(|letter| letter != '\\');
                        lines
                            .lines()
                            .any(|line| line.contains(level) && line.contains(&poison.warning))
                    };
                    let warned = told(app.id(), own_log, "WARN") || told(&sidecar, sidecar_log, "level=error");
                    ensure(warned, || format!("no log has {:?}", poison.warning))
                },
            )
            .await?;
        }
    }
    let payment = system.pagar("24.00").await?;
    all_end_well(system, std::slice::from_ref(&payment)).await?;
    let fase = system.ended(&payment.id).await?;
    ensure(fase == "Completed", || format!("the next payment is {fase}"))?;
    let after = processes(system)?;
    ensure(before == after, || {
        format!("a process died: {before:?} are now {after:?}")
    })?;
    println!("          {sent} poison messages set aside");
    Ok(())
}

pub(super) async fn without_token(system: &mut System) -> Outcome {
    let system = &*system;
    let token = credential(system, "app-api-token")?;
    let wrong = credential(system, "dapr-api-token")?;
    let (done, reason) = (
        IdCorrelacion::parse("sin-ficha").map_err(text)?,
        Reason::new("Veneno", "x"),
    );
    for app in App::ALL {
        let message = match app {
            App::Operator => Message::FinalRecibido {
                id_correlacion: done.clone(),
                secuencia: 1,
            },
            App::Bff => Message::SolicitudRechazada {
                id_correlacion: done.clone(),
                reason: reason.clone(),
            },
            App::GestionClientes => command(Step::CrearFacturacion)?,
            App::IntegracionPagos => command(Step::RealizarPago)?,
            App::Notificaciones => command(Step::CrearNotificacion)?,
        };
        let event = json!({
            "specversion": "1.0", "id": "sin-ficha", "source": "operator", "type": message.event_type(),
            "subject": message.subject(), "datacontenttype": "application/json", "data": message.data().map_err(text)?,
        });
        let unusable = json!({"specversion": "1.0", "id": "x", "source": "x", "type": "NoSeConoce", "data": {}});
        let url = system.world.url(app, "/inbox");
        for (shown, event, expected) in [
            (None, &event, 401),
            (Some(""), &event, 401),
            (Some(wrong.as_str()), &event, 401),
            // Ours is taken, or all of this would say nothing.
            (Some(token.as_str()), &unusable, 200),
        ] {
            let mut request = system
                .world
                .http()
                .post(&url)
                .header("content-type", "application/cloudevents+json");
            if let Some(shown) = shown {
                request = request.header("dapr-api-token", shown);
            }
            let response = request.body(event.to_string()).send().await.map_err(text)?;
            let status = response.status().as_u16();
            ensure(status == expected, || {
                format!("{app} answers {status} and not {expected}")
            })?;
            let body: Value = response.json().await.unwrap_or_default();
            ensure(status == 401 || body["status"] == "DROP", || {
                format!("{app} says {body}")
            })?;
        }
    }
    // Two commands would have made an invoice and a charge.
    let id = IdCorrelacion::parse("veneno").map_err(text)?;
    let factura = system.world.factura(&id).await.map_err(text)?;
    let lines = system.world.movimientos().await.map_err(text)?;
    let charged = lines.iter().any(|line| line.referencia == id.as_str());
    ensure(factura.is_none() && !charged, || {
        format!("{id} has the invoice {factura:?}, charged: {charged}")
    })
}
