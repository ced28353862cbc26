//! What NetworkPolicies allow, as Kubernetes defines it: a pod that no policy selects in a direction is open in it; one
//! that is selected takes what any of its policies names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;

use super::End;

/// One port of one policy in one direction, for one of those that it lets through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    policy: String,
    direction: Direction,
    /// Who connects, where the policy names it; `*` where it does not.
    from: String,
    protocol: String,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Ingress,
    Egress,
}

/// The policies of one namespace.
pub(super) struct Rules {
    namespace: String,
    policies: Vec<NetworkPolicy>,
    /// Labels of every namespace, by its name.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// Ports that are there for a case that a small cluster does not meet: DNS over TCP is asked for answers that are too
/// large for a datagram, reminders of invoices go out once a day, and of the two ports where an API server may be one is the other cluster's.
fn is_spare(edge: &Edge) -> bool {
    (edge.policy == "pagos-dns" && edge.protocol == "TCP")
        || edge.policy.ends_with("to-notificaciones-50002")
        || edge.policy == "out-to-kubernetes"
}

// === impl Edge ===

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} of {} {}/{}",
            self.policy, self.direction, self.from, self.protocol, self.port
        )
    }
}

// === impl Rules ===

impl Rules {
    pub(super) fn new(
        namespace: String,
        policies: Vec<NetworkPolicy>,
        namespaces: BTreeMap<String, BTreeMap<String, String>>,
    ) -> Self {
        Self {
            namespace,
            policies,
            namespaces,
        }
    }

    /// Every edge that the policies name and that must be seen in use.
    pub(super) fn edges(&self) -> BTreeSet<Edge> {
        let all = self.policies.iter().flat_map(|policy| {
            rules(policy).into_iter().flat_map(move |(direction, peers, ports)| {
                let from = sources(policy, direction, &peers);
                ports.iter().flat_map(move |port| {
                    from.clone()
                        .into_iter()
                        .filter_map(move |from| edge(policy, direction, from, port))
                })
            })
        });
        all.filter(|edge| !is_spare(edge)).collect()
    }

    /// The edges that let the connection through, or the side that does not.
    pub(super) fn judge(&self, from: &End, to: &End, protocol: &str, port: u16) -> Result<BTreeSet<Edge>, String> {
        // Whatever comes from the node itself, probes and forwarded ports, no policy stops.
        let from_node = matches!(from, End::Address(_));
        let mut edges = BTreeSet::new();
        for (direction, subject, peer) in [(Direction::Egress, from, to), (Direction::Ingress, to, from)] {
            let selecting: Vec<&NetworkPolicy> = self
                .policies
                .iter()
                .filter(|policy| self.selects(policy, direction, subject))
                .collect();
            if selecting.is_empty() || (direction == Direction::Ingress && from_node) {
                continue;
            }
            let found: BTreeSet<Edge> = selecting
                .into_iter()
                .flat_map(|policy| {
                    rules(policy)
                        .into_iter()
                        .filter(|(of, peers, _)| {
                            *of == direction && (peers.is_empty() || peers.iter().any(|one| self.is_peer(one, peer)))
                        })
                        .flat_map(|(of, peers, ports)| {
                            let named = sources(policy, of, &peers)
                                .into_iter()
                                .find(|name| name == app_of(from));
                            let from = named.unwrap_or_else(|| ANYBODY.to_owned());
                            ports
                                .iter()
                                .filter_map(move |port| edge(policy, of, from.clone(), port))
                        })
                        .filter(|edge| edge.protocol == protocol && edge.port == port)
                        .collect::<Vec<_>>()
                })
                .collect();
            if found.is_empty() {
                return Err(format!("{direction:?}"));
            }
            edges.extend(found);
        }
        Ok(edges)
    }

    fn selects(&self, policy: &NetworkPolicy, direction: Direction, end: &End) -> bool {
        let End::Pod(namespace, labels) = end else { return false };
        let Some(spec) = &policy.spec else { return false };
        let in_direction = spec
            .policy_types
            .iter()
            .flatten()
            .any(|kind| kind == &format!("{direction:?}"));
        let selector = spec.pod_selector.clone().unwrap_or_default();
        in_direction && namespace == &self.namespace && matches(&selector, labels)
    }

    fn is_peer(&self, peer: &NetworkPolicyPeer, end: &End) -> bool {
        match (end, &peer.ip_block) {
            (End::Address(address), Some(block)) => is_within(address, &block.cidr),
            // An address of the pods' network is a pod, which a block may hold as well; ours name none of them.
            (End::Pod(..), Some(_)) | (End::Address(_), None) => false,
            (End::Pod(namespace, labels), None) => {
                let here = match &peer.namespace_selector {
                    None => namespace == &self.namespace,
                    Some(selector) => self
                        .namespaces
                        .get(namespace)
                        .is_some_and(|labels| matches(selector, labels)),
                };
                here && peer
                    .pod_selector
                    .as_ref()
                    .is_none_or(|selector| matches(selector, labels))
            }
        }
    }
}

type Rule<'a> = (Direction, Vec<NetworkPolicyPeer>, &'a [NetworkPolicyPort]);

fn rules(policy: &NetworkPolicy) -> Vec<Rule<'_>> {
    let spec = policy.spec.as_ref();
    let ingress = spec.and_then(|spec| spec.ingress.as_ref()).into_iter().flatten();
    let egress = spec.and_then(|spec| spec.egress.as_ref()).into_iter().flatten();
    let ingress = ingress.map(|rule| {
        (
            Direction::Ingress,
            rule.from.clone().unwrap_or_default(),
            rule.ports.as_deref().unwrap_or_default(),
        )
    });
    let egress = egress.map(|rule| {
        (
            Direction::Egress,
            rule.to.clone().unwrap_or_default(),
            rule.ports.as_deref().unwrap_or_default(),
        )
    });
    ingress.chain(egress).collect()
}

/// The label that names an application.
const NAME: &str = "app.kubernetes.io/name";
const ANYBODY: &str = "*";

fn app_of(end: &End) -> &str {
    match end {
        End::Pod(_, labels) => labels.get(NAME).map_or(ANYBODY, String::as_str),
        End::Address(_) => ANYBODY,
    }
}

/// Those that a rule lets connect, as far as it names them.
fn sources(policy: &NetworkPolicy, direction: Direction, peers: &[NetworkPolicyPeer]) -> Vec<String> {
    let names = |selector: &LabelSelector| -> Vec<String> {
        let exact = selector
            .match_labels
            .iter()
            .flatten()
            .filter(|(key, _)| *key == NAME)
            .map(|(_, value)| value.clone());
        let listed = selector
            .match_expressions
            .iter()
            .flatten()
            .filter(|one| one.key == NAME && one.operator == "In");
        exact
            .chain(listed.flat_map(|one| one.values.clone().unwrap_or_default()))
            .collect()
    };
    let found: Vec<String> = match direction {
        Direction::Ingress => peers
            .iter()
            .filter_map(|peer| peer.pod_selector.as_ref())
            .flat_map(names)
            .collect(),
        Direction::Egress => policy
            .spec
            .as_ref()
            .and_then(|spec| spec.pod_selector.as_ref())
            .map(names)
            .unwrap_or_default(),
    };
    if found.is_empty() {
        vec![ANYBODY.to_owned()]
    } else {
        found
    }
}

fn edge(policy: &NetworkPolicy, direction: Direction, from: String, port: &NetworkPolicyPort) -> Option<Edge> {
    let Some(IntOrString::Int(number)) = port.port else {
        return None;
    };
    Some(Edge {
        policy: policy.name_any(),
        direction,
        from,
        protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
        port: u16::try_from(number).ok()?,
    })
}

fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let exact = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = labels.get(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    exact && expressions
}

fn is_within(address: &str, cidr: &str) -> bool {
    let Some((network, bits)) = cidr.split_once('/') else {
        return false;
    };
    let (Ok(address), Ok(network), Ok(bits)) = (address.parse(), network.parse(), bits.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str) -> End {
        let labels = [("app.kubernetes.io/part-of", "pagos"), ("app.kubernetes.io/name", name)];
        End::Pod(
            "pagos".to_owned(),
            labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        )
    }

    /// Deny all, and bff → redis 6379 in both halves.
    fn rules() -> Rules {
        let ours = json!({"matchLabels": {"app.kubernetes.io/part-of": "pagos"}});
        let of = |name: &str| json!({"matchLabels": {"app.kubernetes.io/name": name}});
        let policies = json!([
            {"metadata": {"name": "deny"}, "spec": {"podSelector": ours, "policyTypes": ["Ingress", "Egress"]}},
            {"metadata": {"name": "to-redis"}, "spec": {"podSelector": of("redis"), "policyTypes": ["Ingress"],
             "ingress": [{"from": [{"podSelector": of("bff")}], "ports": [{"port": 6379, "protocol": "TCP"}]}]}},
            {"metadata": {"name": "out-to-redis"}, "spec": {"podSelector": of("bff"), "policyTypes": ["Egress"],
             "egress": [{"to": [{"podSelector": of("redis")}], "ports": [{"port": 6379, "protocol": "TCP"}]}]}},
        ]);
        Rules::new(
            "pagos".to_owned(),
            serde_json::from_value(policies).unwrap(),
            BTreeMap::new(),
        )
    }

    #[test]
    fn an_edge_needs_both_its_halves() {
        let mut rules = rules();
        assert_eq!(rules.judge(&pod("bff"), &pod("redis"), "TCP", 6379), Ok(rules.edges()));
        rules.policies.pop();
        assert_eq!(
            rules.judge(&pod("bff"), &pod("redis"), "TCP", 6379),
            Err("Egress".to_owned())
        );
    }

    #[test]
    fn nothing_else_is_allowed() {
        let rules = rules();
        for (from, to, port) in [
            ("bff", "redis", 6380),
            ("bff", "postgresql", 6379),
            ("test", "redis", 6379),
        ] {
            assert!(
                rules.judge(&pod(from), &pod(to), "TCP", port).is_err(),
                "{from} → {to} {port}"
            );
        }
        let world = End::Address("10.9.8.7".to_owned());
        assert_eq!(rules.judge(&pod("bff"), &world, "TCP", 443), Err("Egress".to_owned()));
        // The node's probes come through, whatever the policies say.
        assert_eq!(rules.judge(&world, &pod("bff"), "TCP", 8003), Ok(BTreeSet::new()));
    }

    #[test]
    fn a_block_holds_its_addresses() {
        assert!(is_within("10.2.3.4", "10.0.0.0/8") && is_within("10.2.3.4", "0.0.0.0/0"));
        assert!(!is_within("11.2.3.4", "10.0.0.0/8") && !is_within("::1", "0.0.0.0/0"));
    }
}
