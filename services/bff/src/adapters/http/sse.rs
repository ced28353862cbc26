//! `GET /stream`: what is told of every payment that the caller sees, or of one, as server-sent events.
//!
//! ```text
//!                      id: <number>   first, unless it resumes: no event, but where who has seen none yet goes on from
//! event: NuevoEvento   id: <number>   data: the payment, JSON
//! event: Reinicio      id: <number>   the id to resume from is not kept any more: read the payments anew, then go on
//! event: ping                         data: the date
//! ```

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use seedwork::IdCorrelacion;
use seedwork_runtime::now_text;
use seedwork_runtime::problem::Problem;
use seedwork_runtime::spec::{BadRequest, TooManyRequests};
use serde::Deserialize;
use tokio_stream::wrappers::IntervalStream;

use super::Door;
use super::documented::Suceso;
use crate::adapters::eventos::Interest;
use crate::adapters::quien::Visita;
use crate::adapters::tail::Followed;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamQuery {
    id_correlacion: Option<String>,
    ultimo: Option<String>,
}

/// What happens to payments, as it happens
///
/// Server-sent events: `NuevoEvento` with a payment as it stands then, `Reinicio` when events are missing
/// because they are not kept any more, `ping` every 15 s. Each event has an id; a reconnection with it in Last-Event-ID
/// misses nothing, also with the id that begins a stream on a line of its own. A client is told of its own payments, an
/// operator of all. The stream ends when the token does.
#[utoipa::path(
    get, path = "/stream", operation_id = "seguir", tag = "eventos",
    params(
        ("idCorrelacion" = Option<String>, Query, min_length = 1, max_length = 58,
         pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description = "This payment only"),
        ("ultimo" = Option<String>, Query, description = "The same as Last-Event-ID, for who cannot send a header"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen"),
    ),
    responses(
        (status = 200, description = "Events, without end", body = Suceso, content_type = "text/event-stream"),
        BadRequest,
        TooManyRequests,
    )
)]
pub(super) async fn stream(
    State(door): State<Door>,
    visita: Visita,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    door.limits.read(&door.usage(&visita))?;
    let quien = visita.quien()?.clone();
    let key = quien.key(door.address(&visita));
    let Query(StreamQuery { id_correlacion, ultimo }) = query?;
    let id = id_correlacion.map(IdCorrelacion::parse).transpose();
    let id = id.map_err(|error| Problem::rejected(vec![format!("idCorrelacion {}", error.frase())]))?;
    // A browser that reconnects repeats the address as it was, and says in the header how far it got.
    let header = headers
        .get("last-event-id")
        .map(|value| value.to_str().unwrap_or("?").to_owned());
    let says = |text: &String| !text.is_empty();
    let resume = header.filter(says).or(ultimo.filter(says));
    // What is no number is a number that was never given out: both get a reset.
    let after = resume.map(|text| text.parse().unwrap_or(i64::MAX));
    let mut place = door.limits.place()?;
    place.give_to(key)?;
    let interest = Interest {
        pago: id,
        cliente: quien.only().cloned(),
    };
    let (from, followed) = door.tail.follow(after, interest).await?;
    // A browser keeps the id and dispatches nothing; if it loses the stream before its first event, it comes back with
    // that.
    let begin = after.is_none().then(|| Ok(Event::default().id(from.to_string())));
    let events = events(followed.take_until(quien.expired()), door.pace.ping);
    let events = futures::stream::iter(begin).chain(events);
    // The place is taken as long as the stream is there.
    let body = Sse::new(events.map(move |event| place.holding(event)));
    // Proxies that buffer would hold events back.
    Ok(([("x-accel-buffering", "no")], body).into_response())
}

fn events(
    followed: impl Stream<Item = Followed> + Send,
    ping: Duration,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let first = tokio::time::Instant::now() + ping;
    let pings = IntervalStream::new(tokio::time::interval_at(first, ping));
    let pings = pings.map(|_| Some(Event::default().event("ping").data(now_text())));
    let events = followed.map(|followed| Some(write(&followed)));
    // The pings never end; the stream does when its events do.
    let ended = futures::stream::once(std::future::ready(None));
    futures::stream::select(events.chain(ended), pings)
        .take_while(|event| std::future::ready(event.is_some()))
        .filter_map(|event| std::future::ready(event.map(Ok)))
}

fn write(followed: &Followed) -> Event {
    match followed {
        Followed::Evento(evento) => Event::default()
            .event("NuevoEvento")
            .id(evento.numero.to_string())
            .data(&evento.datos),
        Followed::Reset { ultimo } => {
            let data = serde_json::json!({
                "ultimo": ultimo,
                "mensaje": "faltan eventos que ya no se guardan; vuelva a leer los pagos",
            });
            Event::default()
                .event("Reinicio")
                .id(ultimo.to_string())
                .data(data.to_string())
        }
    }
}
