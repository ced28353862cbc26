//! The ways to the sidecars.

use std::process::Stdio;
use std::time::Duration;

use local::layout::Layout;
use local::ports::Ports;
use seedwork::App;
use seedwork_runtime::fitness::Metadata;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::judge::Finding;
use crate::system::Local;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the system is.
pub(crate) enum Place {
    /// Processes of this machine.
    Here {
        /// Where they listen.
        ports: Ports,
        /// What opens their sidecars.
        token: String,
        /// Which one it is.
        profile: String,
    },
    /// A release in a namespace of the current kube context.
    Cluster {
        /// The namespace.
        namespace: String,
    },
}

/// What came of asking.
pub(crate) struct Answer {
    /// Who was asked.
    pub(crate) at: String,
    /// What it has loaded, or why there is no answer.
    pub(crate) metadata: Result<Metadata, String>,
    /// Whether it says that it works.
    pub(crate) healthy: Result<(), String>,
    /// What was found on the way there.
    pub(crate) more: Vec<Finding>,
}

// === impl Place ===

impl Place {
    /// The place that was asked for, or the local system where there is one.
    pub(crate) fn chosen(local: bool, namespace: Option<String>, system: &Local) -> Result<Self, String> {
        if let Some(namespace) = namespace {
            return Ok(Self::Cluster { namespace });
        }
        match system.layout()? {
            Some(layout) => Self::here(&layout, system.ports()?),
            None if local => Err("there is no local system in this checkout: `make up` starts one".to_owned()),
            None => Err("there is no local system here; `make up` starts one, \
                         `pagos doctor --namespace pagos` asks the cluster of the current kube context"
                .to_owned()),
        }
    }

    fn here(layout: &Layout, ports: Ports) -> Result<Self, String> {
        let file = layout.credentials().join("dapr-api-token");
        let token = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}; `make up` makes it", file.display()))?;
        let profile = layout.state().file_name().unwrap_or_default();
        Ok(Self::Here {
            ports,
            token: token.trim().to_owned(),
            profile: profile.to_string_lossy().into_owned(),
        })
    }

    /// Whether each sidecar is one of several.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// Where an application listens for its sidecar.
    pub(crate) fn app_port(&self, app: App) -> u16 {
        match self {
            Self::Here { ports, .. } => ports.app(app),
            // As the chart has them (`pagos.apps`).
            Self::Cluster { .. } => match app {
                App::Operator => 8080,
                App::Bff => 8003,
                App::GestionClientes => 5000,
                App::IntegracionPagos => 7000,
                App::Notificaciones => 6000,
            },
        }
    }

    /// What to do about a sidecar that does not answer.
    pub(crate) fn remedy(&self, app: App) -> String {
        match self {
            Self::Here { .. } => {
                format!("`make status` shows whether it runs and on which PORT_BASE, `make logs S=daprd-{app}` why not")
            }
            Self::Cluster { namespace } => format!(
                "kubectl -n {namespace} get pods -l app.kubernetes.io/name={app}; docs/operate.md, \"A pod is not ready\""
            ),
        }
    }

    /// Asks an application's sidecar.
    pub(crate) async fn ask(&self, app: App) -> Answer {
        match self {
            Self::Here { ports, token, profile } => {
                let port = ports.sidecar(app).http;
                let (metadata, healthy) = sidecar(port, token).await;
                Answer {
                    at: format!("{profile}, port {port}"),
                    metadata,
                    healthy,
                    more: Vec::new(),
                }
            }
            Self::Cluster { namespace } => in_cluster(namespace, app).await,
        }
    }
}

/// What the sidecar behind a port of this machine says.
async fn sidecar(port: u16, token: &str) -> (Result<Metadata, String>, Result<(), String>) {
    let get = async |path: &str| {
        let client = local::http::client().timeout(PATIENCE).build();
        let client = client.map_err(|error| local::ready::chain(&error))?;
        let url = format!("http://127.0.0.1:{port}{path}");
        let request = client.get(url).header("dapr-api-token", token).send().await;
        let answer = request.map_err(|error| local::ready::chain(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| local::ready::chain(&error))?;
        if status.is_success() {
            Ok(text)
        } else {
            Err(format!("it answers {status} to GET {path}: {}", text.trim()))
        }
    };
    let metadata = get("/v1.0/metadata")
        .await
        .and_then(|text| serde_json::from_str(&text).map_err(|error| format!("its metadata cannot be read: {error}")));
    (metadata, get("/v1.0/healthz").await.map(drop))
}

async fn in_cluster(namespace: &str, app: App) -> Answer {
    let unanswered = |at: String, why: String| Answer {
        at,
        metadata: Err(why),
        healthy: Ok(()),
        more: Vec::new(),
    };
    let at = format!("namespace {namespace}");
    let Pod { name, ready } = match pod(namespace, app).await {
        Ok(pod) => pod,
        Err(why) => return unanswered(at, why),
    };
    let at = format!("{at}, pod {name}");
    let asked = async {
        let token = token(namespace, app).await?;
        let (forward, port) = forward(namespace, &name).await?;
        let answers = sidecar(port, &token).await;
        drop(forward);
        Ok(answers)
    };
    match asked.await {
        Err(why) => unanswered(at, why),
        Ok((metadata, healthy)) => {
            let more = (!ready).then(|| {
                Finding::unfit(
                    "pod",
                    "no pod of it is ready; this one runs",
                    format!("kubectl -n {namespace} describe pod {name}; what follows may be why"),
                )
            });
            Answer {
                at,
                metadata,
                healthy,
                more: more.into_iter().collect(),
            }
        }
    }
}

struct Pod {
    name: String,
    ready: bool,
}

/// A ready pod, else one that runs: an application whose components are unfit is not ready.
async fn pod(namespace: &str, app: App) -> Result<Pod, String> {
    let labels = format!("app.kubernetes.io/name={app},app.kubernetes.io/part-of=pagos");
    let text = kubectl(&[
        "--namespace",
        namespace,
        "get",
        "pods",
        "--selector",
        &labels,
        "--output",
        "json",
    ])
    .await?;
    let list: Value = serde_json::from_str(&text).map_err(|error| format!("kubectl's list of pods: {error}"))?;
    choose(&list).ok_or_else(|| format!("no pod of {app} runs in namespace {namespace}"))
}

fn choose(list: &Value) -> Option<Pod> {
    let running = |pod: &&Value| pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null();
    let pods = list["items"].as_array()?.iter().filter(running);
    let pods = pods.filter_map(|pod| {
        let conditions = pod["status"]["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let name = pod["metadata"]["name"].as_str()?.to_owned();
        Some(Pod { name, ready })
    });
    pods.max_by_key(|pod| pod.ready)
}

/// What opens an application's sidecar.
async fn token(namespace: &str, app: App) -> Result<String, String> {
    let secret = format!("{app}-dapr-token");
    let template = "go-template={{.data.token | base64decode}}";
    kubectl(&["--namespace", namespace, "get", "secret", &secret, "--output", template]).await
}

async fn kubectl(words: &[&str]) -> Result<String, String> {
    let output = timeout(
        PATIENCE,
        Command::new("kubectl").args(words).kill_on_drop(true).output(),
    )
    .await
    .map_err(|_| format!("kubectl {}: no answer in {} s", words.join(" "), PATIENCE.as_secs()))?
    .map_err(|error| format!("kubectl cannot be run; is it on the PATH? {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // The last line is the error; those before it repeat how it was found out.
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("kubectl: {}", said.trim().lines().last().unwrap_or_default()))
}

/// A way to a pod's sidecar, open until it is dropped, and the local port of it.
async fn forward(namespace: &str, pod: &str) -> Result<(Child, u16), String> {
    let mut child = Command::new("kubectl")
        .args(["--namespace", namespace, "port-forward", "--address", "127.0.0.1"])
        .args([&format!("pod/{pod}"), ":3500"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("kubectl cannot be run; is it on the PATH? {error}"))?;
    let lines = child.stdout.take().ok_or("kubectl port-forward has no output")?;
    let mut lines = BufReader::new(lines).lines();
    let first = timeout(PATIENCE, lines.next_line()).await;
    let line = first.ok().and_then(Result::ok).flatten().unwrap_or_default();
    let port = forwarded(&line).ok_or_else(|| format!("kubectl port-forward to pod {pod} does not come up: {line}"))?;
    // It says a line for each connection, and would end if nobody read it. The task ends with kubectl.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, port))
}

/// The port in `Forwarding from 127.0.0.1:40123 -> 3500`.
fn forwarded(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_port_is_read_from_what_kubectl_says() {
        assert_eq!(forwarded("Forwarding from 127.0.0.1:40123 -> 3500"), Some(40123));
        assert_eq!(forwarded("error: pod not found"), None);
    }

    #[test]
    fn a_ready_pod_is_asked_before_one_that_only_runs_and_one_that_leaves_never() {
        let pod = |name: &str, phase: &str, ready: &str| {
            json!({"metadata": {"name": name},
                   "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
        };
        let chosen = |pods: Vec<Value>| choose(&json!({"items": pods})).map(|pod| (pod.name, pod.ready));
        let mut leaving = pod("leaving", "Running", "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T18:00:00Z");
        let (runs, ready) = (pod("runs", "Running", "False"), pod("ready", "Running", "True"));
        let pending = pod("pending", "Pending", "False");
        let all = vec![leaving.clone(), ready, runs.clone(), pending.clone()];
        assert_eq!(chosen(all), Some(("ready".to_owned(), true)));
        assert_eq!(chosen(vec![pending.clone(), runs]), Some(("runs".to_owned(), false)));
        assert_eq!(chosen(vec![pending, leaving]), None);
    }
}
