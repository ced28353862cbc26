//! Notifications made over HTTP: kept, not delivered.
//!
//! The row comes first and holds everything, so what was answered for cannot be lost: whatever happens afterwards, a
//! sweep stores the document from the row.

use std::sync::{Arc, Weak};
use std::time::Duration;

use seedwork::Fault;
use seedwork_runtime::sidecar::{Expect, Sidecar, save};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use super::read_model::ReadModel;
use crate::domain::{Notificacion, Nueva};

/// The notifications made over HTTP.
pub struct Registro {
    sidecar: Arc<dyn Sidecar>,
    read_model: ReadModel,
    wake: Arc<Notify>,
}

/// The document of one notification. It is written once and never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Documento {
    /// As for every document; this one has only one.
    pub version: i64,
    /// The notification.
    pub notificacion: Notificacion,
}

const VERSION: i64 = 1;

/// How long a row may wait for the request that wrote it to store the document, in milliseconds: longer than a call to
/// the sidecar takes.
const GRACE_MS: i64 = 10_000;

/// How long until a row is tried again after a failure, in milliseconds. Others get their turn meanwhile.
const AGAIN_MS: i64 = 15_000;

/// How often the table is looked at when nothing wakes the sweep.
const SWEEP: Duration = Duration::from_secs(5);

/// How many rows one sweep settles.
const BATCH: u32 = 100;

// === impl Registro ===

impl Registro {
    /// Over a sidecar and a read model.
    pub fn new(sidecar: Arc<dyn Sidecar>, read_model: ReadModel) -> Arc<Self> {
        Arc::new(Self {
            sidecar,
            read_model,
            wake: Arc::default(),
        })
    }

    /// The key of a notification's document.
    pub fn key(id: &Uuid) -> String {
        format!("notificacion:{id}")
    }

    /// Keeps a notification and stores its document at once if the store answers.
    pub async fn guardar(&self, nueva: Nueva) -> Result<Notificacion, Fault> {
        let notificacion = nueva.registrar(seedwork_runtime::new_id(), seedwork_runtime::now_text());
        self.read_model
            .anotar(&notificacion, seedwork_runtime::now_ms() + GRACE_MS)
            .await?;
        if let Err(fault) = self.asentar(&notificacion).await {
            let id = notificacion.id;
            tracing::warn!(%id, error = fault.chain(), "a notification is kept; its document is stored later");
        }
        Ok(notificacion)
    }

    /// Keeps a notification; the sweep stores its document.
    pub async fn aceptar(&self, nueva: Nueva) -> Result<Uuid, Fault> {
        let notificacion = nueva.registrar(seedwork_runtime::new_id(), seedwork_runtime::now_text());
        self.read_model
            .anotar(&notificacion, seedwork_runtime::now_ms())
            .await?;
        self.wake.notify_one();
        Ok(notificacion.id)
    }

    /// Stores the documents that are due; returns how many. Ends at the first that cannot be stored.
    pub async fn barrer(&self, ahora: i64) -> Result<usize, Fault> {
        let pendientes = self.read_model.pendientes(ahora, BATCH).await?;
        for notificacion in &pendientes {
            if let Err(fault) = self.asentar(notificacion).await {
                self.read_model.aplazar(&notificacion.id, ahora + AGAIN_MS).await?;
                return Err(fault);
            }
        }
        Ok(pendientes.len())
    }

    /// Sweeps as long as somebody holds the registry.
    pub fn vigilar(self: &Arc<Self>) {
        tokio::spawn(vigilar(Arc::downgrade(self), Arc::clone(&self.wake)));
    }

    async fn asentar(&self, notificacion: &Notificacion) -> Result<(), Fault> {
        let documento = Documento {
            version: VERSION,
            notificacion: notificacion.clone(),
        };
        let key = Self::key(&notificacion.id);
        match save(self.sidecar.as_ref(), &key, &documento, Expect::Absent).await {
            // A conflict is this same document, from an earlier try or from another replica.
            Ok(()) | Err(Fault::Conflict(_)) => self.read_model.asentar(&notificacion.id, VERSION).await,
            Err(fault) => Err(fault),
        }
    }
}

async fn vigilar(registro: Weak<Registro>, wake: Arc<Notify>) {
    while let Some(strong) = registro.upgrade() {
        let outcome = strong.barrer(seedwork_runtime::now_ms()).await;
        drop(strong);
        match outcome {
            Ok(0) => {}
            Ok(_) => continue,
            Err(fault) => tracing::warn!(
                error = fault.chain(),
                "unable to store the documents of notifications now"
            ),
        }
        // Either somebody kept a notification or it is time to look; which one does not matter.
        let _ = tokio::time::timeout(SWEEP, wake.notified()).await;
    }
}
