//! A card gateway and a message provider to develop and test against: its own process, a durable ledger, deterministic
//! outcomes, and the failures that real ones have.
//!
//! ```text
//! http ──► ejecucion ──► one SQLite transaction:  respuestas (what the key got)
//!            │  ▲                                 tarjetas │ mensajes │ contracargos (what happened)
//!            │  └─ idempotencia: keys in flight   llamadas (how often it was asked for)
//!            └──► answer, answer late, 500, 503, or close the connection — as `resultados` says
//! aterrizajes: captures that are recorded later, after a restart too
//! consultas:   GET, straight from the ledger
//! ```
//!
//! It depends on no crate of its clients and de-duplicates by idempotency key only, so a client that sends a wrong key
//! shows as a second capture.

mod aterrizajes;
mod campos;
mod config;
mod consultas;
mod contracargos;
mod ejecucion;
mod http;
mod idempotencia;
mod libro;
mod mensajes;
mod problema;
pub mod resultados;
mod solicitud;
mod tarjetas;
pub mod telemetry;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;

pub use config::{Config, LogFormat};
use ejecucion::Simulador;
use libro::{Libro, LibroError};

/// The simulator, ready to serve.
#[derive(Debug)]
pub struct App {
    listener: TcpListener,
    address: SocketAddr,
    simulador: Arc<Simulador>,
}

/// Why the simulator could not start or stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Another program listens on the port.
    #[error(
        "port {port} is taken: stop the program that listens there (`ss -ltnp 'sport = :{port}'` names it) or set PORT to a free port"
    )]
    PortTaken {
        /// The port that was asked for.
        port: u16,
    },

    /// The address cannot be listened on.
    #[error("failed to listen on {address}; set HOST to an address of this machine and PORT to a free port")]
    Listen {
        /// The address and the port that were asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },

    /// The ledger cannot be used.
    #[error("failed to open the ledger")]
    Ledger(#[from] LibroError),

    /// Serving ended by itself.
    #[error("failed to serve")]
    Serve(#[source] io::Error),
}

// === impl App ===

impl App {
    /// Takes the port and opens the ledger.
    ///
    /// # Errors
    /// When the port is taken or the ledger cannot be opened.
    pub async fn build(config: &Config) -> Result<Self, AppError> {
        let Config {
            host,
            port,
            database_url,
            slow_ms,
            late_ms,
            timeout_ms,
            otel_exporter_otlp_endpoint: _,
            rust_log: _,
            log_format: _,
        } = config;
        let (asked, port) = (SocketAddr::from((*host, *port)), *port);
        let failed = |source: io::Error| {
            if source.kind() == io::ErrorKind::AddrInUse {
                AppError::PortTaken { port }
            } else {
                AppError::Listen { address: asked, source }
            }
        };
        let listener = listen(asked).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let libro = Libro::open(database_url).await?;
        let tiempos = ejecucion::Tiempos::from_millis(*slow_ms, *late_ms, *timeout_ms);
        Ok(Self {
            listener,
            address,
            simulador: Arc::new(Simulador::new(libro, tiempos)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves; calls that are being answered are finished first, held ones are closed.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), AppError> {
        let Self {
            listener,
            address,
            simulador,
        } = self;
        tracing::info!(%address, "listening");
        let landings = tokio::spawn(aterrizajes::watch(Arc::clone(&simulador)));
        let stopping = Arc::clone(&simulador);
        let served = http::serve(listener, Arc::clone(&simulador), async move {
            shutdown.await;
            tracing::info!("stopping");
            stopping.stop();
        })
        .await;
        simulador.stop();
        if let Err(error) = landings.await {
            tracing::error!(
                error = telemetry::cause(&error),
                "the task that lands late captures died"
            );
        }
        simulador.libro.close().await;
        served.map_err(AppError::Serve)
    }
}

/// Every address (`::`) is those of IPv4 too, and where the kernel has no IPv6 those of IPv4 alone.
async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        listening => listening,
    }
}
