//! A client of `/stream`.

use seedwork::{App, IdCorrelacion};
use serde_json::Value;
use tokio::time::timeout;

use crate::system::{Outcome, PATIENCE, System, ensure, text};

/// An event of `/stream`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: i64,
    pub(super) data: Value,
}

/// An open `/stream`.
pub(super) struct Stream {
    response: reqwest::Response,
    read: String,
}

// === impl Event ===

impl Event {
    pub(super) fn is_of(&self, id: &IdCorrelacion) -> bool {
        self.data["idCorrelacion"] == id.as_str()
    }

    pub(super) fn secuencia(&self) -> u64 {
        self.data["secuencia"].as_u64().unwrap_or_default()
    }

    pub(super) fn ends(&self, id: &IdCorrelacion) -> bool {
        self.is_of(id) && self.data["ended"] == true
    }
}

// === impl Stream ===

impl Stream {
    /// Opens a stream; `last` is the `Last-Event-ID` to go on from.
    pub(super) async fn open(system: &System, query: &str, last: Option<i64>) -> Outcome<Self> {
        // The world's own client gives up after ten seconds, and a stream has no end.
        let client = local::http::client().build().map_err(text)?;
        let mut request = client.get(system.world.url(App::Bff, &format!("/stream{query}")));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(text)?;
        ensure(response.status() == 200, || {
            format!("/stream answers {}", response.status())
        })?;
        let kind = response.headers().get("content-type").cloned();
        ensure(kind.as_ref().is_some_and(|kind| kind == "text/event-stream"), || {
            format!("it is a {kind:?}")
        })?;
        Ok(Self {
            response,
            read: String::new(),
        })
    }

    /// The next event that is no ping; an error once the stream has ended.
    pub(super) async fn next(&mut self) -> Outcome<Event> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let event = field("event:").zip(field("id:")).zip(field("data:"));
                let event = event.map(|((name, id), data)| -> Outcome<Event> {
                    Ok(Event {
                        name: name.to_owned(),
                        id: id.parse().map_err(text)?,
                        data: serde_json::from_str(data).map_err(text)?,
                    })
                });
                self.read = rest.to_owned();
                match event {
                    Some(event) => return event,
                    None => continue, // a ping has no id
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| "the stream is silent".to_owned())?.map_err(text)?;
            self.read += &String::from_utf8_lossy(&chunk.ok_or("the stream ended")?);
        }
    }

    /// Everything up to the ends of these payments.
    pub(super) async fn until_ends(&mut self, ids: &[&IdCorrelacion]) -> Outcome<Vec<Event>> {
        let mut events: Vec<Event> = Vec::new();
        while !ids.iter().all(|id| events.iter().any(|event| event.ends(id))) {
            let event = self.next().await;
            events.push(event.map_err(|why| format!("{why}, after {} events", events.len()))?);
        }
        Ok(events)
    }

    /// The next `count` events of a payment, and what came between.
    pub(super) async fn some_of(&mut self, id: &IdCorrelacion, count: usize) -> Outcome<Vec<Event>> {
        let mut events: Vec<Event> = Vec::new();
        while events.iter().filter(|event| event.is_of(id)).count() < count {
            events.push(self.next().await?);
        }
        Ok(events)
    }
}
