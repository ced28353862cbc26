//! `/facturacion/*`: a door for payments, and invoices.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seedwork::solicitud::SolicitudError;
use seedwork::{Action, Fault, IdCliente, IdCorrelacion, Outcome, Reason, SolicitudPago, Step};
use seedwork_runtime::Caller;
use seedwork_runtime::intake::{EstadoSolicitud, IdempotencyKey, Registro};
use seedwork_runtime::problem::{Json, Problem, idempotency_key};
use seedwork_runtime::spec::{BadRequest, KeyInUse, NotFound, Unprocessable};

use super::campos::Campos;
use super::cuerpos::{PAGO_NUEVO, PagoNuevo};
use super::parametros::{Id, Pagina, reused};
use super::vista::{Aceptado, FacturaVista, PagoVista};
use super::{Services, people_only};
use crate::domain::cliente::CampoError;

const UNKNOWN: &str = "no hay ningún pago con este id";

/// Pay
///
/// Answered once the request cannot be lost any more; what becomes of it is read at `/facturacion/{id}`. With AUTH=jwt a
/// client pays for itself alone.
#[utoipa::path(
    post, path = "/facturacion/realizar-pago", operation_id = "realizarPago", tag = "facturacion",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "The same key with the same body is the same payment, however often and at whichever door it is sent")),
    request_body = PagoNuevo,
    responses((status = 200, description = "Taken", body = PagoVista), BadRequest, KeyInUse, Unprocessable)
)]
pub(super) async fn pay(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    let (id, solicitud) = accept(&services, &caller, &headers, &campos).await?;
    Ok(axum::Json(PagoVista::new(id, solicitud)?).into_response())
}

/// Pay, and be told only where to look
#[utoipa::path(
    post, path = "/facturacion/realizar-pago-comando", operation_id = "realizarPagoComando", tag = "facturacion",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "The same key with the same body is the same payment, however often and at whichever door it is sent")),
    request_body = PagoNuevo,
    responses(
        (status = 202, description = "Taken", body = Aceptado,
         headers(("Location" = String, description = "Where the invoice is read"),
                 ("X-Correlation-Id" = String, description = "The idCorrelacion"))),
        BadRequest, KeyInUse, Unprocessable,
    )
)]
pub(super) async fn pay_by_command(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    let (id, _) = accept(&services, &caller, &headers, &campos).await?;
    let headers = [
        (header::LOCATION.as_str(), format!("/facturacion/{id}")),
        ("x-correlation-id", id.to_string()),
    ];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(Aceptado {})).into_response())
}

/// An invoice, or the request for one, by its idCorrelacion
#[utoipa::path(
    get, path = "/facturacion/{id}", operation_id = "factura", tag = "facturacion",
    params(("id" = String, Path, description = "The idCorrelacion")),
    responses((status = 200, description = "The invoice", body = FacturaVista), NotFound)
)]
pub(super) async fn read(State(services): State<Services>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let unknown = || Fault::NotFound(UNKNOWN.to_owned());
    let id = IdCorrelacion::parse(id).map_err(|_| unknown())?;
    if let Some(factura) = services.facturas.find(&id).await? {
        caller.owns(&factura.id_cliente, UNKNOWN)?;
        return Ok(axum::Json(FacturaVista::of_factura(&factura)?).into_response());
    }
    let Registro { solicitud, estado } = services.intake.find(&id).await?.ok_or_else(unknown)?;
    caller.owns(&solicitud.id_cliente, UNKNOWN)?;
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
    let reintento = services.enlaces.of(&id).await?;
    let vista = FacturaVista::of_solicitud(&id, &solicitud, estado, reason, reintento)?;
    Ok(axum::Json(vista).into_response())
}

/// The invoices of a client, in the order of their ids
#[utoipa::path(
    get, path = "/facturacion", operation_id = "facturas", tag = "facturacion",
    params(
        ("idCliente" = Option<String>, Query, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$",
         description = "Whose; a client that shows a token may leave it out and means itself"),
        ("limite" = Option<u32>, Query, minimum = 1, maximum = 100, description = "50 unless told"),
        ("cursor" = Option<String>, Query, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", description = "The id of the last element of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = [FacturaVista],
         headers(("X-Next-Cursor" = String, description = "There while more follows"))),
        BadRequest,
    )
)]
pub(super) async fn list(
    State(services): State<Services>,
    caller: Caller,
    pagina: Pagina,
) -> Result<Response, Problem> {
    let id_cliente = match caller.only() {
        Some(own) if pagina.id_cliente.is_empty() => own.clone(),
        Some(_) | None => IdCliente::parse(pagina.id_cliente.as_str())
            .map_err(|error| Problem::rejected(vec![SolicitudError::IdCliente(error).frase()]))?,
    };
    // A client that asks for another's sees none, as if there were none.
    let found = if caller.may_act_for(&id_cliente) {
        let page = services.facturas.of_client(&id_cliente, &pagina.cursor, pagina.rows());
        page.await?
    } else {
        Vec::new()
    };
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
    caller: &Caller,
    headers: &HeaderMap,
    campos: &Campos,
) -> Result<(IdCorrelacion, SolicitudPago), Problem> {
    people_only(caller)?;
    let solicitud = read_solicitud(services, campos).map_err(Problem::rejected)?;
    caller.require(&solicitud.id_cliente)?;
    let scope = caller.scope(&solicitud.id_cliente);
    let key = idempotency_key(headers, &scope)?;
    let _held = services.intake.hold(key)?;
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
        (SolicitudError::IdCliente(_) | SolicitudError::MedioPago | SolicitudError::Monto(_), _) => error.frase(),
    };
    let read = SolicitudPago::parse(&medio_pago, id_text, campos.raw("monto"), services.moneda);
    let unknown: Vec<_> = campos.unknown(&PAGO_NUEVO).map(|error| error.to_string()).collect();
    match read {
        Ok(solicitud) if unknown.is_empty() => Ok(solicitud),
        read => {
            let broken = read.err().into_iter().flatten().map(sentence);
            Err(broken.chain(unknown).collect())
        }
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
