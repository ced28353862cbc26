//! Our own binaries.

use seedwork::contrato::App;

use super::{Context, local_url};
use crate::issuer;
use crate::kubernetes::NAMESPACE;
use crate::part::{Need, Part, Readiness};
use crate::settings::PASSED_ON;
use crate::tools::PASARELA;

/// The gateway and message provider to develop against. No sidecar: to the services it is somebody else's system.
pub(super) fn pasarela(context: &Context) -> Part {
    let port = context.settings.ports.pasarela();
    binary(context, PASARELA, port).env("DATABASE_URL", context.layout.database_url("pasarela"))
}

/// An application. Its sidecar is a part of its own and waits for the application's port by itself.
pub(super) fn app(context: &Context, app: App) -> Part {
    let Context {
        settings,
        layout,
        tokens,
        ..
    } = context;
    let sidecar = settings.ports.sidecar(app);
    let part = binary(context, app.id(), settings.ports.app(app))
        .env("DATABASE_URL", layout.database_url(app.id()))
        .env("DAPR_HTTP_PORT", sidecar.http.to_string())
        .env("DAPR_GRPC_PORT", sidecar.grpc.to_string())
        .env("DAPR_API_TOKEN", &tokens.dapr_api)
        .env("APP_API_TOKEN", &tokens.app_api)
        .needs(Need::Started("redis".to_owned()));
    let part = match app {
        // Nobody but its sidecar asks the operator for anything.
        App::Operator => part,
        App::Bff | App::GestionClientes | App::IntegracionPagos | App::Notificaciones => part
            .env("AUTH", settings.auth.name())
            .env("JWT_ISSUER", issuer::ISSUER)
            .env("JWT_AUDIENCE", issuer::AUDIENCE)
            .env("JWKS_URL", layout.jwks_url()),
    };
    let own = PASSED_ON.iter().filter(|(whose, _)| *whose == app);
    let part = own
        .flat_map(|(_, names)| names.iter())
        .filter_map(|name| Some((name, settings.passed_on.get(name)?)))
        .fold(part, |part, (name, value)| part.env(name, value));
    let pasarela = local_url(settings.ports.pasarela());
    match app {
        App::Operator => part
            .env("KUBECONFIG", layout.operator_kubeconfig().display().to_string())
            .env("NAMESPACE", NAMESPACE)
            .env("TTL_SECONDS", settings.ttl_seconds.to_string())
            .env("AVISO_DEADLINE_SECONDS", settings.aviso_deadline_seconds.to_string())
            .env("STALL_AFTER_SECONDS", settings.stall_after_seconds.to_string())
            .env("POLITICA_NOTIFICACION", settings.politica_notificacion.name())
            .needs(Need::Ready("kube-apiserver".to_owned())),
        App::IntegracionPagos => part
            .env("PASARELA_URL", pasarela)
            .needs(Need::Started(PASARELA.to_owned())),
        App::Notificaciones => part
            .env("PROVEEDOR_URL", pasarela)
            .needs(Need::Started(PASARELA.to_owned())),
        // One address asks for everybody here, and tests ask faster than people do.
        App::Bff => part.env("RATE_PER_SECOND", "0"),
        App::GestionClientes => part,
    }
}

fn binary(context: &Context, name: &str, port: u16) -> Part {
    Part::new(name, context.ours.join(name))
        .env("HOST", "127.0.0.1")
        .env("PORT", port.to_string())
        .env("RUST_LOG", &context.settings.log_filter)
        // A dozen programs share a few cores here: work that one of them hands from thread to thread costs more than it gains.
        .env("TOKIO_WORKER_THREADS", "1")
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            local_url(context.settings.ports.otlp_grpc()),
        )
        .ports([port])
        .needs(Need::Started("jaeger".to_owned()))
        .ready(Readiness::http(port, "/health"))
}
