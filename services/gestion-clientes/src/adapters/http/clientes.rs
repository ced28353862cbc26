//! `/clientes/*`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use seedwork::{Fault, IdCliente};
use seedwork_runtime::problem::{Json, Problem, idempotency_key};
use seedwork_runtime::spec::{BadRequest, Conflict, NotFound, PreconditionFailed, Unprocessable};
use seedwork_runtime::{Caller, Secret};

use super::campos::Campos;
use super::condicion::{condicion, etag};
use super::cuerpos::{CLIENTE_CAMBIO, CLIENTE_NUEVO, ClienteCambio, ClienteNuevo};
use super::parametros::{Id, Pagina};
use super::vista::{Aceptado, ClienteVista};
use super::{Services, people_only};
use crate::adapters::clientes::{ClienteVisto, Identidad, Rechazo};
use crate::domain::cliente::{self, CampoError, DatosCliente};

const UNKNOWN: &str = "no hay ningún cliente con este id";

/// Register a client
///
/// With AUTH=jwt for operators, and for a client whose token's subject is not registered yet: that becomes its id.
#[utoipa::path(
    post, path = "/clientes/cliente", operation_id = "crearCliente", tag = "clientes",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "The same key with the same client is the same client, however often it is sent")),
    request_body = ClienteNuevo,
    responses(
        (status = 200, description = "Registered", body = ClienteVista,
         headers(("ETag" = String, description = "Its version, for If-Match"))),
        BadRequest, Conflict, Unprocessable,
    )
)]
pub(super) async fn create(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    Ok(one(&register(&services, &caller, &headers, &campos).await?))
}

/// Register a client, and say only where it is
#[utoipa::path(
    post, path = "/clientes/cliente-comando", operation_id = "crearClienteComando", tag = "clientes",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "The same key with the same client is the same client, however often it is sent")),
    request_body = ClienteNuevo,
    responses(
        (status = 202, description = "Registered", body = Aceptado,
         headers(("Location" = String, description = "Where the client is read"),
                 ("X-Correlation-Id" = String, description = "The client's id"),
                 ("ETag" = String, description = "Its version, for If-Match"))),
        BadRequest, Conflict, Unprocessable,
    )
)]
pub(super) async fn create_by_command(
    State(services): State<Services>,
    caller: Caller,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    Ok(accepted(&register(&services, &caller, &headers, &campos).await?))
}

/// Change a client
///
/// Without If-Match the change is made on whatever is there, as the original's clients expect; never over what somebody
/// else writes meanwhile. Sent again it changes nothing more.
#[utoipa::path(
    put, path = "/clientes/cliente/{id}", operation_id = "actualizarCliente", tag = "clientes",
    params(("id" = String, Path, description = "The client's id"),
           ("If-Match" = Option<String>, Header, description = "The ETag of what the caller saw; 412 if it is not that any more")),
    request_body = ClienteCambio,
    responses(
        (status = 200, description = "Changed", body = ClienteVista,
         headers(("ETag" = String, description = "Its version, for If-Match"))),
        BadRequest, NotFound, Conflict, PreconditionFailed,
    )
)]
pub(super) async fn update(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    Ok(one(&change(&services, &caller, id, &headers, &campos).await?))
}

/// Change a client, and say only where it is
#[utoipa::path(
    put, path = "/clientes/cliente-comando/{id}", operation_id = "actualizarClienteComando", tag = "clientes",
    params(("id" = String, Path, description = "The client's id"),
           ("If-Match" = Option<String>, Header, description = "The ETag of what the caller saw; 412 if it is not that any more")),
    request_body = ClienteCambio,
    responses(
        (status = 202, description = "Changed", body = Aceptado,
         headers(("Location" = String, description = "Where the client is read"),
                 ("X-Correlation-Id" = String, description = "The client's id"),
                 ("ETag" = String, description = "Its version, for If-Match"))),
        BadRequest, NotFound, Conflict, PreconditionFailed,
    )
)]
pub(super) async fn update_by_command(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    Ok(accepted(&change(&services, &caller, id, &headers, &campos).await?))
}

/// A client by its id
#[utoipa::path(
    get, path = "/clientes/cliente/{id}", operation_id = "cliente", tag = "clientes",
    params(("id" = String, Path, description = "The client's id")),
    responses(
        (status = 200, description = "The client", body = ClienteVista,
         headers(("ETag" = String, description = "Its version, for If-Match"))),
        NotFound,
    )
)]
pub(super) async fn read(State(services): State<Services>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    found(&services, &caller, id).await
}

/// A client by its id
#[utoipa::path(
    get, path = "/clientes/cliente-query/{id}", operation_id = "clienteQuery", tag = "clientes",
    params(("id" = String, Path, description = "The client's id")),
    responses(
        (status = 200, description = "The client", body = ClienteVista,
         headers(("ETag" = String, description = "Its version, for If-Match"))),
        NotFound,
    )
)]
pub(super) async fn read_by_query(
    State(services): State<Services>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    found(&services, &caller, id).await
}

/// Clients, in the order of their ids
///
/// Ids that we make are ordered by time. With AUTH=jwt a client sees itself alone.
#[utoipa::path(
    get, path = "/clientes/cliente", operation_id = "clientes", tag = "clientes",
    params(
        ("limite" = Option<u32>, Query, minimum = 1, maximum = 100, description = "50 unless told"),
        ("cursor" = Option<String>, Query, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", description = "The id of the last element of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = [ClienteVista],
         headers(("X-Next-Cursor" = String, description = "There while more follows"))),
        BadRequest,
    )
)]
pub(super) async fn list(
    State(services): State<Services>,
    caller: Caller,
    pagina: Pagina,
) -> Result<Response, Problem> {
    page(&services, &caller, &pagina).await
}

/// Clients, in the order of their ids
#[utoipa::path(
    get, path = "/clientes/cliente-query", operation_id = "clientesQuery", tag = "clientes",
    params(
        ("limite" = Option<u32>, Query, minimum = 1, maximum = 100, description = "50 unless told"),
        ("cursor" = Option<String>, Query, max_length = 128, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", description = "The id of the last element of the page before"),
    ),
    responses(
        (status = 200, description = "A page", body = [ClienteVista],
         headers(("X-Next-Cursor" = String, description = "There while more follows"))),
        BadRequest,
    )
)]
pub(super) async fn list_by_query(
    State(services): State<Services>,
    caller: Caller,
    pagina: Pagina,
) -> Result<Response, Problem> {
    page(&services, &caller, &pagina).await
}

async fn found(services: &Services, caller: &Caller, id: String) -> Result<Response, Problem> {
    let id = mine(caller, id)?;
    let visto = services.clientes.find(id.as_str()).await?;
    Ok(one(&visto.ok_or_else(unknown)?))
}

async fn page(services: &Services, caller: &Caller, pagina: &Pagina) -> Result<Response, Problem> {
    let found = match caller.only() {
        None => services.clientes.list(&pagina.cursor, pagina.rows()).await?,
        // The one client there is to see, unless the caller is past it.
        Some(own) if own.as_str() > pagina.cursor.as_str() => {
            services.clientes.find(own.as_str()).await?.into_iter().collect()
        }
        Some(_) => Vec::new(),
    };
    pagina.answer(
        found,
        |visto| visto.cliente.id.as_str(),
        |visto| Ok(ClienteVista::from(visto)),
    )
}

/// What the request itself says of the plan (`estado`) and of the id (`id_cliente`) is ignored.
async fn register(
    services: &Services,
    caller: &Caller,
    headers: &HeaderMap,
    campos: &Campos,
) -> Result<ClienteVisto, Problem> {
    people_only(caller)?;
    let scope = match caller {
        Caller::Operador { subject, .. } => format!("operador\n{subject}"),
        // A client's own is known by its id.
        Caller::Anyone | Caller::App(_) | Caller::Cliente { .. } => String::new(),
    };
    let clave = idempotency_key(headers, &scope)?;
    let identidad = match (caller, clave) {
        (Caller::Cliente { id, .. }, clave) => Identidad::Propia { id: id.clone(), clave },
        (Caller::Anyone | Caller::Operador { .. } | Caller::App(_), Some(clave)) => Identidad::Clave(clave),
        (Caller::Anyone | Caller::Operador { .. } | Caller::App(_), None) => Identidad::Nueva,
    };
    let contrasena = cliente::contrasena(campos.text("contrasena"), services.contrasena_minima);
    let (datos, contrasena) = read_with(campos, contrasena.map(Secret::from), &CLIENTE_NUEVO)?;
    Ok(services.clientes.crear(datos, contrasena, identidad).await?)
}

async fn change(
    services: &Services,
    caller: &Caller,
    id: String,
    headers: &HeaderMap,
    campos: &Campos,
) -> Result<ClienteVisto, Problem> {
    people_only(caller)?;
    let id = mine(caller, id)?;
    let contrasena = match campos.text("contrasena") {
        Err(CampoError::Empty(_)) => Ok(None),
        sent => cliente::contrasena(sent, services.contrasena_minima).map(Some),
    };
    let contrasena = contrasena.map(|text| text.map(Secret::from));
    let (datos, contrasena) = read_with(campos, contrasena, &CLIENTE_CAMBIO)?;
    let condicion = condicion(headers);
    let changed = services.clientes.actualizar(&id, &datos, contrasena, &condicion);
    Ok(changed.await?)
}

/// The fields that every body about a client has, and a sentence for each rule that anything in it breaks.
fn read_with<T>(
    campos: &Campos,
    contrasena: Result<T, CampoError>,
    known: &[&str],
) -> Result<(DatosCliente, T), Problem> {
    let datos = DatosCliente::parse(campos.text("nombre"), campos.text("apellidos"), campos.text("correo"));
    let unknown: Vec<_> = campos.unknown(known).collect();
    match (datos, contrasena) {
        (Ok(datos), Ok(contrasena)) if unknown.is_empty() => Ok((datos, contrasena)),
        (datos, contrasena) => {
            let broken = datos.err().into_iter().flatten().chain(contrasena.err()).chain(unknown);
            Err(Problem::rejected(broken.map(|error| error.to_string()).collect()))
        }
    }
}

/// The id in the path, if this caller may know what is there.
fn mine(caller: &Caller, id: String) -> Result<IdCliente, Problem> {
    let id = IdCliente::parse(id).map_err(|_| unknown())?;
    caller.owns(&id, UNKNOWN)?;
    Ok(id)
}

fn unknown() -> Fault {
    Fault::NotFound(UNKNOWN.to_owned())
}

fn one(visto: &ClienteVisto) -> Response {
    let headers = [
        (header::ETAG, etag(visto.version)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (AppendHeaders(headers), axum::Json(ClienteVista::from(visto))).into_response()
}

fn accepted(visto: &ClienteVisto) -> Response {
    let id = &visto.cliente.id;
    let headers = [
        (header::LOCATION.as_str(), format!("/clientes/cliente/{}", segment(id))),
        ("x-correlation-id", id.to_string()),
        (header::ETAG.as_str(), etag(visto.version)),
    ];
    (StatusCode::ACCEPTED, headers, axum::Json(Aceptado {})).into_response()
}

/// An id as one segment of a path: a token's subject may hold a `|`.
fn segment(id: &IdCliente) -> String {
    id.as_str().replace('|', "%7C")
}

// === impl Problem ===

impl From<Rechazo> for Problem {
    fn from(rechazo: Rechazo) -> Self {
        let (status, sentence) = match rechazo {
            Rechazo::ClaveUsada => return Self::key_reused(),
            Rechazo::EnCurso(in_use) => return in_use.into(),
            Rechazo::YaExiste => (
                StatusCode::CONFLICT,
                "el cliente de este token ya está registrado; para cambiarlo use PUT",
            ),
            Rechazo::IdImposible => (
                StatusCode::FORBIDDEN,
                "el sujeto de este token no puede ser el id de un cliente",
            ),
            Rechazo::Inexistente => return unknown().into(),
            Rechazo::Cambiado => (
                StatusCode::PRECONDITION_FAILED,
                "If-Match no es la versión actual del cliente: léalo de nuevo y repita el cambio sobre lo que vea",
            ),
            // Somebody else writes at the same time; a repeat finds what they wrote.
            Rechazo::Fault(Fault::Conflict(_)) => (
                StatusCode::CONFLICT,
                "otra petición está cambiando este cliente; repita la suya",
            ),
            Rechazo::Fault(fault) => return fault.into(),
        };
        Self::of(status, sentence)
    }
}
