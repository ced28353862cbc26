//! The cluster, as a person has it: through kubectl and helm.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Holds, or why not.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// One release in one namespace.
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
        self.kubectl(&["create", "namespace", &self.namespace])?;
        let level = "pod-security.kubernetes.io/enforce=restricted";
        self.kubectl(&["label", "namespace", &self.namespace, level]).map(drop)
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
        let chart = self.chart.display().to_string();
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
    let Output { status, stdout, stderr } = command
        .output()
        .map_err(|error| format!("{name} cannot be run; is it on the PATH? {error}"))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = [stdout, stderr]
        .map(|text| String::from_utf8_lossy(&text).trim().to_owned())
        .join("\n");
    Err(format!("{name} {}: {said}", words.join(" ")))
}
