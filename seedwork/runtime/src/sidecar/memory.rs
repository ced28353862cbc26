//! The in-memory double, for unit tests and simulation. It passes the same contract suite as daprd.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use seedwork::{App, Message};

use super::{Event, Expect, Invoked, Sidecar, SidecarError, Stored};

/// A sidecar made of maps. Faults are planted by the test.
#[derive(Default)]
pub struct MemorySidecar {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, (Vec<u8>, u64)>,
    versions: u64,
    published: Vec<Published>,
    pages: BTreeMap<(App, String), Invoked>,
    asked: Vec<Asked>,
    posts: BTreeMap<(App, String), Invoked>,
    posted: Vec<Posted>,
    failing_publishes: u32,
    failing_gets: u32,
    racing_write: Option<(String, Vec<u8>)>,
    following_write: Option<(String, Vec<u8>)>,
}

/// An event that was published, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The topic.
    pub topic: String,
    /// The event.
    pub event: Event,
}

/// A page of another application that was asked for, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The application.
    pub app: App,
    /// The page.
    pub path: String,
    /// The `Authorization` header that was passed on.
    pub authorization: Option<String>,
}

/// What another application was asked to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// The application.
    pub app: App,
    /// The path.
    pub path: String,
    /// The `Authorization` header that was passed on.
    pub authorization: Option<String>,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The body.
    pub body: serde_json::Value,
}

// === impl State ===

impl State {
    /// A write, whoever's: it is a new version.
    fn write(&mut self, key: String, value: Vec<u8>) {
        self.versions += 1;
        self.values.insert(key, (value, self.versions));
    }
}

// === impl MemorySidecar ===

impl MemorySidecar {
    /// Takes what was published since the last call.
    pub fn take_published(&self) -> Vec<Published> {
        std::mem::take(&mut self.lock().published)
    }

    /// Takes what was published since the last call, as messages.
    pub fn take_messages(&self) -> Vec<Message> {
        let read = |p: Published| Message::decode(&p.event.event_type, p.event.data);
        self.take_published().into_iter().filter_map(|p| read(p).ok()).collect()
    }

    /// Answers `GET path` on `app` with this from now on.
    pub fn serve_page(&self, app: App, path: &str, status: u16, body: &serde_json::Value) {
        let page = Invoked {
            status,
            body: body.to_string().into_bytes(),
        };
        self.lock().pages.insert((app, path.to_owned()), page);
    }

    /// Answers `POST path` on `app` with this from now on.
    pub fn serve_post(&self, app: App, path: &str, status: u16, body: &serde_json::Value) {
        let answer = Invoked {
            status,
            body: body.to_string().into_bytes(),
        };
        self.lock().posts.insert((app, path.to_owned()), answer);
    }

    /// Takes what was posted since the last call, answered or not.
    pub fn take_posted(&self) -> Vec<Posted> {
        std::mem::take(&mut self.lock().posted)
    }

    /// Takes which pages were asked for since the last call.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.lock().asked)
    }

    /// Makes the next `count` publishes fail.
    pub fn fail_publishes(&self, count: u32) {
        self.lock().failing_publishes = count;
    }

    /// Makes the next `count` reads fail.
    pub fn fail_gets(&self, count: u32) {
        self.lock().failing_gets = count;
    }

    /// Just before the next conditional write, somebody else writes this: the write must lose.
    pub fn race_next_put(&self, key: &str, value: Vec<u8>) {
        self.lock().racing_write = Some((key.to_owned(), value));
    }

    /// Just after the next conditional write, somebody else writes this: the next read finds it.
    pub fn follow_next_put(&self, key: &str, value: Vec<u8>) {
        self.lock().following_write = Some((key.to_owned(), value));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Dapr joins its own prefix to a key with `||` and refuses a key that holds it.
fn not_reserved(key: &str) -> Result<(), SidecarError> {
    if !key.contains("||") {
        return Ok(());
    }
    Err(SidecarError::Unavailable {
        doing: format!("use the key {key}"),
        source: "it holds ||".into(),
    })
}

#[async_trait]
impl Sidecar for MemorySidecar {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        not_reserved(key)?;
        let mut state = self.lock();
        if state.failing_gets > 0 {
            state.failing_gets -= 1;
            return Err(SidecarError::Unavailable {
                doing: "read".to_owned(),
                source: "planted by the test".into(),
            });
        }
        let stored = state.values.get(key);
        Ok(stored.map(|(value, version)| Stored {
            value: value.clone(),
            etag: version.to_string(),
        }))
    }

    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        not_reserved(key)?;
        let mut state = self.lock();
        if let Some((key, value)) = state.racing_write.take() {
            state.write(key, value);
        }
        let holds = match (&expect, state.values.get(key)) {
            (Expect::Absent, None) => true,
            (Expect::Version(etag), Some((_, version))) => version.to_string() == *etag,
            (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
        };
        if !holds {
            return Err(SidecarError::Conflict { key: key.to_owned() });
        }
        state.write(key.to_owned(), value);
        if let Some((key, value)) = state.following_write.take() {
            state.write(key, value);
        }
        Ok(())
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
        let mut state = self.lock();
        if state.failing_publishes > 0 {
            state.failing_publishes -= 1;
            return Err(SidecarError::Unavailable {
                doing: "publish".to_owned(),
                source: "planted by the test".into(),
            });
        }
        state.published.push(Published {
            topic: topic.to_owned(),
            event,
        });
        Ok(())
    }

    async fn invoke_get(&self, app: App, path: &str) -> Result<Invoked, SidecarError> {
        self.invoke_get_as(app, path, None).await
    }

    async fn invoke_get_as(&self, app: App, path: &str, authorization: Option<&str>) -> Result<Invoked, SidecarError> {
        let mut state = self.lock();
        state.asked.push(Asked {
            app,
            path: path.to_owned(),
            authorization: authorization.map(str::to_owned),
        });
        let page = state.pages.get(&(app, path.to_owned())).cloned();
        Ok(page.unwrap_or(Invoked {
            status: 404,
            body: Vec::new(),
        }))
    }

    async fn invoke_post_as(
        &self,
        app: App,
        path: &str,
        authorization: Option<&str>,
        key: &str,
        body: &serde_json::Value,
    ) -> Result<Invoked, SidecarError> {
        let mut state = self.lock();
        state.posted.push(Posted {
            app,
            path: path.to_owned(),
            authorization: authorization.map(str::to_owned),
            key: key.to_owned(),
            body: body.clone(),
        });
        let place = (app, path.to_owned());
        // A path that is there and takes no POST is another thing than one that is not there.
        let status = if state.pages.contains_key(&place) { 405 } else { 404 };
        let answer = state.posts.get(&place).cloned();
        Ok(answer.unwrap_or(Invoked {
            status,
            body: Vec::new(),
        }))
    }

    async fn ready(&self) -> Result<(), SidecarError> {
        Ok(())
    }
}
