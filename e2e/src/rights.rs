//! What each account of the release may do: the operator its own resource, and nobody anything else.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};

use crate::cluster::Outcome;
use crate::report::{ensure, text};

const VERBS: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// Group, resource, subresource, name; an empty name asks about all of them.
const RESOURCES: [(&str, &str, &str, &str); 14] = [
    ("pagos.saludtech.dev", "paymentsagas", "", ""),
    ("pagos.saludtech.dev", "paymentsagas", "status", ""),
    ("pagos.saludtech.dev", "paymentsagas", "finalizers", ""),
    ("events.k8s.io", "events", "", ""),
    ("coordination.k8s.io", "leases", "", "intake"),
    ("coordination.k8s.io", "leases", "", ""),
    ("", "secrets", "", ""),
    ("", "configmaps", "", ""),
    ("", "pods", "", ""),
    ("", "pods", "exec", ""),
    ("", "serviceaccounts", "token", ""),
    ("apps", "deployments", "", ""),
    ("rbac.authorization.k8s.io", "rolebindings", "", ""),
    ("dapr.io", "components", "", ""),
];

/// What the operator may do in its namespace, and may not anywhere else.
fn operator_may(group: &str, resource: &str, subresource: &str, name: &str, verb: &str) -> bool {
    match (group, resource, subresource, name) {
        ("pagos.saludtech.dev", "paymentsagas", "", _) => verb != "patch",
        ("pagos.saludtech.dev", "paymentsagas", "status", _) => verb == "update",
        ("events.k8s.io", "events", "", _) => matches!(verb, "create" | "patch"),
        ("coordination.k8s.io", "leases", "", "intake") => matches!(verb, "get" | "update"),
        _ => false,
    }
}

/// Asks the API server about every account, verb and resource, here and in another namespace. Answers how many questions
/// were asked.
pub(crate) async fn accounts(kube: &Client, namespace: &str) -> Outcome<usize> {
    let accounts: Api<ServiceAccount> = Api::namespaced(kube.clone(), namespace);
    let accounts = accounts.list(&ListParams::default()).await.map_err(text)?;
    ensure(accounts.items.len() >= 7, || {
        "the accounts of the release are not there".to_owned()
    })?;
    let reviews: Api<SubjectAccessReview> = Api::all(kube.clone());
    let (mut asked, mut wrong) = (0, Vec::new());
    for account in accounts.items.iter().map(|account| account.name_any()) {
        for (group, resource, subresource, name) in RESOURCES {
            for verb in VERBS {
                for place in [namespace, "kube-system"] {
                    let review = SubjectAccessReview {
                        spec: SubjectAccessReviewSpec {
                            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
                            groups: Some(vec![
                                "system:authenticated".to_owned(),
                                format!("system:serviceaccounts:{namespace}"),
                            ]),
                            resource_attributes: Some(ResourceAttributes {
                                namespace: Some(place.to_owned()),
                                verb: Some(verb.to_owned()),
                                group: Some(group.to_owned()),
                                resource: Some(resource.to_owned()),
                                subresource: Some(subresource.to_owned()).filter(|word| !word.is_empty()),
                                name: Some(name.to_owned()).filter(|word| !word.is_empty()),
                                ..ResourceAttributes::default()
                            }),
                            ..SubjectAccessReviewSpec::default()
                        },
                        ..SubjectAccessReview::default()
                    };
                    let answer = reviews.create(&PostParams::default(), &review).await.map_err(text)?;
                    let may = answer.status.is_some_and(|status| status.allowed);
                    let should = account == "operator"
                        && place == namespace
                        && operator_may(group, resource, subresource, name, verb);
                    asked += 1;
                    if may != should {
                        let word = if may { "may" } else { "may not" };
                        wrong.push(format!(
                            "{account} {word} {verb} {resource}/{subresource} {name} in {place}"
                        ));
                    }
                }
            }
        }
    }
    ensure(wrong.is_empty(), || wrong.join("; "))?;
    Ok(asked)
}

/// No container has a token for the Kubernetes API but the operator's own.
pub(crate) async fn tokens(kube: &Client, namespace: &str) -> Outcome<usize> {
    let pods: Api<Pod> = Api::namespaced(kube.clone(), namespace);
    let pods = pods.list(&ListParams::default()).await.map_err(text)?;
    let (mut holders, mut looked) = (Vec::new(), 0);
    for pod in &pods.items {
        let Some(spec) = &pod.spec else { continue };
        let tokens: Vec<&str> = spec
            .volumes
            .iter()
            .flatten()
            .filter(|volume| {
                let sources = volume
                    .projected
                    .iter()
                    .flat_map(|projected| projected.sources.iter().flatten());
                // One for another audience (Dapr's sentry) opens no door at the API server.
                sources
                    .filter_map(|source| source.service_account_token.as_ref())
                    .any(|token| token.audience.is_none())
            })
            .map(|volume| volume.name.as_str())
            .collect();
        for container in &spec.containers {
            looked += 1;
            if container
                .volume_mounts
                .iter()
                .flatten()
                .any(|mount| tokens.contains(&mount.name.as_str()))
            {
                holders.push(container.name.clone());
            }
        }
    }
    holders.sort();
    holders.dedup();
    ensure(holders.iter().all(|name| name == "operator"), || {
        format!("containers with a token for the API server: {}", holders.join(", "))
    })?;
    ensure(holders == ["operator"], || "the operator has no token".to_owned())?;
    Ok(looked)
}
