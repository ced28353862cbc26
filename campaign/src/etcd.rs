//! etcd's own history of the payments. The API server's watch begins anew when the server does and then shows only what is
//! there; etcd keeps every version, so nothing is missed while a part is down.

use std::str::FromStr;
use std::time::Duration;

use k8s_openapi::ByteString;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Outcome, text};

/// Where the API server keeps the payments.
pub(crate) const SAGAS: &str = "/registry/pagos.saludtech.dev/paymentsagas/pagos/";
/// And the events of their namespace.
pub(crate) const EVENTS: &str = "/registry/events/pagos/";

/// The JSON door of etcd.
#[derive(Clone)]
pub(crate) struct Etcd {
    /// Its answers come at once.
    http: Client,
    /// Its answer never ends.
    streaming: Client,
    url: String,
}

/// Changes under a prefix, as they are stored.
pub(crate) struct Changes {
    response: Response,
    buffer: Vec<u8>,
}

/// One change.
#[derive(Debug)]
pub(crate) struct Change {
    /// The key without the prefix.
    pub(crate) key: String,
    /// What is stored now; nothing when it was deleted.
    pub(crate) value: Option<Vec<u8>>,
    /// etcd's number of the change, which is the object's resourceVersion.
    pub(crate) revision: i64,
}

/// How large etcd is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Of its file, in bytes.
    pub(crate) file: u64,
    /// Of what is in use of it.
    pub(crate) in_use: u64,
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Batch>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    cancel_reason: String,
    /// The oldest revision that is left, where an older one was asked for.
    compact_revision: Option<String>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default, rename = "type")]
    kind: String,
    kv: KeyValue,
}

#[derive(Deserialize)]
struct KeyValue {
    key: ByteString,
    #[serde(default)]
    value: ByteString,
    #[serde(default)]
    mod_revision: String,
}

// === impl Etcd ===

impl Etcd {
    /// The one on this port.
    pub(crate) fn new(port: u16) -> Outcome<Self> {
        let plain = local::http::client().timeout(Duration::from_secs(10));
        Ok(Self {
            http: plain.build().map_err(text)?,
            streaming: local::http::client()
                .connect_timeout(Duration::from_secs(5))
                .build()
                .map_err(text)?,
            url: format!("http://127.0.0.1:{port}"),
        })
    }

    /// Every change under a prefix from this revision on.
    pub(crate) async fn watch(&self, prefix: &str, from: i64) -> Outcome<Changes> {
        let request = json!({"create_request": {
            "key": base64(prefix), "range_end": base64(&end_of(prefix)), "start_revision": from.to_string(),
        }});
        let response = self
            .streaming
            .post(format!("{}/v3/watch", self.url))
            .body(request.to_string())
            .send()
            .await
            .map_err(text)?;
        let response = response.error_for_status().map_err(text)?;
        Ok(Changes {
            response,
            buffer: Vec::new(),
        })
    }

    /// How many keys are under a prefix, and the newest revision of all.
    pub(crate) async fn count(&self, prefix: &str) -> Outcome<(u64, i64)> {
        let request = json!({"key": base64(prefix), "range_end": base64(&end_of(prefix)), "count_only": true});
        let answer = self.ask("/v3/kv/range", &request).await?;
        let count = number(&answer["count"]).unwrap_or(0);
        let revision = number(&answer["header"]["revision"]).ok_or_else(|| format!("etcd answers {answer}"))?;
        Ok((count, revision))
    }

    /// Its size now.
    pub(crate) async fn size(&self) -> Outcome<Size> {
        let answer = self.ask("/v3/maintenance/status", &json!({})).await?;
        Ok(Size {
            file: number(&answer["dbSize"]).unwrap_or(0),
            in_use: number(&answer["dbSizeInUse"]).unwrap_or(0),
        })
    }

    /// Raises the alarm that its space is used up, as it does itself when its quota is, or takes it back.
    pub(crate) async fn set_full(&self, full: bool) -> Outcome {
        let status = self.ask("/v3/maintenance/status", &json!({})).await?;
        let action = if full { "ACTIVATE" } else { "DEACTIVATE" };
        let request = json!({"action": action, "memberID": status["header"]["member_id"], "alarm": "NOSPACE"});
        self.ask("/v3/maintenance/alarm", &request).await.map(drop)
    }

    async fn ask(&self, path: &str, request: &Value) -> Outcome<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).body(request.to_string());
        let response = request.send().await.map_err(text)?;
        let status = response.status();
        let answer = response.text().await.map_err(text)?;
        // A refusal is JSON as well; that it is one stands in the status alone.
        if !status.is_success() {
            return Err(format!("etcd answers {status}: {answer}"));
        }
        serde_json::from_str(&answer).map_err(|error| format!("etcd answers {answer}: {error}"))
    }
}

/// 64-bit numbers are texts in its JSON.
fn number<N: FromStr>(value: &Value) -> Option<N> {
    value.to_string().trim_matches('"').parse().ok()
}

/// The first key after all that begin with a prefix.
fn end_of(prefix: &str) -> String {
    // Every prefix here ends with a slash, which 0 follows.
    format!("{}0", prefix.trim_end_matches('/'))
}

fn base64(key: &str) -> Value {
    json!(ByteString(key.as_bytes().to_vec()))
}

// === impl Changes ===

impl Changes {
    /// The next changes, in their order. An error ends the stream.
    pub(crate) async fn next(&mut self, prefix: &str) -> Outcome<Vec<Change>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let changes = read(&line, prefix)?;
                if !changes.is_empty() {
                    return Ok(changes);
                }
                continue;
            }
            match self.response.chunk().await.map_err(text)? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Err("etcd ended the watch".to_owned()),
            }
        }
    }
}

/// One line of the stream.
fn read(line: &[u8], prefix: &str) -> Outcome<Vec<Change>> {
    let answer: Answer = serde_json::from_slice(line).map_err(text)?;
    if let Some(error) = answer.error {
        return Err(format!("etcd: {error}"));
    }
    let Some(batch) = answer.result else {
        return Ok(Vec::new());
    };
    if batch.canceled {
        // It gives no reason when what was asked for is compacted, only the revision that is left.
        let compacted = batch
            .compact_revision
            .map(|oldest| format!(" compacted up to {oldest}"));
        let (why, compacted) = (batch.cancel_reason, compacted.unwrap_or_default());
        return Err(format!("etcd ended the watch: {why}{compacted}"));
    }
    let change = |Event { kind, kv }: Event| {
        let key = String::from_utf8_lossy(&kv.key.0).into_owned();
        Change {
            key: key.strip_prefix(prefix).map(str::to_owned).unwrap_or(key),
            value: (kind != "DELETE").then_some(kv.value.0),
            revision: kv.mod_revision.parse().unwrap_or_default(),
        }
    };
    Ok(batch.events.into_iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_refusal_is_no_answer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let body = r#"{"code":14,"message":"not now"}"#;
            let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.peek(&mut [0]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                // Whoever asked ends the connection.
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
            }
        });
        let etcd = Etcd::new(port).unwrap();
        let why = etcd.set_full(true).await.unwrap_err();
        assert!(why.contains("503") && why.contains("not now"), "{why}");
        assert!(etcd.size().await.is_err());
    }

    #[test]
    fn changes_and_deletions_are_read_and_a_cancelled_watch_is_an_error() {
        let line = json!({"result": {"header": {"revision": "9"}, "events": [
            {"kv": {"key": base64("/p/a"), "mod_revision": "7", "value": base64("{}")}},
            {"type": "DELETE", "kv": {"key": base64("/p/b"), "mod_revision": "8"}},
        ]}});
        let changes = read(line.to_string().as_bytes(), "/p/").unwrap();
        let seen: Vec<_> = changes
            .iter()
            .map(|change| (change.key.as_str(), change.value.as_deref(), change.revision))
            .collect();
        assert_eq!(seen, [("a", Some(b"{}".as_slice()), 7), ("b", None, 8)]);
        let gone = json!({"result": {"canceled": true, "compact_revision": "12"}});
        let why = read(gone.to_string().as_bytes(), "/p/").unwrap_err();
        assert!(why.contains("compacted up to 12"), "{why}");
        assert_eq!(end_of("/p/"), "/p0");
    }
}
