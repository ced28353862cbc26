//! Who talked to whom, held against the NetworkPolicies: every connection that was seen is allowed by them, and every
//! edge that they allow was seen. For a cluster whose network does not enforce policies, and whose node we run on: the
//! kernel's connection table is read with `conntrack`.

mod policies;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinHandle;

use self::policies::{Edge, Rules};
use crate::cluster::Outcome;
use crate::report::{ensure, text};

/// The label of a pod that tries what is not its own.
pub(crate) const INTRUDER: &str = "pagos.saludtech.dev/intruder";

/// Entries of finished connections stay for half a minute at least: none is missed.
const EVERY: u32 = 8;

/// Pods may live for a few seconds only, and their connections outlive them.
const PODS_EVERY: Duration = Duration::from_secs(1);

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// A pod, by its namespace and its labels.
    Pod(String, BTreeMap<String, String>),
    /// Something else: the node, the API server, the world.
    Address(String),
}

/// A connection as the kernel knows it: the addresses from and to, protocol, port.
pub(crate) type Connection = (String, String, String, u16);

/// What was seen, and whose the addresses were.
#[derive(Debug, Default)]
struct Seen {
    connections: BTreeSet<Connection>,
    /// Pods that are gone included: their connections outlive them in the table.
    pods: BTreeMap<String, End>,
}

/// Watches the connection table until it is asked what it saw.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Watch ===

impl Watch {
    /// Begins to look. Fails where the table cannot be read.
    pub(crate) fn start(kube: Client) -> Outcome<Self> {
        table()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                for second in (0..EVERY).cycle() {
                    // A look that fails is made up for by the next.
                    let lines = (second == 0).then(table).transpose().ok().flatten().unwrap_or_default();
                    let pods = pods(&kube).await.unwrap_or_default();
                    {
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        seen.connections.extend(lines.lines().filter_map(connection));
                        seen.pods.extend(pods);
                    }
                    tokio::time::sleep(PODS_EVERY).await;
                }
            }
        });
        Ok(Self { seen, task })
    }

    /// Holds what was seen so far against the policies of the namespace. Answers how many connections and edges there
    /// were, as a sentence.
    pub(crate) async fn judge(&self, kube: &Client, namespace: &str) -> Outcome<String> {
        let policies: Api<NetworkPolicy> = Api::namespaced(kube.clone(), namespace);
        let policies = policies.list(&ListParams::default()).await.map_err(text)?.items;
        ensure(!policies.is_empty(), || "the release has no NetworkPolicies".to_owned())?;
        let namespaces: Api<Namespace> = Api::all(kube.clone());
        let labels = namespaces.list(&ListParams::default()).await.map_err(text)?;
        let labels = labels
            .iter()
            .map(|one| (one.name_any(), one.labels().clone()))
            .collect();
        let rules = Rules::new(namespace.to_owned(), policies, labels);
        let services: Api<Service> = Api::all(kube.clone());
        let services = services.list(&ListParams::default()).await.map_err(text)?;
        let services: BTreeSet<String> = services
            .iter()
            .filter_map(|service| service.spec.as_ref()?.cluster_ip.clone())
            .collect();
        let (mut refused, mut used, mut kinds) = (Vec::new(), BTreeSet::<Edge>::new(), BTreeSet::new());
        {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let end = |address: &String| {
                seen.pods
                    .get(address)
                    .cloned()
                    .unwrap_or_else(|| End::Address(address.clone()))
            };
            // A service that had no pod to answer: nothing was connected.
            let answered = seen.connections.iter().filter(|(_, to, ..)| !services.contains(to));
            let ends = answered.map(|(from, to, protocol, port)| (end(from), end(to), protocol, *port));
            let ends = ends.filter(|(from, ..)| !is_intruder(from));
            for (from, to, protocol, port) in
                ends.filter(|(from, to, ..)| is_ours(from, namespace) || is_ours(to, namespace))
            {
                kinds.insert((name(&from), name(&to), port));
                match rules.judge(&from, &to, protocol, port) {
                    Ok(edges) => used.extend(edges),
                    Err(why) => refused.push(format!("{} → {} {protocol}/{port}: {why}", name(&from), name(&to))),
                }
            }
        }
        let all = rules.edges();
        let unseen: Vec<String> = all.difference(&used).map(ToString::to_string).collect();
        let mut wrong = Vec::new();
        if !refused.is_empty() {
            wrong.push(format!("connections that no policy allows: {}", refused.join("; ")));
        }
        if !unseen.is_empty() {
            wrong.push(format!("edges that nothing used: {}", unseen.join("; ")));
        }
        ensure(wrong.is_empty(), || wrong.join("; "))?;
        Ok(format!(
            "{} kinds of connection, {} edges, all of them used",
            kinds.len(),
            all.len()
        ))
    }
}

/// The connections of the node: our own pods' and everybody else's.
fn table() -> Outcome<String> {
    let output = Command::new("conntrack")
        .args(["-L", "-o", "extended"])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("conntrack cannot be run; is it on the PATH? {error}"))?;
    ensure(output.status.success(), || {
        "conntrack -L needs root on the cluster's node".to_owned()
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Pods by address; those that share the node's address are the node.
async fn pods(kube: &Client) -> Outcome<BTreeMap<String, End>> {
    let pods: Api<Pod> = Api::all(kube.clone());
    let pods = pods.list(&ListParams::default()).await.map_err(text)?;
    let by_address = pods.iter().filter_map(|pod| {
        let status = pod.status.as_ref()?;
        let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
        let end = End::Pod(pod.namespace()?, pod.labels().clone());
        (!ended && status.pod_ip != status.host_ip).then(|| Some((status.pod_ip.clone()?, end)))?
    });
    Ok(by_address.collect())
}

/// A line of the table: who asked, and, in the reply's direction, who answered.
fn connection(line: &str) -> Option<Connection> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let protocol = words.iter().copied().find(|word| matches!(*word, "tcp" | "udp"))?;
    if words.contains(&"[UNREPLIED]") {
        return None;
    }
    let nth = |name: &str, nth: usize| {
        let mut values = words
            .iter()
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        values.nth(nth).map(str::to_owned)
    };
    Some((
        nth("src", 0)?,
        nth("src", 1)?,
        protocol.to_uppercase(),
        nth("sport", 1)?.parse().ok()?,
    ))
}

/// Who is there to be refused, and was.
fn is_intruder(end: &End) -> bool {
    matches!(end, End::Pod(_, labels) if labels.contains_key(INTRUDER))
}

fn is_ours(end: &End, namespace: &str) -> bool {
    matches!(end, End::Pod(of, labels) if of == namespace && labels.get("app.kubernetes.io/part-of").is_some_and(|part| part == "pagos"))
}

/// The end in words.
fn name(end: &End) -> String {
    match end {
        End::Pod(namespace, labels) => {
            let name = ["app.kubernetes.io/name", "app", "k8s-app"]
                .iter()
                .find_map(|label| labels.get(*label));
            format!("{namespace}/{}", name.map_or("?", String::as_str))
        }
        End::Address(address) => address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_who_asked_and_who_answered() {
        let line = "ipv4 2 tcp 6 86398 ESTABLISHED src=10.244.0.5 dst=10.96.0.12 sport=40000 dport=5432 \
                    src=10.244.0.9 dst=10.244.0.5 sport=5432 dport=40000 [ASSURED] mark=0 use=1";
        let expected = ("10.244.0.5".to_owned(), "10.244.0.9".to_owned(), "TCP".to_owned(), 5432);
        assert_eq!(connection(line), Some(expected));
        let unanswered = "ipv4 2 udp 17 20 src=10.244.0.5 dst=10.96.0.10 sport=1 dport=53 [UNREPLIED] src=10.244.0.2 dst=10.244.0.5 sport=53 dport=1";
        assert_eq!(connection(unanswered), None);
    }
}
