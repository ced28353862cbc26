//! The HTTP edge: routes, and what callers read.

mod entrada;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use seedwork::{Dinero, Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::problem::Problem;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::contracargos::Contracargos;
use super::read_model::{PagoVisto, ReadModel};
use entrada::{Aviso, Pagina, Parametros};

/// What the routes work with.
#[derive(Clone)]
struct Services {
    read_model: ReadModel,
    contracargos: Arc<Contracargos>,
}

/// A payment as the wire has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PagoVista {
    #[serde(skip_serializing_if = "String::is_empty")]
    autorizacion: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cargo: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    contracargo: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    discrepancia: String,
    estado: String,
    #[serde(rename = "fecha_actualizacion")]
    fecha_actualizacion: String,
    #[serde(rename = "fecha_creacion")]
    fecha_creacion: String,
    id: String,
    id_cliente: String,
    medio_pago: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mensaje: String,
    moneda: String,
    monto: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monto_cobrado: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    motivo: String,
    pasarela: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reembolso: String,
}

/// What `GET /spec` answers.
const SPEC: &str = include_str!("../../../openapi.json");

/// The routes that callers use.
pub(crate) fn router(read_model: ReadModel, contracargos: Arc<Contracargos>) -> Router {
    Router::new()
        .route("/pagos", get(list))
        .route("/pagos/{id}", get(read))
        .route("/pagos/simular-evento-de-compensacion", post(chargeback))
        .route(
            "/spec",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], SPEC) }),
        )
        .with_state(Services {
            read_model,
            contracargos,
        })
}

/// `GET /pagos/{id}`
async fn read(State(services): State<Services>, id: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let unknown = || Fault::NotFound("no payment has this id".to_owned());
    // What is no id names no payment.
    let id = id
        .ok()
        .and_then(|Path(id)| IdCorrelacion::parse(id).ok())
        .ok_or_else(unknown)?;
    let visto = services.read_model.find(&id).await?.ok_or_else(unknown)?;
    Ok(axum::Json(PagoVista::new(visto)?).into_response())
}

/// `GET /pagos`: an array, newest first; `X-Next-Cursor` is there while more follows.
async fn list(
    State(services): State<Services>,
    parametros: Result<Query<Parametros>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parametros) = parametros.map_err(|rejection| Problem::rejected(vec![rejection.body_text()]))?;
    let Pagina {
        limite,
        cursor,
        id_cliente,
    } = Pagina::parse(parametros).map_err(Problem::rejected)?;
    // One more than asked for tells whether more follows.
    let rows = i64::try_from(limite).unwrap_or(i64::MAX).saturating_add(1);
    let id_cliente = id_cliente.as_ref().map(IdCliente::as_str);
    let mut found = services.read_model.list(id_cliente, cursor.as_ref(), rows).await?;
    let more = found.len() > limite;
    found.truncate(limite);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| AppendHeaders([("x-next-cursor", last.cursor().to_string())]));
    let body = found.into_iter().map(PagoVista::new).collect::<Result<Vec<_>, _>>()?;
    Ok((next, axum::Json(body)).into_response())
}

/// `POST /pagos/simular-evento-de-compensacion`: plays the gateway's webhook. Without an `idCorrelacion` nothing is
/// reversed, as in the original, which read no body at all; so the content type does not matter either.
async fn chargeback(
    State(services): State<Services>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        status => Problem::new(status, "unreadable body", rejection.body_text()),
    })?;
    if let Some(Aviso { id, motivo }) = Aviso::parse(&body).map_err(Problem::rejected)? {
        services.contracargos.recibir(&id, &motivo).await?;
    }
    Ok((
        StatusCode::OK,
        axum::Json(json!({ "mensaje": "Evento de compensación emitido" })),
    )
        .into_response())
}

/// A moment as the wire has it: `2026-11-24T18:00:00Z`.
fn fecha(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// An amount as a JSON number with all its decimals.
fn monto(dinero: Dinero) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(dinero.monto()).map_err(|error| Fault::bug("failed to write an amount", error))
}

// === impl PagoVista ===

impl PagoVista {
    fn new(visto: PagoVisto) -> Result<Self, Fault> {
        let PagoVisto {
            id,
            id_cliente,
            medio_pago,
            dinero,
            estado,
            pasarela,
            autorizacion,
            cargo,
            cobrado,
            reembolso,
            motivo,
            mensaje,
            contracargo,
            discrepancia,
            creado,
            actualizado,
        } = visto;
        Ok(Self {
            autorizacion,
            cargo,
            contracargo,
            discrepancia,
            estado,
            fecha_actualizacion: fecha(actualizado),
            fecha_creacion: fecha(creado),
            id,
            id_cliente,
            medio_pago,
            mensaje,
            moneda: dinero.moneda().to_string(),
            monto: monto(dinero)?,
            monto_cobrado: cobrado.map(monto).transpose()?,
            motivo,
            pasarela,
            reembolso,
        })
    }
}
