//! Logs, and the export of spans when a collector is named.

use std::{
    error::Error,
    io::{IsTerminal, stdout},
};

use axum::http::HeaderMap;
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

const SERVICE: &str = "pasarela-simulada";

/// Keeps the export alive; what is still in memory is sent when it is dropped.
#[derive(Debug)]
pub struct Guard {
    provider: Option<SdkTracerProvider>,
}

/// Why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("RUST_LOG must be a log filter such as `info` or `pasarela_simulada=debug`")]
    Filter(#[source] tracing_subscriber::filter::ParseError),

    /// The collector's address is unusable.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT must be the address of an OTLP gRPC collector, such as http://127.0.0.1:4317")]
    Endpoint(#[source] opentelemetry_otlp::ExporterBuildError),

    /// Something else in the process already took the log.
    #[error("failed to install the log subscriber")]
    Install(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up the process's log (stdout), and the span export when `config` names a collector.
///
/// # Errors
/// When the filter or the collector's address is unusable, or a subscriber is installed already.
pub fn init(config: &Config) -> Result<Guard, TelemetryError> {
    let filter = EnvFilter::try_new(&config.rust_log).map_err(TelemetryError::Filter)?;
    let endpoint = config
        .otel_exporter_otlp_endpoint
        .as_deref()
        .filter(|endpoint| !endpoint.is_empty());
    let provider = endpoint.map(exporting_to).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        // Only our own spans: the exporter's transport has spans too, and exporting those would never end. Asked about
        // each one, since a library that merely asks whether it would be logged leaves its answer behind in the thread.
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            // Nobody asks which line began a span, in which thread, and how long nothing was done in it.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(dynamic_filter_fn(|metadata, _| {
                metadata.target().starts_with("pasarela_simulada")
            }))
    });
    let lines = tracing_subscriber::fmt::layer().with_ansi(stdout().is_terminal());
    let log = match config.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry()
        .with(log)
        .with(spans)
        .try_init()
        .map_err(TelemetryError::Install)?;
    Ok(Guard { provider })
}

fn exporting_to(endpoint: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(TelemetryError::Endpoint)?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(SERVICE).build())
        .build())
}

/// An error as a log field, with the chain of its causes.
pub(crate) fn cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    error
}

/// The caller's trace, from the W3C `traceparent` and `tracestate` headers.
pub(crate) fn parent_of(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract(&Headers(headers))
}

struct Headers<'a>(&'a HeaderMap);

// === impl Headers ===

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}

// === impl Guard ===

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider
            && let Err(error) = provider.shutdown()
        {
            // The log may be gone by now, and a lost trace is not worth a failed exit.
            eprintln!("{SERVICE}: unable to send the last spans: {error}");
        }
    }
}
