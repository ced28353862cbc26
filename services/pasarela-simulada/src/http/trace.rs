//! One span a request, in the caller's trace, and one log line when it ends.

use axum::{
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::telemetry;

/// Marks the end of a request that is not answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Withheld;

/// Continues the caller's trace with a span named after the route.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(no route)", MatchedPath::as_str);
    let clave = request
        .headers()
        .get("idempotency-key")
        .and_then(|clave| clave.to_str().ok());
    let span = tracing::info_span!(
        "request",
        "otel.name" = format!("{} {route}", request.method()),
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
        "http.request.method" = %request.method(),
        "http.route" = route,
        "url.path" = request.uri().path(),
        "http.response.status_code" = Empty,
        clave,
    );
    // Without an exporter there is no trace to continue.
    let _ = span.set_parent(telemetry::parent_of(request.headers()));
    async move {
        let response = next.run(request).await;
        finish(&response);
        response
    }
    .instrument(span)
    .await
}

fn finish(response: &Response) {
    let span = Span::current();
    if response.extensions().get::<Withheld>().is_some() {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", "closed without an answer");
        tracing::info!("closed without an answer");
        return;
    }
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    tracing::info!(status = status.as_u16(), "answered");
}

// === impl Withheld ===

impl IntoResponse for Withheld {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Router, body::Body, middleware::from_fn, routing::post};
    use opentelemetry::trace::{SpanKind, TracerProvider};
    use opentelemetry_sdk::{
        error::OTelSdkResult,
        trace::{SdkTracerProvider, SpanData, SpanExporter},
    };
    use tower::ServiceExt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Debug, Default)]
    struct Exported(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Exported {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_request_is_a_span_named_after_its_route_in_the_callers_trace() {
        let exported = Exported::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exported.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

        let app = Router::new()
            .route("/cosas/{id}", post(|| async { "hecho" }))
            .layer(from_fn(trace));
        let request = Request::post("/cosas/7")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            .body(Body::empty())
            .unwrap();
        assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::OK);

        let spans = exported.0.lock().unwrap();
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].name, "POST /cosas/{id}");
        assert_eq!(spans[0].span_kind, SpanKind::Server);
        assert_eq!(
            spans[0].span_context.trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        assert_eq!(spans[0].parent_span_id.to_string(), "00f067aa0ba902b7");
    }
}
