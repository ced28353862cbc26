//! `/clientes/*`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use seedwork::Fault;
use seedwork_runtime::Secret;
use seedwork_runtime::problem::{Json, Problem};
use serde::Serialize;

use super::campos::Campos;
use super::parametros::{Id, Pagina, clave, reused};
use super::{Services, fecha};
use crate::adapters::clientes::ClienteVisto;
use crate::domain::cliente::{self, Cliente, DatosCliente};

/// A client as the wire has it; names and their order are the original's.
#[derive(Serialize)]
struct ClienteVista {
    apellidos: String,
    correo: String,
    #[serde(rename = "estadoPlan")]
    estado_plan: &'static str,
    fecha_actualizacion: String,
    fecha_creacion: String,
    id: String,
    nombre: String,
}

/// `POST /clientes/cliente`
pub(super) async fn create(
    State(services): State<Services>,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    let visto = register(&services, &headers, &campos).await?;
    Ok(axum::Json(ClienteVista::from(&visto)).into_response())
}

/// `POST /clientes/cliente-comando`
pub(super) async fn create_by_command(
    State(services): State<Services>,
    headers: HeaderMap,
    Json(campos): Json<Campos>,
) -> Result<Response, Problem> {
    let id = register(&services, &headers, &campos).await?.cliente.id;
    let headers = [
        (header::LOCATION.as_str(), format!("/clientes/cliente/{id}")),
        ("x-correlation-id", id.to_string()),
    ];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(serde_json::json!({}))).into_response())
}

/// `GET /clientes/cliente/{id}` and `GET /clientes/cliente-query/{id}`
pub(super) async fn read(State(services): State<Services>, Id(id): Id) -> Result<Response, Problem> {
    let visto = services.clientes.find(&id).await?;
    let visto = visto.ok_or_else(|| Fault::NotFound("no client has this id".to_owned()))?;
    Ok(axum::Json(ClienteVista::from(&visto)).into_response())
}

/// `GET /clientes/cliente` and `GET /clientes/cliente-query`
pub(super) async fn list(State(services): State<Services>, pagina: Pagina) -> Result<Response, Problem> {
    let found = services.clientes.list(&pagina.cursor, pagina.rows()).await?;
    pagina.answer(
        found,
        |visto| visto.cliente.id.as_str(),
        |visto| Ok(ClienteVista::from(visto)),
    )
}

/// What the request itself says of the plan (`estado`) and of the id (`id_cliente`) is ignored.
async fn register(services: &Services, headers: &HeaderMap, campos: &Campos) -> Result<ClienteVisto, Problem> {
    let clave = clave(headers, "")?.map(|clave| clave.key);
    let datos = DatosCliente::parse(campos.text("nombre"), campos.text("apellidos"), campos.text("correo"));
    let contrasena = cliente::contrasena(campos.text("contrasena"), services.contrasena_minima).map(Secret::from);
    match (datos, contrasena) {
        (Ok(datos), Ok(contrasena)) => services.clientes.crear(datos, contrasena, clave).await.map_err(reused),
        (datos, contrasena) => {
            let broken = datos.err().into_iter().flatten().chain(contrasena.err());
            Err(Problem::rejected(broken.map(|error| error.to_string()).collect()))
        }
    }
}

// === impl ClienteVista ===

impl From<&ClienteVisto> for ClienteVista {
    fn from(visto: &ClienteVisto) -> Self {
        let ClienteVisto { cliente, estado_plan } = visto.clone();
        let Cliente {
            id,
            datos,
            fecha_creacion,
            fecha_actualizacion,
        } = cliente;
        let DatosCliente {
            nombre,
            apellidos,
            correo,
        } = datos;
        Self {
            apellidos,
            correo,
            estado_plan: estado_plan.as_str(),
            fecha_actualizacion: fecha(fecha_actualizacion),
            fecha_creacion: fecha(fecha_creacion),
            id: id.into(),
            nombre,
        }
    }
}
