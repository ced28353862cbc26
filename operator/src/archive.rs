//! Finished sagas, in SQL. Also the outbox of ends: an end is told to the BFF until it confirms.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use seedwork::{Fault, IdCorrelacion};
use seedwork_runtime::config::Secret;
use seedwork_runtime::now_ms;
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::sql::{self, Pool};
use sqlx::Row as _;
use sqlx::any::{AnyPoolOptions, AnyRow};

use crate::crd::PaymentSaga;
use crate::record::Recorded;

/// The archive.
#[derive(Debug, Clone)]
pub struct Archive {
    pool: Pool,
    /// For the question that stands before every new payment.
    readers: Pool,
    /// Ends that the BFF has confirmed since this was last written down. Lost with the process, and then confirmed again.
    confirmed: Arc<Mutex<BTreeMap<IdCorrelacion, u64>>>,
}

/// One row of it, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The payment's identity.
    pub id: String,
    /// Its last `secuencia`, as the row has it.
    pub secuencia: i64,
    /// The whole resource, as JSON.
    pub recurso: String,
}

/// The first repeat of an unconfirmed end comes after this long, then each later than the one before, up to the most.
const REPEAT_FIRST_MS: i64 = 3_000;
const REPEAT_MOST_MS: i64 = 60_000;

// === impl Archive ===

impl Archive {
    /// An archive in this database, whose tables are there.
    pub fn new(pool: Pool) -> Self {
        Self {
            readers: pool.clone(),
            pool,
            confirmed: Arc::default(),
        }
    }

    /// The same, asked by these connections: they read while another writes.
    #[must_use]
    pub fn read_by(self, readers: Pool) -> Self {
        Self { readers, ..self }
    }

    /// The archive in this database, to be read by somebody who is not the operator: no table is made or changed.
    pub async fn open_to_read(url: &Secret) -> Result<Self, StartupError> {
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new().max_connections(1).connect(url.expose()).await;
        let pool = pool.map_err(|error| StartupError::new("cannot open the operator's database", error))?;
        Ok(Self::new(pool.into()))
    }

    /// Up to `limit` rows whose identity comes after `after`, in the order of their identities; those that our doors
    /// give grow with time.
    pub async fn page(&self, after: &str, limit: u32) -> Result<Vec<Stored>, Fault> {
        let rows = sqlx::query(
            "SELECT id_correlacion, secuencia, recurso FROM archivo WHERE id_correlacion > $1
             ORDER BY id_correlacion LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("read the archive"))?;
        rows.iter().map(stored).collect()
    }

    /// The row of a payment.
    pub async fn row(&self, id: &IdCorrelacion) -> Result<Option<Stored>, Fault> {
        let row = sqlx::query("SELECT id_correlacion, secuencia, recurso FROM archivo WHERE id_correlacion = $1")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql::fault("look in the archive"))?;
        row.as_ref().map(stored).transpose()
    }

    /// Stores an end. Safe to repeat; never goes back to an older state.
    pub async fn store(&self, recorded: &Recorded) -> Result<(), Fault> {
        let Some(saga) = recorded.saga() else { return Ok(()) };
        let resource = serde_json::to_string(recorded.object())
            .map_err(|error| Fault::bug("failed to write a resource for the archive", error))?;
        sqlx::query(
            "INSERT INTO archivo (id_correlacion, secuencia, recurso, proximo) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id_correlacion) DO UPDATE SET secuencia = excluded.secuencia, recurso = excluded.recurso,
                 acusado = 0, intentos = 0, proximo = excluded.proximo
             WHERE archivo.secuencia < excluded.secuencia",
        )
        .bind(recorded.payment().id.as_str())
        .bind(i64::try_from(saga.secuencia).unwrap_or(i64::MAX))
        .bind(resource)
        .bind(now_ms() + REPEAT_FIRST_MS)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("archive a saga"))?;
        Ok(())
    }

    /// The archived resource of a payment.
    pub async fn find(&self, id: &IdCorrelacion) -> Result<Option<PaymentSaga>, Fault> {
        let row: Option<String> = sqlx::query_scalar("SELECT recurso FROM archivo WHERE id_correlacion = $1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(sql::fault("look in the archive"))?;
        row.map(|text| read(&text)).transpose()
    }

    /// The BFF has stored the end with this `secuencia`. Written down, many at a time, before ends are told again.
    pub fn confirmed(&self, id: IdCorrelacion, secuencia: u64) {
        self.lock().insert(id, secuencia);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IdCorrelacion, u64>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note_confirmations(&self) -> Result<(), sqlx::Error> {
        let confirmed = std::mem::take(&mut *self.lock());
        if confirmed.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        for (id, secuencia) in confirmed {
            sqlx::query("UPDATE archivo SET acusado = 1 WHERE id_correlacion = $1 AND secuencia = $2 AND acusado = 0")
                .bind(id.as_str())
                .bind(i64::try_from(secuencia).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    /// Claims ends that are due to be told again.
    pub async fn claim_unconfirmed(&self) -> Result<Vec<PaymentSaga>, Fault> {
        sql::within(self.note_confirmations())
            .await
            .map_err(sql::fault("note confirmations"))?;
        let now = now_ms();
        let rows = sqlx::query(
            "UPDATE archivo SET intentos = intentos + 1, proximo = $1 + CASE WHEN intentos >= 5 THEN $2
                 ELSE $3 * (intentos * intentos + 1) END
             WHERE acusado = 0 AND (proximo <= $1 OR proximo > $1 + $4) AND id_correlacion IN (
                 SELECT id_correlacion FROM archivo
                     WHERE acusado = 0 AND (proximo <= $1 OR proximo > $1 + $4) ORDER BY proximo LIMIT 20)
             RETURNING recurso",
        )
        .bind(now)
        .bind(REPEAT_MOST_MS)
        .bind(REPEAT_FIRST_MS)
        .bind(sql::FAR_MS)
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("claim unconfirmed ends"))?;
        let resource = |row: &AnyRow| {
            let text = row.try_get("recurso");
            read(text.map_err(|error| Fault::bug("failed to read the archive", error))?)
        };
        // One that cannot be read does not silence the others.
        let unreadable = |fault: &Fault| tracing::error!(error = fault.chain(), "an archived payment cannot be read");
        let resources = rows.iter().map(resource);
        Ok(resources.filter_map(|read| read.inspect_err(unreadable).ok()).collect())
    }
}

fn stored(row: &AnyRow) -> Result<Stored, Fault> {
    let unreadable = |error| Fault::bug("failed to read a row of the archive", error);
    Ok(Stored {
        id: row.try_get("id_correlacion").map_err(unreadable)?,
        secuencia: row.try_get("secuencia").map_err(unreadable)?,
        recurso: row.try_get("recurso").map_err(unreadable)?,
    })
}

fn read(text: &str) -> Result<PaymentSaga, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::bug("failed to read an archived resource", error))
}
