//! The table of events: every state that was told, numbered in commit order.

use std::sync::Arc;

use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::sql::{self, Pool};
use sqlx::{Any, Row as _, Transaction};

use crate::domain::Pago;

/// One transition of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evento {
    /// Its number: one more than the event committed before it.
    pub(crate) numero: i64,
    /// Whose transition.
    pub(crate) id_correlacion: String,
    /// Whose payment.
    pub(crate) id_cliente: String,
    /// The payment after it, JSON.
    pub(crate) datos: String,
}

/// Which events a reader gets: those that match all it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// The transitions of this payment only.
    pub(crate) pago: Option<IdCorrelacion>,
    /// Those of this client's payments only.
    pub(crate) cliente: Option<IdCliente>,
}

/// What the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The oldest number that is kept; 0 when none is.
    pub(crate) oldest: i64,
    /// The number that was given out last.
    pub(crate) newest: i64,
}

/// Reads the table.
#[derive(Clone)]
pub(crate) struct Eventos {
    pool: Pool,
}

/// Adds an event to a transaction. From here to its commit every other writer waits, which is what makes the numbers
/// follow the order of commits.
pub(super) async fn append(
    transaction: &mut Transaction<'_, Any>,
    pago: &Pago,
    datos: &str,
    now_ms: i64,
) -> Result<(), sqlx::Error> {
    let numero: i64 = sqlx::query_scalar("UPDATE contador SET n = n + 1 WHERE id = 1 RETURNING n")
        .fetch_one(&mut **transaction)
        .await?;
    sqlx::query(
        "INSERT INTO eventos (numero, id_correlacion, id_cliente, datos, creado_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(numero)
    .bind(pago.id_correlacion.as_str())
    .bind(pago.solicitud.id_cliente.as_str())
    .bind(datos)
    .bind(now_ms)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

// === impl Evento ===

impl Evento {
    /// The payment as it was after the transition.
    pub(crate) fn pago(&self) -> Result<Pago, Fault> {
        serde_json::from_str(&self.datos).map_err(|error| Fault::bug("failed to read a stored event", error))
    }
}

// === impl Interest ===

impl Interest {
    /// Whether an event is for its reader.
    pub(crate) fn is_in(&self, evento: &Evento) -> bool {
        let Self { pago, cliente } = self;
        pago.as_ref().is_none_or(|id| id.as_str() == evento.id_correlacion)
            && cliente.as_ref().is_none_or(|id| id.as_str() == evento.id_cliente)
    }
}

// === impl Extent ===

impl Extent {
    /// Whether a reader that has seen everything up to `last` can go on without a gap. A number that was never given
    /// out (of another database, say) cannot be gone on from either.
    pub(crate) fn resumes_from(self, last: i64) -> bool {
        let Self { oldest, newest } = self;
        last == newest || (last < newest && oldest != 0 && oldest <= last.saturating_add(1))
    }
}

// === impl Eventos ===

impl Eventos {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// What the table holds now.
    pub(crate) async fn extent(&self) -> Result<Extent, Fault> {
        let row = sqlx::query(
            "SELECT n AS newest, COALESCE((SELECT MIN(numero) FROM eventos), 0) AS oldest FROM contador WHERE id = 1",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(sql::fault("read the extent of the events"))?;
        let read = |column| {
            row.try_get(column)
                .map_err(|error| Fault::bug("failed to read the extent of the events", error))
        };
        Ok(Extent {
            oldest: read("oldest")?,
            newest: read("newest")?,
        })
    }

    /// At most `limit` events after `last`, in order, of those that match.
    pub(crate) async fn after(&self, last: i64, interest: &Interest, limit: u16) -> Result<Vec<Arc<Evento>>, Fault> {
        let Interest { pago, cliente } = interest;
        let cliente = cliente.as_ref().map(IdCliente::as_str);
        // A statement each, so that each walks its own index.
        let (statement, whose) = match (pago, cliente) {
            (Some(pago), cliente) => (
                "SELECT numero, id_correlacion, id_cliente, datos FROM eventos
                 WHERE numero > $1 AND id_correlacion = $3 AND ($4 = '' OR id_cliente = $4) ORDER BY numero LIMIT $2",
                vec![pago.as_str(), cliente.unwrap_or_default()],
            ),
            (None, Some(cliente)) => (
                "SELECT numero, id_correlacion, id_cliente, datos FROM eventos
                 WHERE numero > $1 AND id_cliente = $3 ORDER BY numero LIMIT $2",
                vec![cliente],
            ),
            (None, None) => (
                "SELECT numero, id_correlacion, id_cliente, datos FROM eventos
                 WHERE numero > $1 ORDER BY numero LIMIT $2",
                Vec::new(),
            ),
        };
        let mut query = sqlx::query(statement).bind(last).bind(i64::from(limit));
        for whose in whose {
            query = query.bind(whose);
        }
        let rows = query.fetch_all(&self.pool).await.map_err(sql::fault("read events"))?;
        let read = |row: sqlx::any::AnyRow| {
            Ok(Arc::new(Evento {
                numero: row.try_get("numero")?,
                id_correlacion: row.try_get("id_correlacion")?,
                id_cliente: row.try_get("id_cliente")?,
                datos: row.try_get("datos")?,
            }))
        };
        rows.into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|e: sqlx::Error| Fault::bug("failed to read an event", e))
    }

    /// Forgets all but the last `keep` events.
    pub(crate) async fn prune(&self, keep: i64) -> Result<u64, Fault> {
        sqlx::query("DELETE FROM eventos WHERE numero <= (SELECT n FROM contador WHERE id = 1) - $1")
            .bind(keep)
            .execute(&self.pool)
            .await
            .map(|done| done.rows_affected())
            .map_err(sql::fault("prune events"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_goes_on_only_where_nothing_is_missing() {
        let extent = Extent { oldest: 5, newest: 9 };
        for last in [4, 5, 8, 9] {
            assert!(extent.resumes_from(last), "{last}");
        }
        for last in [-1, 0, 3, 10, i64::MAX] {
            assert!(!extent.resumes_from(last), "{last}");
        }
        assert!(Extent { oldest: 0, newest: 0 }.resumes_from(0), "nothing happened yet");
        assert!(!Extent { oldest: 0, newest: 9 }.resumes_from(8), "everything is pruned");
    }
}
