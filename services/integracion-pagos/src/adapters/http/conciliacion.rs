//! The routes of the reconciliation: for operators.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use seedwork::{Fault, IdCliente};
use seedwork_runtime::Caller;
use seedwork_runtime::problem::{Problem, idempotency_key};
use seedwork_runtime::spec::{BadRequest, Conflict, NotFound};
use uuid::Uuid;

use super::vista::{AvisoVista, Conciliaciones, InformeVista};
use super::{Services, operators_only};
use crate::adapters::conciliacion::NoEmpezada;

/// How many reports, and how many of the webhooks' tales, a list holds.
const ULTIMOS: i64 = 50;

/// Compare our books with the gateway's now
///
/// Answers at once; the report of its id shows when it has ended. The same `Idempotency-Key` of the same caller gets
/// the report that it began.
#[utoipa::path(
    post, path = "/conciliacion", operation_id = "conciliar", tag = "conciliacion",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    responses(
        (status = 202, description = "It runs; Location says where its report is", body = InformeVista,
         headers(("Location" = String, description = "Where its report is"))),
        BadRequest, Conflict,
    )
)]
pub(super) async fn conciliar(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    operators_only(&caller)?;
    // It is for no client; the name only stands where one would.
    let nobody = IdCliente::parse("-").map_err(|error| Fault::bug("failed to name nobody", error))?;
    let scope = caller.scope(&nobody);
    let informe = services.conciliacion.pedir(idempotency_key(&headers, &scope)?).await?;
    let location = format!("/conciliacion/{}", informe.id);
    let headers = AppendHeaders([(header::LOCATION, location)]);
    Ok((StatusCode::ACCEPTED, headers, axum::Json(InformeVista::new(informe))).into_response())
}

/// The last comparisons of our books with the gateway's, newest first
#[utoipa::path(
    get, path = "/conciliacion", operation_id = "conciliaciones", tag = "conciliacion",
    responses((status = 200, description = "At most fifty of each", body = Conciliaciones))
)]
pub(super) async fn list(State(services): State<Services>, caller: Caller) -> Result<Response, Problem> {
    operators_only(&caller)?;
    let informes = services.conciliacion.informes();
    let body = Conciliaciones {
        avisos: informes
            .avisos(None, ULTIMOS)
            .await?
            .into_iter()
            .map(AvisoVista::new)
            .collect(),
        conciliaciones: informes
            .ultimos(ULTIMOS)
            .await?
            .into_iter()
            .map(InformeVista::new)
            .collect(),
    };
    Ok(axum::Json(body).into_response())
}

/// A comparison and the differences that it found
#[utoipa::path(
    get, path = "/conciliacion/{id}", operation_id = "conciliacion", tag = "conciliacion",
    params(("id" = String, Path)),
    responses((status = 200, description = "The report", body = InformeVista), NotFound)
)]
pub(super) async fn read(
    State(services): State<Services>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    operators_only(&caller)?;
    let unknown = || Fault::NotFound("no hay ninguna conciliación con este id".to_owned());
    let Path(id) = id.map_err(|_| unknown())?;
    // No other text is asked of the database: Postgres takes none with a NUL, which would look as if it were away.
    let id = Uuid::parse_str(&id).map_err(|_| unknown())?.to_string();
    let (informe, lista) = services.conciliacion.informes().leer(&id).await?.ok_or_else(unknown)?;
    Ok(axum::Json(InformeVista::new(informe).with_list(lista)).into_response())
}

// === impl Problem ===

impl From<NoEmpezada> for Problem {
    fn from(refusal: NoEmpezada) -> Self {
        match refusal {
            NoEmpezada::EnCurso => Self::of(StatusCode::CONFLICT, refusal.to_string())
                .with_header(header::RETRY_AFTER, HeaderValue::from(NoEmpezada::RETRY_AFTER)),
            NoEmpezada::Fault(fault) => fault.into(),
        }
    }
}
