//! Looking whether a part is ready.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use crate::part::Readiness;
use crate::{kubernetes, redis};

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long applying the manifests may take: a new resource definition is served after a second or two.
const PREPARE_PATIENCE: Duration = Duration::from_secs(20);

/// Looks once. The error says what was seen instead.
pub async fn check(ready: &Readiness) -> Result<(), String> {
    let look = async {
        match ready {
            Readiness::Running => Ok(()),
            Readiness::Http { url } => http(url).await,
            Readiness::Redis { port, password } => pong(*port, password).await,
            Readiness::Kubernetes { kubeconfig, .. } => match kubernetes::ready(kubeconfig).await {
                Ok(()) => Ok(()),
                Err(error) => Err(failed_checks(&chain(&error))),
            },
        }
    };
    timeout(PATIENCE, look)
        .await
        .unwrap_or_else(|_| Err(format!("no answer in {} s", PATIENCE.as_secs())))
}

/// What has to be done once a part answers and before it counts as ready. Can be repeated.
pub async fn prepare(ready: &Readiness) -> Result<(), String> {
    match ready {
        Readiness::Running | Readiness::Http { .. } | Readiness::Redis { .. } => Ok(()),
        Readiness::Kubernetes {
            kubeconfig,
            namespace,
            manifests,
        } => match timeout(PREPARE_PATIENCE, kubernetes::apply(kubeconfig, namespace, manifests)).await {
            Ok(done) => done.map_err(|error| chain(&error)),
            Err(_) => Err(format!(
                "the manifests were not applied in {} s",
                PREPARE_PATIENCE.as_secs()
            )),
        },
    }
}

async fn http(url: &str) -> Result<(), String> {
    let client = crate::http::client().build().map_err(|error| chain(&error))?;
    let response = client.get(url).send().await.map_err(|error| chain(&error))?;
    if response.status().is_success() {
        Ok(())
    } else {
        Err(format!("it answers {}", response.status()))
    }
}

async fn pong(port: u16, password: &str) -> Result<(), String> {
    let answer = redis::ask(port, password, "PING").await;
    match answer.map_err(|error| error.to_string())?.concat().as_str() {
        "PONG" => Ok(()),
        other => Err(format!("it answers {other:?}")),
    }
}

/// The API server answers with all its checks, one a line; those that fail are the news.
fn failed_checks(answer: &str) -> String {
    let names: BTreeSet<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("[-]")?.split_whitespace().next())
        .collect();
    if names.is_empty() {
        answer.lines().next().unwrap_or_default().to_owned()
    } else {
        format!("not yet: {}", Vec::from_iter(names).join(", "))
    }
}

/// An error and what caused it, on one line; a link that repeats the one before it is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn answering(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        port
    }

    #[tokio::test]
    async fn only_a_2xx_answer_counts_as_ready() {
        let up = answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(check(&Readiness::http(up, "/health")).await, Ok(()));
        let down = answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(
            check(&Readiness::http(down, "/health")).await,
            Err("it answers 503 Service Unavailable".to_owned())
        );
    }

    #[tokio::test]
    async fn redis_that_still_loads_its_log_is_not_ready() {
        let redis = |port| Readiness::Redis {
            port,
            password: "p".to_owned(),
        };
        let ready = answering("+OK\r\n+PONG\r\n").await;
        assert_eq!(check(&redis(ready)).await, Ok(()));
        let loading = answering("+OK\r\n-LOADING Redis is loading the dataset in memory\r\n").await;
        assert!(check(&redis(loading)).await.unwrap_err().contains("LOADING"));
    }

    #[test]
    fn of_a_long_answer_only_the_failed_checks_are_said() {
        let answer = "failed to ask /readyz: ApiError: [+]ping ok\n[-]informer-sync failed: reason withheld\n[+]etcd ok\n\
                      [-]poststarthook/rbac failed: reason withheld\n[-]informer-sync failed: reason withheld\n";
        assert_eq!(failed_checks(answer), "not yet: informer-sync, poststarthook/rbac");
        assert_eq!(failed_checks("connection refused\nand more"), "connection refused");
    }

    #[tokio::test]
    async fn nobody_listening_is_said_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let seen = check(&Readiness::http(port, "/")).await.unwrap_err();
        assert!(seen.contains("refused"), "{seen}");
    }
}
