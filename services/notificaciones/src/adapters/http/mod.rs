//! The HTTP edge: routes, and who may ask for what.

mod cuerpos;
mod entrada;
mod notificacion;
mod pagina;
mod vista;

use std::sync::Arc;

use axum::Router;
use seedwork_runtime::spec::{self, Info};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::read_model::ReadModel;
use super::registro::Registro;

/// What the routes use.
#[derive(Clone)]
struct Recursos {
    registro: Arc<Registro>,
    read_model: ReadModel,
}

const INFO: Info = Info {
    title: "notificaciones",
    description: "What clients are told: of their payments, and what other applications ask for. One that names an \
                  `idCliente` is delivered to that client, by the medium that is named and, where that refuses, by \
                  those after it; one that names nobody is kept. With AUTH=jwt a client sees its own notifications; \
                  making one is for operators and for applications of the platform.",
};

/// The routes that callers use, and the document and the page about them.
pub(crate) fn router(registro: Arc<Registro>, read_model: ReadModel) -> Router {
    spec::finish(routes().with_state(Recursos { registro, read_model }), INFO)
}

/// The document of the routes.
pub(crate) fn spec() -> String {
    spec::json(&spec::document(&routes(), INFO))
}

fn routes() -> OpenApiRouter<Recursos> {
    OpenApiRouter::default()
        .routes(routes!(notificacion::listar, notificacion::crear))
        .routes(routes!(notificacion::comando))
        .routes(routes!(notificacion::ver))
        .routes(routes!(notificacion::listar_query))
        .routes(routes!(notificacion::ver_query))
}
