//! What clients are told as it happens: `/stream` and the GraphQL subscription.

mod sse;

use std::collections::BTreeMap;

use futures::future::{join_all, try_join3};
use futures::{SinkExt as _, StreamExt as _};
use seedwork::{App, IdCorrelacion, SolicitudPago};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use self::sse::{Event, Stream};
use crate::system::{Outcome, PATIENCE, System, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "two streams both get all that is told, in order, a filtered one what is of its payment",
            two_streams
        ),
        check!("a stream resumes at its Last-Event-ID without loss or repeat", resumed),
        check!(
            "a stream resumes after kill -9 of the bff without loss or repeat",
            resumed_after_kill
        ),
        check!("a GraphQL subscription gives the states up to the end", subscribed),
    ]
}

/// The identity of the payment that a key will be, so that one can listen before asking.
fn id_of(system: &System, key: &str) -> IdCorrelacion {
    SolicitudPago::keyed_id(system.cliente.as_str(), key)
}

/// Asks for the payment of a key.
async fn pay(system: &System, monto: &str, key: &str) -> Outcome<IdCorrelacion> {
    let accepted = system.pagar_through_anything(monto, key).await?;
    ensure(accepted.id == id_of(system, key), || {
        format!("{key} is {}", accepted.id)
    })?;
    Ok(accepted.id)
}

/// Every event once, in the order of its number, none missing in between.
fn without_gap(events: &[Event]) -> Outcome {
    let numbers: Vec<i64> = events.iter().map(|event| event.id).collect();
    let follows = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    ensure(
        follows && events.iter().all(|event| event.name == "NuevoEvento"),
        || format!("the numbers are {numbers:?}"),
    )
}

/// The records of a payment, each later than the one before, up to its end. A quick payment has few between its
/// beginning and its end (ADR 6).
fn whole(events: &[Event], id: &IdCorrelacion, phase: &str) -> Outcome {
    let own: Vec<&Event> = events.iter().filter(|event| event.is_of(id)).collect();
    let told: Vec<u64> = own.iter().map(|event| event.secuencia()).collect();
    let all = own.last().map_or(0, |event| event.secuencia());
    ensure(all > 1 && told.is_sorted_by(|one, next| one < next), || {
        format!("of {id} it told {told:?}")
    })?;
    let end = own.last().map(|event| (&event.data["phase"], &event.data["ended"]));
    ensure(end == Some((&json!(phase), &json!(true))), || {
        format!("{id} ends as {end:?}")
    })
}

async fn two_streams(system: &mut System) -> Outcome {
    let system = &*system;
    let (good, bad) = (id_of(system, "stream-good"), id_of(system, "stream-bad"));
    let mut one = Stream::open(system, "", None).await?;
    let mut two = Stream::open(system, "", None).await?;
    let mut of_bad = Stream::open(system, &format!("?idCorrelacion={bad}"), None).await?;
    for asked in join_all([pay(system, "24.00", "stream-good"), pay(system, "24.02", "stream-bad")]).await {
        asked?;
    }
    let both = [&good, &bad];
    let (one, two, of_bad) =
        try_join3(one.until_ends(&both), two.until_ends(&both), of_bad.until_ends(&[&bad])).await?;
    for events in [&one, &two] {
        without_gap(events)?;
        whole(events, &good, "Completed")?;
        whole(events, &bad, "Compensated")?;
    }
    let of = |events: &[Event], ids: &[&IdCorrelacion]| -> Vec<Event> {
        events
            .iter()
            .filter(|event| ids.iter().any(|id| event.is_of(id)))
            .cloned()
            .collect()
    };
    ensure(of(&one, &both) == of(&two, &both), || {
        "the two were told different things".to_owned()
    })?;
    ensure(of_bad == of(&one, &[&bad]), || {
        format!("the filtered stream told {of_bad:?}")
    })
}

async fn resumed(system: &mut System) -> Outcome {
    let system = &*system;
    let id = id_of(system, "stream-resumed");
    let mut steady = Stream::open(system, "", None).await?;
    let mut broken = Stream::open(system, "", None).await?;
    let mut filtered = Stream::open(system, &format!("?idCorrelacion={id}"), None).await?;
    // One that is undone has many records, one that completes too few to break off in between.
    pay(system, "24.02", "stream-resumed").await?;
    let mut told = broken.some_of(&id, 2).await?;
    let mut told_of_it = filtered.some_of(&id, 2).await?;
    drop((broken, filtered));
    // What happens now, nobody tells them.
    let all = steady.until_ends(&[&id]).await?;
    let last = told.last().map(|event| event.id);
    told.extend(Stream::open(system, "", last).await?.until_ends(&[&id]).await?);
    without_gap(&told)?;
    whole(&told, &id, "Compensated")?;
    // A stream that cannot set headers says it in the address.
    let last = told_of_it.last().map_or(0, |event| event.id);
    let query = format!("?idCorrelacion={id}&ultimo={last}");
    told_of_it.extend(Stream::open(system, &query, None).await?.until_ends(&[&id]).await?);
    let of = |events: &[Event]| {
        events
            .iter()
            .filter(|event| event.is_of(&id))
            .cloned()
            .collect::<Vec<_>>()
    };
    ensure(of(&told) == of(&all) && told_of_it == of(&all), || {
        format!("{told:?} is not {all:?}")
    })?;
    // A number that was never given out cannot be gone on from, and that is said.
    let reset = Stream::open(system, "", Some(999_999_999)).await?.next().await?;
    ensure(reset.name == "Reinicio", || {
        format!("a number of the future: {reset:?}")
    })
}

async fn resumed_after_kill(system: &mut System) -> Outcome {
    let system = &*system;
    let keys: Vec<String> = (0..6).map(|number| format!("stream-killed-{number}")).collect();
    let mut stream = Stream::open(system, "", None).await?;
    let mut ids = Vec::new();
    for key in &keys[..3] {
        ids.push(pay(system, "24.02", key).await?);
    }
    let mut told = stream.some_of(&ids[2], 1).await?;
    let old = system.kill("bff")?;
    // What was on its way may still come; then the stream breaks off.
    while let Ok(event) = stream.next().await {
        told.push(event);
    }
    for key in &keys[3..] {
        ids.push(pay(system, "24.00", key).await?);
    }
    let last = told.last().map(|event| event.id);
    let mut again = eventually("the bff to stream again", async || Stream::open(system, "", last).await).await?;
    let new = system.process("bff").ok_or("the bff was not started again")?;
    ensure(new.pid != old.pid, || "the bff was not killed".to_owned())?;
    let mut missing: Vec<&IdCorrelacion> = ids.iter().collect();
    missing.retain(|id| !told.iter().any(|event| event.ends(id)));
    told.extend(again.until_ends(&missing).await?);
    without_gap(&told)?;
    let mut told_of: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in &told {
        told_of
            .entry(event.data["idCorrelacion"].as_str().unwrap_or_default())
            .or_default()
            .push(event.secuencia());
    }
    // States that were overtaken while nobody was there to store them are not told; nothing is told twice or backwards.
    let grows = |told: &Vec<u64>| told.windows(2).all(|pair| pair[0] < pair[1]);
    ensure(told_of.values().all(grows), || format!("told {told_of:?}"))?;
    system.until_ready().await
}

/// The states that a subscription gives, up to the end.
async fn states(system: &System, id: &IdCorrelacion, subscribed: impl AsyncFnOnce() -> Outcome) -> Outcome<Vec<Value>> {
    let url = system.world.url(App::Bff, "/v1").replace("http://", "ws://");
    let mut request = url.into_client_request().map_err(text)?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.map_err(text)?;
    let query =
        "subscription($id: String!) { eventosPago(idCorrelacion: $id) { fase secuencia step motivo terminado } }";
    let subscribe = json!({"id": "1", "type": "subscribe", "payload": {"query": query, "variables": {"id": id}}});
    // A ping is answered in order, so its answer says that the subscription is known.
    for message in [json!({"type": "connection_init"}), subscribe, json!({"type": "ping"})] {
        socket.send(Message::text(message.to_string())).await.map_err(text)?;
    }
    let mut subscribed = Some(subscribed);
    let mut states = Vec::new();
    loop {
        let message = timeout(PATIENCE, socket.next())
            .await
            .map_err(|_| format!("silence after {states:?}"))?;
        let message = message.ok_or("the socket was closed")?.map_err(text)?;
        let Ok(message) = message.to_text().map(serde_json::from_str::<Value>) else {
            continue;
        };
        let message = message.map_err(text)?;
        match message["type"].as_str() {
            Some("connection_ack") => {}
            Some("pong") => {
                if let Some(subscribed) = subscribed.take() {
                    subscribed().await?;
                }
            }
            Some("next") => {
                ensure(message["payload"]["errors"].is_null(), || message.to_string())?;
                let state = message["payload"]["data"]["eventosPago"].clone();
                let ended = state["terminado"] == true;
                states.push(state);
                if ended {
                    return Ok(states);
                }
            }
            _ => return Err(format!("it says {message}")),
        }
    }
}

async fn subscribed(system: &mut System) -> Outcome {
    let system = &*system;
    let (good, bad) = (id_of(system, "socket-good"), id_of(system, "socket-bad"));
    let told = async |id: &IdCorrelacion, monto: &str, key: &str| {
        states(system, id, async || pay(system, monto, key).await.map(drop)).await
    };
    let completed = told(&good, "24.00", "socket-good").await?;
    let compensated = told(&bad, "24.02", "socket-bad").await?;
    for (states, fase, motivo, step) in [
        (&completed, "Completed", Value::Null, "4/4"),
        (&compensated, "Compensated", json!("PagoFallido"), "2/4"),
    ] {
        let secuencias: Vec<u64> = states.iter().filter_map(|state| state["secuencia"].as_u64()).collect();
        // The request itself comes first when it is seen before the saga is.
        let grows = !secuencias.is_empty() && secuencias.is_sorted_by(|one, next| one < next);
        ensure(grows, || format!("it told {states:?}"))?;
        let end = states.last().cloned().unwrap_or_default();
        ensure(
            end["fase"] == fase && end["motivo"] == motivo && end["step"] == step,
            || format!("it ends as {end}"),
        )?;
    }
    // Whoever comes late is told the state it is in.
    let late = states(system, &good, async || Ok(())).await?;
    ensure(late.len() == 1 && late.last() == completed.last(), || {
        format!("afterwards: {late:?}")
    })
}
