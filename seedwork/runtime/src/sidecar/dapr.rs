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
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::{Event, Expect, Invoked, Sidecar, SidecarError, Stored};
use crate::config::ServiceArgs;
use crate::fitness::{self, Metadata};

type Client = DaprClient<InterceptedService<Channel, ApiTokenInterceptor>>;

/// daprd beside this process.
pub struct DaprSidecar {
    client: Client,
    http: reqwest::Client,
    http_base: String,
    api_token: Option<String>,
    pubsub: String,
    store: String,
    /// Set once the components were found fit.
    fit: OnceLock<()>,
}

/// How long one call to daprd may take. Longer than a broker's or store's own worst hiccup, shorter than the inbound
/// retry budget (15 s), so that a stuck call becomes an ordinary retry.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

// === impl DaprSidecar ===

impl DaprSidecar {
    /// A sidecar at the ports of `args`. Connects lazily: daprd waits for our port before it is ready itself, so we
    /// must not wait for daprd.
    pub fn new(args: &ServiceArgs) -> Result<Self, crate::serve::StartupError> {
        let base = format!("http://127.0.0.1:{}", args.dapr_grpc_port);
        let channel = Endpoint::from_shared(base)
            .map_err(|error| crate::serve::StartupError::new("DAPR_GRPC_PORT makes no address", error))?
            .timeout(CALL_TIMEOUT)
            .connect_lazy();
        let api_token = args.dapr_api_token.as_ref().map(|token| token.expose().to_owned());
        let interceptor = ApiTokenInterceptor::new(api_token.clone());
        let http = crate::http::client()
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| crate::serve::StartupError::new("the HTTP client cannot be made", error))?;
        Ok(Self {
            client: DaprClient::with_interceptor(channel, interceptor),
            http,
            http_base: format!("http://127.0.0.1:{}", args.dapr_http_port),
            api_token,
            pubsub: args.pubsub_name.clone(),
            store: args.state_store.clone(),
            fit: OnceLock::new(),
        })
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

    /// Whether the components can hold our promises; asked until they can, since a component may be loaded late.
    async fn look_at_the_components(&self) -> Result<(), SidecarError> {
        let asking = |error| unavailable("ask the Dapr sidecar for its components (GET /v1.0/metadata)", error);
        let answer = self.get_request("/v1.0/metadata").send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status).map_err(asking)?;
        let metadata: Metadata = answer.json().await.map_err(asking)?;
        let unfit = fitness::judge(&metadata, &self.pubsub, &self.store);
        if unfit.is_empty() {
            self.fit.get_or_init(|| ());
            return Ok(());
        }
        let reasons: Vec<_> = unfit.iter().map(ToString::to_string).collect();
        let reasons = reasons.join("; ");
        tracing::error!(reasons, "these Dapr components will not do");
        Err(unavailable(format!("accept the Dapr components: {reasons}"), reasons))
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

/// A gRPC request that carries the current span.
fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(value) = crate::telemetry::current_traceparent().and_then(|text| text.parse().ok()) {
        request.metadata_mut().insert("traceparent", value);
    }
    request
}

#[async_trait]
impl Sidecar for DaprSidecar {
    async fn get(&self, key: &str) -> Result<Option<Stored>, SidecarError> {
        let request = GetStateRequest {
            store_name: self.store.clone(),
            key: key.to_owned(),
            consistency: StateConsistency::ConsistencyStrong.into(),
            metadata: HashMap::new(),
        };
        let answer = self
            .client
            .clone()
            .get_state(traced(request))
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
        match self.client.clone().save_state(traced(request)).await {
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
        // Set by hand: with tracing off in daprd the event would carry none, and the payment's trace would break.
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
        self.client
            .clone()
            .publish_event(traced(request))
            .await
            .map_err(|status| unavailable(format!("publish {event_type} on {topic}"), status))?;
        Ok(())
    }

    async fn invoke_get(&self, app: App, path: &str) -> Result<Invoked, SidecarError> {
        self.invoke_get_as(app, path, None).await
    }

    async fn invoke_get_as(&self, app: App, path: &str, authorization: Option<&str>) -> Result<Invoked, SidecarError> {
        let mut request = self.get_request(&format!("/v1.0/invoke/{app}/method{path}"));
        if let Some(authorization) = authorization {
            request = request.header(reqwest::header::AUTHORIZATION, authorization);
        }
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
        let path = format!("/v1.0/invoke/{app}/method{path}");
        let mut request = self
            .http_request(reqwest::Method::POST, &path)
            .header("idempotency-key", key)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        if let Some(authorization) = authorization {
            request = request.header(reqwest::header::AUTHORIZATION, authorization);
        }
        invoked(request, || format!("ask {app} to take a POST on {path}")).await
    }

    async fn ready(&self) -> Result<(), SidecarError> {
        let response = self.get_request("/v1.0/healthz/outbound").send().await;
        let answer = response.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| unavailable("reach the Dapr sidecar", error))?;
        match self.fit.get() {
            Some(()) => Ok(()),
            None => self.look_at_the_components().await,
        }
    }
}
