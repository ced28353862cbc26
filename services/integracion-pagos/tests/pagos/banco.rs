//! Gateways whose ledger can be read: the double, and the simulator as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use integracion_pagos::adapters::pasarela::{Pasarela, PasarelaMemoria, PasarelaSimulada, Respuesta};
use integracion_pagos::domain::Operacion;
use seedwork::{Dinero, IdCorrelacion, Moneda};
use serde_json::Value;

/// A gateway and its ledger.
#[async_trait]
pub(crate) trait Banco: Send + Sync {
    fn pasarela(&self) -> &dyn Pasarela;

    /// What happened to a payment's money, sorted: the operation and its minor units.
    async fn movimientos(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)>;
}

pub(crate) fn usd(minor: i64) -> Dinero {
    Dinero::from_minor(minor, Moneda::USD).unwrap()
}

/// What a call that is done answered.
pub(crate) fn done<T: std::fmt::Debug>(answer: Respuesta<T>) -> T {
    match answer {
        Respuesta::Hecho(value) => value,
        other @ (Respuesta::Rechazado(_) | Respuesta::Incierto(_)) => panic!("not done: {other:?}"),
    }
}

#[async_trait]
impl Banco for PasarelaMemoria {
    fn pasarela(&self) -> &dyn Pasarela {
        self
    }

    async fn movimientos(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)> {
        let mut movements = PasarelaMemoria::movimientos(self, id);
        movements.sort_unstable();
        movements
    }
}

/// The simulator at work.
pub(crate) struct Proceso {
    child: Child,
    base: String,
    pasarela: PasarelaSimulada,
    _folder: tempfile::TempDir,
}

impl Proceso {
    /// Starts the simulator on a port of its own choice, with delays that suit a test.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary())
            .env("HOST", "127.0.0.1")
            .env("PORT", "0")
            .env(
                "DATABASE_URL",
                format!("sqlite://{}/pasarela.db?mode=rwc", folder.path().display()),
            )
            .env("SLOW_MS", "50")
            .env("LATE_MS", "200")
            .env("TIMEOUT_MS", "100")
            .env("LOG_FORMAT", "json")
            .env("RUST_LOG", "info")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            line["fields"]["address"].as_str().map(str::to_owned)
        });
        // The rest is read too, or the simulator would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let base = format!("http://{}", address.expect("the simulator says where it listens"));
        let pasarela = PasarelaSimulada::new(&base, Duration::from_secs(3)).unwrap();
        Self {
            child,
            base,
            pasarela,
            _folder: folder,
        }
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Proceso {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[async_trait]
impl Banco for Proceso {
    fn pasarela(&self) -> &dyn Pasarela {
        &self.pasarela
    }

    async fn movimientos(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)> {
        let all: Value = reqwest::get(format!("{}/referencias/{id}", self.base))
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let list = |name: &str| all[name].as_array().unwrap().clone();
        let of = |operacion, rows: Vec<Value>| {
            rows.into_iter()
                .map(move |row| (operacion, row["monto"].as_i64().unwrap()))
        };
        let voided = list("autorizaciones")
            .into_iter()
            .filter(|row| row["estado"] == "anulada")
            .collect();
        let mut movements: Vec<_> = of(Operacion::Autorizar, list("autorizaciones"))
            .chain(of(Operacion::Capturar, list("cargos")))
            .chain(of(Operacion::Anular, voided))
            .chain(of(Operacion::Reembolsar, list("reembolsos")))
            .collect();
        movements.sort_unstable();
        movements
    }
}

/// The simulator's binary: `PASARELA_SIMULADA_BIN`, or the one next to this test, which is built if it is missing. It
/// shares no crate with us, so cargo does not build it for us.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PASARELA_SIMULADA_BIN") {
        return path.into();
    }
    // target/<profile>/deps/<this test>
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join("pasarela-simulada");
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--package", "pasarela-simulada", "--target-dir"])
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the simulator cannot be built");
    }
    path
}
