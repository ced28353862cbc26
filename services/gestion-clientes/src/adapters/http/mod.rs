//! The HTTP edge: routes, who may ask for what, and what callers send and read.

mod campos;
mod clientes;
mod condicion;
mod cuerpos;
mod facturacion;
mod parametros;
mod vista;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use seedwork::Moneda;
use seedwork_runtime::Caller;
use seedwork_runtime::intake::Intake;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::problem::Problem;
use seedwork_runtime::spec::{self, Info};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::clientes::Clientes;
use super::facturacion::Facturacion;
use super::facturas::Facturas;
use super::reintentos::Enlaces;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Services {
    /// The register of clients.
    pub(crate) clientes: Arc<Clientes>,
    /// The read model of invoices.
    pub(crate) facturas: Facturas,
    /// The documents of invoices.
    pub(crate) participation: Arc<Participation<Facturacion>>,
    /// The requests taken at this door.
    pub(crate) intake: Arc<Intake>,
    /// Which payments are automatic retries.
    pub(crate) enlaces: Enlaces,
    /// The currency of payments taken at this door.
    pub(crate) moneda: Moneda,
    /// The shortest password, in characters.
    pub(crate) contrasena_minima: usize,
}

const INFO: Info = Info {
    title: "gestion-clientes",
    description: "Clients and their plan state, invoices, and a door for payments. With AUTH=jwt a client sees, changes \
                  and pays for itself alone; what is another's is answered like what is not there.",
};

/// The routes that callers use, and the document and the page about them.
pub(crate) fn router(services: Services) -> Router {
    spec::finish(routes().with_state(services), INFO)
}

/// The OpenAPI document of what is served, as `/spec` answers it and as `spec.json` keeps it.
pub fn spec() -> String {
    spec::json(&spec::document(&routes(), INFO))
}

fn routes() -> OpenApiRouter<Services> {
    OpenApiRouter::default()
        .routes(routes!(clientes::create, clientes::list))
        .routes(routes!(clientes::create_by_command))
        .routes(routes!(clientes::list_by_query))
        .routes(routes!(clientes::read, clientes::update))
        .routes(routes!(clientes::update_by_command))
        .routes(routes!(clientes::read_by_query))
        .routes(routes!(facturacion::pay))
        .routes(routes!(facturacion::pay_by_command))
        .routes(routes!(facturacion::list))
        .routes(routes!(facturacion::read))
}

/// Other applications of the platform read; what is written, somebody asked for.
fn people_only(caller: &Caller) -> Result<(), Problem> {
    match caller {
        Caller::Anyone | Caller::Operador { .. } | Caller::Cliente { .. } => Ok(()),
        Caller::App(app) => {
            let sentence = format!("{app} solo puede leer: esto lo pide un cliente o un operador");
            Err(Problem::of(StatusCode::FORBIDDEN, sentence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_no_faults() {
        assert_eq!(spec::faults(&spec::document(&routes(), INFO)), [""; 0]);
    }
}
