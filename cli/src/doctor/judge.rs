//! What a sidecar's metadata says, judged. Pure.

use std::cmp::Ordering;

use seedwork::App;
use seedwork_runtime::fitness::{self, Component, Metadata, Subscription, Unfit};
use serde::Serialize;

/// The oldest Dapr that will do: older ones let a crafted path around the access control of service invocation.
const OLDEST: [u64; 3] = [1, 17, 5];
/// From here on a sidecar names its Resiliency resources.
const NAMES_RESILIENCIES: [u64; 3] = [1, 18, 0];
/// What `docs/conformance.md` was measured with: type and version of the component.
const TRIED: [(&str, &str); 8] = [
    ("pubsub.redis", "v1"),
    ("pubsub.rabbitmq", "v1"),
    ("pubsub.kafka", "v1"),
    ("pubsub.pulsar", "v1"),
    ("pubsub.mqtt3", "v1"),
    ("state.sqlite", "v1"),
    ("state.postgresql", "v2"),
    ("state.mysql", "v1"),
];

/// How good a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grade {
    /// As it must be.
    Fit,
    /// It may do, and somebody should know.
    Warning,
    /// Payments would be lost, or stand still.
    Unfit,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How good it is.
    pub(crate) grade: Grade,
    /// What it is.
    pub(crate) subject: String,
    /// What is the matter with it, or what it is like.
    pub(crate) says: String,
    /// What to change; none where nothing has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// What a sidecar is measured against.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Whose it is.
    pub(crate) app: App,
    /// Where its application listens.
    pub(crate) port: u16,
    /// Whether it is one of several, each in a pod of its own.
    pub(crate) in_cluster: bool,
}

/// How the applications call their components.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The broker.
    pub(crate) pubsub: String,
    /// The state store.
    pub(crate) store: String,
}

/// The sidecar's own word on whether it works.
pub(crate) fn health(healthy: Result<(), String>) -> Finding {
    match healthy {
        Ok(()) => Finding::fit(
            "sidecar",
            "it has loaded what it was given, and its application has answered it",
        ),
        Err(why) => Finding::unfit(
            "sidecar",
            format!("it says it is not ready: {why}"),
            "its log names the component or the application that it waits for",
        ),
    }
}

/// Everything that the metadata shows.
pub(crate) fn examine(metadata: &Metadata, expected: &Expected, names: &Names) -> Vec<Finding> {
    let mut findings = vec![version(metadata)];
    findings.extend(identity(metadata, expected.app));
    findings.push(features(metadata));
    findings.push(connection(metadata, expected));
    let unfit = fitness::judge(metadata, &names.pubsub, &names.store);
    findings.push(component(metadata, &names.pubsub, &unfit, expected));
    findings.extend(store(metadata, &names.store, &unfit, expected));
    findings.extend(inbox(metadata, expected.app, &names.pubsub));
    findings.push(resiliency(metadata));
    findings
}

fn version(metadata: &Metadata) -> Finding {
    let subject = "Dapr";
    let found = &metadata.runtime_version;
    match parse_version(found) {
        None => Finding::warning(
            subject,
            format!("version {found:?} is no release, so whether it is 1.17.5 or newer is not known"),
            "use a release; 1.18.2 is what was measured",
        ),
        Some(version) if version.cmp(&OLDEST) == Ordering::Less => Finding::unfit(
            subject,
            format!("{found} is too old: it lets a crafted path around the access control of service invocation"),
            "upgrade Dapr to 1.17.5 or newer, then restart the pods: sidecars keep the version they started with",
        ),
        Some(_) => Finding::fit(subject, found.clone()),
    }
}

/// `1.18.2`, `v1.18.2`, `1.18.0-rc.1`; nothing else.
fn parse_version(text: &str) -> Option<[u64; 3]> {
    let release = text.trim_start_matches('v').split(['-', '+']).next()?;
    let numbers: Vec<u64> = release.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    numbers.try_into().ok()
}

/// Only when it is wrong: a sidecar of another application has that one's inbox and documents.
fn identity(metadata: &Metadata, app: App) -> Option<Finding> {
    let found = &metadata.id;
    (found != app.id()).then(|| {
        Finding::unfit(
            "app id",
            format!("its sidecar runs as {found:?}, so it would read and write what is not its own"),
            format!("set the app id to {app} (--app-id, or the annotation dapr.io/app-id), as every scope names it"),
        )
    })
}

fn features(metadata: &Metadata) -> Finding {
    let on = match metadata.enabled_features.as_slice() {
        [] => "none is on".to_owned(),
        features => {
            // A sidecar names them in no order.
            let mut features = features.to_vec();
            features.sort();
            features.join(", ")
        }
    };
    Finding::fit("features", on)
}

fn connection(metadata: &Metadata, expected: &Expected) -> Finding {
    let subject = "application";
    let (port, protocol) = (
        metadata.app_connection_properties.port,
        &metadata.app_connection_properties.protocol,
    );
    let remedy = format!(
        "set the sidecar's app port to {} and its protocol to http (--app-port, or the annotation dapr.io/app-port)",
        expected.port
    );
    if port == 0 {
        let says = "its sidecar was given no application port, so nothing is ever delivered";
        return Finding::unfit(subject, says, remedy);
    }
    if port != expected.port || protocol != "http" {
        let says = format!(
            "its sidecar delivers to {protocol} port {port}, and it listens on http port {}",
            expected.port
        );
        return Finding::unfit(subject, says, remedy);
    }
    Finding::fit(subject, format!("delivered to on port {port}"))
}

fn component(metadata: &Metadata, name: &str, unfit: &[Unfit], expected: &Expected) -> Finding {
    let of = |one: &&Unfit| match one {
        Unfit::Missing { name: of, .. }
        | Unfit::Other { name: of, .. }
        | Unfit::Forgets { name: of, .. }
        | Unfit::NoEtags { name: of, .. } => of == name,
    };
    if let Some(unfit) = unfit.iter().find(of) {
        // The sentence of a service's own /health: first what is wrong, then what to do.
        let sentence = unfit.to_string();
        let (says, remedy) = sentence.split_once(": ").unwrap_or((&sentence, ""));
        return Finding::unfit(name, says, remedy);
    }
    let Some(found) = metadata.components.iter().find(|component| component.name == name) else {
        return Finding::unfit(name, "it is not there", "see dapr-components/");
    };
    usable(found, expected)
}

/// The store of an application that keeps documents. One that keeps none needs none, and had better have none.
fn store(metadata: &Metadata, name: &str, unfit: &[Unfit], expected: &Expected) -> Option<Finding> {
    if expected.app.keeps_documents() {
        return Some(component(metadata, name, unfit, expected));
    }
    let loaded = metadata.components.iter().any(|component| component.name == name);
    loaded.then(|| {
        Finding::warning(
            name,
            "its sidecar has loaded it, and what opens it, for an application that keeps no documents",
            format!(
                "leave {} out of the component's scopes, as in dapr-components/",
                expected.app
            ),
        )
    })
}

/// A component that can hold what is asked of it; whether it does was measured, or was not.
fn usable(found: &Component, expected: &Expected) -> Finding {
    let Component {
        name, kind, version, ..
    } = found;
    let shown = format!("{kind} {version}").trim_end().to_owned();
    if kind == "state.sqlite" && expected.in_cluster {
        return Finding::unfit(
            name,
            format!("{shown} is a file in one pod: the other replica has another, and a new pod none"),
            "use postgresql or mysql (store.component)",
        );
    }
    if kind == "pubsub.mqtt3" {
        return Finding::warning(
            name,
            format!("{shown} keeps nothing for an application that is not connected; payments wait for who asks again"),
            "fine where that will do (docs/conformance.md); else redis, rabbitmq, kafka or pulsar",
        );
    }
    if TRIED.contains(&(kind, version)) {
        return Finding::fit(name, shown);
    }
    Finding::warning(
        name,
        format!("{shown} was not tried"),
        "docs/conformance.md has what was; `make conformance` shows how to ask another one",
    )
}

fn inbox(metadata: &Metadata, app: App, pubsub: &str) -> Vec<Finding> {
    let inbox = app.inbox();
    let (own, others): (Vec<&Subscription>, Vec<_>) = metadata
        .subscriptions
        .iter()
        .partition(|one| one.is_inbox_of(app, pubsub));
    let mut findings = Vec::new();
    let dead_letters = app.dead_letters();
    match own.iter().find(|one| one.dead_letter_topic != dead_letters) {
        _ if own.is_empty() => findings.push(Finding::unfit(
            &inbox,
            format!("nobody reads it: its sidecar has no subscription to it on {pubsub}"),
            "the sidecar asks its application at GET /dapr/subscribe when both are up: see its log; restart the sidecar",
        )),
        Some(one) if one.dead_letter_topic.is_empty() => findings.push(Finding::unfit(
            &inbox,
            "what cannot be handled is dropped: the subscription has no dead-letter topic",
            format!("set deadLetterTopic: {dead_letters}"),
        )),
        Some(one) => findings.push(Finding::unfit(
            &inbox,
            format!(
                "its dead letters go to {}, where this application may not publish",
                one.dead_letter_topic
            ),
            format!("set deadLetterTopic: {dead_letters}"),
        )),
        None => findings.push(Finding::fit(&inbox, format!("read; dead letters to {dead_letters}"))),
    }
    findings.extend(others.into_iter().map(|other| {
        Finding::warning(
            &other.topic,
            format!(
                "it reads this topic of {}, too, which no code of ours asks for",
                other.pubsubname
            ),
            "remove the Subscription, unless somebody knows what it is for",
        )
    }));
    findings
}

fn resiliency(metadata: &Metadata) -> Finding {
    let subject = "retries";
    let names: Vec<&str> = metadata.resiliencies.iter().map(|one| one.name.as_str()).collect();
    if !names.is_empty() {
        return Finding::fit(subject, format!("Resiliency {} is loaded", names.join(", ")));
    }
    if parse_version(&metadata.runtime_version).is_some_and(|version| version < NAMES_RESILIENCIES) {
        return Finding::warning(
            subject,
            "this version of Dapr does not say whether a Resiliency is loaded",
            "look for resiliency in the sidecar's log, or upgrade to 1.18",
        );
    }
    Finding::unfit(
        subject,
        "no Resiliency is loaded, so a delivery that fails once is given up",
        "add dapr-components/local/resiliency.yaml, in a file of its own: beside Components it is silently not loaded",
    )
}

// === impl Finding ===

impl Finding {
    /// As it must be.
    pub(crate) fn fit(subject: impl Into<String>, says: impl Into<String>) -> Self {
        Self {
            grade: Grade::Fit,
            subject: subject.into(),
            says: says.into(),
            remedy: None,
        }
    }

    /// To be known.
    pub(crate) fn warning(subject: impl Into<String>, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            grade: Grade::Warning,
            remedy: Some(remedy.into()),
            ..Self::fit(subject, says)
        }
    }

    /// To be changed.
    pub(crate) fn unfit(subject: impl Into<String>, says: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            grade: Grade::Unfit,
            ..Self::warning(subject, says, remedy)
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
