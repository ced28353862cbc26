//! The Dapr sidecars.

use seedwork::contrato::App;

use super::Context;
use crate::part::{Need, Part, Readiness};
use crate::ports::SidecarPorts;

/// Seconds a sidecar may finish what it is at. Applications answer deliveries at once, so little is enough.
const GRACEFUL_SHUTDOWN_SECONDS: u32 = 2;

/// The name of an application's sidecar.
pub(super) fn name(app: App) -> String {
    format!("daprd-{}", app.id())
}

/// daprd for an application. It waits for the application's port by itself and is ready after that.
pub(super) fn daprd(context: &Context, app: App) -> Part {
    let Context {
        settings,
        layout,
        tokens,
        ..
    } = context;
    let SidecarPorts {
        http,
        grpc,
        internal_grpc,
        metrics,
        public,
    } = settings.ports.sidecar(app);
    let here = || "127.0.0.1".to_owned();
    Part::new(name(app), &context.tools.daprd)
        .flags([
            ("app-id", app.id().to_owned()),
            ("app-port", settings.ports.app(app).to_string()),
            ("app-protocol", "http".to_owned()),
            ("app-channel-address", here()),
            ("dapr-http-port", http.to_string()),
            ("dapr-grpc-port", grpc.to_string()),
            ("dapr-internal-grpc-port", internal_grpc.to_string()),
            ("metrics-port", metrics.to_string()),
            ("dapr-public-port", public.to_string()),
            // All five on this machine only.
            ("dapr-listen-addresses", here()),
            ("dapr-internal-grpc-listen-address", here()),
            ("metrics-listen-address", here()),
            ("dapr-public-listen-address", here()),
            ("resources-path", layout.resources().display().to_string()),
            ("config", layout.dapr_config().display().to_string()),
            // No actors, no workflows, no jobs: nobody to call for them.
            ("placement-host-address", String::new()),
            ("scheduler-host-address", String::new()),
            ("log-level", "info".to_owned()),
            ("dapr-graceful-shutdown-seconds", GRACEFUL_SHUTDOWN_SECONDS.to_string()),
        ])
        .env("DAPR_API_TOKEN", &tokens.dapr_api)
        .env("APP_API_TOKEN", &tokens.app_api)
        .env("GOMEMLIMIT", "64MiB")
        // As with our own programs: see `services`.
        .env("GOMAXPROCS", "1")
        .ports([http, grpc, internal_grpc, metrics, public])
        .needs(Need::Ready("redis".to_owned()))
        .needs(Need::Started(app.id().to_owned()))
        .ready(Readiness::http(http, "/v1.0/healthz"))
}
