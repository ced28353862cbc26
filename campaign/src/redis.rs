//! How the broker's streams stand: how long they are, and what was delivered and not acknowledged. And how it is told that its
//! memory is used up.

use std::net::Ipv4Addr;
use std::time::Duration;

use seedwork::App;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Outcome, text};

/// How one application's streams stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// What Redis answers.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reply {
    Text(String),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
    Error(String),
}

/// How long it may take to say all that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks about every application.
pub(crate) async fn streams(port: u16, password: &str) -> Outcome<Vec<Stream>> {
    let asking = async {
        let mut redis = connect(port, password).await?;
        let mut streams = Vec::new();
        for app in App::ALL {
            let inbox = app.inbox();
            let groups = ask(&mut redis, &format!("XINFO GROUPS {inbox}")).await;
            let groups = match groups {
                Ok(Reply::List(groups)) => groups,
                Ok(other) => return Err(format!("Redis answers {other:?} about the groups of {inbox}")),
                // No such stream yet.
                Err(why) if why.contains("no such key") => Vec::new(),
                Err(why) => return Err(why),
            };
            streams.push(Stream {
                app: app.id().to_owned(),
                length: number(&ask(&mut redis, &format!("XLEN {inbox}")).await?),
                pending: groups.iter().filter_map(|group| group.field("pending")).sum(),
                dead: number(&ask(&mut redis, &format!("XLEN {}", app.dead_letters())).await?),
            });
        }
        Ok(streams)
    };
    patiently(asking).await
}

/// Lets it have less memory than it uses, or as much as there is.
pub(crate) async fn set_full(port: u16, password: &str, full: bool) -> Outcome {
    let asking = async {
        let mut redis = connect(port, password).await?;
        let most = u8::from(full);
        ask(&mut redis, &format!("CONFIG SET maxmemory {most}")).await.map(drop)
    };
    patiently(asking).await
}

async fn patiently<T>(asking: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let answer = timeout(PATIENCE, asking).await;
    answer.unwrap_or_else(|_| Err("Redis does not answer".to_owned()))
}

async fn connect(port: u16, password: &str) -> Outcome<BufReader<TcpStream>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(text)?;
    let mut redis = BufReader::new(stream);
    ask(&mut redis, &format!("AUTH {password}")).await?;
    Ok(redis)
}

fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Number(number) => u64::try_from(*number).unwrap_or(0),
        Reply::Text(_) | Reply::List(_) | Reply::Nothing | Reply::Error(_) => 0,
    }
}

async fn ask(redis: &mut BufReader<TcpStream>, command: &str) -> Outcome<Reply> {
    let line = format!("{command}\r\n");
    redis.get_mut().write_all(line.as_bytes()).await.map_err(text)?;
    match reply(redis).await? {
        Reply::Error(error) => Err(error),
        answer @ (Reply::Text(_) | Reply::Number(_) | Reply::List(_) | Reply::Nothing) => Ok(answer),
    }
}

async fn reply(redis: &mut BufReader<TcpStream>) -> Outcome<Reply> {
    let mut line = String::new();
    redis.read_line(&mut line).await.map_err(text)?;
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or("Redis closed the connection")?;
    let count = || rest.parse::<i64>().map_err(text);
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(count()?),
        "$" => match usize::try_from(count()?) {
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                redis.read_exact(&mut bytes).await.map_err(text)?;
                Reply::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
            }
            Err(_) => Reply::Nothing,
        },
        "*" => {
            let mut list = Vec::new();
            for _ in 0..count()?.max(0) {
                list.push(Box::pin(reply(redis)).await?);
            }
            Reply::List(list)
        }
        _ => return Err(format!("Redis answers {line}")),
    })
}

// === impl Reply ===

impl Reply {
    /// A number in a list of names and values.
    fn field(&self, name: &str) -> Option<u64> {
        let Self::List(list) = self else { return None };
        let place = list.iter().position(|reply| *reply == Self::Text(name.to_owned()))?;
        match list.get(place + 1)? {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Text(_) | Self::List(_) | Self::Nothing | Self::Error(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_delivered_and_not_acknowledged_is_added_up() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
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
        });
        let streams = streams(port, "p").await.unwrap();
        assert_eq!(streams.len(), App::ALL.len());
        let first = &streams[0];
        assert_eq!((first.length, first.pending, first.dead), (7, 3, 7));
    }
}
