//! The HTTP edge.

mod notificacion;
mod pagina;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::read_model::ReadModel;
use super::registro::Registro;

/// What the routes use.
#[derive(Clone)]
struct Recursos {
    registro: Arc<Registro>,
    read_model: ReadModel,
}

/// What is served, as OpenAPI.
const OPENAPI: &str = include_str!("../../../openapi.json");

/// The routes that callers use.
pub fn router(registro: Arc<Registro>, read_model: ReadModel) -> Router {
    Router::new()
        .route(
            "/notificaciones/notificacion",
            post(notificacion::crear).get(notificacion::listar),
        )
        .route("/notificaciones/notificacion-comando", post(notificacion::comando))
        .route("/notificaciones/notificacion/{id}", get(notificacion::ver))
        .route("/notificaciones/notificacion-query", get(notificacion::listar))
        .route("/notificaciones/notificacion-query/{id}", get(notificacion::ver))
        .route(
            "/spec",
            get(|| async { ([("content-type", "application/json")], OPENAPI) }),
        )
        .with_state(Recursos { registro, read_model })
}
