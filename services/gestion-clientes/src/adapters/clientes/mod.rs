//! The register of clients: a document each in the state store, and the table that indexes them.
//!
//! A new client is written in this order: row (id, pending), document, projection, reply. Whatever is killed between,
//! a row without its projection is found by the sweeper and settled by what the document says.

mod tabla;

use std::sync::Arc;
use std::time::Duration;

use seedwork::{Fault, IdCliente};
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::sidecar::{load, save};
use seedwork_runtime::{Expect, Secret, Sidecar, new_id};
use serde::{Deserialize, Serialize};
use sqlx::AnyPool;

use super::ahora;
use super::contrasena::{Hasher, Huella};
use crate::domain::cliente::{Cliente, DatosCliente};
use crate::domain::instante::Instante;
use crate::domain::plan::EstadoPlan;
use tabla::{Fila, Pendiente, Tabla};

/// A client as callers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClienteVisto {
    /// The client.
    pub cliente: Cliente,
    /// The state of its plan at the moment of reading.
    pub estado_plan: EstadoPlan,
}

/// The register of clients.
pub struct Clientes {
    sidecar: Arc<dyn Sidecar>,
    tabla: Tabla,
    hasher: Hasher,
}

/// What the state store keeps under `cliente:<id>`. First written with version 1, never expiring.
#[derive(Serialize, Deserialize)]
struct Documento {
    /// Grows by one per write; guards the projection.
    version: i64,
    cliente: Cliente,
    contrasena: Huella,
}

/// How often the sweeper looks.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// A row younger than this, in milliseconds, most likely belongs to a request under way: the sweeper leaves it.
const YOUNG_MS: i64 = 5_000;

/// A row whose document is absent is given up after this long, in milliseconds: several times what a request can
/// still need between row and document, all its time-outs included.
const GIVEN_UP_MS: i64 = 60_000;

/// How many rows the sweeper takes at a time.
const BATCH: i64 = 100;

/// The longest id that is looked for in the state store; ours are UUIDs of 36 characters.
const ID_MAX: usize = 64;

// === impl Clientes ===

impl Clientes {
    /// The register over this sidecar and this database.
    pub fn new(sidecar: Arc<dyn Sidecar>, pool: AnyPool) -> Result<Self, StartupError> {
        Ok(Self {
            sidecar,
            tabla: Tabla::new(pool),
            hasher: Hasher::new()?,
        })
    }

    /// Registers a client. On a fault it may turn out to be registered all the same, or not.
    ///
    /// Under a key the id derives from it, so a repeat finds the client that is there; the same key with other data
    /// is [`Fault::Conflict`]. The password is not compared: it is no part of what a client is known by.
    pub async fn crear(
        &self,
        datos: DatosCliente,
        contrasena: Secret,
        clave: Option<&str>,
    ) -> Result<ClienteVisto, Fault> {
        let id = clave.map_or_else(new_id, keyed_id);
        let id = IdCliente::parse(id.hyphenated().to_string())
            .map_err(|error| Fault::bug("failed to make the id of a client", error))?;
        if clave.is_some()
            && let Some(known) = self.known(&id, &datos).await?
        {
            return Ok(known);
        }
        let contrasena = self.hasher.hash(contrasena).await?;
        let ahora = ahora();
        let cliente = Cliente {
            id,
            datos,
            fecha_creacion: ahora,
            fecha_actualizacion: ahora,
        };
        let documento = Documento {
            version: 1,
            cliente,
            contrasena,
        };
        let Documento { version, cliente, .. } = &documento;
        self.tabla.announce(&cliente.id, ahora).await?;
        match save(self.sidecar.as_ref(), &key(&cliente.id), &documento, Expect::Absent).await {
            Ok(()) => {}
            // With our own write, repeated on its way, or with another request under the same key.
            Err(fault @ Fault::Conflict(_)) => {
                return self.known(&cliente.id, &cliente.datos).await?.ok_or(fault);
            }
            Err(fault) => return Err(fault),
        }
        self.tabla.project(cliente, *version).await?;
        Ok(ClienteVisto {
            cliente: cliente.clone(),
            estado_plan: EstadoPlan::at(ahora, None),
        })
    }

    /// The client that stands under `id`, if its data are these; [`Fault::Conflict`] if they are others.
    async fn known(&self, id: &IdCliente, datos: &DatosCliente) -> Result<Option<ClienteVisto>, Fault> {
        let Some(documento) = load::<Documento>(self.sidecar.as_ref(), &key(id)).await?.value else {
            return Ok(None);
        };
        if documento.cliente.datos != *datos {
            return Err(Fault::Conflict(
                "Idempotency-Key was used before with another client".to_owned(),
            ));
        }
        self.tabla.project(&documento.cliente, documento.version).await?;
        self.find(id.as_str()).await
    }

    /// A client by its id.
    pub async fn find(&self, id: &str) -> Result<Option<ClienteVisto>, Fault> {
        if !could_be_ours(id) {
            return Ok(None);
        }
        let ahora = ahora();
        let fila = match self.tabla.find(id, ahora).await? {
            Some(Fila::Pendiente(pendiente)) => {
                // Nobody should have to wait for the sweeper to see what is there.
                self.settle(&pendiente, ahora).await?;
                self.tabla.find(id, ahora).await?
            }
            fila => fila,
        };
        Ok(match fila {
            Some(Fila::Vista(visto)) => Some(visto),
            Some(Fila::Pendiente(_)) | None => None,
        })
    }

    /// At most `limite` clients after the id `cursor`, in the order of their ids, which is that of their creation.
    pub async fn list(&self, cursor: &str, limite: i64) -> Result<Vec<ClienteVisto>, Fault> {
        self.tabla.list(cursor, limite, ahora()).await
    }

    /// Settles, at `ahora`, the pending rows that no request is working on any more; returns how many it looked at.
    pub async fn settle_pending(&self, ahora: Instante) -> Result<usize, Fault> {
        let pending = self
            .tabla
            .pending(Instante::from_ms(ahora.ms() - YOUNG_MS), BATCH)
            .await?;
        for pendiente in &pending {
            if let Err(fault) = self.settle(pendiente, ahora).await {
                let id = &pendiente.id;
                tracing::warn!(%id, error = fault.chain(), "unable to settle a pending client now");
            }
        }
        Ok(pending.len())
    }

    /// The sweeper: runs for the life of the process.
    pub async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            if let Err(fault) = self.settle_pending(ahora()).await {
                tracing::warn!(error = fault.chain(), "unable to look for pending clients now");
            }
        }
    }

    async fn settle(&self, pendiente: &Pendiente, ahora: Instante) -> Result<(), Fault> {
        let Pendiente { id, anunciado } = pendiente;
        match load::<Documento>(self.sidecar.as_ref(), &key(id)).await?.value {
            Some(Documento {
                version,
                cliente,
                contrasena: _,
            }) => self.tabla.project(&cliente, version).await,
            None if ahora.ms() - anunciado.ms() > GIVEN_UP_MS => self.tabla.forget(id).await,
            None => Ok(()),
        }
    }
}

/// Whether a client of this id exists, by its document.
pub(super) async fn exists(sidecar: &dyn Sidecar, id: &IdCliente) -> Result<bool, Fault> {
    Ok(could_be_ours(id.as_str()) && sidecar.get(&key(id)).await?.is_some())
}

/// Any text is a legal `idCliente`, but not any text is a legal key of a state store (Dapr itself refuses `||`), and
/// an error there would be taken for an outage. We only ever give out UUIDs, so any odder text is known to be nobody.
fn could_be_ours(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= ID_MAX
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The id that an idempotency key stands for (UUIDv5).
fn keyed_id(clave: &str) -> uuid::Uuid {
    uuid::Uuid::new_v5(
        &uuid::Uuid::NAMESPACE_URL,
        format!("saludtech/clientes\0{clave}").as_bytes(),
    )
}

fn key(id: &IdCliente) -> String {
    format!("cliente:{id}")
}
