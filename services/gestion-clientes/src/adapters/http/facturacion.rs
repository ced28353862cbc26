//! `/facturacion/*`: a door for payments, and invoices.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seedwork::solicitud::SolicitudError;
use seedwork::{Action, Fault, IdCliente, IdCorrelacion, Outcome, Reason, SolicitudPago, Step};
use seedwork_runtime::intake::{EstadoSolicitud, IdempotencyKey, Registro};
use seedwork_runtime::problem::{Json, Problem};
use serde::Serialize;
use serde_json::value::RawValue;

use super::campos::Campos;
use super::parametros::{Id, Pagina, clave, reused};
use super::{Services, fecha};
use crate::domain::cliente::CampoError;
use crate::domain::factura::Factura;
use crate::domain::instante::Instante;

/// An accepted payment; names and their order are the original's.
#[derive(Serialize)]
struct PagoVista {
    id: String,
    #[serde(rename = "idCliente")]
    id_cliente: String,
    #[serde(rename = "medioPago")]
    medio_pago: &'static str,
    monto: Box<RawValue>,
}

/// An invoice, or the request for one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FacturaVista {
    estado: &'static str,
    id: String,
    id_cliente: String,
    medio_pago: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mensaje: Option<String>,
    moneda: String,
    monto: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    motivo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    periodo_fin: Option<String>,
}

/// `POST /facturacion/realizar-pago`
pub(super) async fn pay(
    State(services): State<Services>,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    let (id, solicitud) = accept(&services, &headers, &campos).await?;
    let vista = PagoVista {
        id: id.into(),
        monto: monto(&solicitud)?,
        id_cliente: solicitud.id_cliente.into(),
        medio_pago: solicitud.medio_pago.as_str(),
    };
    Ok(axum::Json(vista).into_response())
}

/// `POST /facturacion/realizar-pago-comando`
pub(super) async fn pay_by_command(
    State(services): State<Services>,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    let (id, _) = accept(&services, &headers, &campos).await?;
    let headers = [
        (header::LOCATION.as_str(), format!("/facturacion/{id}")),
        ("x-correlation-id", id.to_string()),
    ];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(serde_json::json!({}))).into_response())
}

/// `GET /facturacion/{id}`
pub(super) async fn read(State(services): State<Services>, Id(id): Id) -> Result<Response, Problem> {
    let unknown = || Fault::NotFound("no payment has this id".to_owned());
    let id = IdCorrelacion::parse(id).map_err(|_| unknown())?;
    if let Some(factura) = services.facturas.find(&id).await? {
        return Ok(axum::Json(FacturaVista::of_factura(&factura)?).into_response());
    }
    let Registro { solicitud, estado } = services.intake.find(&id).await?.ok_or_else(unknown)?;
    let documento = services.participation.document(&id).await?.value.unwrap_or_default();
    if let Some(factura) = documento.agregado {
        return Ok(axum::Json(FacturaVista::of_factura(&factura)?).into_response());
    }
    let refusal = match documento
        .respuestas
        .get(Action::Do(Step::CrearFacturacion).command_type())
    {
        Some(Outcome::Refused(reason)) => Some(reason.clone()),
        Some(Outcome::Done | Outcome::Failed(_)) | None => None,
    };
    let (estado, reason) = without_factura(estado, refusal);
    Ok(axum::Json(FacturaVista::new(&id, &solicitud, estado, reason, None)?).into_response())
}

/// `GET /facturacion?idCliente=`
pub(super) async fn list(State(services): State<Services>, pagina: Pagina) -> Result<Response, Problem> {
    let id_cliente = IdCliente::parse(pagina.id_cliente.as_str())
        .map_err(|error| Problem::rejected(vec![SolicitudError::IdCliente(error).to_string()]))?;
    let found = services
        .facturas
        .of_client(&id_cliente, &pagina.cursor, pagina.rows())
        .await?;
    pagina.answer(found, |factura| factura.id.as_str(), FacturaVista::of_factura)
}

/// Where a request stands that has no invoice: refused at step 1 (`refusal`) or before, ended without one, or open.
fn without_factura(estado: EstadoSolicitud, refusal: Option<Reason>) -> (&'static str, Option<Reason>) {
    match (estado, refusal) {
        (EstadoSolicitud::Rechazada(reason), _)
        | (EstadoSolicitud::Abierta | EstadoSolicitud::Cerrada, Some(reason)) => ("RECHAZADO", Some(reason)),
        (EstadoSolicitud::Cerrada, None) => ("CANCELADO", None),
        (EstadoSolicitud::Abierta, None) => ("SOLICITADO", None),
    }
}

async fn accept(
    services: &Services,
    headers: &HeaderMap,
    campos: &Campos,
) -> Result<(IdCorrelacion, SolicitudPago), Problem> {
    let solicitud = read_solicitud(services, campos).map_err(Problem::rejected)?;
    let key = clave(headers, solicitud.id_cliente.as_str())?;
    // Made at another door, or with kubectl: the operator would refuse this one, where nobody looks for it.
    if let Some(key) = key
        && let Some(factura) = services.facturas.find(&key.id()).await?
        && factura.solicitud() != solicitud
    {
        return Err(reused(IdempotencyKey::used()));
    }
    let id = services.intake.accept(&solicitud, key).await.map_err(reused)?;
    Ok((id, solicitud))
}

/// `monto` is read from the number's own characters, so nothing is rounded; a text is not a number.
fn read_solicitud(services: &Services, campos: &Campos) -> Result<SolicitudPago, Vec<String>> {
    let medio_pago = campos.text("medioPago").unwrap_or_default();
    let id_cliente = campos.text("idCliente");
    let id_text = id_cliente.as_deref().unwrap_or_default();
    let sentence = |error: SolicitudError| match (&error, &id_cliente) {
        (SolicitudError::IdCliente(_), Err(CampoError::NotText(name))) => CampoError::NotText(name).to_string(),
        (SolicitudError::IdCliente(_) | SolicitudError::MedioPago | SolicitudError::Monto(_), _) => error.to_string(),
    };
    SolicitudPago::parse(&medio_pago, id_text, campos.raw("monto"), services.moneda)
        .map_err(|errors| errors.into_iter().map(sentence).collect())
}

/// The amount as a JSON number with all its decimals.
fn monto(solicitud: &SolicitudPago) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(solicitud.dinero.monto()).map_err(|error| Fault::bug("failed to write an amount", error))
}

// === impl FacturaVista ===

impl FacturaVista {
    fn of_factura(factura: &Factura) -> Result<Self, Problem> {
        let estado = factura.estado;
        let solicitud = factura.solicitud();
        Self::new(&factura.id, &solicitud, estado.as_str(), None, estado.periodo_fin())
    }

    fn new(
        id: &IdCorrelacion,
        solicitud: &SolicitudPago,
        estado: &'static str,
        reason: Option<Reason>,
        periodo_fin: Option<Instante>,
    ) -> Result<Self, Problem> {
        let (motivo, mensaje) = reason.map(|Reason { motivo, mensaje }| (motivo, mensaje)).unzip();
        Ok(Self {
            estado,
            id: id.to_string(),
            id_cliente: solicitud.id_cliente.to_string(),
            medio_pago: solicitud.medio_pago.as_str(),
            mensaje,
            moneda: solicitud.dinero.moneda().to_string(),
            monto: monto(solicitud)?,
            motivo,
            periodo_fin: periodo_fin.map(fecha),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_an_invoice_says_how_it_stands() {
        let (step_1, door) = (
            Reason::new("ClienteInexistente", "x"),
            Reason::new("SolicitudInvalida", "y"),
        );
        for (estado, refusal, expected) in [
            (EstadoSolicitud::Abierta, None, ("SOLICITADO", None)),
            (
                EstadoSolicitud::Abierta,
                Some(step_1.clone()),
                ("RECHAZADO", Some(step_1.clone())),
            ),
            (
                EstadoSolicitud::Cerrada,
                Some(step_1.clone()),
                ("RECHAZADO", Some(step_1)),
            ),
            (EstadoSolicitud::Cerrada, None, ("CANCELADO", None)),
            (
                EstadoSolicitud::Rechazada(door.clone()),
                None,
                ("RECHAZADO", Some(door)),
            ),
        ] {
            assert_eq!(without_factura(estado.clone(), refusal), expected, "{estado:?}");
        }
    }
}
