//! The SQL behind read models, intake and archive: SQLite or Postgres, by URL.

mod pool;

use std::time::Duration;

use seedwork::Fault;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, Connection as _};

use crate::config::Secret;
use crate::serve::StartupError;

pub use pool::{PATIENCE, Pool, within};

/// No row that is to be looked at again is put off for longer than this, in milliseconds. One that is due later was written before
/// the wall clock was set back, and is due now.
pub const FAR_MS: i64 = 90_000;

/// How long somebody waits for a connection: while the database starts, say.
const ACQUIRE: Duration = Duration::from_secs(10);

/// How long a connection that comes back may take to show that it lives.
const PING: Duration = Duration::from_secs(3);

/// WAL + FULL: a row that was answered for survives a power cut.
const SQLITE: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
];

const SQLITE_READERS: &[&str] = &["PRAGMA query_only = ON", "PRAGMA busy_timeout = 5000"];

/// So that Postgres soon notices a client that is gone, with what it holds locked: by itself it takes hours, and one row that
/// every replica writes would stop them all.
const POSTGRES: &[&str] = &[
    "SET idle_in_transaction_session_timeout = '10s'",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = 25000",
];

/// What works on rows gives up before whoever asked does, who may have waited for a connection as well. Not for what makes
/// tables, which takes as long as it takes.
const POSTGRES_AT_WORK: &[&str] = &["SET lock_timeout = '5s'", "SET statement_timeout = '15s'"];

/// Opens the database and brings its tables up to date. Statements are written once, in the common subset of SQLite
/// and Postgres, with `$1` placeholders.
pub async fn open(url: &Secret, migrator: &Migrator) -> Result<Pool, StartupError> {
    open_within(url, migrator, ACQUIRE).await
}

async fn open_within(url: &Secret, migrator: &Migrator, acquire: Duration) -> Result<Pool, StartupError> {
    sqlx::any::install_default_drivers();
    if is_sqlite(url) {
        // One connection for SQLite: it has one writer anyway, and a queue in front of it beats busy errors behind it.
        let pool = connect(url, 1, acquire, &[SQLITE]).await?;
        migrate(&pool, migrator).await?;
        return Ok(pool.into());
    }
    let patient = connect(url, 1, acquire, &[POSTGRES]).await?;
    migrate(&patient, migrator).await?;
    patient.close().await;
    Ok(connect(url, 8, acquire, &[POSTGRES, POSTGRES_AT_WORK]).await?.into())
}

/// Connections that only read, beside `pool` on the same database. SQLite's readers need not wait for its writer, which syncs
/// the disk; Postgres has connections enough.
pub async fn readers(url: &Secret, pool: &Pool) -> Result<Pool, StartupError> {
    if !is_sqlite(url) {
        return Ok(pool.clone());
    }
    Ok(connect(url, 2, ACQUIRE, &[SQLITE_READERS]).await?.into())
}

/// A failed statement, as a fault.
pub fn fault(doing: &str) -> impl FnOnce(sqlx::Error) -> Fault + use<'_> {
    move |error| Fault::unavailable(format!("failed to {doing}"), error)
}

/// Makes tables and indexes that are missing, in one transaction, without the limits of what works on rows.
pub(crate) async fn make(pool: &Pool, statements: &[&'static str]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    if transaction.backend_name() == "PostgreSQL" {
        for setting in ["SET LOCAL lock_timeout = 0", "SET LOCAL statement_timeout = 0"] {
            sqlx::query(setting).execute(&mut *transaction).await?;
        }
    }
    for statement in statements {
        sqlx::query(*statement).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

fn is_sqlite(url: &Secret) -> bool {
    url.expose().starts_with("sqlite:")
}

async fn migrate(pool: &AnyPool, migrator: &Migrator) -> Result<(), StartupError> {
    migrator
        .run(pool)
        .await
        .map_err(|error| StartupError::new("cannot bring the database up to date", error))
}

/// Connections that begin with these settings.
async fn connect(
    url: &Secret,
    connections: u32,
    acquire: Duration,
    settings: &'static [&'static [&'static str]],
) -> Result<AnyPool, StartupError> {
    let sqlite = is_sqlite(url);
    let opened = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire)
        // Whether the other end is still there: SQLite has none.
        .test_before_acquire(!sqlite)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for group in settings {
                    for setting in *group {
                        sqlx::query(*setting).execute(&mut *connection).await?;
                    }
                }
                Ok(())
            })
        })
        // The pool asks the same by itself, and waits for the answer without an end.
        .after_release(move |connection, _| {
            Box::pin(async move {
                if sqlite {
                    return Ok(true);
                }
                let alive = tokio::time::timeout(PING, connection.ping()).await;
                alive.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|()| true)
            })
        })
        .connect(url.expose())
        .await;
    match opened {
        Ok(pool) => Ok(pool),
        Err(error) => {
            let error = cause(url, error).await;
            Err(StartupError::new("cannot open the database; check DATABASE_URL", error))
        }
    }
}

/// Why a pool gave up: it tries again and keeps the reason to itself.
async fn cause(url: &Secret, error: sqlx::Error) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    match tokio::time::timeout(PING, AnyConnection::connect(url.expose())).await {
        Ok(Err(cause)) => cause,
        Ok(Ok(_)) | Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NONE: Migrator = Migrator::DEFAULT;

    #[tokio::test]
    async fn a_database_that_is_not_there_says_why() {
        let url = Secret::from("postgres://nobody@127.0.0.1:1/nothing".to_owned());
        let error = open_within(&url, &NONE, Duration::from_millis(200)).await.err();
        let said = error.map(|error| error.chain()).unwrap_or_default();
        assert!(
            said.contains("check DATABASE_URL") && said.contains("refused"),
            "{said}"
        );
    }

    /// A database of one connection, which is taken.
    async fn taken() -> (tempfile::TempDir, Pool, sqlx::pool::PoolConnection<sqlx::Any>) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/taken.db?mode=rwc", folder.path().display());
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE * 100);
        let pool = Pool::from(options.connect(&url).await.unwrap());
        let held = pool.acquire().await.unwrap();
        (folder, pool, held)
    }

    /// Waits for what is never answered.
    async fn in_vain<T>(what: &str, asked: impl Future<Output = Result<T, sqlx::Error>>) {
        let ended = tokio::time::timeout(PATIENCE + Duration::from_secs(1), asked).await;
        let error = ended.unwrap_or_else(|_| panic!("{what} goes on for ever")).err();
        let said = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains("longer than 30 s"), "{what}: {said}");
    }

    #[tokio::test]
    async fn whatever_a_database_is_asked_it_has_a_time_limit() {
        let (_folder, pool, held) = taken().await;
        tokio::time::pause();
        let statement = || sqlx::query("SELECT 1");
        in_vain("execute", statement().execute(&pool)).await;
        in_vain("fetch_optional", statement().fetch_optional(&pool)).await;
        in_vain("fetch_all", statement().fetch_all(&pool)).await;
        in_vain("a transaction", within(pool.begin())).await;
        tokio::time::resume();
        drop(held);
        statement().execute(&pool).await.unwrap();
    }
}
