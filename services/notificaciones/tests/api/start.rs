//! The process at its start.

use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

#[tokio::test]
async fn it_asks_its_database_before_it_listens() {
    let database = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://x@{}/x", database.local_addr().unwrap());
    // Its port is somebody else's: if it listened first it would end without a word to its database.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_notificaciones"))
        .env("HOST", "127.0.0.1")
        .env("PORT", taken.local_addr().unwrap().port().to_string())
        .env("DATABASE_URL", &url)
        .env("PROVEEDOR_URL", "http://127.0.0.1:1")
        .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    tokio::select! {
        asked = database.accept() => drop(asked.unwrap()),
        ended = process.wait() => panic!("it ended before it asked its database: {ended:?}"),
    }
}
