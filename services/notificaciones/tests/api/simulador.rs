//! The real simulator as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use std::io::{BufRead as _, BufReader};

use tempfile::TempDir;

/// A running simulator; ends with the test.
pub(crate) struct Simulador {
    process: Child,
    pub(crate) url: String,
    _folder: TempDir,
}

/// The binary beside ours, built if it is not there.
fn binary() -> PathBuf {
    let ours = Path::new(env!("CARGO_BIN_EXE_notificaciones"));
    let binary = ours.with_file_name("pasarela-simulada");
    if !binary.exists() {
        let target = ours.parent().and_then(Path::parent).unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--package", "pasarela-simulada", "--target-dir"])
            .arg(target)
            .status()
            .unwrap();
        assert!(built.success(), "the simulator does not build");
    }
    binary
}

// === impl Simulador ===

impl Simulador {
    /// Starts one on a free port; slow answers take `slow_ms`.
    pub(crate) fn start(slow_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = format!("sqlite://{}/pasarela.db?mode=rwc", folder.path().display());
        let mut process = Command::new(binary())
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("DATABASE_URL", ledger)
            .env("SLOW_MS", slow_ms.to_string())
            .env("LOG_FORMAT", "json")
            .env("RUST_LOG", "info")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the simulator ended before it listened").unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["fields"]["address"].as_str() {
                break address.to_owned();
            }
        };
        // Its log is read to the end, or it would block once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            url: format!("http://{address}"),
            _folder: folder,
        }
    }
}

impl Drop for Simulador {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
