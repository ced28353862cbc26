//! The ways to the sidecars.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use local::layout::Layout;
use local::part::{Part, read_parts};
use seedwork::App;
use seedwork_runtime::fitness::Metadata;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
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
        /// Where each application listens.
        ports: BTreeMap<App, Listening>,
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

/// Where an application of this machine listens, and its sidecar's HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listening {
    app: u16,
    sidecar: u16,
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
            Some(layout) => Self::here(&layout),
            None if local => Err("there is no local system in this checkout: `make up` starts one".to_owned()),
            None => Err("there is no local system here; `make up` starts one, \
                         `pagos doctor --namespace pagos` asks the cluster of the current kube context"
                .to_owned()),
        }
    }

    fn here(layout: &Layout) -> Result<Self, String> {
        // The list that its supervisor was given, so nobody has to say again which ports they are.
        let parts = read_parts(layout.state())
            .map_err(|error| format!("{}; `make up` makes it", local::ready::chain(&error)))?;
        let ports = App::ALL
            .into_iter()
            .map(|app| Listening::of(app, &parts).map(|listening| (app, listening)));
        let ports = ports.collect::<Result<BTreeMap<_, _>, String>>()?;
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
            Self::Here { ports, .. } => ports[&app].app,
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
            Self::Here { .. } => format!("`make status` shows whether it runs, `make logs S=daprd-{app}` why not"),
            Self::Cluster { namespace } => format!(
                "kubectl -n {namespace} get pods -l app.kubernetes.io/name={app}; docs/operate.md, \"A pod is not ready\""
            ),
        }
    }

    /// Asks an application's sidecar.
    pub(crate) async fn ask(&self, app: App) -> Answer {
        match self {
            Self::Here { ports, token, profile } => {
                let port = ports[&app].sidecar;
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

// === impl Listening ===

impl Listening {
    fn of(app: App, parts: &[Part]) -> Result<Self, String> {
        let port = |name: &str| {
            let part = parts.iter().find(|part| part.name == name);
            // The first is the one to tell people; of a sidecar, that of its HTTP API.
            let port = part.and_then(|part| part.ports.first().copied());
            port.ok_or_else(|| format!("{name} is no part of the local system as it was started; `make up` starts all"))
        };
        Ok(Self {
            app: port(app.id())?,
            sidecar: port(&format!("daprd-{app}"))?,
        })
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
    let unanswered = |at: String, why: String, more: Vec<Finding>| Answer {
        at,
        metadata: Err(why),
        healthy: Ok(()),
        more,
    };
    let at = format!("namespace {namespace}");
    let (Pod { name, ready }, others) = match pods(namespace, app).await {
        Ok(found) => found,
        Err(why) => return unanswered(at, why, Vec::new()),
    };
    let mut more: Vec<Finding> = others.iter().map(|other| other.finding(namespace)).collect();
    let at = format!("{at}, pod {name}");
    let asked = async {
        let token = token(namespace, app).await?;
        let (forward, port) = forward(namespace, &name).await?;
        let answers = sidecar(port, &token).await;
        drop(forward);
        Ok(answers)
    };
    match asked.await {
        Err(why) => unanswered(at, why, more),
        Ok((metadata, healthy)) => {
            if !ready {
                more.push(Finding::unfit(
                    "pod",
                    "no pod of it is ready; this one runs",
                    format!("kubectl -n {namespace} describe pod {name}; what follows may be why"),
                ));
            }
            Answer {
                at,
                metadata,
                healthy,
                more,
            }
        }
    }
}

/// The pod that is asked.
struct Pod {
    name: String,
    ready: bool,
}

/// Another one, which is not ready.
struct Unready {
    name: String,
    phase: String,
}

/// The pod to ask, and those beside it that are not ready.
async fn pods(namespace: &str, app: App) -> Result<(Pod, Vec<Unready>), String> {
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

/// A ready pod, else one that runs: an application whose components are unfit is not ready. While a rollout is stuck the
/// old pod is ready, so what else should be and is not is told, too. Pods that leave or have done their work are neither.
fn choose(list: &Value) -> Option<(Pod, Vec<Unready>)> {
    let phase = |pod: &Value| pod["status"]["phase"].as_str().unwrap_or("Unknown").to_owned();
    let is_to_be = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null() && phase(pod) != "Succeeded";
    let mut pods: Vec<(Pod, String)> = list["items"]
        .as_array()?
        .iter()
        .filter(is_to_be)
        .filter_map(|pod| {
            let conditions = pod["status"]["conditions"].as_array();
            let ready = conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            let name = pod["metadata"]["name"].as_str()?.to_owned();
            Some((Pod { name, ready }, phase(pod)))
        })
        .collect();
    let running = pods.iter().enumerate().filter(|(_, (_, phase))| phase == "Running");
    let (index, _) = running.max_by_key(|(_, (pod, _))| pod.ready)?;
    let (asked, _) = pods.remove(index);
    let others = pods.into_iter().filter(|(pod, _)| !pod.ready);
    let others = others.map(|(Pod { name, .. }, phase)| Unready { name, phase });
    Some((asked, others.collect()))
}

// === impl Unready ===

impl Unready {
    fn finding(&self, namespace: &str) -> Finding {
        let Self { name, phase } = self;
        Finding::warning(
            "pod",
            format!("{name} is not ready ({phase}); another one was asked"),
            format!("kubectl -n {namespace} describe pod {name}"),
        )
    }
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
    Err(format!("kubectl: {}", last_line(&output.stderr)))
}

/// Of what kubectl says: it is the error, and those before it repeat how it was found out.
fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    said.trim().lines().last().unwrap_or_default().to_owned()
}

/// A way to a pod's sidecar, open until it is dropped, and the local port of it.
async fn forward(namespace: &str, pod: &str) -> Result<(Child, u16), String> {
    let mut kubectl = Command::new("kubectl");
    kubectl
        .args(["--namespace", namespace, "port-forward", "--address", "127.0.0.1"])
        .args([&format!("pod/{pod}"), ":3500"]);
    let up = come_up(&mut kubectl).await;
    up.map_err(|why| format!("kubectl port-forward to pod {pod} does not come up: {why}"))
}

/// Starts a port-forward, and waits until it says where it listens; else the error is what it said.
async fn come_up(kubectl: &mut Command) -> Result<(Child, u16), String> {
    let mut child = kubectl
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("kubectl cannot be run; is it on the PATH? {error}"))?;
    let lines = child.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(lines).lines();
    let first = timeout(PATIENCE, lines.next_line()).await;
    let line = first.ok().and_then(Result::ok).flatten().unwrap_or_default();
    let Some(port) = forwarded(&line) else {
        // It has ended, or nobody waits for it any longer. That it cannot be killed is as good.
        let _ = child.start_kill();
        let rest = timeout(PATIENCE, child.wait_with_output()).await;
        let rest = rest.ok().and_then(Result::ok).map(|output| last_line(&output.stderr));
        let said = [rest.unwrap_or_default(), line];
        return Err(said
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_else(|| "it says nothing".to_owned()));
    };
    // It says a line for each connection, and would end if nobody read it. The tasks end with kubectl.
    tokio::spawn(drain(lines.into_inner()));
    if let Some(errors) = child.stderr.take() {
        tokio::spawn(drain(errors));
    }
    Ok((child, port))
}

async fn drain(mut output: impl AsyncRead + Unpin) {
    let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
}

/// The port in `Forwarding from 127.0.0.1:40123 -> 3500`.
fn forwarded(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use local::layout::parts_file;
    use local::part::to_json;
    use local::parts;
    use local::ports::Ports;
    use local::settings::{Profile, Settings};
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
        // The one that is asked, whether it is ready, and the others that are not.
        let chosen = |pods: &[&Value]| {
            choose(&json!({"items": pods})).map(|(pod, others)| {
                let others: Vec<String> = others.into_iter().map(|other| other.name).collect();
                (pod.name, pod.ready, others.join(" "))
            })
        };
        let found = |name: &str, ready, others: &str| Some((name.to_owned(), ready, others.to_owned()));
        let mut leaving = pod("leaving", "Running", "True");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T18:00:00Z");
        let (runs, ready) = (pod("runs", "Running", "False"), pod("ready", "Running", "True"));
        let (pending, job) = (pod("pending", "Pending", "False"), pod("job", "Succeeded", "False"));
        let all = [&leaving, &ready, &ready, &job];
        assert_eq!(chosen(&all), found("ready", true, ""));
        // A rollout that is stuck.
        assert_eq!(chosen(&[&ready, &pending]), found("ready", true, "pending"));
        assert_eq!(chosen(&[&runs, &ready]), found("ready", true, "runs"));
        assert_eq!(chosen(&[&pending, &runs]), found("runs", false, "pending"));
        assert_eq!(chosen(&[&pending, &leaving, &job]), None);
    }

    #[test]
    fn a_pod_that_is_not_ready_beside_the_one_that_is_asked_is_to_be_known() {
        let other = Unready {
            name: "bff-1".to_owned(),
            phase: "Pending".to_owned(),
        };
        let expected = Finding::warning(
            "pod",
            "bff-1 is not ready (Pending); another one was asked",
            "kubectl -n pagos describe pod bff-1",
        );
        assert_eq!(other.finding("pagos"), expected);
    }

    #[tokio::test]
    async fn a_port_forward_that_does_not_come_up_says_why() {
        let run = async |script: &str| {
            come_up(Command::new("sh").args(["-c", script]))
                .await
                .map(|(_, port)| port)
        };
        let refused = "echo 'how it was found out' >&2; echo 'error: pod is not running' >&2; exit 1";
        assert_eq!(run(refused).await, Err("error: pod is not running".to_owned()));
        assert_eq!(run("echo what; exec sleep 60").await, Err("what".to_owned()));
        assert_eq!(run("exit 1").await, Err("it says nothing".to_owned()));
        let up = "echo 'Forwarding from 127.0.0.1:40123 -> 3500'; exec sleep 60";
        assert_eq!(run(up).await, Ok(40123));
    }

    #[test]
    fn the_ports_are_those_that_the_system_was_started_with() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path(), Profile::Up);
        layout.create().unwrap();
        std::fs::write(layout.credentials().join("dapr-api-token"), "t\n").unwrap();
        let write = |parts: &[Part]| std::fs::write(parts_file(layout.state()), to_json(parts).unwrap()).unwrap();
        // As `local` would start it.
        let settings = Settings::of(Profile::Up, Ports::from_base(18000).unwrap());
        let parts = parts::all(&parts::Context::of_names(settings, layout.clone()));
        write(&parts);
        let Ok(Place::Here { ports, .. }) = Place::here(&layout) else {
            panic!("there is a system");
        };
        for app in App::ALL {
            let base = Ports::from_base(18000).unwrap();
            let expected = Listening {
                app: base.app(app),
                sidecar: base.sidecar(app).http,
            };
            assert_eq!(ports[&app], expected, "{app}");
        }
        // A list without our services.
        write(&parts[..4]);
        let why = Place::here(&layout).err().unwrap();
        assert!(why.starts_with("operator is no part of the local system"), "{why}");
    }
}
