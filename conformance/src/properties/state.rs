//! What is asked of a state store, and of whoever looks at the components.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::join_all;
use local::wait::until;
use seedwork_runtime::Expect;
use seedwork_runtime::serve::{self, Health, dress};
use seedwork_runtime::sidecar::{DaprSidecar, Sidecar, SidecarError, Stored};

use super::PROMPT;
use crate::failure::{During as _, Failure, Result};
use crate::receiver::Kind;
use crate::resources;
use crate::rig::Rig;
use crate::sender::client;

const WRITERS: usize = 16;
const RECOVERY: Duration = Duration::from_secs(60);

/// A key nobody has written, from the ids that nobody has sent.
fn key(rig: &Rig) -> String {
    rig.sender.id(Kind::Plain)
}

async fn stored(sidecar: &dyn Sidecar, key: &str) -> Result<Stored> {
    let found = sidecar.get(key).await?;
    found.ok_or_else(|| Failure(format!("{key} is not there")))
}

/// A write that has to lose.
fn lost(outcome: std::result::Result<(), SidecarError>, what: &str) -> Result<()> {
    match outcome {
        Err(SidecarError::Conflict { .. }) => Ok(()),
        Ok(()) => Err(Failure(format!("{what} was accepted"))),
        Err(error) => Err(Failure(format!(
            "{what} is no conflict: {}",
            crate::failure::chain(&error)
        ))),
    }
}

pub(super) async fn a_document_is_created_once(rig: &mut Rig) -> Result<String> {
    let (sidecar, key) = (&rig.sender.sidecar, key(rig));
    sidecar.put(&key, b"first".to_vec(), Expect::Absent).await?;
    lost(
        sidecar.put(&key, b"second".to_vec(), Expect::Absent).await,
        "the second creation",
    )?;
    match stored(sidecar.as_ref(), &key).await?.value.as_slice() {
        b"first" => Ok(String::new()),
        other => Err(Failure(format!("it holds {:?}", String::from_utf8_lossy(other)))),
    }
}

pub(super) async fn an_old_version_is_refused(rig: &mut Rig) -> Result<String> {
    let (sidecar, key) = (&rig.sender.sidecar, key(rig));
    sidecar.put(&key, b"one".to_vec(), Expect::Absent).await?;
    let old = stored(sidecar.as_ref(), &key).await?.etag;
    sidecar.put(&key, b"two".to_vec(), Expect::Version(old.clone())).await?;
    lost(
        sidecar.put(&key, b"three".to_vec(), Expect::Version(old)).await,
        "a write over the old version",
    )?;
    match stored(sidecar.as_ref(), &key).await?.value.as_slice() {
        b"two" => Ok(String::new()),
        other => Err(Failure(format!("it holds {:?}", String::from_utf8_lossy(other)))),
    }
}

pub(super) async fn one_writer_wins(rig: &mut Rig) -> Result<String> {
    const ROUNDS: usize = 5;
    let (sidecar, key) = (&rig.sender.sidecar, key(rig));
    let creations = join_all((0..WRITERS).map(|_| sidecar.put(&key, b"0".to_vec(), Expect::Absent))).await;
    let won = creations.iter().filter(|outcome| outcome.is_ok()).count();
    if won != 1 {
        return Err(Failure(format!("{won} of {WRITERS} creations were accepted")));
    }
    for loser in creations.into_iter().filter(std::result::Result::is_err) {
        lost(loser, "a creation that came second")?;
    }
    // Each adds one, some times, and looks again when another was first.
    let adding = join_all((0..WRITERS).map(async |_| {
        for _ in 0..ROUNDS {
            let added = until("a turn to write", PROMPT, async || {
                add_one(sidecar.as_ref(), &key).await
            });
            added.await?;
        }
        Result::Ok(())
    }));
    adding.await.into_iter().collect::<Result<Vec<()>>>()?;
    let sum = number(&stored(sidecar.as_ref(), &key).await?);
    if sum == WRITERS * ROUNDS {
        Ok(format!("1 of {WRITERS} creations, {sum} of {sum} updates"))
    } else {
        Err(Failure(format!(
            "{} updates were answered, {sum} are there",
            WRITERS * ROUNDS
        )))
    }
}

fn number(stored: &Stored) -> usize {
    String::from_utf8_lossy(&stored.value).parse().unwrap_or_default()
}

async fn add_one(sidecar: &dyn Sidecar, key: &str) -> std::result::Result<(), String> {
    let found = stored(sidecar, key).await.map_err(|failure| failure.to_string())?;
    let more = (number(&found) + 1).to_string().into_bytes();
    let written = sidecar.put(key, more, Expect::Version(found.etag)).await;
    written.map_err(|error| crate::failure::chain(&error))
}

pub(super) async fn writes_survive_a_crash(rig: &mut Rig) -> Result<String> {
    const DOCUMENTS: usize = 60;
    let keys = rig.sender.ids(Kind::Plain, DOCUMENTS);
    let sidecar = Arc::clone(&rig.sender.sidecar);
    let mut repeated = 0;
    for (number, key) in keys.iter().enumerate() {
        if number == DOCUMENTS / 3 {
            // SQLite lives in the sidecar.
            match &mut rig.store {
                Some(store) => {
                    store.kill().await?;
                    store.main.start()?;
                }
                None => {
                    rig.own.process.kill();
                    rig.own.process.start()?;
                }
            }
        }
        let store = &mut rig.store;
        let written = until("a write", RECOVERY, async || {
            if let Some(store) = store.as_mut() {
                // Started again if it ended because the last of it still held the files.
                store.main.start().map_err(|failure| failure.to_string())?;
            }
            match sidecar.put(key, key.clone().into_bytes(), Expect::Absent).await {
                // The first try may have been stored without an answer: then it is ours.
                Ok(()) | Err(SidecarError::Conflict { .. }) => Ok(()),
                Err(error) => {
                    repeated += 1;
                    Err(crate::failure::chain(&error))
                }
            }
        });
        written.await?;
    }
    rig.settle().await?;
    for key in &keys {
        let found = stored(sidecar.as_ref(), key).await?;
        if found.value != key.as_bytes() {
            return Err(Failure(format!("{key} holds something else")));
        }
    }
    Ok(format!("{DOCUMENTS} of {DOCUMENTS} there, {repeated} writes repeated"))
}

/// `GET /health` at a port: status and body.
async fn health(port: u16) -> Result<(u16, String)> {
    let url = format!("http://127.0.0.1:{port}/health");
    let answer = client().map_err(Failure)?.get(url).send().await;
    let answer = answer.during("ask for the health")?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await.during("read the health")?))
}

pub(super) async fn fit_components_are_accepted(rig: &mut Rig) -> Result<String> {
    match health(rig.sender_port()).await? {
        (200, _) => Ok(String::new()),
        (status, body) => Err(Failure(format!("/health answers {status}: {body}"))),
    }
}

pub(super) async fn unfit_components_are_refused(rig: &mut Rig) -> Result<String> {
    let hardened: Vec<PathBuf> = resources::of(rig.root(), rig.choice)?;
    let broker = || hardened.first().cloned().into_iter();
    let forgetful = rig.root().join("conformance/defaults/in-memory.yaml");
    let cases = [
        ("forgets", broker().chain([forgetful]).collect::<Vec<_>>()),
        ("no component is named statestore", broker().collect()),
    ];
    for (number, (reason, files)) in cases.into_iter().enumerate() {
        let _other = rig.other_resources(&format!("unfit-{number}"), &files).await?;
        let port = rig.spare_port();
        let args = rig.sender_args(port);
        let answers = Health {
            sidecar: Arc::new(DaprSidecar::new(&args)?),
            pool: None,
            body: r#"{"status":"up"}"#,
        };
        let router = dress(Router::new(), answers);
        let listener = serve::bind(args.host, port).await?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve::run(listener, router, async {
            stopped.await.ok();
        }));
        let refused = until("the refusal", PROMPT, async || match health(port).await {
            Ok((503, body)) if body.contains(reason) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let refused = refused.await;
        stop.send(()).ok();
        server.await.during("stop a server")??;
        refused?;
    }
    Ok("/health answers 503 with the reason".to_owned())
}
