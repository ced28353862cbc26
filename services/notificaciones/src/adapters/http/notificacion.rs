//! `/notificaciones/*`.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use seedwork::Fault;
use seedwork_runtime::problem::{Json, Problem};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Recursos;
use super::pagina::{self, Parametros};
use crate::adapters::read_model::Fila;
use crate::domain::{Notificacion, Nueva};

/// A notification as callers read it. The members of the original, and for a payment's notification where it stands.
#[derive(Serialize)]
struct Vista {
    fecha_actualizacion: String,
    fecha_creacion: String,
    id: String,
    medio: String,
    tipo: String,
    valor: String,
    #[serde(rename = "idCorrelacion", skip_serializing_if = "Option::is_none")]
    id_correlacion: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estado: Option<String>,
}

/// `POST /notificaciones/notificacion`.
pub(super) async fn crear(
    State(recursos): State<Recursos>,
    Json(cuerpo): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let notificacion = recursos.registro.guardar(leer(&cuerpo)?).await?;
    Ok(axum::Json(Vista::from(notificacion)).into_response())
}

/// `POST /notificaciones/notificacion-comando`.
pub(super) async fn comando(
    State(recursos): State<Recursos>,
    Json(cuerpo): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let id = recursos.registro.aceptar(leer(&cuerpo)?).await?;
    let headers = [
        (header::LOCATION.as_str(), format!("/notificaciones/notificacion/{id}")),
        ("x-correlation-id", id.to_string()),
    ];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(json!({}))).into_response())
}

/// `GET /notificaciones/notificacion` and `GET /notificaciones/notificacion-query`.
pub(super) async fn listar(
    State(recursos): State<Recursos>,
    parametros: Result<Query<Parametros>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parametros) = parametros.map_err(|rejection| Problem::rejected(vec![rejection.body_text()]))?;
    let pagina = pagina::leer(&parametros)?;
    let (filas, siguiente) = pagina::pedir(&recursos.read_model, pagina).await?;
    let siguiente = siguiente.map(|cursor| AppendHeaders([("x-next-cursor", cursor)]));
    let filas: Vec<_> = filas.into_iter().map(Vista::from).collect();
    Ok((siguiente, axum::Json(filas)).into_response())
}

/// `GET /notificaciones/notificacion/{id}` and `GET /notificaciones/notificacion-query/{id}`.
pub(super) async fn ver(
    State(recursos): State<Recursos>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // Ours are UUIDs: anything else names no notification.
    let id = id.ok().and_then(|Path(id)| Uuid::parse_str(&id).ok());
    let fila = match id {
        Some(id) => recursos.read_model.buscar(&id).await?,
        None => None,
    };
    let fila = fila.ok_or_else(|| Fault::NotFound("there is no notification with this id".to_owned()))?;
    Ok(axum::Json(Vista::from(fila)).into_response())
}

/// Reads the fields one by one, so that each gets its own sentence.
fn leer(cuerpo: &Map<String, Value>) -> Result<Nueva, Problem> {
    let mut sentences = Vec::new();
    let mut text = |campo: &str| match cuerpo.get(campo) {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            sentences.push(format!("{campo} must be a text"));
            // A stand-in that breaks no rule: the field has its sentence.
            "correo"
        }
    };
    let nueva = Nueva::parse(text("tipo"), text("medio"), text("valor"));
    match nueva {
        Ok(nueva) if sentences.is_empty() => Ok(nueva),
        Ok(_) => Err(Problem::rejected(sentences)),
        Err(errors) => {
            sentences.extend(errors.iter().map(ToString::to_string));
            Err(Problem::rejected(sentences))
        }
    }
}

// === impl Vista ===

impl From<Fila> for Vista {
    fn from(fila: Fila) -> Self {
        let Fila {
            id,
            id_correlacion,
            tipo,
            medio,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = fila;
        let estado = id_correlacion.is_some().then_some(estado);
        Self {
            fecha_actualizacion,
            fecha_creacion,
            id,
            medio,
            tipo,
            valor,
            id_correlacion,
            estado,
        }
    }
}

impl From<Notificacion> for Vista {
    fn from(notificacion: Notificacion) -> Self {
        let Notificacion {
            id,
            tipo,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = notificacion;
        Self {
            fecha_actualizacion,
            fecha_creacion,
            id: id.to_string(),
            medio: estado.medio().to_string(),
            tipo: tipo.into(),
            valor,
            id_correlacion: None,
            estado: None,
        }
    }
}
