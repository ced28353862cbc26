//! The HTTP edge: routes, and what callers send and read.

mod campos;
mod clientes;
mod facturacion;
mod parametros;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::{get, post};
use seedwork::Moneda;
use seedwork_runtime::intake::Intake;
use seedwork_runtime::participant::Participation;

use super::clientes::Clientes;
use super::facturacion::Facturacion;
use super::facturas::Facturas;
use crate::domain::instante::Instante;

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
    /// The currency of payments taken at this door.
    pub(crate) moneda: Moneda,
    /// The shortest password, in characters.
    pub(crate) contrasena_minima: usize,
}

/// What `GET /spec` answers.
const SPEC: &str = include_str!("spec.json");

/// The routes that callers use.
pub(crate) fn router(services: Services) -> Router {
    Router::new()
        .route("/clientes/cliente", post(clientes::create).get(clientes::list))
        .route("/clientes/cliente-comando", post(clientes::create_by_command))
        .route("/clientes/cliente-query", get(clientes::list))
        .route("/clientes/cliente/{id}", get(clientes::read))
        .route("/clientes/cliente-query/{id}", get(clientes::read))
        .route("/facturacion/realizar-pago", post(facturacion::pay))
        .route("/facturacion/realizar-pago-comando", post(facturacion::pay_by_command))
        .route("/facturacion", get(facturacion::list))
        .route("/facturacion/{id}", get(facturacion::read))
        .route(
            "/spec",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], SPEC) }),
        )
        .with_state(services)
}

/// A moment as the wire has it: `2026-11-24T18:00:00Z`.
fn fecha(instante: Instante) -> String {
    let time = chrono::DateTime::from_timestamp_millis(instante.ms()).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_to_the_second_in_utc() {
        assert_eq!(fecha(Instante::from_ms(1_795_543_200_999)), "2026-11-24T18:00:00Z");
    }
}
