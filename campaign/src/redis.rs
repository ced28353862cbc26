//! How the broker's streams stand: how long they are, and what was delivered and not acknowledged. And how it is told that its
//! memory is used up.

use std::time::Duration;

use seedwork::App;
use tokio::time::timeout;

use crate::{Outcome, text};

/// How to reach it.
pub(crate) struct Redis {
    /// Its port.
    pub(crate) port: u16,
    /// And its password.
    pub(crate) password: String,
}

/// How one application's streams stand.
pub(crate) struct Stream {
    /// Which application's.
    pub(crate) app: String,
    /// Messages in its inbox, read ones among them: streams are trimmed by their length.
    pub(crate) length: u64,
    /// Messages that were delivered and not acknowledged.
    pub(crate) pending: u64,
    /// Messages that were given up on. Whoever sent one asks again, so nothing is lost by it.
    pub(crate) dead: u64,
}

/// How long it may take to say all that.
const PATIENCE: Duration = Duration::from_secs(5);

// === impl Redis ===

impl Redis {
    /// Asks about every application.
    pub(crate) async fn streams(&self) -> Outcome<Vec<Stream>> {
        let asking = async {
            let mut streams = Vec::new();
            for app in App::ALL {
                let inbox = app.inbox();
                let groups = match self.ask(&format!("XINFO GROUPS {inbox}")).await {
                    // No such stream yet.
                    Err(why) if why.contains("no such key") => Vec::new(),
                    groups => groups?,
                };
                // Names and values in turn.
                let pending = groups.windows(2).filter(|pair| pair[0] == "pending");
                streams.push(Stream {
                    app: app.id().to_owned(),
                    length: number(&self.ask(&format!("XLEN {inbox}")).await?)?,
                    pending: pending.map(|pair| number(&pair[1..])).sum::<Outcome<u64>>()?,
                    dead: number(&self.ask(&format!("XLEN {}", app.dead_letters())).await?)?,
                });
            }
            Ok(streams)
        };
        patiently(asking).await
    }

    /// Lets it have less memory than it uses, or as much as there is.
    pub(crate) async fn set_full(&self, full: bool) -> Outcome {
        let asking = async {
            let most = u8::from(full);
            self.ask(&format!("CONFIG SET maxmemory {most}")).await.map(drop)
        };
        patiently(asking).await
    }

    async fn ask(&self, command: &str) -> Outcome<Vec<String>> {
        local::redis::ask(self.port, &self.password, command)
            .await
            .map_err(text)
    }
}

async fn patiently<T>(asking: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let answer = timeout(PATIENCE, asking).await;
    answer.unwrap_or_else(|_| Err("Redis does not answer".to_owned()))
}

/// An answer that is a number.
fn number(answer: &[String]) -> Outcome<u64> {
    let [number] = answer else {
        return Err(format!("Redis answers {answer:?}"));
    };
    number.parse().map_err(|_| format!("Redis answers {number}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_delivered_and_not_acknowledged_is_added_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let answer = match line.split_whitespace().next() {
                        Some("AUTH") => "+OK\r\n",
                        Some("XINFO") => "*1\r\n*4\r\n$4\r\nname\r\n$3\r\nbff\r\n$7\r\npending\r\n:3\r\n",
                        _ => ":7\r\n",
                    };
                    stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
                    line.clear();
                }
            }
        });
        let redis = Redis {
            port,
            password: "p".to_owned(),
        };
        let streams = redis.streams().await.unwrap();
        assert_eq!(streams.len(), App::ALL.len());
        let first = &streams[0];
        assert_eq!((first.length, first.pending, first.dead), (7, 3, 7));
    }
}
