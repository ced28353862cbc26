//! Start, listen, stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::problem::Problem;
use crate::sidecar::Sidecar;

/// The largest request body that is read, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Why a process cannot start, as a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartupError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

// === impl StartupError ===

impl StartupError {
    /// A problem and what caused it.
    pub fn new(message: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            message: message.into(),
            source: Some(source.into()),
        }
    }

    /// The whole chain in one line.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

/// Runs a process's `main`: prints a start-up problem as one sentence and exits with 1.
pub async fn main<F>(run: F) -> std::process::ExitCode
where
    F: Future<Output = Result<(), StartupError>>,
{
    match run.await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.chain());
            std::process::ExitCode::FAILURE
        }
    }
}

/// Binds a port; a taken one says so and what to do.
pub async fn bind(host: IpAddr, port: u16) -> Result<TcpListener, StartupError> {
    let address = SocketAddr::from((host, port));
    TcpListener::bind(address).await.map_err(|error| {
        StartupError::new(
            format!("cannot listen on {address}; stop what holds the port or set PORT to another"),
            error,
        )
    })
}

/// Adds what every service has: `GET /health` (`body` while the sidecar works, 503 otherwise), the body limit and
/// the trace of each request.
pub fn dress(router: Router, sidecar: Arc<dyn Sidecar>, body: &'static str) -> Router {
    let health = move || {
        let sidecar = Arc::clone(&sidecar);
        async move {
            match sidecar.ready().await {
                Ok(()) => ([("content-type", "application/json")], body).into_response(),
                Err(error) => Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the Dapr sidecar is not ready",
                    error.to_string(),
                )
                .into_response(),
            }
        }
    };
    router
        .route("/health", get(health))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "not found", "no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method not allowed",
                "this path has other methods",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(crate::telemetry::http_span))
}

/// Serves until `shutdown`, then finishes the requests under way.
pub async fn run(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartupError> {
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
        .map_err(|error| StartupError::new("the server ended", error))
}

/// Completes on SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
