//! What survives: everything that was answered, and everything that was recorded without an answer. Half of these run
//! the real program and kill it with SIGKILL in the middle of a call.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

use pasarela_simulada::{App, AppError};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{Delays, NEVER_MS, Reply, TestApp, autorizacion, config, database_url, get, make_due, post};

#[tokio::test]
async fn a_restart_keeps_the_ledger_the_keys_and_the_counts_of_calls() {
    let app = TestApp::start().await;
    let (autorizacion_id, cargo) = app.cobrar("r", 2_400).await;
    let declined = app.autorizar("declined", "r", 2_402).await;
    assert_eq!(app.autorizar("flapping", "s", 2_416).await.status, 503);
    let message = json!({ "referencia": "r", "medio": "correo", "destino": "ana@x.co", "texto": "Hola" });
    app.post("/mensajes", "m", &message).await;
    let before = (
        app.get("/movimientos").await,
        app.get("/referencias/r").await,
        app.get("/mensajes").await,
    );

    let app = app.restart(Delays::default()).await;
    let after = (
        app.get("/movimientos").await,
        app.get("/referencias/r").await,
        app.get("/mensajes").await,
    );
    assert_eq!(after, before);
    let repeat = app.capturar("r-cap", &autorizacion_id, 2_400).await;
    assert!(repeat.replayed && repeat.id() == cargo);
    let repeat = app.autorizar("declined", "r", 2_402).await;
    assert!(repeat.replayed && repeat.body == declined.body);
    assert_eq!(app.autorizar("flapping", "s", 2_416).await.status, 503);
    assert_eq!(app.autorizar("flapping", "s", 2_416).await.status, 201);
}

#[tokio::test]
async fn a_late_capture_lands_after_a_restart() {
    let app = TestApp::start().await;
    let autorizada = app.autorizar("a", "r", 2_417).await;
    app.capturar_unanswered("c", autorizada.id(), 2_417).await;

    let app = app.restart(Delays::default()).await;
    assert_eq!(
        app.capturar("c", autorizada.id(), 2_417).await.codigo(),
        "ClaveEnCurso",
        "it is still to come"
    );
    let folder = app.stop().await;
    make_due(folder.path()).await;

    let real = Program::start(folder, Delays::default());
    let path = format!("/autorizaciones/{}/captura", autorizada.id());
    let landed = real.until_free(&path, "c", &json!({ "monto": 2_417 })).await;
    assert_eq!((landed.status, landed.replayed), (201, true));
    assert_eq!(
        get(real.address, "/referencias/r").await.body["cargos"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_kill_while_an_answer_is_withheld_loses_neither_the_capture_nor_its_key() {
    let real = Program::start(
        tempfile::tempdir().unwrap(),
        Delays {
            timeout_ms: NEVER_MS,
            ..Delays::default()
        },
    );
    let address = real.address;
    let autorizada = post(address, "/autorizaciones", "a", &autorizacion("r", 2_412))
        .await
        .unwrap();
    let path = format!("/autorizaciones/{}/captura", autorizada.id());
    let held = tokio::spawn({
        let path = path.clone();
        async move { post(address, &path, "c", &json!({ "monto": 2_412 })).await }
    });
    while get(address, "/referencias/r").await.body["cargos"] == json!([]) {}
    let real = real.kill_and_start(Delays::default());
    assert!(held.await.unwrap().is_err());

    let repeat = post(real.address, &path, "c", &json!({ "monto": 2_412 }))
        .await
        .unwrap();
    assert_eq!((repeat.status, repeat.replayed), (201, true));
    let repeat = post(real.address, "/autorizaciones", "a", &autorizacion("r", 2_412))
        .await
        .unwrap();
    assert!(repeat.replayed && repeat.body == autorizada.body);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_call_does_not_leave_its_key_in_flight() {
    let real = Program::start(
        tempfile::tempdir().unwrap(),
        Delays {
            slow_ms: NEVER_MS,
            ..Delays::default()
        },
    );
    let address = real.address;
    let slow = tokio::spawn(async move { post(address, "/autorizaciones", "k", &autorizacion("r", 2_415)).await });
    while get(address, "/referencias/r").await.body["autorizaciones"] == json!([]) {}
    let busy = post(address, "/autorizaciones", "k", &autorizacion("r", 2_415))
        .await
        .unwrap();
    assert_eq!(busy.codigo(), "ClaveEnCurso");

    let real = real.kill_and_start(Delays::default());
    assert!(slow.await.unwrap().is_err());
    let repeat = post(real.address, "/autorizaciones", "k", &autorizacion("r", 2_415))
        .await
        .unwrap();
    assert_eq!((repeat.status, repeat.replayed), (201, true));
}

#[tokio::test]
async fn a_kill_while_nothing_is_recorded_yet_still_counts_the_call() {
    let real = Program::start(tempfile::tempdir().unwrap(), Delays::default());
    assert!(
        post(real.address, "/autorizaciones", "k", &autorizacion("r", 2_411))
            .await
            .is_err()
    );
    let real = real.kill_and_start(Delays::default());
    let repeat = post(real.address, "/autorizaciones", "k", &autorizacion("r", 2_411))
        .await
        .unwrap();
    assert_eq!((repeat.status, repeat.replayed), (201, false));
}

#[tokio::test]
async fn sigterm_ends_the_program_in_good_order() {
    let mut real = Program::start(tempfile::tempdir().unwrap(), Delays::default());
    let pid = real.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(real.child.wait().unwrap().success());
}

#[tokio::test]
async fn unless_told_it_listens_on_every_address_of_ipv6_and_of_ipv4() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), Delays::default());
    command.env_remove("HOST");
    let real = Program::run(command, folder);
    assert!(real.address.ip().is_unspecified(), "{}", real.address);
    // Where the kernel has IPv6.
    assert_eq!(real.address.is_ipv6(), TcpListener::bind("[::]:0").is_ok());
    let by_ipv4 = SocketAddr::from((Ipv4Addr::LOCALHOST, real.address.port()));
    assert_eq!(get(by_ipv4, "/health").await.status, 200);
}

#[tokio::test]
async fn a_taken_port_is_one_sentence_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), Delays::default())
        .arg(format!("--port={port}"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let expected = format!(
        "pasarela-simulada: port {port} is taken: stop the program that listens there \
         (`ss -ltnp 'sport = :{port}'` names it) or set PORT to a free port\n"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

#[tokio::test]
async fn a_ledger_that_is_not_a_sqlite_file_is_refused_without_repeating_its_password() {
    for url in [
        "postgres://me:secret@localhost/db",
        "sqlite::memory:",
        "sqlite://x?mode=memory",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), Delays::default());
        config.database_url = url.to_owned();
        let error = App::build(&config).await.unwrap_err();
        let AppError::Ledger(source) = error else {
            panic!("{error:?}")
        };
        assert_eq!(
            source.to_string(),
            "DATABASE_URL must name a SQLite file, such as sqlite://pasarela.db?mode=rwc"
        );
    }
}

#[tokio::test]
async fn the_ledger_of_money_cannot_be_edited() {
    let app = TestApp::start().await;
    app.cobrar("r", 2_400).await;
    let folder = app.stop().await;
    let pool = sqlx::SqlitePool::connect(&database_url(folder.path())).await.unwrap();
    for edit in ["UPDATE movimientos SET monto = 1", "DELETE FROM movimientos"] {
        let error = sqlx::query(edit).execute(&pool).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

/// The real program as a process.
struct Program {
    child: Child,
    folder: Option<TempDir>,
    address: SocketAddr,
}

fn command(
    folder: &Path,
    Delays {
        slow_ms,
        late_ms,
        timeout_ms,
    }: Delays,
) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pasarela-simulada"));
    command
        .env_clear()
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("DATABASE_URL", database_url(folder))
        .env("SLOW_MS", slow_ms.to_string())
        .env("LATE_MS", late_ms.to_string())
        .env("TIMEOUT_MS", timeout_ms.to_string())
        .env("LOG_FORMAT", "json");
    command
}

// === impl Program ===

impl Program {
    fn start(folder: TempDir, delays: Delays) -> Self {
        Self::run(command(folder.path(), delays), folder)
    }

    fn run(mut command: Command, folder: TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line: Value = serde_json::from_str(&log.next().unwrap().unwrap()).unwrap();
            if line["fields"]["message"] == "listening" {
                break line["fields"]["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Read on, so that the program never waits for its log.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            child,
            folder: Some(folder),
            address,
        }
    }

    /// SIGKILL, then a new process on the same ledger.
    fn kill_and_start(mut self, delays: Delays) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start(self.folder.take().unwrap(), delays)
    }

    async fn until_free(&self, path: &str, key: &str, body: &Value) -> Reply {
        loop {
            let reply = post(self.address, path, key, body).await.unwrap();
            if reply.status != 409 {
                return reply;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
