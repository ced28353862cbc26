//! `/notificaciones/*`.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use seedwork::{App, Fault, IdCliente};
use seedwork_runtime::Caller;
use seedwork_runtime::members::Members;
use seedwork_runtime::problem::{Json, Problem, idempotency_key};
use seedwork_runtime::spec::{BadRequest, KeyInUse, NotFound, Unprocessable};
use uuid::Uuid;

use super::Recursos;
use super::cuerpos::NuevaEntrada;
use super::entrada;
use super::pagina::{self, Parametros};
use super::vista::{Aceptada, Vista};
use crate::adapters::read_model::Fila;
use crate::adapters::registro::Recibo;
use crate::domain::Nueva;

type Busqueda = Result<Query<Parametros>, QueryRejection>;
type Id = Result<Path<String>, PathRejection>;

/// Make a notification
///
/// The same `Idempotency-Key` of the same caller with the same body gets the notification that it made, as it stands
/// now, at any later time.
#[utoipa::path(
    post, path = "/notificaciones/notificacion", operation_id = "crearNotificacion", tag = "notificaciones",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body = NuevaEntrada,
    responses(
        (status = 200, description = "The notification", body = Vista),
        KeyInUse, Unprocessable,
    )
)]
pub(super) async fn crear(
    State(recursos): State<Recursos>,
    caller: Caller,
    headers: HeaderMap,
    Json(cuerpo): Json<Members>,
) -> Result<Response, Problem> {
    may_make(&caller)?;
    let nueva = entrada::leer(&cuerpo)?;
    let scope = scope(&caller, &nueva)?;
    let clave = idempotency_key(&headers, &scope)?;
    let recibo = recursos.registro.guardar(nueva, clave).await?;
    let vista = match recibo {
        Recibo::Nueva(notificacion) => Vista::from(*notificacion),
        Recibo::Repetida(fila) => Vista::from(*fila),
        Recibo::ClaveUsada => return Err(Problem::key_reused()),
        Recibo::EnCurso(in_use) => return Err(in_use.into()),
    };
    Ok(axum::Json(vista).into_response())
}

/// Have a notification made
///
/// Answers once it cannot be lost. `Idempotency-Key` as for `POST /notificaciones/notificacion`.
#[utoipa::path(
    post, path = "/notificaciones/notificacion-comando", operation_id = "crearNotificacionComando",
    tag = "notificaciones",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body = NuevaEntrada,
    responses(
        (status = 202, description = "Accepted", body = Aceptada,
         headers(("Location" = String, description = "Where the notification is"),
                 ("X-Correlation-Id" = String, description = "Its id"))),
        KeyInUse, Unprocessable,
    )
)]
pub(super) async fn comando(
    State(recursos): State<Recursos>,
    caller: Caller,
    headers: HeaderMap,
    Json(cuerpo): Json<Members>,
) -> Result<Response, Problem> {
    may_make(&caller)?;
    let nueva = entrada::leer(&cuerpo)?;
    let scope = scope(&caller, &nueva)?;
    let clave = idempotency_key(&headers, &scope)?;
    let recibo = recursos.registro.aceptar(nueva, clave).await?;
    let id = match recibo {
        Recibo::Nueva(notificacion) => notificacion.id.to_string(),
        Recibo::Repetida(fila) => fila.id,
        Recibo::ClaveUsada => return Err(Problem::key_reused()),
        Recibo::EnCurso(in_use) => return Err(in_use.into()),
    };
    let headers = [
        (header::LOCATION.as_str(), format!("/notificaciones/notificacion/{id}")),
        ("x-correlation-id", id),
    ];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(Aceptada {})).into_response())
}

/// Notifications, oldest first
#[utoipa::path(
    get, path = "/notificaciones/notificacion", operation_id = "notificaciones", tag = "notificaciones",
    params(
        ("limite" = Option<u32>, Query, minimum = 1, maximum = 100, description = "50 unless told"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z[.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description = "The X-Next-Cursor of the page before"),
        ("idCorrelacion" = Option<String>, Query, min_length = 1, max_length = 58, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description = "Only those that tell of this payment"),
        ("idCliente" = Option<String>, Query, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$", description = "Only those for this client"),
    ),
    responses(
        (status = 200, description = "A page", body = [Vista],
         headers(("X-Next-Cursor" = String, description = "There while more follows"))),
        BadRequest,
    )
)]
pub(super) async fn listar(
    State(recursos): State<Recursos>,
    caller: Caller,
    parametros: Busqueda,
) -> Result<Response, Problem> {
    lista(&recursos, &caller, parametros).await
}

/// The same as `GET /notificaciones/notificacion`
#[utoipa::path(
    get, path = "/notificaciones/notificacion-query", operation_id = "notificacionesQuery", tag = "notificaciones",
    params(
        ("limite" = Option<u32>, Query, minimum = 1, maximum = 100, description = "50 unless told"),
        ("cursor" = Option<String>, Query, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z[.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description = "The X-Next-Cursor of the page before"),
        ("idCorrelacion" = Option<String>, Query, min_length = 1, max_length = 58, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description = "Only those that tell of this payment"),
        ("idCliente" = Option<String>, Query, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$", description = "Only those for this client"),
    ),
    responses(
        (status = 200, description = "A page", body = [Vista],
         headers(("X-Next-Cursor" = String, description = "There while more follows"))),
        BadRequest,
    )
)]
pub(super) async fn listar_query(
    State(recursos): State<Recursos>,
    caller: Caller,
    parametros: Busqueda,
) -> Result<Response, Problem> {
    lista(&recursos, &caller, parametros).await
}

/// A notification by its id
#[utoipa::path(
    get, path = "/notificaciones/notificacion/{id}", operation_id = "notificacion", tag = "notificaciones",
    params(("id" = String, Path)),
    responses((status = 200, description = "The notification", body = Vista), NotFound)
)]
pub(super) async fn ver(State(recursos): State<Recursos>, caller: Caller, id: Id) -> Result<Response, Problem> {
    una(&recursos, &caller, id).await
}

/// The same as `GET /notificaciones/notificacion/{id}`
#[utoipa::path(
    get, path = "/notificaciones/notificacion-query/{id}", operation_id = "notificacionQuery", tag = "notificaciones",
    params(("id" = String, Path)),
    responses((status = 200, description = "The notification", body = Vista), NotFound)
)]
pub(super) async fn ver_query(State(recursos): State<Recursos>, caller: Caller, id: Id) -> Result<Response, Problem> {
    una(&recursos, &caller, id).await
}

async fn lista(recursos: &Recursos, caller: &Caller, parametros: Busqueda) -> Result<Response, Problem> {
    let Query(parametros) = parametros?;
    let mut pagina = pagina::leer(&parametros)?;
    // A client that asks for another's sees none, as if there were none.
    if pagina
        .id_cliente
        .as_ref()
        .is_some_and(|asked| !caller.may_act_for(asked))
    {
        return Ok(axum::Json(Vec::<Vista>::new()).into_response());
    }
    if let Some(own) = caller.only() {
        pagina.id_cliente = Some(own.clone());
    }
    let (filas, siguiente) = pagina::pedir(&recursos.read_model, pagina).await?;
    let siguiente = siguiente.map(|cursor| AppendHeaders([("x-next-cursor", cursor)]));
    let filas: Vec<_> = filas.into_iter().map(Vista::from).collect();
    Ok((siguiente, axum::Json(filas)).into_response())
}

async fn una(recursos: &Recursos, caller: &Caller, id: Id) -> Result<Response, Problem> {
    // Ours are UUIDs: anything else names no notification.
    let id = id.ok().and_then(|Path(id)| Uuid::parse_str(&id).ok());
    let fila = match id {
        Some(id) => recursos.read_model.buscar(&id).await?,
        None => None,
    };
    // What is for another client, or for nobody, is not there for a client.
    let theirs = |fila: &Fila| {
        let own = caller.only().map(IdCliente::as_str);
        own.is_none_or(|own| fila.id_cliente.as_deref() == Some(own))
    };
    let unknown = || Fault::NotFound("no hay ninguna notificación con este id".to_owned());
    let fila = fila.filter(theirs).ok_or_else(unknown)?;
    Ok(axum::Json(Vista::from(fila)).into_response())
}

/// A client could write in our name to anyone. Of the applications gestion-clientes has clients reminded.
fn may_make(caller: &Caller) -> Result<(), Problem> {
    match caller {
        Caller::Anyone | Caller::Operador { .. } | Caller::App(App::GestionClientes) => Ok(()),
        Caller::Cliente { .. }
        | Caller::App(App::Operator | App::Bff | App::IntegracionPagos | App::Notificaciones) => Err(Problem::of(
            StatusCode::FORBIDDEN,
            "las notificaciones las hacen los operadores y gestion-clientes: el token debe llevar su rol",
        )),
    }
}

/// Whose keys these are; where nobody is asked, the client's that it is for.
fn scope(caller: &Caller, nueva: &Nueva) -> Result<String, Fault> {
    let nobody = IdCliente::parse("-").map_err(|error| Fault::bug("failed to name nobody", error))?;
    Ok(caller.scope(nueva.id_cliente().unwrap_or(&nobody)))
}
