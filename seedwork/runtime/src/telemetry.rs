//! Logs and traces. One payment is one trace: the W3C `traceparent` travels in every event and request.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Instrument as _, Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::serve::StartupError;

/// The telemetry settings that every binary shares.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// OTLP/gRPC endpoint of a collector; without one, spans are not exported.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,

    /// Log filter, in the form of `tracing_subscriber::EnvFilter`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,

    /// `text` for people, `json` for collectors.
    #[arg(long, env = "LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

/// Flushes spans when dropped.
#[must_use = "dropping the guard ends the export of spans"]
pub struct Guard(SdkTracerProvider);

/// Sets up logs and traces for the process. Call once, first thing in `main`, inside the tokio runtime.
pub fn init(name: &'static str, args: &TelemetryArgs) -> Result<Guard, StartupError> {
    let resource = Resource::builder().with_service_name(name).build();
    let mut builder = SdkTracerProvider::builder().with_resource(resource);
    if let Some(endpoint) = &args.otlp_endpoint {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| StartupError::new("OTEL_EXPORTER_OTLP_ENDPOINT is not usable", error))?;
        builder = builder.with_batch_exporter(exporter);
    }
    let provider = builder.build();
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log)
        .map_err(|error| StartupError::new("RUST_LOG is not a log filter", error))?;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let log = tracing_subscriber::fmt::layer();
    let log = match args.log_format {
        LogFormat::Text => log.with_ansi(colours).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    // The log's filter is for the log alone: with RUST_LOG=warn payments would have no trace, with debug each trace
    // would hold every frame of every connection.
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(name))
        // Nobody asks a payment's trace which line of ours began a span, in which thread, and how long nothing was done in it;
        // it is worked out for each span, and sent along.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    tracing_subscriber::registry()
        .with(log.with_filter(filter))
        .with(traces.with_filter(of_ours()))
        .try_init()
        .map_err(|error| StartupError::new("logging is already set up", error))?;
    Ok(Guard(provider))
}

/// The filter of traces. Dynamic, so that every span is asked about: a library that only asks whether it would be logged
/// (sqlx does, through the log crate) leaves the answer behind in its thread, and a span that nobody asks about would
/// inherit it. What is below its level is nobody's business, and the hint says so once and for all: otherwise each frame of
/// each connection would ask.
fn of_ours<S: Subscriber>() -> impl Filter<S> + 'static {
    dynamic_filter_fn(|metadata, _| traced(metadata.level(), metadata.target())).with_max_level_hint(LEAST)
}

/// The least important level that is traced.
const LEAST: Level = Level::INFO;

/// What of the spans and events of this process belongs into traces: ours, and not kube's own, which has a span for
/// each look at each resource and would push the payments out of a collector that keeps so many traces and no more.
fn traced(level: &Level, target: &str) -> bool {
    *level <= LEAST && !target.starts_with("kube")
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Nothing can be done about a collector that does not take the last spans.
        let _ = self.0.shutdown();
    }
}

struct Carrier<'a>(&'a mut Option<String>);

impl Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            *self.0 = Some(value);
        }
    }
}

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0.as_deref()).flatten()
    }
    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// The W3C `traceparent` of the current span; `None` outside of any trace.
pub fn current_traceparent() -> Option<String> {
    traceparent_of(&Span::current())
}

/// The W3C `traceparent` of a span.
pub fn traceparent_of(span: &Span) -> Option<String> {
    let mut text = None;
    TraceContextPropagator::new().inject_context(&span.context(), &mut Carrier(&mut text));
    text
}

/// The trace id within a `traceparent`.
pub fn trace_id_of(traceparent: &str) -> Option<String> {
    let id = traceparent.split('-').nth(1)?;
    (id.len() == 32).then(|| id.to_owned())
}

/// The same place in the same trace, for who is not to add to it. `None` for what is no `traceparent`.
pub(crate) fn unsampled(traceparent: &str) -> Option<String> {
    let (place, _flags) = traceparent.rsplit_once('-')?;
    Some(format!("{place}-00"))
}

/// Makes `span` the child of a remote one. An empty or malformed `traceparent` leaves it a root.
pub fn continue_trace(span: &Span, traceparent: Option<&str>) {
    let mut text = traceparent.map(str::to_owned);
    let context = TraceContextPropagator::new().extract(&Carrier(&mut text));
    if context.span().span_context().is_valid() {
        // Fails only without the OpenTelemetry layer, when there is no trace to continue.
        let _ = span.set_parent(context);
    }
}

/// The trace context that a caller sent.
pub fn traceparent_in(headers: &axum::http::HeaderMap) -> Option<&str> {
    let header = headers.get("traceparent").and_then(|value| value.to_str().ok());
    header.filter(|text| !text.is_empty())
}

/// Middleware: one server span per request, continuing the caller's trace. A read that nobody traces begins no trace of
/// its own: a page that polls would bury the payments. Health checks are noise likewise, deliveries get their span
/// from the event itself, and GraphQL knows better than its path what is being asked.
pub async fn http_span(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let untraced_read = request.method() == axum::http::Method::GET && traceparent_in(request.headers()).is_none();
    if untraced_read || matches!(route.as_str(), "/health" | "/inbox" | "/v1") {
        return next.run(request).await;
    }
    let name = format!("{} {route}", request.method());
    let span = tracing::info_span!(
        "http",
        otel.name = name,
        otel.kind = "server",
        status = tracing::field::Empty
    );
    continue_trace(&span, traceparent_in(request.headers()));
    let response = next.run(request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
    response
}

#[cfg(test)]
mod tests {
    use tracing_log::AsTrace as _;
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn a_span_is_traced_though_a_library_asked_about_a_log_line_before() {
        let provider = SdkTracerProvider::builder().build();
        let log = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let subscriber = tracing_subscriber::registry()
            .with(log.with_filter(tracing_subscriber::EnvFilter::new("info")))
            .with(
                tracing_opentelemetry::layer()
                    .with_tracer(provider.tracer("test"))
                    .with_filter(of_ours()),
            );
        tracing::subscriber::with_default(subscriber, || {
            // As tracing-log asks for `log::log_enabled!`.
            let record = log::Record::builder()
                .level(log::Level::Debug)
                .target("sqlx::query")
                .build();
            tracing::dispatcher::get_default(|dispatch| dispatch.enabled(&record.as_trace()));
            let span = tracing::info_span!("a payment");
            assert!(traceparent_of(&span).is_some());
        });
    }

    #[test]
    fn who_is_not_to_add_to_a_trace_is_told_where_it_is_all_the_same() {
        let place = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        assert_eq!(unsampled(&format!("{place}-01")), Some(format!("{place}-00")));
        assert_eq!(unsampled(""), None);
    }

    #[test]
    fn what_is_below_the_level_is_not_even_asked_about() {
        let filter = of_ours::<tracing_subscriber::Registry>();
        assert_eq!(filter.max_level_hint(), Some(LevelFilter::INFO));
    }

    #[test]
    fn a_trace_holds_what_we_say_and_not_what_is_under_us() {
        assert!(traced(&Level::INFO, "operator::shell") && traced(&Level::WARN, "seedwork_runtime::inbox"));
        assert!(!traced(&Level::DEBUG, "h2::codec") && !traced(&Level::INFO, "kube_runtime::controller"));
    }
}
