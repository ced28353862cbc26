//! The real sidecar, over daprd's gRPC API. The generated client is used, not the SDK's high-level one, which hides
//! the status code (so a conflict could not be told from an outage) and sends no trace context.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use ::dapr::client::ApiTokenInterceptor;
use ::dapr::dapr::proto::common::v1::state_options::{StateConcurrency, StateConsistency};
use ::dapr::dapr::proto::common::v1::{Etag, StateItem, StateOptions};
use ::dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use ::dapr::dapr::proto::runtime::v1::{GetStateRequest, PublishEventRequest, SaveStateRequest};
use async_trait::async_trait;
use seedwork::App;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::{Event, Expect, Invoked, Sidecar, SidecarError, Stored};
use crate::config::ServiceArgs;
use crate::fitness::{self, Metadata};
use crate::serve::StartupError;

type Client = DaprClient<InterceptedService<Channel, ApiTokenInterceptor>>;

/// daprd beside this process.
pub struct DaprSidecar {
    client: Client,
    http: reqwest::Client,
    http_base: String,
    api_token: Option<String>,
    pubsub: String,
    store: String,
    /// Whether the application has an inbox that must be read.
    inbox: bool,
    /// Set once the components were found fit and the inbox was found read: whether the application keeps documents, and
    /// so cannot work while the store is away.
    fit: OnceLock<bool>,
}

/// How long one call to daprd may take. Longer than a broker's or store's own worst hiccup, shorter than the inbound
/// retry budget (15 s), so that a stuck call becomes an ordinary retry.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the state store may take to answer a question that costs nothing.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// A key that nobody writes: reading it says whether the store answers.
const NEVER_WRITTEN: &str = "ready";

/// A trace that is not to be recorded, for what is done in no trace: the sidecar would begin one for each question.
const UNTRACED: &str = "00-00000000000000000000000000000001-0000000000000001-00";

// === impl DaprSidecar ===

impl DaprSidecar {
    /// A sidecar at the ports of `args`. Connects lazily: daprd waits for our port before it is ready itself, so we
    /// must not wait for daprd.
    pub fn new(args: &ServiceArgs) -> Result<Self, StartupError> {
        let base = format!("http://127.0.0.1:{}", args.dapr_grpc_port);
        let channel = Endpoint::from_shared(base)
            .map_err(|error| StartupError::new("DAPR_GRPC_PORT makes no address", error))?
            .timeout(CALL_TIMEOUT)
            .connect_lazy();
        let api_token = args.dapr_api_token.as_ref().map(|token| token.expose().to_owned());
        // One that was pasted with a line end would be left out of every call, and each refused.
        let interceptor = ApiTokenInterceptor::try_new(api_token.clone())
            .map_err(|error| StartupError::new("DAPR_API_TOKEN must be printable ASCII, without a line end", error))?;
        let http = crate::http::client()
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| StartupError::new("the HTTP client cannot be made", error))?;
        Ok(Self {
            client: DaprClient::with_interceptor(channel, interceptor),
            http,
            http_base: format!("http://127.0.0.1:{}", args.dapr_http_port),
            api_token,
            pubsub: args.pubsub_name.clone(),
            store: args.state_store.clone(),
            inbox: true,
            fit: OnceLock::new(),
        })
    }

    /// For an application that only sends: that nobody reads its inbox is as it must be.
    #[must_use]
    pub fn without_inbox(self) -> Self {
        Self { inbox: false, ..self }
    }

    fn get_request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http_request(reqwest::Method::GET, path)
    }

    fn http_request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.http_base));
        if let Some(token) = &self.api_token {
            request = request.header("dapr-api-token", token);
        }
        if let Some(traceparent) = crate::telemetry::current_traceparent() {
            request = request.header("traceparent", traceparent);
        }
        request
    }

    /// What is asked of another application, in the name of whom `authorization` is.
    fn invocation(
        &self,
        method: reqwest::Method,
        app: App,
        path: &str,
        authorization: Option<&str>,
    ) -> reqwest::RequestBuilder {
        let request = self.http_request(method, &format!("/v1.0/invoke/{app}/method{path}"));
        match authorization {
            Some(authorization) => request.header(reqwest::header::AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Whether the components can hold our promises and our inbox is read; asked until it is so, since a component may
    /// be loaded late, and the sidecar asks us what to read only when our port is open. Answers whether the application
    /// keeps documents.
    async fn look_at_the_components(&self) -> Result<bool, SidecarError> {
        let asking = |error| unavailable("ask the Dapr sidecar for its components (GET /v1.0/metadata)", error);
        let answer = self.get_request("/v1.0/metadata").send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status).map_err(asking)?;
        let metadata: Metadata = answer.json().await.map_err(asking)?;
        let unfit = fitness::judge(&metadata, &self.pubsub, &self.store);
        if !unfit.is_empty() {
            let reasons: Vec<_> = unfit.iter().map(ToString::to_string).collect();
            let reasons = reasons.join("; ");
            tracing::error!(reasons, "these Dapr components will not do");
            return Err(unavailable(format!("accept the Dapr components: {reasons}"), reasons));
        }
        if self.inbox && !metadata.reads_its_inbox(&self.pubsub) {
            // As at every start, for a moment; who lasts is seen at /health, and by `pagos doctor`.
            let reason = format!(
                "the sidecar {} has no subscription to its application's inbox on {}; it asks at GET /dapr/subscribe \
                 when both are up: see its log",
                metadata.id, self.pubsub
            );
            return Err(unavailable(format!("have the inbox read: {reason}"), reason));
        }
        Ok(*self.fit.get_or_init(|| metadata.keeps_documents()))
    }

    /// Whether the store answers now. What the sidecar says of its own health it found out when it started.
    async fn look_into_the_store(&self) -> Result<(), SidecarError> {
        let request = untraced(self.read_of(NEVER_WRITTEN));
        let mut client = self.client.clone();
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            unavailable(format!("read from the state store {}", self.store), source)
        };
        match tokio::time::timeout(STORE_PATIENCE, client.get_state(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(failed(status.into())),
            Err(elapsed) => Err(failed(elapsed.into())),
        }
    }

    fn read_of(&self, key: &str) -> GetStateRequest {
        GetStateRequest {
            store_name: self.store.clone(),
            key: key.to_owned(),
            consistency: StateConsistency::ConsistencyStrong.into(),
            metadata: HashMap::new(),
        }
    }

    /// Whether the store holds another version than the one a failed write expected. Stores answer a lost race with
    /// different codes (Redis: an internal error for "exists already"), so a failure is judged by what is there.
    async fn has_moved(&self, key: &str, expect: &Expect) -> bool {
        match (self.get(key).await, expect) {
            (Ok(Some(stored)), Expect::Version(etag)) => stored.etag != *etag,
            (Ok(Some(_)), Expect::Absent) | (Ok(None), Expect::Version(_)) => true,
            (Ok(None), Expect::Absent) | (Err(_), _) => false,
        }
    }
}

fn unavailable(doing: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SidecarError {
    SidecarError::Unavailable {
        doing: doing.into(),
        source: source.into(),
    }
}

/// The answer of an invoked application, whatever its status.
async fn invoked(request: reqwest::RequestBuilder, doing: impl Fn() -> String) -> Result<Invoked, SidecarError> {
    let response = request.send().await.map_err(|error| unavailable(doing(), error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| unavailable(doing(), error))?;
    Ok(Invoked {
        status,
        body: body.to_vec(),
    })
}

/// A gRPC request of which the sidecar makes no span: what it would say, our own span says. An event carries its trace itself.
fn untraced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let current = crate::telemetry::current_traceparent();
    let unsampled = current.and_then(|current| crate::telemetry::unsampled(&current)?.parse().ok());
    let value = unsampled.unwrap_or_else(|| MetadataValue::from_static(UNTRACED));
    request.metadata_mut().insert("traceparent", value);
    request
}

#[async_trait]
impl Sidecar for DaprSidecar {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        let answer = self
            .client
            .clone()
            .get_state(untraced(self.read_of(key)))
            .await
            .map_err(|status| unavailable(format!("read {key} from the state store"), status))?
            .into_inner();
        // An absent key is an answer with neither data nor ETag.
        Ok((!answer.etag.is_empty()).then_some(Stored {
            value: answer.data,
            etag: answer.etag,
        }))
    }

    async fn put(&self, key: &str, value: Vec<u8>, expect: Expect) -> Result<(), SidecarError> {
        let etag = match &expect {
            Expect::Absent => None,
            Expect::Version(value) => Some(Etag { value: value.clone() }),
        };
        let options = StateOptions {
            concurrency: StateConcurrency::ConcurrencyFirstWrite.into(),
            consistency: StateConsistency::ConsistencyStrong.into(),
        };
        let state = StateItem {
            key: key.to_owned(),
            value,
            etag,
            metadata: HashMap::new(),
            options: Some(options),
        };
        let request = SaveStateRequest {
            store_name: self.store.clone(),
            states: vec![state],
        };
        match self.client.clone().save_state(untraced(request)).await {
            Ok(_) => Ok(()),
            Err(status) if status.code() == Code::Aborted => Err(SidecarError::Conflict { key: key.to_owned() }),
            Err(_) if self.has_moved(key, &expect).await => Err(SidecarError::Conflict { key: key.to_owned() }),
            Err(status) => Err(unavailable(format!("write {key} to the state store"), status)),
        }
    }

    async fn publish(&self, topic: &str, event: Event) -> Result<(), SidecarError> {
        let Event {
            id,
            event_type,
            source,
            subject,
            traceparent,
            data,
        } = event;
        let mut metadata = HashMap::from([
            ("cloudevent.id".to_owned(), id),
            ("cloudevent.type".to_owned(), event_type.clone()),
            ("cloudevent.source".to_owned(), source),
            // Brokers that order do so by this key: one payment's messages stay together.
            ("partitionKey".to_owned(), subject.clone()),
            ("cloudevent.subject".to_owned(), subject),
        ]);
        // Set by hand, and not overwritten by the call's own: with tracing off in daprd the event would carry none, and the
        // payment's trace would break.
        let carries_a_trace = traceparent.is_some();
        if let Some(traceparent) = traceparent {
            metadata.insert("cloudevent.traceparent".to_owned(), traceparent);
        }
        let request = PublishEventRequest {
            pubsub_name: self.pubsub.clone(),
            topic: topic.to_owned(),
            data: data.to_string().into_bytes(),
            data_content_type: "application/json".to_owned(),
            metadata,
        };
        // One without a trace is given the one that the sidecar begins with the call.
        let request = if carries_a_trace {
            untraced(request)
        } else {
            Request::new(request)
        };
        self.client
            .clone()
            .publish_event(request)
            .await
            .map_err(|status| unavailable(format!("publish {event_type} on {topic}"), status))?;
        Ok(())
    }

    async fn invoke_get(&self, app: App, path: &str) -> Result<Invoked, SidecarError> {
        self.invoke_get_as(app, path, None).await
    }

    async fn invoke_get_as(&self, app: App, path: &str, authorization: Option<&str>) -> Result<Invoked, SidecarError> {
        let request = self.invocation(reqwest::Method::GET, app, path, authorization);
        invoked(request, || format!("ask {app} for {path}")).await
    }

    async fn invoke_post_as(
        &self,
        app: App,
        path: &str,
        authorization: Option<&str>,
        key: &str,
        body: &serde_json::Value,
    ) -> Result<Invoked, SidecarError> {
        let request = self
            .invocation(reqwest::Method::POST, app, path, authorization)
            .header("idempotency-key", key)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        invoked(request, || format!("ask {app} to take a POST on {path}")).await
    }

    async fn ready(&self) -> Result<(), SidecarError> {
        let response = self.get_request("/v1.0/healthz/outbound").send().await;
        let answer = response.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| unavailable("reach the Dapr sidecar", error))?;
        let keeps_documents = match self.fit.get() {
            Some(keeps_documents) => *keeps_documents,
            None => self.look_at_the_components().await?,
        };
        if keeps_documents {
            self.look_into_the_store().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::get;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    fn args(dapr_http_port: u16, dapr_api_token: Option<&str>) -> ServiceArgs {
        ServiceArgs {
            host: [127, 0, 0, 1].into(),
            port: 1,
            dapr_http_port,
            dapr_grpc_port: 1, // nobody answers: the store cannot be asked
            dapr_api_token: dapr_api_token.map(|token| token.to_owned().into()),
            app_api_token: None,
            pubsub_name: "pubsub".to_owned(),
            state_store: "statestore".to_owned(),
            database_url: String::new().into(),
        }
    }

    fn pubsub() -> Value {
        json!({"name": "pubsub", "type": "pubsub.redis"})
    }

    fn store() -> Value {
        json!({"name": "statestore", "type": "state.sqlite", "capabilities": ["ETAG"]})
    }

    fn inbox_of(app: App) -> Value {
        json!([{"pubsubname": "pubsub", "topic": app.inbox()}])
    }

    /// The sidecar of an application with these components, and what it says of its subscriptions, one answer after the
    /// other; the last stays.
    async fn sidecar(app: App, components: Vec<Value>, answers: Vec<Value>) -> DaprSidecar {
        let asked = Arc::new(AtomicUsize::new(0));
        let metadata = move || {
            let subscriptions = answers[asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].clone();
            let said = json!({"id": app.id(), "components": components, "subscriptions": subscriptions});
            async move { axum::Json(said) }
        };
        let router = Router::new()
            .route("/v1.0/healthz/outbound", get(|| async {}))
            .route("/v1.0/metadata", get(metadata));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        DaprSidecar::new(&args(http, None)).unwrap()
    }

    #[tokio::test]
    async fn a_token_that_no_header_can_carry_is_refused_at_the_start() {
        for good in [None, Some(""), Some("t")] {
            assert!(DaprSidecar::new(&args(1, good)).is_ok(), "{good:?}");
        }
        let said = DaprSidecar::new(&args(1, Some("hush\n"))).err().unwrap().chain();
        assert!(said.contains("DAPR_API_TOKEN") && !said.contains("hush"), "{said}");
    }

    async fn refusal(sidecar: &DaprSidecar) -> String {
        sidecar.ready().await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_sidecar_is_ready_once_it_reads_the_inbox_and_while_its_store_answers() {
        let (app, components) = (App::Notificaciones, vec![pubsub(), store()]);
        // Once read, it is not asked again.
        let starting = sidecar(app, components.clone(), vec![json!([]), inbox_of(app), json!([])]).await;
        let text = refusal(&starting).await;
        assert!(text.contains("no subscription to its application's inbox"), "{text}");
        for _ in 0..2 {
            let text = refusal(&starting).await;
            assert!(text.contains("read from the state store statestore"), "{text}");
        }
        let sender = sidecar(app, components, vec![json!([])]).await.without_inbox();
        let text = refusal(&sender).await;
        assert!(text.contains("read from the state store"), "{text}");
    }

    #[tokio::test]
    async fn who_keeps_no_documents_is_ready_without_a_store_and_while_one_does_not_answer() {
        for app in [App::Operator, App::Bff] {
            for components in [vec![pubsub()], vec![pubsub(), store()]] {
                let keeps_none = sidecar(app, components, vec![inbox_of(app)]).await;
                // As it is found, and as it is remembered.
                for _ in 0..2 {
                    keeps_none.ready().await.unwrap();
                }
            }
        }
        let app = App::GestionClientes;
        let text = refusal(&sidecar(app, vec![pubsub()], vec![inbox_of(app)]).await).await;
        assert!(text.contains("no component is named statestore"), "{text}");
    }
}
