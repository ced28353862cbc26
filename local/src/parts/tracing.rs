//! Where traces go.

use super::{Context, local_address};
use crate::part::{Part, Readiness};

/// Traces kept, in memory: they are gone after a restart. A span takes 2.8 kB (measured), a payment's trace some 50 of
/// them and, where much is asked again, three times as many: 630 MiB at the very most. With 4,000 a campaign of faults
/// filled it to its limit, and it collected garbage with half a processor.
const MAX_TRACES: u32 = 1_500;

/// Jaeger all-in-one. It listens on much that nobody here uses, on fixed ports unless told otherwise, so every one is
/// set: two checkouts can run side by side.
pub(super) fn jaeger(context: &Context) -> Part {
    let ports = context.settings.ports;
    let other = |nth| local_address(ports.jaeger_other(nth));
    Part::new("jaeger", &context.tools.jaeger)
        .flags([
            ("memory.max-traces", MAX_TRACES.to_string()),
            ("log-level", "warn".to_owned()),
            ("collector.otlp.grpc.host-port", local_address(ports.otlp_grpc())),
            ("collector.otlp.http.host-port", local_address(ports.otlp_http())),
            ("query.http-server.host-port", local_address(ports.jaeger_query())),
            ("query.grpc-server.host-port", local_address(ports.jaeger_query_grpc())),
            ("admin.http.host-port", local_address(ports.jaeger_admin())),
            ("collector.grpc-server.host-port", other(0)),
            ("collector.http-server.host-port", other(1)),
            ("http-server.host-port", other(2)),
            // UDP, these three.
            ("processor.jaeger-binary.server-host-port", other(3)),
            ("processor.jaeger-compact.server-host-port", other(4)),
            ("processor.zipkin-compact.server-host-port", other(5)),
        ])
        // Above what the traces can take: a limit under what is in use would have it collect garbage without end.
        .env("GOMEMLIMIT", "700MiB")
        .ports([
            ports.jaeger_query(),
            ports.otlp_grpc(),
            ports.otlp_http(),
            ports.jaeger_query_grpc(),
            ports.jaeger_admin(),
            ports.jaeger_other(0),
            ports.jaeger_other(1),
            ports.jaeger_other(2),
        ])
        .ready(Readiness::http(ports.jaeger_admin(), "/"))
}
