//! The HTTP edge: routes, the reading of a call, and the writing of its answer.

mod consultas;
mod corte;
mod llamada;
mod trace;

use std::{io, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::net::TcpListener;

use crate::{
    contracargos::Contracargo,
    ejecucion::{Contestacion, Respuesta, Simulador},
    idempotencia::Clave,
    mensajes::Mensaje,
    problema::{Fallo, Problema},
    solicitud::Solicitud,
    tarjetas::{Anulacion, Autorizacion, Captura, Reembolso},
};
use corte::{Corte, Puerta};
use llamada::Llamada;

type Estado = State<Arc<Simulador>>;

/// What stands in the path where a route has a name in braces.
pub(crate) struct Tramo(String);

/// Serves until `shutdown` resolves and the calls of that moment are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    simulador: Arc<Simulador>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let app = router(simulador).into_make_service_with_connect_info::<Corte>();
    axum::serve(Puerta::new(listener), app)
        .with_graceful_shutdown(shutdown)
        .await
}

fn router(simulador: Arc<Simulador>) -> Router {
    Router::new()
        .route("/autorizaciones", post(autorizar))
        .route("/autorizaciones/{id}/captura", post(capturar))
        .route("/autorizaciones/{id}/anulacion", post(anular))
        .route("/cargos/{id}/reembolso", post(reembolsar))
        .route("/contracargos", post(contracargar))
        .route("/mensajes", post(entregar).get(consultas::mensajes))
        .route("/referencias", get(consultas::referencias))
        .route("/referencias/{referencia}", get(consultas::referencia))
        .route("/movimientos", get(consultas::movimientos))
        .route("/resultados", get(consultas::resultados))
        .method_not_allowed_fallback(|| async { Problema::metodo_no_permitido() })
        .fallback(|| async { Problema::ruta_desconocida() })
        .layer(from_fn(trace::trace))
        // After the layer: probes are neither logged nor traced.
        .route("/health", get(health))
        .with_state(simulador)
}

async fn autorizar(State(simulador): Estado, llamada: Llamada) -> Result<Response, Problema> {
    let solicitud = Solicitud::Autorizar(Autorizacion::leer(&llamada.campos)?);
    responder(simulador, llamada, solicitud).await
}

async fn capturar(State(simulador): Estado, Tramo(id): Tramo, llamada: Llamada) -> Result<Response, Problema> {
    let solicitud = Solicitud::Capturar(Captura::leer(id, &llamada.campos)?);
    responder(simulador, llamada, solicitud).await
}

async fn anular(State(simulador): Estado, Tramo(id): Tramo, llamada: Llamada) -> Result<Response, Problema> {
    responder(simulador, llamada, Solicitud::Anular(Anulacion { autorizacion: id })).await
}

async fn reembolsar(State(simulador): Estado, Tramo(id): Tramo, llamada: Llamada) -> Result<Response, Problema> {
    let solicitud = Solicitud::Reembolsar(Reembolso::leer(id, &llamada.campos)?);
    responder(simulador, llamada, solicitud).await
}

async fn contracargar(State(simulador): Estado, llamada: Llamada) -> Result<Response, Problema> {
    let solicitud = Solicitud::Contracargar(Contracargo::leer(&llamada.campos)?);
    responder(simulador, llamada, solicitud).await
}

async fn entregar(State(simulador): Estado, llamada: Llamada) -> Result<Response, Problema> {
    let solicitud = Solicitud::Entregar(Mensaje::leer(&llamada.campos)?);
    responder(simulador, llamada, solicitud).await
}

/// `up` only while a payment could be taken.
async fn health(State(simulador): Estado) -> Response {
    if simulador.is_stopping() || !simulador.libro.is_usable().await {
        return Problema::no_disponible().into_response();
    }
    Json(serde_json::json!({ "status": "up" })).into_response()
}

async fn responder(simulador: Arc<Simulador>, llamada: Llamada, solicitud: Solicitud) -> Result<Response, Problema> {
    let Llamada {
        clave,
        campos: _,
        corte,
    } = llamada;
    let clave = Clave {
        ambito: solicitud.ambito(),
        valor: clave,
    };
    match Arc::clone(&simulador).ejecutar(clave, solicitud).await? {
        Contestacion::Enviar { respuesta, repetida } => {
            let mut response = respuesta.into_response();
            if repetida {
                let header = HeaderName::from_static("idempotency-replayed");
                response.headers_mut().insert(header, HeaderValue::from_static("true"));
            }
            Ok(response)
        }
        Contestacion::Callar => {
            tracing::info!("the answer is withheld");
            simulador.esperar(simulador.tiempos.timeout).await;
            corte.cortar();
            // Never sent: the connection is cut. It only ends the request.
            Ok(trace::Withheld.into_response())
        }
    }
}

// === impl Tramo ===

impl<S: Send + Sync> FromRequestParts<S> for Tramo {
    type Rejection = Problema;

    /// What is no text names nothing that there is.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let tramo = Path::<String>::from_request_parts(parts, state).await;
        tramo
            .map(|Path(texto)| Self(texto))
            .map_err(|_| Problema::ruta_desconocida())
    }
}

// === impl Respuesta ===

impl IntoResponse for Respuesta {
    fn into_response(self) -> Response {
        let Self { status, cuerpo } = self;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = if status.is_success() {
            "application/json"
        } else {
            "application/problem+json"
        };
        (status, [(header::CONTENT_TYPE, content_type)], cuerpo.to_string()).into_response()
    }
}

// === impl Problema ===

impl IntoResponse for Problema {
    fn into_response(self) -> Response {
        Respuesta::from(&self).into_response()
    }
}

// === impl Fallo ===

impl IntoResponse for Fallo {
    fn into_response(self) -> Response {
        self.al_cliente().into_response()
    }
}
