//! The API server and its store: a real Kubernetes API, without anything that would run containers.

use std::num::NonZeroUsize;

use super::{Context, local_url};
use crate::kubernetes::NAMESPACE;
use crate::part::{Need, Part, Readiness};

/// Admission plug-ins that are on by default and guard things nobody here creates (pods, volumes, quotas, webhooks…).
/// Each costs something at every write; NamespaceLifecycle stays.
const NEEDLESS_ADMISSION: &str = "CertificateApproval,CertificateSigning,CertificateSubjectRestriction,\
    ClusterTrustBundleAttest,DefaultIngressClass,DefaultStorageClass,DefaultTolerationSeconds,LimitRanger,\
    MutatingAdmissionPolicy,MutatingAdmissionWebhook,PersistentVolumeClaimResize,PodSecurity,PodTopologyLabels,Priority,\
    ResourceQuota,RuntimeClass,ServiceAccount,StorageObjectInUseProtection,TaintNodesByCondition,\
    ValidatingAdmissionPolicy,ValidatingAdmissionWebhook";

/// The API groups that are served, beside ours: what a client of it asks for (core, events, leases, who may do what) and
/// what the server itself watches (services and their addresses). Leaving out the rest (workloads, storage, webhooks…)
/// saves a third of its memory, 125 MiB; a group that the server needs and that is missing keeps `/readyz` from passing.
const SERVED: &str = "api/all=false,api/v1=true,apiextensions.k8s.io/v1=true,apiregistration.k8s.io/v1=true,\
    authentication.k8s.io/v1=true,authorization.k8s.io/v1=true,rbac.authorization.k8s.io/v1=true,\
    coordination.k8s.io/v1=true,events.k8s.io/v1=true,discovery.k8s.io/v1=true,networking.k8s.io/v1=true";

/// etcd. Syncs every write to disk, as in production: what was recorded must survive a power cut.
pub(super) fn etcd(context: &Context) -> Part {
    let ports = context.settings.ports;
    let (client, peer) = (local_url(ports.etcd()), local_url(ports.etcd_peer()));
    let part = Part::new("etcd", &context.tools.etcd)
        .flags([
            ("data-dir", context.layout.data().join("etcd").display().to_string()),
            ("listen-client-urls", client.clone()),
            ("advertise-client-urls", client),
            ("listen-peer-urls", peer.clone()),
            ("initial-advertise-peer-urls", peer.clone()),
            ("initial-cluster", format!("default={peer}")),
        ])
        .ports([ports.etcd(), ports.etcd_peer()])
        .ready(Readiness::http(ports.etcd(), "/health"));
    if context.settings.stock_cluster {
        return part;
    }
    part.flags([("log-level", "warn".to_owned())])
        .env("GOMEMLIMIT", "200MiB")
        .env("GOMAXPROCS", "1")
}

/// kube-apiserver with the settings that make a write cheapest (880 a second on two cores against 510), unless it is to be
/// as it comes.
pub(super) fn kube_apiserver(context: &Context) -> Part {
    let ports = context.settings.ports;
    let server = &context.server;
    let path = |file: &std::path::Path| file.display().to_string();
    let part = Part::new("kube-apiserver", &context.tools.kube_apiserver)
        .flags([
            ("etcd-servers", local_url(ports.etcd())),
            ("bind-address", "127.0.0.1".to_owned()),
            // Without it the server looks for a default route, which a laptop on a train has not.
            ("advertise-address", "127.0.0.1".to_owned()),
            ("secure-port", ports.kube_apiserver().to_string()),
            // There is no cluster network that could lead to it.
            ("endpoint-reconciler-type", "none".to_owned()),
            ("service-cluster-ip-range", "10.96.0.0/24".to_owned()),
            ("client-ca-file", path(&server.ca)),
            ("tls-cert-file", path(&server.certificate)),
            ("tls-private-key-file", path(&server.key)),
            ("service-account-issuer", "https://kubernetes.default.svc".to_owned()),
            ("service-account-key-file", path(&server.service_account_public)),
            ("service-account-signing-key-file", path(&server.service_account_key)),
            ("authorization-mode", "RBAC".to_owned()),
            ("anonymous-auth", "false".to_owned()),
        ])
        .ports([ports.kube_apiserver()])
        .needs(Need::Ready("etcd".to_owned()))
        .ready(Readiness::Kubernetes {
            kubeconfig: context.layout.admin_kubeconfig(),
            namespace: NAMESPACE.to_owned(),
            manifests: context.manifests.clone(),
        });
    if context.settings.stock_cluster {
        return part;
    }
    part.flags([
        ("disable-admission-plugins", NEEDLESS_ADMISSION.to_owned()),
        ("enable-priority-and-fairness", "false".to_owned()),
        // Payments come and go by the thousand; what is old is forgotten ten times as often as it would be.
        ("etcd-compaction-interval", "30s".to_owned()),
        ("runtime-config", SERVED.to_owned()),
        ("profiling", "false".to_owned()),
        // It does not end a watch of custom resources when it is told to go, and would wait a minute for those who watch.
        ("shutdown-watch-termination-grace-period", "1s".to_owned()),
    ])
    // Collect garbage seldom while there is room, and more often when there is none left. It remembers every change of the last 75 s,
    // which under full load is 250 MiB; a limit near that costs it a third more (docs/performance.md).
    .env("GOGC", "500")
    .env("GOMEMLIMIT", "1500MiB")
    // The rest is for those who ask it: on two processors a tenth less of them for a payment (docs/performance.md).
    .env("GOMAXPROCS", (processors() / 2).max(1).to_string())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
