//! Local ports that lead to the services of the cluster.

use std::process::Stdio;
use std::time::Duration;

use local::ports::Ports;
use seedwork::App;
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Port forwards, kept up: a forward ends with the pod that it leads to.
pub(crate) struct Doors(Vec<JoinHandle<()>>);

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
    pub(crate) fn open(namespace: &str, ports: Ports) -> Self {
        let ways = [
            ("service/bff", ports.app(App::Bff), 8003),
            ("service/gestion-clientes", ports.app(App::GestionClientes), 5000),
            ("service/integracion-pagos", ports.app(App::IntegracionPagos), 7000),
            ("service/notificaciones", ports.app(App::Notificaciones), 6000),
            ("service/pasarela-simulada", ports.pasarela(), 7100),
            ("service/jaeger", ports.jaeger_query(), 16686),
        ];
        let ways = ways.map(|(target, here, there)| keep(target.to_owned(), namespace.to_owned(), here, there));
        Self(ways.into_iter().collect())
    }

    /// Opens one way, to a pod, a service or a deployment.
    pub(crate) fn to(target: &str, namespace: &str, here: u16, there: u16) -> Self {
        Self(vec![keep(target.to_owned(), namespace.to_owned(), here, there)])
    }
}

fn keep(target: String, namespace: String, here: u16, there: u16) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let mut kubectl = Command::new("kubectl");
            kubectl
                .args(["--namespace", &namespace, "port-forward", &target])
                .arg(format!("{here}:{there}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            // Whether it ended well or not, the way is closed: open it again.
            let _ = kubectl.kill_on_drop(true).status().await;
            tokio::time::sleep(AGAIN).await;
        }
    })
}
