//! One payment is one trace, from the browser's request on.

use axum::body::Body;
use axum::http::Request;
use clap::Parser;
use seedwork_runtime::participant::laws::eventually;
use seedwork_runtime::telemetry::{self, TelemetryArgs};
use serde_json::json;

use crate::subscription::{connect_with, receive, send, serve};
use crate::support::Bff;

const PAY: &str = "mutation { realizarPago(pago: {medioPago: \"PSE\", idCliente: \"c\", monto: 1}) { codigo } }";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[tokio::test]
async fn the_trace_of_the_request_goes_on_in_the_message_to_the_operator() {
    let _guard = telemetry::init("bff", &Cli::parse_from(["test"]).telemetry).unwrap();
    let bff = Bff::start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let query = json!({"query": PAY});
    let request = Request::post("/v1")
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    bff.call(request.body(Body::from(query.to_string())).unwrap()).await;
    assert_eq!(published_trace(&bff).await, trace);

    // On a socket each mutation is a request: in the trace that the socket was opened in, or in one of its own.
    let address = serve(&bff).await;
    let other = "0af7651916cd43dd8448eb211c80319c";
    let traced = format!("00-{other}-00f067aa0ba902b7-01");
    let mut seen = Vec::new();
    for headers in [&[("traceparent", traced.as_str())][..], &[]] {
        let mut socket = connect_with(&address, Some("graphql-transport-ws"), headers)
            .await
            .unwrap();
        send(&mut socket, &json!({"type": "connection_init"})).await;
        assert_eq!(receive(&mut socket).await["type"], "connection_ack");
        send(&mut socket, &json!({"id": "1", "type": "subscribe", "payload": query})).await;
        assert_eq!(
            receive(&mut socket).await["payload"]["data"]["realizarPago"]["codigo"],
            203
        );
        seen.push(published_trace(&bff).await);
    }
    assert_eq!(seen[0], other);
    assert!(seen[1] != other && seen[1] != trace, "{seen:?}");
}

/// The trace of the request that is published next.
async fn published_trace(bff: &Bff) -> String {
    let published = eventually("the published request", || async {
        let mut published = bff.sidecar.take_published().into_iter();
        published.find(|published| published.event.event_type == "SolicitarPago")
    });
    let traceparent = published.await.event.traceparent.expect("a request without a trace");
    telemetry::trace_id_of(&traceparent).unwrap()
}
