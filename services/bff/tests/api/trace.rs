//! One payment is one trace, from the browser's request on.

use clap::Parser;
use seedwork_runtime::participant::laws::eventually;
use seedwork_runtime::telemetry::{self, TelemetryArgs};
use serde_json::json;

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
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    bff.post(&[("traceparent", &traceparent)], query.to_string()).await;
    assert_eq!(published_trace(&bff).await, trace);
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
