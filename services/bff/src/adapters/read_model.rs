//! The read model of payments: one row each, holding the highest state that was heard.

use std::sync::Arc;
use std::time::Duration;

use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::intake::{Intake, Noted};
use seedwork_runtime::now_ms;
use seedwork_runtime::sql::{self, Pool};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::sync::Notify;

use super::eventos;
use crate::domain::{Fase, Pago};

/// The tables `pagos` and, through [`eventos`], `eventos`.
#[derive(Clone)]
pub(crate) struct ReadModel {
    pool: Pool,
    silence_ms: i64,
    changed: Arc<Notify>,
}

/// Where a page of payments goes on: after this one. Its text is opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    creado_ms: i64,
    id: String,
}

/// Which payments a page holds.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) id_cliente: Option<IdCliente>,
    pub(crate) fase: Option<Fase>,
    /// First heard of at this moment or later, in milliseconds since the epoch.
    pub(crate) desde_ms: Option<i64>,
    /// First heard of before this moment.
    pub(crate) hasta_ms: Option<i64>,
    pub(crate) after: Option<Cursor>,
    pub(crate) limit: u8,
}

/// The longest pause between two questions about one silent payment, in milliseconds.
const ASK_MOST_MS: i64 = 900_000;

/// How many silent payments one round asks about.
const ASK_WINDOW: i64 = 64;

// === impl ReadModel ===

impl ReadModel {
    /// A read model in `pool`; a payment without a transition for `silence` counts as silent.
    pub(crate) fn new(pool: Pool, silence: Duration) -> Self {
        let silence_ms = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
        Self {
            pool,
            silence_ms,
            changed: Arc::new(Notify::new()),
        }
    }

    /// Woken once after each commit of an event in this process.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Stores a state and its event in one transaction. An older state, or one that is known, changes nothing and
    /// makes no event; answers whether it was news.
    pub(crate) async fn record(&self, pago: &Pago) -> Result<bool, Fault> {
        self.keep(pago, None).await
    }

    /// The same of a state that the operator tells, and in the same transaction what it says of the request at our door,
    /// news or not.
    pub(crate) async fn hear(&self, pago: &Pago, door: &Intake) -> Result<bool, Fault> {
        self.keep(pago, Some(door)).await
    }

    async fn keep(&self, pago: &Pago, door: Option<&Intake>) -> Result<bool, Fault> {
        let Pago {
            id_correlacion,
            secuencia,
            solicitud,
            fase,
            step,
            reason,
            steps: _,    // in the JSON only
            trace_id: _, // in the JSON only
            start_time,
            completion_time,
            ended,
        } = pago;
        let estado = serde_json::to_string(pago).map_err(|error| Fault::bug("failed to write a payment", error))?;
        let secuencia = i64::try_from(*secuencia).map_err(|error| Fault::bug("failed to count transitions", error))?;
        let (motivo, mensaje) = reason
            .as_ref()
            .map_or(("", ""), |r| (r.motivo.as_str(), r.mensaje.as_str()));
        let now = now_ms();
        let write = async {
            let mut transaction = self.pool.begin().await?;
            let stored = sqlx::query(
            "INSERT INTO pagos (id_correlacion, secuencia, fase, id_cliente, monto, moneda, medio_pago, step, motivo,
                 mensaje, estado, inicio, fin, ended, creado_ms, proxima_ms, preguntas)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0)
             ON CONFLICT (id_correlacion) DO UPDATE SET
                 secuencia = excluded.secuencia, fase = excluded.fase, id_cliente = excluded.id_cliente,
                 monto = excluded.monto, moneda = excluded.moneda, medio_pago = excluded.medio_pago,
                 step = excluded.step, motivo = excluded.motivo, mensaje = excluded.mensaje,
                 estado = excluded.estado, inicio = excluded.inicio, fin = excluded.fin, ended = excluded.ended,
                 proxima_ms = excluded.proxima_ms, preguntas = 0
             WHERE excluded.secuencia > pagos.secuencia",
        )
        .bind(id_correlacion.as_str())
        .bind(secuencia)
        .bind(fase.as_str())
        .bind(solicitud.id_cliente.as_str())
        .bind(solicitud.dinero.monto())
        .bind(solicitud.dinero.moneda().as_str().to_owned())
        .bind(solicitud.medio_pago.as_str())
        .bind(step)
        .bind(motivo)
        .bind(mensaje)
        .bind(&estado)
        .bind(start_time.as_deref().unwrap_or_default())
        .bind(completion_time.as_deref().unwrap_or_default())
        .bind(i64::from(*ended))
        .bind(now)
        .bind(now.saturating_add(self.silence_ms))
        .execute(&mut *transaction)
        .await?;
            let news = stored.rows_affected() > 0;
            let noted = match door {
                Some(door) => Some(door.heard_in(&mut *transaction, id_correlacion, *ended).await?),
                None => None,
            };
            let changed = news || noted.as_ref().is_some_and(Noted::is_news);
            if !changed {
                return Ok((news, noted)); // dropping the transaction ends it
            }
            if news {
                // The counter comes last: its row is what all writers wait for, so it is held as briefly as can be.
                eventos::append(&mut transaction, pago, &estado, now).await?;
            }
            transaction.commit().await?;
            Ok((news, noted))
        };
        let (news, noted) = sql::within(write).await.map_err(sql::fault("store a payment"))?;
        if news {
            self.changed.notify_one();
        }
        if let (Some(door), Some(noted)) = (door, &noted) {
            door.noted(noted);
        }
        Ok(news)
    }

    /// A payment by its identity.
    pub(crate) async fn find(&self, id: &IdCorrelacion) -> Result<Option<Pago>, Fault> {
        let row = sqlx::query("SELECT estado FROM pagos WHERE id_correlacion = $1")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql::fault("read a payment"))?;
        row.map(|row| read(&row)).transpose()
    }

    /// Payments, the newest first, and where the next page begins.
    pub(crate) async fn page(&self, filter: &Filter) -> Result<(Vec<Pago>, Option<Cursor>), Fault> {
        let Filter {
            id_cliente,
            fase,
            desde_ms,
            hasta_ms,
            after,
            limit,
        } = filter;
        let (creado_ms, id) = after
            .as_ref()
            .map_or((i64::MAX, ""), |cursor| (cursor.creado_ms, cursor.id.as_str()));
        // Two statements: with a client given, only its own rows are walked.
        let statement = match id_cliente {
            Some(_) => {
                "SELECT estado, creado_ms, id_correlacion FROM pagos
                 WHERE (creado_ms < $1 OR (creado_ms = $1 AND id_correlacion < $2)) AND ($3 = '' OR fase = $3)
                   AND creado_ms >= $5 AND creado_ms < $6 AND id_cliente = $7
                 ORDER BY creado_ms DESC, id_correlacion DESC LIMIT $4"
            }
            None => {
                "SELECT estado, creado_ms, id_correlacion FROM pagos
                 WHERE (creado_ms < $1 OR (creado_ms = $1 AND id_correlacion < $2)) AND ($3 = '' OR fase = $3)
                   AND creado_ms >= $5 AND creado_ms < $6
                 ORDER BY creado_ms DESC, id_correlacion DESC LIMIT $4"
            }
        };
        let mut query = sqlx::query(statement)
            .bind(creado_ms)
            .bind(id)
            .bind(fase.map_or("", Fase::as_str))
            .bind(i64::from(*limit) + 1)
            .bind(desde_ms.unwrap_or(i64::MIN))
            .bind(hasta_ms.unwrap_or(i64::MAX));
        if let Some(id_cliente) = id_cliente {
            query = query.bind(id_cliente.as_str());
        }
        let mut rows = query.fetch_all(&self.pool).await.map_err(sql::fault("list payments"))?;
        let more = rows.len() > usize::from(*limit);
        rows.truncate(usize::from(*limit));
        let next = if more {
            rows.last().map(Cursor::of).transpose()?
        } else {
            None
        };
        Ok((rows.iter().filter_map(readable).collect(), next))
    }

    /// Takes the payments that are due to be asked about, by moving their next time on: another replica's claim of
    /// the same row sees the moved time and leaves it. One that is due later than any is put off was so before the clock
    /// was set back, and is due now.
    pub(crate) async fn claim_silent(&self) -> Result<Vec<Pago>, Fault> {
        let rows = sqlx::query(
            "UPDATE pagos SET preguntas = preguntas + 1, proxima_ms = $1 + CASE
                 WHEN preguntas >= 30 OR $2 * (preguntas * preguntas + 1) > $3 THEN $3
                 ELSE $2 * (preguntas * preguntas + 1) END
             WHERE ended = 0 AND (proxima_ms <= $1 OR proxima_ms > $1 + $3) AND id_correlacion IN (
                 SELECT id_correlacion FROM pagos
                     WHERE ended = 0 AND (proxima_ms <= $1 OR proxima_ms > $1 + $3) ORDER BY proxima_ms LIMIT $4)
             RETURNING estado, id_correlacion",
        )
        .bind(now_ms())
        .bind(self.silence_ms)
        .bind(ASK_MOST_MS.max(self.silence_ms))
        .bind(ASK_WINDOW)
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("claim silent payments"))?;
        Ok(rows.iter().filter_map(readable).collect())
    }
}

/// The payment of one row among others. One that cannot be read, since a newer version stored it, does not silence them.
fn readable(row: &AnyRow) -> Option<Pago> {
    let unreadable = |fault: &Fault| {
        let id: String = row.try_get("id_correlacion").unwrap_or_default();
        tracing::error!(id, error = fault.chain(), "a stored payment cannot be read");
    };
    read(row).inspect_err(unreadable).ok()
}

fn read(row: &AnyRow) -> Result<Pago, Fault> {
    let estado: String = row
        .try_get("estado")
        .map_err(|error| Fault::bug("failed to read a payment", error))?;
    serde_json::from_str(&estado).map_err(|error| Fault::bug("failed to read a stored payment", error))
}

// === impl Cursor ===

impl Cursor {
    /// Reads a cursor that we gave out; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (creado_ms, id) = text.split_once('.')?;
        Some(Self {
            creado_ms: creado_ms.parse().ok()?,
            id: IdCorrelacion::parse(id).ok()?.into(),
        })
    }

    fn of(row: &AnyRow) -> Result<Self, Fault> {
        let fault = |error| Fault::bug("failed to read where a page ends", error);
        Ok(Self {
            creado_ms: row.try_get("creado_ms").map_err(fault)?,
            id: row.try_get("id_correlacion").map_err(fault)?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.creado_ms, self.id)
    }
}
