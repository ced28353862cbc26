//! Who tries what is not theirs: a sidecar that commands a participant, a pod with an identity of its own, a client that
//! speaks to the broker and the databases past Dapr. Each attempt is refused, and what is allowed beside it goes through:
//! a door that is merely broken would refuse as well.

use std::time::Duration;

use local::ports::Ports;
use local::wait::until;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::Connection as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cluster::{Cluster, Outcome};
use crate::doors::Doors;
use crate::edges::INTRUDER;
use crate::report::{PATIENCE, ensure, text};

/// An event that is a command by its type, and a payment's that does not exist.
fn command() -> String {
    json!({
        "specversion": "1.0", "id": "e2e-intruder", "type": "RealizarPago", "source": "e2e", "subject": "e2e-intruder",
        "datacontenttype": "application/json", "data": {}
    })
    .to_string()
}

/// The BFF's own sidecar refuses to command the gateway service, and takes what the BFF may say.
pub(crate) async fn command_by_the_bff(cluster: &Cluster, ports: Ports) -> Outcome {
    let sidecar = ports.sidecar(seedwork::App::Bff).http;
    let _door = Doors::to("deployment/bff", &cluster.namespace, sidecar, 3500);
    let token = cluster.secret("bff-dapr-token", "token")?;
    let publish = async |topic: &str, token: &str| {
        until("the sidecar", PATIENCE, async || {
            let request = client()?
                .post(format!("http://127.0.0.1:{sidecar}/v1.0/publish/pubsub/{topic}"))
                .header("content-type", "application/cloudevents+json")
                .header("dapr-api-token", token)
                .body(command());
            request.send().await.map(|answer| answer.status()).map_err(text)
        })
        .await
        .map_err(text)
    };
    let refused = publish("inbox-integracion-pagos", &token).await?;
    ensure(refused == StatusCode::FORBIDDEN, || {
        format!("a command of the BFF is answered {refused}")
    })?;
    let stranger = publish("inbox-operator", "not-the-token").await?;
    ensure(stranger == StatusCode::UNAUTHORIZED, || {
        format!("a wrong token is answered {stranger}")
    })?;
    let allowed = publish("dead-letter-bff", &token).await?;
    ensure(allowed.is_success(), || {
        format!("what the BFF may publish is answered {allowed}")
    })
}

/// A pod of another app id in the namespace: it gets no broker, and gestion-clientes does not let it in.
pub(crate) async fn another_app(cluster: &Cluster, ports: Ports) -> Outcome {
    cluster.apply(&pod("e2e-intruder", Kind::Intruder))?;
    let outcome = try_another_app(cluster, ports).await;
    cluster.kubectl(&["delete", "pod", "e2e-intruder", "--grace-period=1"])?;
    outcome
}

async fn try_another_app(cluster: &Cluster, ports: Ports) -> Outcome {
    let port = ports.sidecar(seedwork::App::Notificaciones).http;
    let _door = Doors::to("pod/e2e-intruder", &cluster.namespace, port, 3500);
    let base = format!("http://127.0.0.1:{port}/v1.0");
    let publish = async |topic: &str| {
        until("the intruder's sidecar", PATIENCE, async || {
            let request = client()?.post(format!("{base}/publish/pubsub/{topic}")).body(command());
            let answer = request.send().await.map_err(text)?;
            let status = answer.status();
            Ok((status, answer.text().await.map_err(text)?))
        })
        .await
        .map_err(text)
    };
    let (status, said) = publish("inbox-integracion-pagos").await?;
    ensure(status.is_client_error() && said.contains("ERR_PUBSUB"), || {
        format!("a command of a strange app is answered {status}: {said}")
    })?;
    let invoked = client()?
        .get(format!("{base}/invoke/gestion-clientes/method/clientes/cliente"))
        .send()
        .await
        .map_err(text)?;
    let (status, said) = (invoked.status(), invoked.text().await.map_err(text)?);
    ensure(status == StatusCode::FORBIDDEN, || {
        format!("a strange app that invokes gestion-clientes is answered {status}: {said}")
    })
}

/// The broker asks for a password.
pub(crate) async fn broker(cluster: &Cluster, ports: Ports) -> Outcome {
    let port = ports.redis();
    let _door = Doors::to("service/redis", &cluster.namespace, port, 6379);
    let say = async |lines: &str| -> Outcome<String> {
        until("the broker", PATIENCE, async || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(text)?;
            stream.write_all(lines.as_bytes()).await.map_err(text)?;
            let mut answer = vec![0; 512];
            let read = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer))
                .await
                .map_err(text)?;
            let read = read.map_err(text)?;
            ensure(read > 0, || "it hung up".to_owned())?;
            Ok(String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned())
        })
        .await
        .map_err(text)
    };
    let refused = say("XADD inbox-integracion-pagos * data {}\r\n").await?;
    ensure(refused.starts_with("-NOAUTH"), || {
        format!("without a password the broker says {refused}")
    })?;
    let password = cluster.secret("broker", "redisPassword")?;
    let allowed = say(&format!("AUTH {password}\r\n")).await?;
    ensure(allowed.starts_with("+OK"), || {
        format!("with its password the broker says {allowed}")
    })
}

/// The databases ask for a password, and an application's opens its own and no other.
pub(crate) async fn databases(cluster: &Cluster, ports: Ports) -> Outcome {
    let port = ports.etcd();
    let _door = Doors::to("service/postgresql", &cluster.namespace, port, 5432);
    let password = cluster.secret("postgresql", "bff")?;
    let connect = async |user: &str, password: &str, database: &str| {
        let url = format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable");
        until("the database", PATIENCE, async || {
            match sqlx::PgConnection::connect(&url).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    Ok(None)
                }
                Err(sqlx::Error::Database(refusal)) => Ok(Some(refusal.to_string())),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
        .map_err(text)
    };
    let wrong = connect("bff", "not-the-password", "bff").await?;
    ensure(wrong.as_deref().is_some_and(|said| said.contains("password")), || {
        format!("with a wrong password the database says {wrong:?}")
    })?;
    for database in ["operator", "statestore", "integracion-pagos"] {
        let strange = connect("bff", &password, database).await?;
        ensure(
            strange
                .as_deref()
                .is_some_and(|said| said.contains("permission denied")),
            || format!("to the BFF the database {database} says {strange:?}"),
        )?;
    }
    let own = connect("bff", &password, "bff").await?;
    ensure(own.is_none(), || format!("to the BFF its own database says {own:?}"))
}

/// What a pod of ours is to the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With a Dapr identity of its own: tries what it may not.
    Intruder,
    /// Of the same cluster and nothing more: looks in at doors that are open to it.
    Stranger,
}

/// A pod that meets the level `restricted`, with a shell and nothing else.
pub(crate) fn pod(name: &str, kind: Kind) -> String {
    let (dapr, labels) = match kind {
        Kind::Intruder => ("\"true\"", format!("{INTRUDER}: \"\"")),
        Kind::Stranger => ("\"false\"", String::new()),
    };
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{{labels}}}
  annotations:
    dapr.io/enabled: {dapr}
    dapr.io/app-id: intruso
    dapr.io/sidecar-seccomp-profile-type: RuntimeDefault
    # It has no token for the API server, and its sidecar would insist on one.
    dapr.io/disable-builtin-k8s-secret-store: "true"
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: shell
      image: docker.io/library/busybox:1.36
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "sleep 3600"]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"#
    )
}

fn client() -> Outcome<reqwest::Client> {
    local::http::client()
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(text)
}
