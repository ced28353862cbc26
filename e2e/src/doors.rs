//! Local ports that lead to the services of the cluster.

use std::process::Stdio;
use std::time::Duration;

use local::ports::Ports;
use reqwest::header::CONNECTION;
use seedwork::App;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Port forwards, kept up: a forward ends with the pod that it leads to, or should. One that had many connections at that
/// moment has been seen to stay and lead nowhere (kubectl 1.34), so it is asked from time to time whether anybody answers.
pub(crate) struct Doors(Vec<JoinHandle<()>>);

/// How often a forward is tried, and how long an answer may take.
const LOOK: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(10);

/// How long to wait before a forward that ended is made again: its pod is being replaced.
const AGAIN: Duration = Duration::from_millis(300);

impl Drop for Doors {
    fn drop(&mut self) {
        // The kubectl processes go with their tasks (kill_on_drop).
        self.0.iter().for_each(JoinHandle::abort);
    }
}

// === impl Doors ===

impl Doors {
    /// Opens a way to every service that is asked from outside, on the ports where a local system has them.
    pub(crate) fn open(namespace: &str, ports: Ports, http: &reqwest::Client) -> Self {
        let ways = [
            ("service/bff", ports.app(App::Bff), 8003),
            ("service/gestion-clientes", ports.app(App::GestionClientes), 5000),
            ("service/integracion-pagos", ports.app(App::IntegracionPagos), 7000),
            ("service/notificaciones", ports.app(App::Notificaciones), 6000),
            ("service/pasarela-simulada", ports.pasarela(), 7100),
            ("service/jaeger", ports.jaeger_query(), 16686),
        ];
        let ways = ways.map(|(target, here, there)| {
            let http = http.clone();
            keep(target, namespace, here, there, move || silence(http.clone(), here))
        });
        Self(ways.into_iter().collect())
    }

    /// Opens one way, to a pod, a service or a deployment.
    pub(crate) fn to(target: &str, namespace: &str, here: u16, there: u16) -> Self {
        Self(vec![keep(target, namespace, here, there, std::future::pending)])
    }
}

/// Keeps a way open: it is made again when it ends, and when it `fails`.
fn keep<F>(
    target: &str,
    namespace: &str,
    here: u16,
    there: u16,
    fails: impl Fn() -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send,
{
    let ports = format!("{here}:{there}");
    let words = ["--namespace", namespace, "port-forward", target, &ports].map(str::to_owned);
    tokio::spawn(async move {
        loop {
            let mut kubectl = Command::new("kubectl");
            kubectl.args(&words).stdout(Stdio::null()).stderr(Stdio::null());
            kubectl.kill_on_drop(true);
            // Whether it ended well or not, the way is closed: open it again.
            tokio::select! {
                _ = kubectl.status() => {}
                () = fails() => println!("   the way to {} led nowhere and is made again", words[3]),
            }
            tokio::time::sleep(AGAIN).await;
        }
    })
}

/// Ends when nobody answers at a port any more, whatever the answer.
async fn silence(http: reqwest::Client, port: u16) {
    loop {
        tokio::time::sleep(LOOK).await;
        // Each on a connection of its own: the old ones may live longer than what makes new ones.
        let ask = http
            .get(format!("http://127.0.0.1:{port}/health"))
            .header(CONNECTION, "close");
        if ask.timeout(ANSWER).send().await.is_err() {
            return;
        }
    }
}
