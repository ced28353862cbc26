//! The SQL behind read models, intake and archive: SQLite or Postgres, by URL.

use std::time::Duration;

use seedwork::Fault;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;

use crate::config::Secret;
use crate::serve::StartupError;

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

/// A failed statement, as a fault.
pub fn fault(doing: &str) -> impl FnOnce(sqlx::Error) -> Fault + use<'_> {
    move |error| Fault::unavailable(format!("failed to {doing}"), error)
}
