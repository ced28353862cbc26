//! What is told as it happens: to whom, and for how long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{SinkExt as _, StreamExt as _};
use seedwork::App;
use serde_json::json;
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::cast::{Cast, Cliente, paid};
use crate::system::{Outcome, ensure, eventually, text};

/// A stream or a socket, listened to in the background.
struct Heard {
    what: String,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

#[derive(Default, Clone)]
struct State {
    text: String,
    /// Whether it was let in.
    open: bool,
    /// With what it ended.
    end: Option<String>,
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Heard ===

impl Heard {
    /// Opens `/stream`; what is refused has ended with its status.
    fn stream(cast: &Cast, what: &str, query: &str, token: Option<&str>) -> Outcome<Self> {
        let client = local::http::client().build().map_err(text)?;
        let mut request = client.get(cast.url(App::Bff, &format!("/stream{query}")));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Ok(Self::listen(what, async move |state| {
            let Ok(mut response) = request.send().await else {
                return "no answer".to_owned();
            };
            if response.status() != 200 {
                return response.status().as_u16().to_string();
            }
            lock(&state).open = true;
            while let Ok(Some(chunk)) = response.chunk().await {
                add(&state, &String::from_utf8_lossy(&chunk));
            }
            "ended".to_owned()
        }))
    }

    /// Opens a socket, says who it is and subscribes; a closed one has ended with its code.
    fn socket(cast: &Cast, what: &str, subscription: &str, token: Option<&str>) -> Outcome<Self> {
        let url = cast.url(App::Bff, "/v1").replace("http://", "ws://");
        let mut request = url.into_client_request().map_err(text)?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let payload = token.map_or(json!({}), |token| json!({"Authorization": format!("Bearer {token}")}));
        let query = json!({"query": format!("subscription {{ {subscription} }}")});
        let said = [
            json!({"type": "connection_init", "payload": payload}),
            json!({"id": "1", "type": "subscribe", "payload": query}),
        ];
        Ok(Self::listen(what, async move |state| {
            let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else {
                return "no socket".to_owned();
            };
            for message in said {
                if socket.send(Message::text(message.to_string())).await.is_err() {
                    return "not listened to".to_owned();
                }
            }
            while let Some(Ok(message)) = socket.next().await {
                match message {
                    Message::Text(said) => {
                        lock(&state).open |= said.contains("connection_ack");
                        add(&state, &said);
                    }
                    Message::Close(frame) => return frame.map_or_else(String::new, |frame| frame.code.to_string()),
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                }
            }
            "ended".to_owned()
        }))
    }

    fn listen<F>(what: &str, listen: impl FnOnce(Arc<Mutex<State>>) -> F) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        let state = Arc::new(Mutex::new(State::default()));
        let listening = listen(Arc::clone(&state));
        let told = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let end = listening.await;
            lock(&told).end = Some(end);
        });
        Self {
            what: what.to_owned(),
            state,
            task: task.abort_handle(),
        }
    }

    fn now(&self) -> State {
        lock(&self.state).clone()
    }

    /// Waits until it was let in.
    async fn opens(&self) -> Outcome {
        eventually(&format!("{} to open", self.what), async || {
            let State { open, end, .. } = self.now();
            ensure(open, || format!("it has not, end: {end:?}"))
        })
        .await
    }

    /// Waits until it has told this.
    async fn tells(&self, what: &str) -> Outcome {
        eventually(&format!("{} to tell of {what}", self.what), async || {
            let State { text, end, .. } = self.now();
            ensure(text.contains(what), || {
                format!("it told {} bytes, end: {end:?}", text.len())
            })
        })
        .await
    }

    /// Waits until it has ended so.
    async fn ends(&self, with: &str) -> Outcome {
        eventually(&format!("the end of {}", self.what), async || {
            let end = self.now().end.ok_or("it goes on")?;
            ensure(end == with, || format!("it ended with {end}"))
        })
        .await
    }

    fn never_told(&self, of: &Cliente, pago: &str) -> Outcome {
        let told = self.now().text;
        let leaked = of.told_in(&told).or(told.contains(pago).then_some(pago));
        ensure(leaked.is_none(), || format!("{} told of {leaked:?}", self.what))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(state: &Mutex<State>, text: &str) {
    lock(state).text += text;
}

/// Each is told of its own, an operator of all; who listens for another's hears nothing of it.
pub(super) async fn told_apart(cast: &Cast) -> Outcome {
    let Cast {
        ana, beto, operador, ..
    } = cast;
    let of_pago = format!(
        "eventosPago(idCorrelacion: \"{}\") {{ idCorrelacion idCliente }}",
        ana.pago
    );
    let of_cliente = format!("eventosClientes(idCorrelacion: \"{}\") {{ id correo }}", ana.pago);
    let of_all = "eventosPago { idCorrelacion idCliente }";
    let filtered = format!("?idCorrelacion={}&ultimo=0", ana.pago);
    let spies = [
        Heard::stream(cast, "another's stream", "?ultimo=0", Some(&beto.token))?,
        Heard::stream(cast, "another's stream of the payment", &filtered, Some(&beto.token))?,
        Heard::socket(cast, "another's eventosPago", of_all, Some(&beto.token))?,
        Heard::socket(
            cast,
            "another's eventosPago of the payment",
            &of_pago,
            Some(&beto.token),
        )?,
        Heard::socket(
            cast,
            "another's eventosClientes of the payment",
            &of_cliente,
            Some(&beto.token),
        )?,
    ];
    let owners = [
        Heard::stream(cast, "the owner's stream", "?ultimo=0", Some(&ana.token))?,
        Heard::stream(cast, "the owner's stream of the payment", &filtered, Some(&ana.token))?,
        Heard::stream(cast, "the operator's stream", "?ultimo=0", Some(operador))?,
        Heard::socket(
            cast,
            "the owner's eventosPago of the payment",
            &of_pago,
            Some(&ana.token),
        )?,
        Heard::socket(
            cast,
            "the owner's eventosClientes of the payment",
            &of_cliente,
            Some(&ana.token),
        )?,
        Heard::socket(
            cast,
            "the operator's eventosPago of the payment",
            &of_pago,
            Some(operador),
        )?,
    ];
    for heard in &owners {
        heard.tells(ana.id.as_str()).await?;
    }
    let owner_of_all = Heard::socket(cast, "the owner's eventosPago", of_all, Some(&ana.token))?;
    for heard in spies.iter().chain([&owner_of_all]) {
        heard.opens().await?;
    }
    // Hers first: by the time that his is told, hers would have been.
    let hers = paid(&ana.world, &ana.id).await?;
    let his = paid(&beto.world, &beto.id).await?;
    for heard in [&owners[0], &owners[2], &owner_of_all] {
        heard.tells(hers.as_str()).await?;
    }
    for heard in [&spies[0], &spies[2], &owners[2]] {
        heard.tells(his.as_str()).await?;
    }
    for spy in &spies {
        spy.never_told(ana, hers.as_str())?;
        let end = spy.now().end;
        ensure(end.is_none(), || format!("{} has ended: {end:?}", spy.what))?;
    }
    Ok(())
}

/// Nothing is told without a token, nor longer than it holds.
pub(super) async fn end_with_their_token(cast: &Cast) -> Outcome {
    let Cast { ana, .. } = cast;
    let of_pago = format!("eventosPago(idCorrelacion: \"{}\") {{ idCliente }}", ana.pago);
    let (ended, forged) = (cast.ends_in(&ana.id, 0)?, cast.forged()?);
    for (what, token) in [
        ("no token", None),
        ("an ended token", Some(&ended)),
        ("a forged token", Some(&forged)),
    ] {
        let token = token.map(String::as_str);
        let stream = Heard::stream(cast, &format!("a stream with {what}"), "?ultimo=0", token)?;
        let socket = Heard::socket(cast, &format!("a socket with {what}"), &of_pago, token)?;
        stream.ends("401").await?;
        socket.ends("4401").await?;
        ensure(stream.now().text.is_empty() && socket.now().text.is_empty(), || {
            format!("with {what} something is told")
        })?;
    }
    let soon = cast.ends_in(&ana.id, 5)?;
    let stream = Heard::stream(cast, "a stream whose token ends soon", "?ultimo=0", Some(&soon))?;
    let socket = Heard::socket(cast, "a socket whose token ends soon", &of_pago, Some(&soon))?;
    for heard in [&stream, &socket] {
        heard.tells(ana.id.as_str()).await?;
    }
    stream.ends("ended").await?;
    socket.ends("4401").await
}
