//! Chargebacks: stored before they are answered, told to the operator until it acknowledges.
//!
//! The row comes first, then the payment's document, then the answer. So SQL knows of every chargeback that a document
//! may hold, and whatever dies on the way is settled by the worker: a row whose document holds the chargeback is shown
//! and published, one whose document does not was never answered and is removed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use seedwork::contrato::Contracargo;
use seedwork::{App, Fault, IdCorrelacion, Message};
use seedwork_runtime::participant::{Documento, Participant as _, Participation};
use seedwork_runtime::sidecar::{Document, save};
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Sidecar, now_ms, telemetry};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::sync::Notify;
use tracing::Instrument as _;

use super::participante::{Pagos, advertir};
use crate::domain::Pago;

/// The chargebacks and their way to the operator.
pub struct Contracargos {
    pool: Pool,
    sidecar: Arc<dyn Sidecar>,
    participation: Arc<Participation<Pagos>>,
    wake: Arc<Notify>,
}

/// How often the table is looked at when nothing wakes us.
const LOOK: Duration = Duration::from_millis(500);

/// How long a request may take to store its chargeback before the worker looks what became of it, in milliseconds.
/// Far above the time that a write can take; the row is written again after the document, so even a slower one is
/// only late.
const SETTLE_MS: i64 = 30_000;

/// At most this many chargebacks are published in one round.
const BATCH: i64 = 64;

/// How often a write may lose a race against a command on the same payment.
const RACES: usize = 16;

/// A row whose time has come.
struct Due {
    id: IdCorrelacion,
    motivo: String,
    traceparent: String,
    guardado: bool,
}

// === impl Contracargos ===

impl Contracargos {
    /// Starts telling the operator about what is in the table.
    pub fn open(pool: Pool, sidecar: Arc<dyn Sidecar>, participation: Arc<Participation<Pagos>>) -> Arc<Self> {
        let wake = Arc::new(Notify::new());
        let contracargos = Arc::new(Self {
            pool,
            sidecar,
            participation,
            wake: Arc::clone(&wake),
        });
        tokio::spawn(run(Arc::downgrade(&contracargos), wake));
        contracargos
    }

    /// Stores a chargeback; once this returns, the operator will hear of it. The same one again changes nothing.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is no such payment.
    pub async fn recibir(&self, id: &IdCorrelacion, motivo: &str) -> Result<(), Fault> {
        if self.pago(id).await?.is_none() {
            return Err(unknown());
        }
        sqlx::query(
            "INSERT INTO contracargos (id, motivo, traceparent, proximo) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(motivo)
        .bind(telemetry::current_traceparent().unwrap_or_default())
        .bind(now_ms() + SETTLE_MS)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("announce a chargeback"))?;
        let pago = self.guardar(id, motivo).await?;
        advertir(&pago);
        // An upsert: should the worker have settled a row that was slow to get its document, it comes back.
        sqlx::query(
            "INSERT INTO contracargos (id, motivo, guardado, proximo) VALUES ($1, $2, 1, $3)
             ON CONFLICT (id) DO UPDATE SET guardado = 1, proximo = excluded.proximo WHERE contracargos.atendido = 0",
        )
        .bind(id.as_str())
        .bind(motivo)
        .bind(now_ms())
        .execute(&self.pool)
        .await
        .map_err(sql::fault("note that a chargeback is stored"))?;
        self.wake.notify_one();
        Ok(())
    }

    /// The operator has it on its saga.
    pub async fn atendido(&self, id: &IdCorrelacion) -> Result<(), Fault> {
        sqlx::query("UPDATE contracargos SET atendido = 1 WHERE id = $1")
            .bind(id.as_str())
            .execute(&self.pool)
            .await
            .map_err(sql::fault("close a chargeback"))?;
        Ok(())
    }

    async fn pago(&self, id: &IdCorrelacion) -> Result<Option<Pago>, Fault> {
        let document = self.participation.document(id).await?;
        Ok(document.value.and_then(|documento| documento.agregado))
    }

    /// Writes it into the payment's document, by compare-and-swap, and projects it.
    async fn guardar(&self, id: &IdCorrelacion, motivo: &str) -> Result<Pago, Fault> {
        let key = Participation::<Pagos>::key(id);
        for _ in 0..RACES {
            let Document { value, expect } = self.participation.document(id).await?;
            let documento: Documento<Pago> = value.unwrap_or_default();
            let Some(pago) = documento.agregado.clone() else {
                return Err(unknown());
            };
            let documento = if pago.contracargo.is_some() {
                documento
            } else {
                let ahora_ms = self.participation.participant().ahora_ms();
                let documento = documento.with_checkpoint(pago.con_contracargo(motivo.to_owned(), ahora_ms));
                match save(self.sidecar.as_ref(), &key, &documento, expect).await {
                    Ok(()) => documento,
                    Err(Fault::Conflict(_)) => continue, // read again, then decide again
                    Err(fault) => return Err(fault),
                }
            };
            let Documento { version, agregado, .. } = documento;
            let Some(pago) = agregado else { return Err(unknown()) };
            self.participation
                .participant()
                .project(id, &pago, version, &Vec::new())
                .await?;
            return Ok(pago);
        }
        Err(Fault::Conflict(format!("{key} changes faster than it can be read")))
    }

    /// Tells the operator what is due; returns how many rows were.
    async fn round(&self) -> Result<usize, Fault> {
        let due = self.claim().await?;
        let count = due.len();
        for due in due {
            let id = due.id.clone();
            let span = tracing::info_span!("send ContracargoRecibido", otel.kind = "producer", id_correlacion = %id);
            telemetry::continue_trace(&span, Some(&due.traceparent));
            if let Err(fault) = self.tell(due).instrument(span).await {
                tracing::warn!(%id, error = fault.chain(), "unable to publish a chargeback; it will be told again");
            }
        }
        Ok(count)
    }

    async fn tell(&self, due: Due) -> Result<(), Fault> {
        let Due {
            id,
            motivo,
            traceparent: _,
            guardado,
        } = due;
        if !guardado && !self.mostrar(&id).await? {
            // Nobody was told that this one is stored.
            sqlx::query("DELETE FROM contracargos WHERE id = $1 AND guardado = 0")
                .bind(id.as_str())
                .execute(&self.pool)
                .await
                .map_err(sql::fault("remove a chargeback that was not stored"))?;
            return Ok(());
        }
        let message = Message::ContracargoRecibido(Contracargo {
            id_correlacion: id,
            motivo,
        });
        seedwork_runtime::send(self.sidecar.as_ref(), App::IntegracionPagos, App::Operator, &message).await
    }

    /// Shows a chargeback that the payment's document holds, and warns of it: whoever wrote it there may have died before
    /// they did. False when the document holds none.
    async fn mostrar(&self, id: &IdCorrelacion) -> Result<bool, Fault> {
        let Documento { version, agregado, .. } = self.participation.document(id).await?.value.unwrap_or_default();
        let Some(pago) = agregado.filter(|pago| pago.contracargo.is_some()) else {
            return Ok(false);
        };
        self.participation
            .participant()
            .project(id, &pago, version, &Vec::new())
            .await?;
        advertir(&pago);
        Ok(true)
    }

    /// Takes due rows for this replica by moving their next time on, from one second up to a minute.
    async fn claim(&self) -> Result<Vec<Due>, Fault> {
        let jitter = seedwork_runtime::jitter_ms(250);
        let rows = sqlx::query(
            "UPDATE contracargos SET intentos = intentos + 1, proximo = $1 + $2 + CASE intentos
                 WHEN 0 THEN 1000 WHEN 1 THEN 2000 WHEN 2 THEN 4000 WHEN 3 THEN 8000 WHEN 4 THEN 16000
                 WHEN 5 THEN 32000 ELSE 60000 END
             WHERE atendido = 0 AND (proximo <= $1 OR proximo > $1 + $4) AND id IN (
                 SELECT id FROM contracargos
                     WHERE atendido = 0 AND (proximo <= $1 OR proximo > $1 + $4) ORDER BY proximo LIMIT $3)
             RETURNING id, motivo, traceparent, guardado",
        )
        .bind(now_ms())
        .bind(jitter)
        .bind(BATCH)
        .bind(sql::FAR_MS)
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("claim due chargebacks"))?;
        // One that cannot be read does not silence the others.
        let readable = |row: AnyRow| {
            Due::read(&row)
                .inspect_err(|error| tracing::error!(%error, "a stored chargeback cannot be read"))
                .ok()
        };
        Ok(rows.into_iter().filter_map(readable).collect())
    }
}

impl Due {
    fn read(row: &AnyRow) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self {
            id: IdCorrelacion::parse(row.try_get::<String, _>("id")?)?,
            motivo: row.try_get("motivo")?,
            traceparent: row.try_get("traceparent")?,
            guardado: row.try_get::<i64, _>("guardado")? == 1,
        })
    }
}

fn unknown() -> Fault {
    Fault::NotFound("no hay ningún pago con este id".to_owned())
}

/// Runs as long as somebody holds the chargebacks.
async fn run(contracargos: Weak<Contracargos>, wake: Arc<Notify>) {
    while let Some(strong) = contracargos.upgrade() {
        let outcome = strong.round().await;
        drop(strong);
        match outcome {
            // Either a chargeback was stored or it is time to look; which one does not matter.
            Ok(0) => drop(tokio::time::timeout(LOOK, wake.notified()).await),
            Ok(_) => {}
            Err(fault) => {
                tracing::warn!(error = fault.chain(), "unable to publish chargebacks now");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}
