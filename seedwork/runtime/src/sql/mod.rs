//! The SQL behind read models, intake and archive: SQLite or Postgres, by URL.

use std::time::Duration;

use seedwork::Fault;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;

use crate::config::Secret;
use crate::serve::StartupError;

/// No row that is to be looked at again is put off for longer than this, in milliseconds. One that is due later was written before
/// the wall clock was set back, and is due now.
pub const FAR_MS: i64 = 90_000;

/// Opens the database and brings its tables up to date. Statements are written once, in the common subset of SQLite
/// and Postgres, with `$1` placeholders.
pub async fn open(url: &Secret, migrator: &Migrator) -> Result<AnyPool, StartupError> {
    sqlx::any::install_default_drivers();
    let sqlite = url.expose().starts_with("sqlite:");
    // One connection for SQLite: it has one writer anyway, and a queue in front of it beats busy errors behind it.
    let connections = if sqlite { 1 } else { 8 };
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if sqlite {
                    // WAL + FULL: a row that was answered for survives a power cut.
                    for pragma in [
                        "PRAGMA journal_mode = WAL",
                        "PRAGMA synchronous = FULL",
                        "PRAGMA busy_timeout = 5000",
                    ] {
                        sqlx::query(pragma).execute(&mut *connection).await?;
                    }
                }
                Ok(())
            })
        })
        .connect(url.expose())
        .await
        .map_err(|error| StartupError::new("cannot open the database; check DATABASE_URL", error))?;
    migrator
        .run(&pool)
        .await
        .map_err(|error| StartupError::new("cannot bring the database up to date", error))?;
    Ok(pool)
}

/// Connections that only read, beside `pool` on the same database. SQLite's readers need not wait for its writer, which syncs
/// the disk; Postgres has connections enough.
pub async fn readers(url: &Secret, pool: &AnyPool) -> Result<AnyPool, StartupError> {
    if !url.expose().starts_with("sqlite:") {
        return Ok(pool.clone());
    }
    AnyPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in ["PRAGMA query_only = ON", "PRAGMA busy_timeout = 5000"] {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect(url.expose())
        .await
        .map_err(|error| StartupError::new("cannot open the database a second time, to read", error))
}

/// A failed statement, as a fault.
pub fn fault(doing: &str) -> impl FnOnce(sqlx::Error) -> Fault + use<'_> {
    move |error| Fault::unavailable(format!("failed to {doing}"), error)
}
