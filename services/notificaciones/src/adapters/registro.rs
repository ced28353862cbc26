//! Notifications made over HTTP: kept, and delivered if they are for a client.
//!
//! The row comes first and holds everything, so what was answered for cannot be lost: whatever happens afterwards, a
//! sweep stores the document from the row, and takes a notification that is for a client from medium to medium.

use std::sync::{Arc, Weak};
use std::time::Duration;

use seedwork::Fault;
use seedwork_runtime::intake::{Held, IdempotencyKey, KeyInUse, Keys};
use seedwork_runtime::sidecar::{Expect, Sidecar, save};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::entregas::Entregas;
use super::mensajeria::Mensajeria;
use super::read_model::{Anotada, Fila, Pendiente, ReadModel};
use crate::domain::{Estado, Notificacion, Nueva};

/// The notifications made over HTTP.
pub struct Registro {
    sidecar: Arc<dyn Sidecar>,
    read_model: ReadModel,
    entregas: Entregas,
    wake: Arc<Notify>,
    claves: Arc<Keys>,
}

/// The document of one notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Documento {
    /// Grows by one with each write.
    pub version: i64,
    /// The notification.
    pub notificacion: Notificacion,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Recibo {
    /// A new notification.
    Nueva(Box<Notificacion>),
    /// The one that the same request made before, as it stands now.
    Repetida(Box<Fila>),
    /// The `Idempotency-Key` is another request's.
    ClaveUsada,
    /// Another request under the key is being answered.
    EnCurso(KeyInUse),
}

/// The version of a document that never changes.
const VERSION: i64 = 1;

/// How long a row may wait for the request that wrote it to store the document, in milliseconds: longer than a call to
/// the sidecar takes.
const GRACE_MS: i64 = 10_000;

/// How long until a row is tried again after a failure, in milliseconds. Others get their turn meanwhile.
const AGAIN_MS: i64 = 15_000;

/// The longest wait before a delivery is tried again, in milliseconds. It grows with the age of the notification.
const AGAIN_MOST_MS: i64 = 900_000;

/// No row is put off for longer than half of this, in milliseconds. One that is due later was put off before the wall
/// clock was set back.
const FAR_MS: i64 = 2 * AGAIN_MOST_MS;

/// How long a delivery is tried, in milliseconds: a day.
const PLAZO_MS: i64 = 86_400_000;

/// How long a row is this process's to deliver, in milliseconds: longer than every medium takes together.
const LEASE_MS: i64 = 240_000;

/// How often the table is looked at when nothing wakes the sweep.
const SWEEP: Duration = Duration::from_secs(5);

/// How many rows one sweep settles.
const BATCH: u32 = 100;

/// How many deliveries one process makes at once.
const AT_ONCE: usize = 8;

// === impl Registro ===

impl Registro {
    /// Over a sidecar and a read model; delivers by `mensajeria`.
    pub fn new(sidecar: Arc<dyn Sidecar>, read_model: ReadModel, mensajeria: Arc<dyn Mensajeria>) -> Arc<Self> {
        Arc::new(Self {
            entregas: Entregas::new(Arc::clone(&sidecar), mensajeria, read_model.clone()),
            sidecar,
            read_model,
            wake: Arc::default(),
            claves: Arc::default(),
        })
    }

    /// The key of a notification's document.
    pub fn key(id: &Uuid) -> String {
        format!("notificacion:{id}")
    }

    /// Keeps a notification and stores its document at once if the store answers. The sweep delivers it.
    pub async fn guardar(&self, nueva: Nueva, clave: Option<IdempotencyKey<'_>>) -> Result<Recibo, Fault> {
        let _held = match self.tomar(clave) {
            Ok(held) => held,
            Err(in_use) => return Ok(Recibo::EnCurso(in_use)),
        };
        let recibo = self.anotar(nueva, clave, GRACE_MS).await?;
        if let Recibo::Nueva(notificacion) = &recibo
            && matches!(notificacion.estado, Estado::Registrada { .. })
            && let Err(fault) = self.asentar(notificacion).await
        {
            let id = notificacion.id;
            tracing::warn!(%id, error = fault.chain(), "a notification is kept; its document is stored later");
        }
        Ok(recibo)
    }

    /// Keeps a notification; the sweep does the rest.
    pub async fn aceptar(&self, nueva: Nueva, clave: Option<IdempotencyKey<'_>>) -> Result<Recibo, Fault> {
        let _held = match self.tomar(clave) {
            Ok(held) => held,
            Err(in_use) => return Ok(Recibo::EnCurso(in_use)),
        };
        self.anotar(nueva, clave, 0).await
    }

    /// Holds a key while its request is being answered.
    fn tomar(&self, clave: Option<IdempotencyKey<'_>>) -> Result<Option<Held>, KeyInUse> {
        clave
            .map(|clave| self.claves.hold(id_de_clave(clave).to_string()))
            .transpose()
    }

    /// Key and notification are one write: of two requests at the same moment one makes it and the other finds it.
    async fn anotar(&self, nueva: Nueva, clave: Option<IdempotencyKey<'_>>, grace: i64) -> Result<Recibo, Fault> {
        let id = clave.map_or_else(seedwork_runtime::new_id, id_de_clave);
        let huella = nueva.huella();
        let ahora = seedwork_runtime::now_ms();
        let notificacion = nueva.registrar(id, seedwork_runtime::now_text());
        let (revisar, plazo) = match notificacion.estado {
            Estado::Registrada { .. } => (ahora + grace, 0),
            Estado::Aceptada { .. }
            | Estado::Preparada { .. }
            | Estado::Entregada { .. }
            | Estado::Rechazada { .. } => (ahora, ahora + PLAZO_MS),
        };
        let anotada = self.read_model.anotar(&notificacion, &huella, revisar, plazo).await?;
        Ok(match anotada {
            Anotada::Nueva => {
                if revisar == ahora {
                    self.wake.notify_one();
                }
                Recibo::Nueva(Box::new(notificacion))
            }
            Anotada::Repetida(fila) => Recibo::Repetida(fila),
            Anotada::Otra => Recibo::ClaveUsada,
        })
    }

    /// Settles what is due; returns how many were. Rows that cannot be settled wait their turn, and are told of.
    pub async fn barrer(self: &Arc<Self>, ahora: i64) -> Result<usize, Fault> {
        let lejos = ahora.saturating_add(FAR_MS);
        let mut pendientes = self.read_model.pendientes(ahora, lejos, BATCH).await?.into_iter();
        let mut at_work = JoinSet::new();
        let mut settled = 0;
        let mut failed = None;
        loop {
            while at_work.len() < AT_ONCE
                && let Some(pendiente) = pendientes.next()
            {
                let this = Arc::clone(self);
                at_work.spawn(async move { this.atender(&pendiente, ahora).await });
            }
            let Some(done) = at_work.join_next().await else { break };
            match done.map_err(|error| Fault::bug("failed to settle a notification", error))? {
                Ok(true) => settled += 1,
                Ok(false) => {}
                Err(fault) => failed = Some(fault),
            }
        }
        failed.map_or(Ok(settled), Err)
    }

    /// Sweeps as long as somebody holds the registry.
    pub fn vigilar(self: &Arc<Self>) {
        tokio::spawn(vigilar(Arc::downgrade(self), Arc::clone(&self.wake)));
    }

    /// One pending row; false when it is to be looked at again.
    async fn atender(&self, pendiente: &Pendiente, ahora: i64) -> Result<bool, Fault> {
        let Pendiente {
            notificacion,
            revisar: _,
            plazo,
        } = pendiente;
        // The batch may be older than the lease.
        let ahora = ahora.max(seedwork_runtime::now_ms());
        // What was accepted before the clock was set back has a day from now, not the clock's leap besides.
        let plazo = (*plazo).min(ahora.saturating_add(PLAZO_MS));
        if !self
            .read_model
            .reclamar(pendiente, ahora.saturating_add(LEASE_MS), plazo)
            .await?
        {
            return Ok(false);
        }
        let settled = match notificacion.estado {
            Estado::Registrada { .. } => self.asentar(notificacion).await.map(|()| true),
            Estado::Aceptada { .. }
            | Estado::Preparada { .. }
            | Estado::Entregada { .. }
            | Estado::Rechazada { .. } => self.entregas.llevar(notificacion, ahora >= plazo).await,
        };
        if !matches!(settled, Ok(true)) {
            let age = PLAZO_MS.saturating_sub(plazo.saturating_sub(ahora));
            let pause = if plazo == 0 {
                AGAIN_MS
            } else {
                (age / 2).clamp(AGAIN_MS, AGAIN_MOST_MS)
            };
            self.read_model
                .aplazar(&notificacion.id, ahora.saturating_add(pause))
                .await?;
        }
        settled
    }

    async fn asentar(&self, notificacion: &Notificacion) -> Result<(), Fault> {
        let documento = Documento {
            version: VERSION,
            notificacion: notificacion.clone(),
        };
        let key = Self::key(&notificacion.id);
        match save(self.sidecar.as_ref(), &key, &documento, Expect::Absent).await {
            // A conflict is this same document, from an earlier try or from another replica.
            Ok(()) | Err(Fault::Conflict(_)) => self.read_model.asentar(notificacion, VERSION).await,
            Err(fault) => Err(fault),
        }
    }
}

/// The identity of the notification that a key stands for (UUIDv5).
fn id_de_clave(clave: IdempotencyKey<'_>) -> Uuid {
    let IdempotencyKey { scope, key } = clave;
    let name = format!("saludtech/notificaciones/clave\0{scope}\0{key}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
}

async fn vigilar(registro: Weak<Registro>, wake: Arc<Notify>) {
    while let Some(strong) = registro.upgrade() {
        let outcome = strong.barrer(seedwork_runtime::now_ms()).await;
        drop(strong);
        match outcome {
            Ok(0) => {}
            Ok(_) => continue,
            Err(fault) => tracing::warn!(error = fault.chain(), "unable to settle notifications now"),
        }
        // Either somebody kept a notification or it is time to look; which one does not matter.
        let _ = tokio::time::timeout(SWEEP, wake.notified()).await;
    }
}
