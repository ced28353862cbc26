//! Every replica of the BFF streams every event.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use local::ports::Ports;
use local::wait::until;

use crate::cluster::{Cluster, Outcome};
use crate::doors::Doors;
use crate::report::{PATIENCE, ensure, text};

/// An open stream of one replica, and what came over it.
pub(crate) struct Replica {
    _door: Doors,
    name: String,
    response: reqwest::Response,
}

/// Opens a stream at each pod of the BFF.
pub(crate) async fn open(cluster: &Cluster, ports: Ports) -> Outcome<Vec<Replica>> {
    let names = cluster.pods("bff")?;
    ensure(names.len() >= 2, || format!("the BFF has {} replicas", names.len()))?;
    let mut replicas = Vec::new();
    for (name, port) in names.into_iter().zip([ports.kube_apiserver(), ports.etcd_peer()]) {
        let door = Doors::to(&name, &cluster.namespace, port, 8003);
        let response = until("a replica's stream", PATIENCE, async || {
            let client = local::http::client().build().map_err(text)?;
            let answer = client
                .get(format!("http://127.0.0.1:{port}/stream"))
                .send()
                .await
                .map_err(text)?;
            answer.error_for_status().map_err(text)
        })
        .await
        .map_err(text)?;
        replicas.push(Replica {
            _door: door,
            name,
            response,
        });
    }
    Ok(replicas)
}

/// Reads each stream until the payment has ended in it: all replicas told of it, under the same numbers.
pub(crate) async fn agree(replicas: Vec<Replica>, id: &str) -> Outcome<usize> {
    let mut told = Vec::new();
    for Replica { _door, name, response } in replicas {
        let mut text_so_far = String::new();
        let mut chunks = response.bytes_stream();
        let ended = async {
            while let Some(chunk) = chunks.next().await {
                text_so_far.push_str(&String::from_utf8_lossy(&chunk.map_err(text)?));
                let mut events = text_so_far.split("\n\n").filter(|event| event.contains(id));
                if events.any(|event| event.contains("Compensated")) {
                    return Ok(());
                }
            }
            Err(format!("the stream of {name} ended"))
        };
        tokio::time::timeout(Duration::from_secs(60), ended)
            .await
            .map_err(|_| format!("{name} did not stream the end of {id}"))??;
        let numbers: BTreeSet<String> = text_so_far
            .split("\n\n")
            .filter(|event| event.contains(id))
            .filter_map(|event| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix("id:"))
                    .map(|id| id.trim().to_owned())
            })
            .collect();
        told.push((name, numbers));
    }
    let (_, first) = told.first().ok_or("no replica")?;
    for (name, numbers) in &told {
        ensure(numbers == first && numbers.len() >= 2, || {
            format!("{name} streamed {numbers:?}, another {first:?}")
        })?;
    }
    Ok(first.len())
}
