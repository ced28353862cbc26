//! The requests that change something. This list only dispatches; each has its own file.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use uuid::Uuid;

use crate::{
    contracargos::Contracargo,
    ejecucion::Paso,
    idempotencia::Ambito,
    mensajes::Mensaje,
    problema::Fallo,
    tarjetas::{Anulacion, Autorizacion, Captura, Reembolso},
};

/// A request that was read and found well-formed. Its JSON is what a key is compared by and what a late capture is
/// recorded from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Solicitud {
    Autorizar(Autorizacion),
    Capturar(Captura),
    Anular(Anulacion),
    Reembolsar(Reembolso),
    Contracargar(Contracargo),
    Entregar(Mensaje),
}

// === impl Solicitud ===

impl Solicitud {
    pub(crate) fn ambito(&self) -> Ambito {
        match self {
            Self::Autorizar(_) | Self::Capturar(_) | Self::Anular(_) | Self::Reembolsar(_) | Self::Contracargar(_) => {
                Ambito::Pasarela
            }
            Self::Entregar(_) => Ambito::Mensajes,
        }
    }

    pub(crate) fn texto(&self) -> Result<String, Fallo> {
        Ok(serde_json::to_string(self)?)
    }

    /// Does it, inside the caller's transaction.
    pub(crate) async fn realizar(&self, conn: &mut SqliteConnection, clave: &str) -> Result<Paso, Fallo> {
        match self {
            Self::Autorizar(autorizacion) => autorizacion.realizar(conn, clave).await,
            Self::Capturar(captura) => captura.realizar(conn, clave).await,
            Self::Anular(anulacion) => anulacion.realizar(conn, clave).await,
            Self::Reembolsar(reembolso) => reembolso.realizar(conn, clave).await,
            Self::Contracargar(contracargo) => contracargo.realizar(conn, clave).await,
            Self::Entregar(mensaje) => mensaje.realizar(conn, clave).await,
        }
    }
}

/// A new id; the prefix tells a reader of the ledger what it is.
#[expect(
    clippy::disallowed_methods,
    reason = "a gateway makes its own ids; no test depends on them"
)]
pub(crate) fn nuevo_id(prefijo: &str) -> String {
    format!("{prefijo}_{}", Uuid::now_v7().simple())
}
