//! The contract of a sidecar as one suite: the in-memory double passes it in this crate's tests, daprd with its store
//! and broker in the checks of the whole system. What the services rely on, no more.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use seedwork::contrato::Respuesta;
use seedwork::{Action, App, IdCorrelacion, Message, Outcome, Step};
use serde_json::Value;

use super::{Event, Expect, Sidecar, SidecarError, Stored};

/// How many write at once.
const WRITERS: usize = 16;

/// How often a value is read back right after it was written.
const ROUNDS: usize = 20;

/// A sidecar under test, and what is around it.
pub struct Contract {
    /// The sidecar.
    pub sidecar: Arc<dyn Sidecar>,
    /// Whose sidecar it is; it must be allowed to publish to the operator.
    pub app: App,
    /// Makes keys and ids unique between runs over one real store. Part of an `idCorrelacion`.
    pub run: String,
    /// An application that can be invoked.
    pub neighbour: App,
    /// A page of it that answers 200 with JSON.
    pub page: String,
    /// What that page answers.
    pub answer: Value,
}

// === impl Contract ===

impl Contract {
    /// The whole suite; panics at the first sentence that does not hold.
    pub async fn holds(&self) {
        self.what_was_never_written_is_absent().await;
        self.a_value_is_created_once().await;
        self.a_write_needs_the_version_that_was_read().await;
        self.a_version_of_nothing_is_a_conflict().await;
        self.of_concurrent_creators_one_wins().await;
        self.of_concurrent_writers_one_wins().await;
        self.what_was_written_is_read_at_once().await;
        self.every_value_comes_back_byte_by_byte().await;
        self.keys_that_look_alike_are_different_keys().await;
        self.a_key_that_dapr_reserves_is_refused_and_is_no_conflict().await;
        self.a_publish_returns().await;
        self.a_page_is_answered_with_its_status_and_body().await;
        self.a_post_reaches_the_neighbour_as_a_post().await;
        self.sidecar.ready().await.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn what_was_never_written_is_absent(&self) {
        assert_eq!(self.get(&self.key("absent")).await, None);
    }

    async fn a_value_is_created_once(&self) {
        let key = self.key("created");
        self.put(&key, b"first", Expect::Absent).await;
        let Stored { value, etag } = self.stored(&key).await;
        assert_eq!(value, b"first");
        // The same bytes too: whoever repeats a write has to look who was first.
        for again in [&b"second"[..], b"first"] {
            self.loses(&key, again, Expect::Absent).await;
        }
        assert_eq!(
            self.stored(&key).await,
            Stored { value, etag },
            "a lost write changes nothing"
        );
    }

    async fn a_write_needs_the_version_that_was_read(&self) {
        let key = self.key("versions");
        self.put(&key, b"one", Expect::Absent).await;
        let one = self.stored(&key).await;
        self.put(&key, b"two", Expect::Version(one.etag.clone())).await;
        let two = self.stored(&key).await;
        assert_eq!(two.value, b"two");
        self.loses(&key, b"three", Expect::Version(one.etag.clone())).await;
        assert_eq!(self.stored(&key).await, two, "a lost write changes nothing");
        // A version stands for one write: the same bytes written again are another version.
        self.put(&key, b"two", Expect::Version(two.etag.clone())).await;
        self.loses(&key, b"three", Expect::Version(two.etag)).await;
        // And one that is long gone does not come back with its value.
        let three = self.stored(&key).await;
        self.put(&key, b"one", Expect::Version(three.etag)).await;
        self.loses(&key, b"four", Expect::Version(one.etag)).await;
    }

    async fn a_version_of_nothing_is_a_conflict(&self) {
        let (key, absent) = (self.key("somewhere"), self.key("nowhere"));
        self.put(&key, b"{}", Expect::Absent).await;
        let Stored { etag, .. } = self.stored(&key).await;
        self.loses(&absent, b"{}", Expect::Version(etag)).await;
        assert_eq!(self.get(&absent).await, None);
    }

    async fn of_concurrent_creators_one_wins(&self) {
        self.one_wins(&self.key("race-absent"), &Expect::Absent).await;
    }

    async fn of_concurrent_writers_one_wins(&self) {
        let key = self.key("race-version");
        self.put(&key, b"{}", Expect::Absent).await;
        for _ in 0..3 {
            let Stored { etag, .. } = self.stored(&key).await;
            self.one_wins(&key, &Expect::Version(etag)).await;
        }
    }

    async fn one_wins(&self, key: &str, expect: &Expect) {
        let writers = (0..WRITERS).map(|writer| {
            let (sidecar, key, expect) = (Arc::clone(&self.sidecar), key.to_owned(), expect.clone());
            let value = format!("writer {writer}").into_bytes();
            tokio::spawn(async move { sidecar.put(&key, value.clone(), expect).await.map(|()| value) })
        });
        let mut winners = Vec::new();
        for result in join_all(writers).await {
            match result.unwrap_or_else(|panic| panic!("{panic}")) {
                Ok(value) => winners.push(value),
                Err(SidecarError::Conflict { key: named }) => assert_eq!(named, key),
                Err(error @ SidecarError::Unavailable { .. }) => panic!("{key}: a lost race is a conflict: {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "{key}, {expect:?}: the winners");
        assert_eq!(
            self.stored(key).await.value,
            winners[0],
            "{key}: the winner's value stays"
        );
    }

    async fn what_was_written_is_read_at_once(&self) {
        let key = self.key("fresh");
        let (mut expect, mut versions) = (Expect::Absent, BTreeSet::new());
        for round in 0..ROUNDS {
            let value = round.to_string().into_bytes();
            self.put(&key, &value, expect).await;
            let stored = self.stored(&key).await;
            assert_eq!(stored.value, value, "round {round}");
            expect = Expect::Version(stored.etag.clone());
            versions.insert(stored.etag);
        }
        assert_eq!(versions.len(), ROUNDS, "each write has a version of its own");
    }

    async fn every_value_comes_back_byte_by_byte(&self) {
        let large = format!(r#"{{"texto":"{}"}}"#, "ñ0\"".repeat(25_000)).into_bytes();
        assert!(large.len() > 100_000);
        let values = [
            // There and empty is not absent.
            ("empty", Vec::new()),
            ("json", br#"{ "b": 1,"a": 24.10 }"#.to_vec()),
            ("quoted", br#""a text""#.to_vec()),
            ("bytes", (0..=255).collect()),
            ("large", large),
        ];
        for (name, value) in values {
            let key = self.key(name);
            self.put(&key, &value, Expect::Absent).await;
            let stored = self.stored(&key).await;
            assert!(
                stored.value == value,
                "{name}: {} bytes became {}",
                value.len(),
                stored.value.len()
            );
            self.loses(&key, b"{}", Expect::Absent).await;
            self.put(&key, b"{}", Expect::Version(stored.etag)).await;
            assert_eq!(self.stored(&key).await.value, b"{}", "{name}: written over");
        }
    }

    async fn keys_that_look_alike_are_different_keys(&self) {
        let run = &self.run;
        // Ours are a word, a colon and an id; the longest id has 58 characters.
        let longest = format!("{run}-{}", "x".repeat(57_usize.saturating_sub(run.len())));
        let keys = [
            format!("pago:{run}"),
            format!("factura:{run}"),
            format!("notificacion:{run}"),
            format!("notificaciones:{run}"),
            format!("pago:{run}-1"),
            format!("pago:{run}-"),
            format!("pago:{}", run.to_uppercase()),
            format!("pago:{longest}"),
            format!("pago:{longest}x"),
        ];
        for key in &keys {
            assert_eq!(self.get(key).await, None, "{key}");
            self.put(key, key.as_bytes(), Expect::Absent).await;
        }
        for key in &keys {
            assert_eq!(self.stored(key).await.value, key.as_bytes(), "{key}");
        }
    }

    async fn a_key_that_dapr_reserves_is_refused_and_is_no_conflict(&self) {
        let key = self.key("a||b");
        let read = self.sidecar.get(&key).await;
        assert!(matches!(read, Err(SidecarError::Unavailable { .. })), "{read:?}");
        let written = self.sidecar.put(&key, b"{}".to_vec(), Expect::Absent).await;
        assert!(matches!(written, Err(SidecarError::Unavailable { .. })), "{written:?}");
    }

    async fn a_publish_returns(&self) {
        // To the operator this is the answer of a payment that is gone: ignored.
        let message = Message::Respuesta(Respuesta {
            action: Action::Do(Step::CrearFacturacion),
            id_correlacion: IdCorrelacion::parse(format!("publish-{}", self.run))
                .unwrap_or_else(|error| panic!("{} {error}", self.run)),
            outcome: Outcome::Done,
        });
        let event = Event::new(self.app, &message).unwrap_or_else(|fault| panic!("{}", fault.chain()));
        // With and without a trace, and the same event again: a repeat is no error.
        let traced = Event {
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            ..event.clone()
        };
        for event in [event, traced.clone(), traced] {
            let sent = self.sidecar.publish(&App::Operator.inbox(), event).await;
            sent.unwrap_or_else(|error| panic!("{error:?}"));
        }
    }

    async fn a_page_is_answered_with_its_status_and_body(&self) {
        let ask = async |path: &str| {
            let asked = self.sidecar.invoke_get(self.neighbour, path).await;
            asked.unwrap_or_else(|error| panic!("{path}: {error:?}"))
        };
        let page = ask(&self.page).await;
        let body: Option<Value> = serde_json::from_slice(&page.body).ok();
        assert_eq!((page.status, body), (200, Some(self.answer.clone())), "{}", self.page);
        // A page that asks nobody answers those who show something too, and what they show is no part of the question.
        let asked = self
            .sidecar
            .invoke_get_as(self.neighbour, &self.page, Some("Bearer x.y.z"));
        let page = asked.await.unwrap_or_else(|error| panic!("{}: {error:?}", self.page));
        let body: Option<Value> = serde_json::from_slice(&page.body).ok();
        assert_eq!((page.status, body), (200, Some(self.answer.clone())), "{}", self.page);
        for path in [format!("/nothing-here/{}", self.run), format!("{}x", self.page)] {
            assert_eq!(ask(&path).await.status, 404, "{path}");
        }
    }

    async fn a_post_reaches_the_neighbour_as_a_post(&self) {
        // The page takes no POST and says so: the method, the path and the status went through.
        for (path, status) in [(self.page.clone(), 405), (format!("/nothing-here/{}", self.run), 404)] {
            for authorization in [None, Some("Bearer x.y.z")] {
                let body = serde_json::json!({"run": self.run});
                let posted = self
                    .sidecar
                    .invoke_post_as(self.neighbour, &path, authorization, &self.run, &body);
                let answer = posted.await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                assert_eq!(answer.status, status, "POST {path}");
            }
        }
    }

    fn key(&self, name: &str) -> String {
        format!("contrato:{name}-{}", self.run)
    }

    async fn get(&self, key: &str) -> Option<Stored> {
        let read = self.sidecar.get(key).await;
        read.unwrap_or_else(|error| panic!("{key}: {error:?}"))
    }

    async fn stored(&self, key: &str) -> Stored {
        self.get(key)
            .await
            .unwrap_or_else(|| panic!("{key} was written and is absent"))
    }

    async fn put(&self, key: &str, value: &[u8], expect: Expect) {
        let written = self.sidecar.put(key, value.to_vec(), expect).await;
        written.unwrap_or_else(|error| panic!("{key}: {error:?}"));
    }

    /// The write must lose, as a conflict that names the key.
    async fn loses(&self, key: &str, value: &[u8], expect: Expect) {
        let written = self.sidecar.put(key, value.to_vec(), expect.clone()).await;
        assert!(
            matches!(&written, Err(SidecarError::Conflict { key: named }) if named == key),
            "{key}, {expect:?}: {written:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::MemorySidecar;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_double_keeps_the_contract() {
        let sidecar = Arc::new(MemorySidecar::default());
        let answer = serde_json::json!({"status": "up"});
        sidecar.serve_page(App::GestionClientes, "/health", 200, &answer);
        let contract = Contract {
            sidecar: sidecar.clone(),
            app: App::IntegracionPagos,
            run: "m".to_owned(),
            neighbour: App::GestionClientes,
            page: "/health".to_owned(),
            answer,
        };
        contract.holds().await;
        let published = sidecar.take_published();
        assert_eq!(published.len(), 3);
        assert!(published.iter().all(|one| one.topic == "inbox-operator"));
        let asked = sidecar.take_asked();
        let shown: Vec<_> = asked.iter().filter_map(|one| one.authorization.as_deref()).collect();
        assert_eq!(shown, ["Bearer x.y.z"]);
        let posted = sidecar.take_posted();
        assert_eq!(posted.len(), 4);
        for (n, one) in posted.iter().enumerate() {
            assert_eq!((one.key.as_str(), &one.body["run"]), ("m", &serde_json::json!("m")));
            assert_eq!(one.authorization.is_some(), !n.is_multiple_of(2));
        }
    }

    #[tokio::test]
    async fn the_double_takes_the_posts_that_it_was_told_to_take() {
        let sidecar = MemorySidecar::default();
        let body = serde_json::json!({});
        sidecar.serve_post(App::Notificaciones, "/x", 202, &body);
        let answer = sidecar
            .invoke_post_as(App::Notificaciones, "/x", None, "k", &body)
            .await
            .unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (202, b"{}".as_slice()));
    }

    /// A sidecar that knows nothing of callers.
    struct Old(MemorySidecar);

    #[async_trait::async_trait]
    impl Sidecar for Old {
        async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
            self.0.get(key).await
        }
        async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
            self.0.put(key, value, expect).await
        }
        async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
            self.0.publish(topic, event).await
        }
        async fn invoke_get(&self, app: App, path: &str) -> Result<super::super::Invoked, SidecarError> {
            self.0.invoke_get(app, path).await
        }
        async fn ready(&self) -> Result<(), SidecarError> {
            self.0.ready().await
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_in_our_own_name_for_a_caller() {
        let old = Old(MemorySidecar::default());
        old.0
            .serve_page(App::GestionClientes, "/x", 200, &serde_json::json!({}));
        let page = old.invoke_get_as(App::GestionClientes, "/x", None).await.unwrap();
        assert_eq!(page.status, 200);
        let asked = old.invoke_get_as(App::GestionClientes, "/x", Some("Bearer t")).await;
        assert!(matches!(asked, Err(SidecarError::Unavailable { .. })), "{asked:?}");
        let body = serde_json::json!({});
        let posted = old.invoke_post_as(App::GestionClientes, "/x", None, "k", &body).await;
        assert!(matches!(posted, Err(SidecarError::Unavailable { .. })), "{posted:?}");
    }
}
