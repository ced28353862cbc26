//! The port to the resources: what the shell asks of the API server. Its two implementations are kube's client and the
//! model in the crate `simulation`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Resource as _};
use serde::Serialize;

use crate::crd::{PaymentSaga, PaymentSagaStatus};

/// How long a call to the API server may take. Longer than it takes to elect a new leader of etcd.
pub(crate) const CALL: Duration = Duration::from_secs(10);

/// The API server, as far as the shell talks to it. Errors are the client's own, so that one classification serves.
#[async_trait]
pub trait ApiServer: Send + Sync + 'static {
    /// The resource of this name as it is now.
    async fn get_opt(&self, name: &str) -> kube::Result<Option<PaymentSaga>>;

    /// Makes a resource; 409 when there is one of that name.
    async fn create(&self, params: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga>;

    /// Writes everything but the status over the version that `object` carries; 409 when it is not the last one.
    async fn replace(&self, name: &str, params: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga>;

    /// Writes the status over the version that `object` carries; 409 when it is not the last one.
    async fn replace_status(&self, name: &str, params: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga>;

    /// Asks for a resource to go. Answers it as it is now if something holds it; `None` once it is gone.
    async fn delete(&self, name: &str, params: &DeleteParams) -> kube::Result<Option<PaymentSaga>>;
}

/// A write of the status as it is sent. What else there is in a resource the API server takes from what it has before it looks
/// at the whole; sent along it would be read and pruned for nothing.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusOf<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: &'a ObjectMeta,
    status: Option<&'a PaymentSagaStatus>,
}

/// The resources. Cheap to clone; its calls read like those of [`Api`].
#[derive(Clone)]
pub struct Resources(Arc<dyn ApiServer>);

// === impl Resources ===

impl Resources {
    /// The resources of this API server.
    pub fn new(server: impl ApiServer) -> Self {
        Self(Arc::new(server))
    }
}

impl From<Api<PaymentSaga>> for Resources {
    fn from(api: Api<PaymentSaga>) -> Self {
        Self::new(api)
    }
}

impl std::ops::Deref for Resources {
    type Target = dyn ApiServer;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

#[async_trait]
impl ApiServer for Api<PaymentSaga> {
    async fn get_opt(&self, name: &str) -> kube::Result<Option<PaymentSaga>> {
        whole(Self::get_opt(self, name)).await
    }

    async fn create(&self, params: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        whole(Self::create(self, params, object)).await
    }

    async fn replace(&self, name: &str, params: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        whole(Self::replace(self, name, params, object)).await
    }

    async fn replace_status(&self, name: &str, params: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let (api_version, kind) = (PaymentSaga::api_version(&()), PaymentSaga::kind(&()));
        let sent = StatusOf {
            api_version: &api_version,
            kind: &kind,
            metadata: &object.metadata,
            status: object.status.as_ref(),
        };
        whole(Self::replace_subresource(self, "status", name, params, &sent)).await
    }

    async fn delete(&self, name: &str, params: &DeleteParams) -> kube::Result<Option<PaymentSaga>> {
        whole(Self::delete(self, name, params))
            .await
            .map(|answer| answer.left())
    }
}

/// A call with its body, in time: the client's own limit ends where the answer begins.
pub(crate) async fn whole<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let answered = tokio::time::timeout(CALL, call).await;
    answered.unwrap_or_else(|late| Err(kube::Error::Service(late.into())))
}
