//! Connections whose statements end.

use std::ops::Deref;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use sqlx::any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::{Any, AnyPool, Describe, Either, Execute, Executor, SqlStr};
use tokio::time::Instant;

/// How long a statement may take, the wait for a connection included. Nobody tells a client that the machine of its
/// database is gone: without this, whoever asked waits for a quarter of an hour, or for ever.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Connections to a database, each of whose statements has [`PATIENCE`]. What outlives it may have been done or not, as when
/// the process dies then. Statements of a transaction run on its connection: a transaction is to be [`within`] it.
#[derive(Debug, Clone)]
pub struct Pool(AnyPool);

/// What is said of a statement that took too long.
fn too_long() -> sqlx::Error {
    let sentence = format!("the database takes longer than {} s", PATIENCE.as_secs());
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, sentence))
}

/// A statement, or a whole transaction, which has as long as a statement has.
///
/// # Errors
/// Its own, or that it took too long.
pub async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(PATIENCE, statement)
        .await
        .unwrap_or_else(|_| Err(too_long()))
}

// === impl Pool ===

impl From<AnyPool> for Pool {
    fn from(pool: AnyPool) -> Self {
        Self(pool)
    }
}

impl Deref for Pool {
    type Target = AnyPool;

    fn deref(&self) -> &AnyPool {
        &self.0
    }
}

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let items = self.0.fetch_many(query);
        let deadline = Instant::now() + PATIENCE;
        stream::unfold(Some(items), move |items| async move {
            let mut items = items?;
            match tokio::time::timeout_at(deadline, items.next()).await {
                Ok(item) => item.map(|item| (item, Some(items))),
                Err(_) => Some((Err(too_long()), None)),
            }
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        Box::pin(within(self.0.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(within(self.0.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(within(self.0.describe(sql)))
    }
}
