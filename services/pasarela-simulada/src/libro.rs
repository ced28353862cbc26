//! The ledger's file: SQLite with one writer, so that movements are numbered in commit order.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// Each brings the file from the version before it (its place in the list) to the next, `user_version` included.
const MIGRATIONS: [&str; 2] = [
    include_str!("../migrations/0001_ledger.sql"),
    include_str!("../migrations/0002_referencias.sql"),
];

/// The open ledger.
#[derive(Debug)]
pub(crate) struct Libro {
    /// One connection: writers queue here, in order, instead of polling SQLite's lock.
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A line of the ledger of money.
pub(crate) struct Movimiento<'a> {
    pub(crate) tipo: &'static str,
    pub(crate) id: &'a str,
    pub(crate) referencia: &'a str,
    pub(crate) monto: i64,
    pub(crate) moneda: &'a str,
    pub(crate) clave: &'a str,
}

/// Why the ledger could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LibroError {
    /// Not a SQLite file. The address is not repeated: it may hold a password.
    #[error("DATABASE_URL must name a SQLite file, such as sqlite://pasarela.db?mode=rwc")]
    Address,

    /// The file cannot be opened.
    #[error("failed to open the SQLite file of DATABASE_URL; its folder must exist and be writable")]
    Open(#[source] sqlx::Error),

    /// The file could not be brought to this version's shape.
    #[error("failed to prepare the tables")]
    Migrate(#[source] sqlx::Error),

    /// A newer simulator wrote the file.
    #[error("the file was written by a newer version of the simulator (shape {found}, this one knows {known})")]
    Newer {
        /// The file's version.
        found: usize,
        /// The highest version this program knows.
        known: usize,
    },
}

// === impl Libro ===

impl Libro {
    pub(crate) async fn open(database_url: &str) -> Result<Self, LibroError> {
        let in_memory = database_url.contains(":memory:") || database_url.contains("mode=memory");
        if !database_url.starts_with("sqlite:") || in_memory {
            return Err(LibroError::Address);
        }
        let options = SqliteConnectOptions::from_str(database_url)
            .map_err(|_| LibroError::Address)?
            .journal_mode(SqliteJournalMode::Wal)
            // An answer that was given must survive a power cut too, as a real gateway's would.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone());
        let libro = Self {
            writer: writer.await.map_err(LibroError::Open)?,
            readers: SqlitePoolOptions::new().max_connections(3).connect_lazy_with(options),
        };
        libro.migrate().await?;
        Ok(libro)
    }

    async fn migrate(&self) -> Result<(), LibroError> {
        let mut transaction = self.begin().await.map_err(LibroError::Migrate)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *transaction)
            .await
            .map_err(LibroError::Migrate)?;
        let found = usize::try_from(version).unwrap_or(usize::MAX);
        let pending = MIGRATIONS.get(found..).ok_or(LibroError::Newer {
            found,
            known: MIGRATIONS.len(),
        })?;
        for migration in pending {
            sqlx::raw_sql(*migration)
                .execute(&mut *transaction)
                .await
                .map_err(LibroError::Migrate)?;
        }
        transaction.commit().await.map_err(LibroError::Migrate)
    }

    /// Starts the one write transaction; others wait.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// For reading only.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

// === impl Movimiento ===

impl Movimiento<'_> {
    pub(crate) async fn anotar(self, conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let Self {
            tipo,
            id,
            referencia,
            monto,
            moneda,
            clave,
        } = self;
        sqlx::query("INSERT INTO movimientos (tipo, id, referencia, monto, moneda, clave) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(tipo)
            .bind(id)
            .bind(referencia)
            .bind(monto)
            .bind(moneda)
            .bind(clave)
            .execute(conn)
            .await?;
        Ok(())
    }
}
