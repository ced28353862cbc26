//! The register of clients: a document each in the state store, and the table that indexes them.
//!
//! A client is written in this order: row (pending), document, projection, reply. Whatever is killed between, a pending
//! row is found by the sweeper and settled by what the document says. So what was answered is in the list, and what is
//! in a document gets there.

mod documento;
mod escritura;
mod tabla;

use std::sync::Arc;
use std::time::Duration;

use seedwork::{Fault, IdCliente};
use seedwork_runtime::Sidecar;
use seedwork_runtime::intake::Keys;
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::sidecar::load;
use seedwork_runtime::sql::{self, Pool};

use super::ahora;
use super::contrasena::Hasher;
use crate::domain::cliente::Cliente;
use crate::domain::instante::Instante;
use crate::domain::plan::EstadoPlan;
use documento::{Documento, could_be_ours, key};
use tabla::{Pendiente, Tabla};

pub use escritura::{Condicion, Identidad, Rechazo};

/// A client as callers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClienteVisto {
    /// The client.
    pub cliente: Cliente,
    /// The version of its document.
    pub version: i64,
    /// The state of its plan at the moment of reading.
    pub estado_plan: EstadoPlan,
}

/// What became of one id in a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebuilt {
    /// Its row is what its document says.
    Done,
    /// Somebody wrote it meanwhile, and the row with it.
    Newer,
    /// There is no such document.
    NoDocument,
}

/// The register of clients.
pub struct Clientes {
    sidecar: Arc<dyn Sidecar>,
    tabla: Tabla,
    hasher: Hasher,
    claves: Arc<Keys>,
}

/// How often the sweeper looks.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// A row younger than this, in milliseconds, most likely belongs to a request under way: the sweeper leaves it.
const YOUNG_MS: i64 = 5_000;

/// A row whose document was not written is given up after this long, in milliseconds: several times what a request can
/// still need between row and document, all its time-outs included.
const GIVEN_UP_MS: i64 = 60_000;

/// How many rows the sweeper takes at a time.
const BATCH: i64 = 100;

// === impl Clientes ===

impl Clientes {
    /// The register over this sidecar and this database.
    pub fn new(sidecar: Arc<dyn Sidecar>, pool: Pool) -> Result<Self, StartupError> {
        Ok(Self {
            sidecar,
            tabla: Tabla::new(pool),
            hasher: Hasher::new()?,
            claves: Arc::default(),
        })
    }

    /// A client by its id.
    pub async fn find(&self, id: &str) -> Result<Option<ClienteVisto>, Fault> {
        if !could_be_ours(id) {
            return Ok(None);
        }
        let ahora = ahora();
        let Some(fila) = self.tabla.find(id, ahora).await? else {
            return Ok(None);
        };
        let Some(pendiente) = fila.pendiente else {
            return Ok(fila.vista);
        };
        // Nobody should have to wait for the sweeper to see what is there.
        self.settle(&pendiente, ahora).await?;
        Ok(self.tabla.find(id, ahora).await?.and_then(|fila| fila.vista))
    }

    /// At most `limite` clients after the id `cursor`, in the order of their ids. Ours are ordered by time.
    pub async fn list(&self, cursor: &str, limite: i64) -> Result<Vec<ClienteVisto>, Fault> {
        self.tabla.list(cursor, limite, ahora()).await
    }

    /// Settles, at `ahora`, the pending rows that no request is working on any more; returns how many it looked at.
    pub async fn settle_pending(&self, ahora: Instante) -> Result<usize, Fault> {
        let [antes, lejos] = [-YOUNG_MS, sql::FAR_MS].map(|ms| Instante::from_ms(ahora.ms().saturating_add(ms)));
        let pending = self.tabla.pending(antes, lejos, BATCH).await?;
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

    /// Puts the row of a client in the state that its document has, whatever the row holds.
    pub(crate) async fn rebuild(&self, id: &IdCliente) -> Result<Rebuilt, Fault> {
        if !could_be_ours(id.as_str()) {
            return Ok(Rebuilt::NoDocument);
        }
        // The row's version first: a write between the two moves it, and then the row is fresher than what we read.
        let seen = self.tabla.version(id).await?;
        let Some(documento) = load::<Documento>(self.sidecar.as_ref(), &key(id)).await?.value else {
            return Ok(Rebuilt::NoDocument);
        };
        let Documento { version, cliente, .. } = &documento;
        let Some(seen) = seen else {
            self.tabla.project(cliente, *version).await?;
            return Ok(Rebuilt::Done);
        };
        let ours = self.tabla.restore(cliente, *version, seen).await?;
        Ok(if ours { Rebuilt::Done } else { Rebuilt::Newer })
    }

    /// Whether the table knows this id.
    pub(crate) async fn has_row(&self, id: &IdCliente) -> Result<bool, Fault> {
        Ok(self.tabla.version(id).await?.is_some())
    }

    async fn settle(&self, pendiente: &Pendiente, ahora: Instante) -> Result<(), Fault> {
        let Pendiente {
            id,
            anunciado,
            esperada,
        } = pendiente;
        // One that was announced before the clock was set back is as old as nobody knows, and is kept until that comes.
        let given_up = ahora.ms() - anunciado.ms() > GIVEN_UP_MS;
        match load::<Documento>(self.sidecar.as_ref(), &key(id)).await?.value {
            Some(Documento { version, cliente, .. }) => {
                self.tabla.project(&cliente, version).await?;
                if given_up && version < *esperada {
                    self.tabla.abandon(pendiente).await?;
                }
                Ok(())
            }
            None if given_up => self.tabla.forget(pendiente).await,
            None => Ok(()),
        }
    }
}

/// Whether a client of this id exists, by its document.
pub(super) async fn exists(sidecar: &dyn Sidecar, id: &IdCliente) -> Result<bool, Fault> {
    Ok(could_be_ours(id.as_str()) && sidecar.get(&key(id)).await?.is_some())
}
