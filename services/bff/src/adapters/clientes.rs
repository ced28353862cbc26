//! Clients, asked of gestión-clientes by Dapr service invocation, in the name of whoever asks us. Nothing of them is
//! stored here.

use std::sync::Arc;

use seedwork::{App, Fault};
use seedwork_runtime::Sidecar;
use seedwork_runtime::http::percent_encode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::quien::Quien;

/// A client as gestión-clientes tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Cliente {
    pub(crate) id: String,
    pub(crate) nombre: String,
    pub(crate) correo: String,
    #[serde(rename = "estadoPlan")]
    pub(crate) estado_plan: String,
    pub(crate) fecha_creacion: String,
    pub(crate) fecha_actualizacion: String,
}

/// Why clients cannot be told now. The text is for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientesError {
    /// No answer, or a failure over there.
    #[error("gestión de clientes no responde; intente de nuevo")]
    Unavailable,
    /// An answer that is not what we know.
    #[error("gestión de clientes respondió algo que no se entiende")]
    Unreadable,
    /// It refuses the question; of what we ask, only the cursor can be wrong.
    #[error("cursor debe ser uno que haya respondido una lista")]
    BadRequest,
    /// It takes another view of the caller than we do: its token ends, or its issuer's keys are not to be had there.
    #[error("gestión de clientes no acepta su autorización")]
    Refused,
}

/// The way to gestión-clientes.
#[derive(Clone)]
pub(crate) struct Clientes {
    sidecar: Arc<dyn Sidecar>,
}

// === impl Clientes ===

impl Clientes {
    pub(crate) fn new(sidecar: Arc<dyn Sidecar>) -> Self {
        Self { sidecar }
    }

    /// A page of clients, as far as the caller sees them.
    pub(crate) async fn page(
        &self,
        quien: &Quien,
        limit: u8,
        cursor: Option<&str>,
    ) -> Result<Vec<Cliente>, ClientesError> {
        let cursor = cursor
            .map(|cursor| format!("&cursor={}", percent_encode(cursor)))
            .unwrap_or_default();
        let path = format!("/clientes/cliente-query?limite={limit}{cursor}");
        self.get(quien, &path).await?.ok_or(ClientesError::Unavailable)
    }

    /// A client by its id; `None` when there is no such client, or it is not the caller's to see.
    pub(crate) async fn find(&self, quien: &Quien, id: &str) -> Result<Option<Cliente>, ClientesError> {
        // No client has such an id, and in a path they mean another place.
        if matches!(id, "" | "." | "..") || quien.only().is_some_and(|own| own.as_str() != id) {
            return Ok(None);
        }
        match self
            .get(quien, &format!("/clientes/cliente/{}", percent_encode(id)))
            .await
        {
            Err(ClientesError::BadRequest) => Ok(None), // an id that no client can have
            answer => answer,
        }
    }

    async fn get<T: DeserializeOwned>(&self, quien: &Quien, path: &str) -> Result<Option<T>, ClientesError> {
        let answer = self
            .sidecar
            .invoke_get_as(App::GestionClientes, path, quien.authorization())
            .await
            .map_err(|error| {
                tracing::warn!(error = Fault::from(error).chain(), "unable to ask for clients now");
                ClientesError::Unavailable
            })?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body).map(Some).map_err(|error| {
                tracing::error!(%error, path, "gestion-clientes answers what we do not understand");
                ClientesError::Unreadable
            }),
            404 => Ok(None),
            400 => Err(ClientesError::BadRequest),
            401 | 403 => Err(ClientesError::Refused),
            status => {
                tracing::warn!(status, path, "gestion-clientes cannot tell clients now");
                Err(ClientesError::Unavailable)
            }
        }
    }
}
