//! What the local API server is told before anybody uses it: our resource, the namespace, and what the operator may do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::ApiResource;
use kube::runtime::wait::{Condition, conditions};
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::credentials::OPERATOR_USER;
use crate::error::{During, Error, Result};
use crate::wait::until;

/// The namespace of the payments.
pub const NAMESPACE: &str = "pagos";

/// The manifests of the chart that are also applied locally, in this order.
pub const MANIFESTS: [&str; 2] = ["charts/pagos/files/paymentsagas.yaml", "charts/pagos/files/role.yaml"];

/// Kinds here that live in no namespace.
const CLUSTER_WIDE: [&str; 2] = ["Namespace", "CustomResourceDefinition"];

/// How long a new resource definition may take to be served.
const SERVED_PATIENCE: Duration = Duration::from_secs(15);

/// A client of the local API server.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // It is on this machine: a proxy that the environment names is not asked about it.
    config.proxy_url = None;
    Client::try_from(config).during("make a Kubernetes client")
}

/// Asks `/readyz`.
pub async fn ready(kubeconfig: &Path) -> Result<()> {
    let mut request = http::Request::new(Vec::new());
    *request.uri_mut() = http::Uri::from_static("/readyz");
    client(kubeconfig)
        .await?
        .request_text(request)
        .await
        .during("ask /readyz")
        .map(drop)
}

/// Applies the manifests, gives the operator's user the Role among them, and waits until our resource is served. May be
/// repeated; what a newer manifest changes is changed.
pub async fn apply(kubeconfig: &Path, namespace: &str, manifests: &[PathBuf]) -> Result<()> {
    let client = client(kubeconfig).await?;
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})];
    for file in manifests {
        objects.extend(read(file)?);
    }
    for object in objects {
        apply_one(&client, namespace, &object).await?;
        let Some(name) = object["metadata"]["name"].as_str() else {
            continue;
        };
        match object["kind"].as_str() {
            Some("Role") => apply_one(&client, namespace, &role_binding(name)).await?,
            Some("CustomResourceDefinition") => served(&client, namespace, name).await?,
            _ => {}
        }
    }
    Ok(())
}

/// The documents of a YAML file.
fn read(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).during(format!("read {}", file.display()))?;
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| {
            Value::deserialize(document).map_err(|source| Error::Yaml {
                what: file.display().to_string(),
                source,
            })
        })
        .filter(|document| !matches!(document, Ok(Value::Null)))
        .collect()
}

async fn apply_one(client: &Client, namespace: &str, object: &Value) -> Result<()> {
    let field = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (field(&object["kind"]), field(&object["metadata"]["name"]));
    let api_version = field(&object["apiVersion"]);
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
    let api: Api<DynamicObject> = if CLUSTER_WIDE.contains(&kind.as_str()) {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    };
    // The file is the truth: whatever somebody else set on these fields is overwritten.
    let params = PatchParams::apply("local").force();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .during(format!("apply {kind} {name}"))
        .map(drop)
}

/// Until objects of a definition can be listed. Being established is not enough: for a moment after it the server still
/// answers 429, its storage being initialised. And the first write of a kind takes a new server two seconds, which the
/// first payment need not wait for: an empty object is tried, dry, and refused.
async fn served(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let until_served = until(name, SERVED_PATIENCE, async || {
        let definition = definitions.get(name).await.map_err(|error| error.to_string())?;
        if !conditions::is_crd_established().matches_object(Some(&definition)) {
            return Err("not established".to_owned());
        }
        let spec = &definition.spec;
        let version = spec
            .versions
            .iter()
            .find(|version| version.storage)
            .map_or("", |version| &version.name);
        let kind = GroupVersionKind::gvk(&spec.group, version, &spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
        let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        objects
            .list(&ListParams::default().limit(1))
            .await
            .map_err(|error| error.to_string())?;
        let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let empty = DynamicObject::new("empty", &resource);
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match objects.create(&dry, &empty).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(refusal)) if refusal.code == 422 => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    });
    until_served.await.map_err(|late| Error::advice(late.to_string()))
}

fn role_binding(role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR_USER}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials;
    use crate::layout::Layout;
    use crate::settings::Profile;

    #[tokio::test]
    async fn no_proxy_stands_between_us_and_the_api_server_of_this_machine() {
        // That it was installed before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let checkout = tempfile::tempdir().unwrap();
        let layout = Layout::new(checkout.path(), Profile::Up);
        layout.create().unwrap();
        credentials::cluster(&layout, 17003).unwrap();
        let file = layout.admin_kubeconfig();
        // As HTTPS_PROXY does, which one test cannot set for itself alone.
        let mut kubeconfig: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        kubeconfig["clusters"][0]["cluster"]["proxy-url"] = json!("http://127.0.0.1:1");
        fs::write(&file, kubeconfig.to_string()).unwrap();
        client(&file).await.unwrap();
    }
}
