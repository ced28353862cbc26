//! The model of SQL: real SQLite, in memory and in this thread, behind sqlx's own `Any` driver. The services' statements
//! run as they are written; what is modelled is when they run and who dies around them.
//!
//! A database outlives the processes that use it. A process that dies within a transaction leaves nothing of it.

mod base;
mod driver;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use seedwork_runtime::sql::Pool;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;

pub use base::{Base, Value};

use crate::life::Life;
use crate::lock;

/// A database, and the life of the process that opens it.
type Opening = (Arc<Base>, Arc<Life>);

/// Who opened which database, until the connection is made.
static OPENING: Mutex<BTreeMap<u64, Opening>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);
static INSTALLED: Once = Once::new();

/// A fresh database with these tables.
pub fn base(migrator: &Migrator) -> Arc<Base> {
    Arc::new(Base::new(migrator.iter().map(|migration| migration.sql.as_str())))
}

/// A pool of one connection, which dies with `life`.
pub async fn pool(base: &Arc<Base>, life: &Arc<Life>) -> Result<Pool, sqlx::Error> {
    INSTALLED.call_once(|| {
        // Fails only if somebody installed other drivers in this process, and then opening fails below.
        let _ = sqlx::any::install_drivers(&driver::DRIVERS);
    });
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    lock(&OPENING).insert(number, (Arc::clone(base), Arc::clone(life)));
    // No test before each use, no maintenance: what these look for cannot happen here.
    let opened = AnyPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect(&format!("simulado:{number}"))
        .await;
    lock(&OPENING).remove(&number);
    opened.map(Pool::from)
}
