//! The HTTP edge: routes, and who may ask for what.

mod conciliacion;
mod entrada;
mod vista;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{AppendHeaders, IntoResponse, Response};
use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::Caller;
use seedwork_runtime::problem::Problem;
use seedwork_runtime::spec::{self, BadRequest, Info, NotFound};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::conciliacion::Conciliacion;
use super::contracargos::Contracargos;
use super::read_model::ReadModel;
use super::webhook::Webhook;
use entrada::{Aviso, AvisoEntrada, Pagina, Parametros};
use vista::{Emitido, PagoVista};

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) read_model: ReadModel,
    pub(crate) contracargos: Arc<Contracargos>,
    pub(crate) conciliacion: Arc<Conciliacion>,
    pub(crate) webhook: Arc<Webhook>,
}

const INFO: Info = Info {
    title: "integracion-pagos",
    description: "Payments at the gateway: what was taken and given back, chargebacks, and the comparison of our books \
                  with the gateway's. With AUTH=jwt a client sees its own payments; the chargeback's test door and the \
                  reconciliation are for operators.",
};

/// The largest webhook that is read, in bytes.
const WEBHOOK_LIMIT: usize = 1024 * 1024;

/// How many of the webhooks' tales about one payment are shown.
const AVISOS: i64 = 20;

/// The routes that callers use, and the document and the page about them.
pub(crate) fn router(services: Services) -> Router {
    spec::finish(routes().with_state(services), INFO)
}

/// The document of the routes.
pub(crate) fn spec() -> String {
    spec::json(&spec::document(&routes(), INFO))
}

fn routes() -> OpenApiRouter<Services> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(chargeback))
        // A dispute carries the evidence about it, far more than what a stranger may post.
        .routes(routes!(webhook::stripe).layer(DefaultBodyLimit::max(WEBHOOK_LIMIT)))
        // Not below /pagos, where a payment of any name may stand.
        .routes(routes!(conciliacion::list, conciliacion::conciliar))
        .routes(routes!(conciliacion::read))
}

/// A client may look at its payments, an application at any; what concerns all of them is for operators.
fn operators_only(caller: &Caller) -> Result<(), Problem> {
    match caller {
        Caller::Anyone | Caller::Operador { .. } => Ok(()),
        Caller::Cliente { .. } | Caller::App(_) => Err(Problem::of(
            StatusCode::FORBIDDEN,
            "esto es para operadores: el token debe llevar su rol",
        )),
    }
}

/// A payment by its idCorrelacion
#[utoipa::path(
    get, path = "/pagos/{id}", operation_id = "pago", tag = "pagos",
    params(("id" = String, Path, description = "The idCorrelacion")),
    responses((status = 200, description = "The payment", body = PagoVista), NotFound)
)]
async fn read(
    State(services): State<Services>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    const UNKNOWN: &str = "no hay ningún pago con este id";
    let unknown = || Fault::NotFound(UNKNOWN.to_owned());
    // What is no id names no payment.
    let id = id
        .ok()
        .and_then(|Path(id)| IdCorrelacion::parse(id).ok())
        .ok_or_else(unknown)?;
    let visto = services.read_model.find(&id).await?.ok_or_else(unknown)?;
    let id_cliente = IdCliente::parse(visto.id_cliente.as_str())
        .map_err(|error| Fault::bug("failed to read whose payment it is", error))?;
    caller.owns(&id_cliente, UNKNOWN)?;
    let attempts = services.read_model.attempts(&id).await?;
    let avisos = services
        .conciliacion
        .informes()
        .avisos(Some(id.as_str()), AVISOS)
        .await?;
    Ok(axum::Json(PagoVista::new(visto)?.with_details(attempts, avisos)).into_response())
}

/// Payments, newest first
#[utoipa::path(
    get, path = "/pagos", operation_id = "pagos", tag = "pagos",
    params(
        ("idCliente" = Option<String>, Query, description = "Only this client's", min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"),
        ("limite" = Option<u32>, Query, minimum = 1, maximum = 100, description = "50 unless told"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{1,18}[.][a-z0-9]([-a-z0-9]{0,56}[a-z0-9])?$", description = "The X-Next-Cursor of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = [PagoVista],
         headers(("X-Next-Cursor" = String, description = "There while more follows"))),
        BadRequest,
    )
)]
async fn list(
    State(services): State<Services>,
    caller: Caller,
    parametros: Result<Query<Parametros>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parametros) = parametros?;
    let Pagina {
        limite,
        cursor,
        id_cliente,
    } = Pagina::parse(parametros).map_err(Problem::rejected)?;
    // A client that asks for another's sees none, as if there were none.
    if id_cliente.as_ref().is_some_and(|asked| !caller.may_act_for(asked)) {
        return Ok(axum::Json(Vec::<PagoVista>::new()).into_response());
    }
    // One more than asked for tells whether more follows.
    let rows = i64::try_from(limite).unwrap_or(i64::MAX).saturating_add(1);
    let id_cliente = caller.only().or(id_cliente.as_ref()).map(IdCliente::as_str);
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

/// Plays the gateway's chargeback; without idCorrelacion nothing is reversed
///
/// As in the original, which read no body at all; so the content type does not matter either.
#[utoipa::path(
    post, path = "/pagos/simular-evento-de-compensacion", operation_id = "simularEventoDeCompensacion", tag = "pagos",
    request_body = Option<AvisoEntrada>,
    responses(
        (status = 200, description = "Stored; the operator will hear of it", body = Emitido),
        BadRequest, NotFound,
    )
)]
async fn chargeback(
    State(services): State<Services>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    operators_only(&caller)?;
    let body = body?;
    if let Some(Aviso { id, motivo }) = Aviso::parse(&body).map_err(Problem::rejected)? {
        services.contracargos.recibir(&id, &motivo).await?;
    }
    let mensaje = "Evento de compensación emitido";
    Ok(axum::Json(Emitido { mensaje }).into_response())
}
