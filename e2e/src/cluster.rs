//! The cluster, as a person has it: through kubectl and helm.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Holds, or why not.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// One release in one namespace.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// The namespace.
    pub(crate) namespace: String,
    /// The chart.
    pub(crate) chart: PathBuf,
    /// Values, `key=value`.
    pub(crate) values: Vec<String>,
}

/// The name of the release.
const RELEASE: &str = "pagos";

// === impl Cluster ===

impl Cluster {
    /// Makes the namespace, with the pod-security level `restricted` enforced.
    pub(crate) fn make_namespace(&self) -> Outcome {
        let name = &self.namespace;
        self.kubectl(&["create", "namespace", name]).map_err(|said| {
            if said.contains("AlreadyExists") {
                format!(
                    "{said}\nif an earlier run left it: `kubectl --namespace {name} delete paymentsagas --all`, then \
                     `kubectl delete namespace {name}`; else name another with --namespace"
                )
            } else {
                said
            }
        })?;
        let level = "pod-security.kubernetes.io/enforce=restricted";
        self.kubectl(&["label", "namespace", name, level]).map(drop)
    }

    /// Removes the namespace and waits until it is gone.
    pub(crate) fn remove_namespace(&self) -> Outcome {
        // After a failure the release is still there, and its payments leave only as long as their operator is: first they,
        // then the rest. Whether that works is seen below.
        let _ = self.kubectl(&["delete", "paymentsagas", "--all", "--timeout=90s"]);
        self.kubectl(&[
            "delete",
            "namespace",
            &self.namespace,
            "--ignore-not-found",
            "--timeout=120s",
        ])
        .map(drop)
    }

    /// Installs or upgrades the release and waits until it is ready.
    pub(crate) fn install(&self, more: &[&str]) -> Outcome {
        self.install_chart(&self.chart, more)
    }

    /// The same with another chart.
    pub(crate) fn install_chart(&self, chart: &Path, more: &[&str]) -> Outcome {
        let chart = chart.display().to_string();
        let mut words = vec!["upgrade", "--install", RELEASE, &chart, "--wait", "--timeout", "5m"];
        for value in self.values.iter().map(String::as_str).chain(more.iter().copied()) {
            words.extend(["--set", value]);
        }
        self.helm(&words).map(drop)
    }

    /// The chart's own test.
    pub(crate) fn test(&self) -> Outcome<String> {
        self.helm(&["test", RELEASE, "--timeout", "3m"])
    }

    /// Asks `pagos doctor`, which is built beside us, about the release.
    pub(crate) fn doctor(&self) -> Outcome {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut doctor = Command::new(own.with_file_name("pagos"));
        let words = ["doctor", "--namespace", &self.namespace];
        run(doctor.args(words), "pagos (run `make build`)", &words).map(drop)
    }

    /// Uninstalls the release.
    pub(crate) fn uninstall(&self) -> Outcome {
        self.helm(&[
            "uninstall",
            RELEASE,
            "--wait",
            "--cascade",
            "foreground",
            "--timeout",
            "5m",
        ])
        .map(drop)
    }

    /// Applies a manifest.
    pub(crate) fn apply(&self, manifest: &str) -> Outcome {
        let words = ["apply", "--filename", "-"];
        let failed = |error: std::io::Error| format!("kubectl cannot be run; is it on the PATH? {error}");
        let mut kubectl = Command::new("kubectl");
        kubectl.args(["--namespace", &self.namespace]).args(words);
        kubectl
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut kubectl = kubectl.spawn().map_err(failed)?;
        if let Some(mut stdin) = kubectl.stdin.take() {
            stdin.write_all(manifest.as_bytes()).map_err(failed)?;
        }
        answer(&kubectl.wait_with_output().map_err(failed)?, "kubectl", &words).map(drop)
    }

    /// The pods of an application, as `pod/…`, those that are on their way out left aside.
    pub(crate) fn pods(&self, app: &str) -> Outcome<Vec<String>> {
        let selector = format!("app.kubernetes.io/component={app}");
        let pods = self.json(&["get", "pods", "-l", &selector])?;
        let stay = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok(stay
            .filter_map(|pod| Some(format!("pod/{}", pod["metadata"]["name"].as_str()?)))
            .collect())
    }

    /// The items of a list.
    pub(crate) fn json(&self, words: &[&str]) -> Outcome<Vec<Value>> {
        let list = self.kubectl(&[words, &["-o", "json"]].concat())?;
        let list: Value = serde_json::from_str(&list).map_err(|error| error.to_string())?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// A value of a Secret.
    pub(crate) fn secret(&self, name: &str, key: &str) -> Outcome<String> {
        let template = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
        self.kubectl(&["get", "secret", name, "-o", &template])
    }

    /// Runs helm in the namespace.
    pub(crate) fn helm(&self, words: &[&str]) -> Outcome<String> {
        let mut command = Command::new("helm");
        run(
            command.args(["--namespace", &self.namespace]).args(words),
            "helm",
            words,
        )
    }

    /// Runs kubectl in the namespace.
    pub(crate) fn kubectl(&self, words: &[&str]) -> Outcome<String> {
        let mut command = Command::new("kubectl");
        run(
            command.args(["--namespace", &self.namespace]).args(words),
            "kubectl",
            words,
        )
    }
}

fn run(command: &mut Command, name: &str, words: &[&str]) -> Outcome<String> {
    let output = command
        .output()
        .map_err(|error| format!("{name} cannot be run; is it on the PATH? {error}"))?;
    answer(&output, name, words)
}

fn answer(Output { status, stdout, stderr }: &Output, name: &str, words: &[&str]) -> Outcome<String> {
    if status.success() {
        return Ok(String::from_utf8_lossy(stdout).into_owned());
    }
    let said = [stdout, stderr]
        .map(|text| String::from_utf8_lossy(text).trim().to_owned())
        .join("\n");
    Err(format!("{name} {}: {said}", words.join(" ")))
}
