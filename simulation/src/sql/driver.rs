//! What sqlx asks of a driver. Only the connection is ever used: `Any` brings its own rows, values and arguments, and
//! the rest stands here because a driver cannot be named without it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use log::LevelFilter;
use sqlx_core::Either;
use sqlx_core::any::driver::AnyDriver;
use sqlx_core::any::{
    AnyArguments, AnyConnectOptions, AnyConnectionBackend, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo,
};
use sqlx_core::arguments::Arguments;
use sqlx_core::column::{Column, ColumnIndex};
use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::database::Database;
use sqlx_core::describe::Describe;
use sqlx_core::encode::Encode;
use sqlx_core::error::{BoxDynError, Error};
use sqlx_core::row::Row;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::statement::Statement;
use sqlx_core::transaction::Transaction;
use sqlx_core::transaction::TransactionManager;
use sqlx_core::type_info::TypeInfo;
use sqlx_core::types::Type;
use sqlx_core::value::{Value, ValueRef};

use super::base::{Base, Done};
use super::{NEXT, OPENING};
use crate::life::Life;
use crate::lock;
use crate::world::Part;

pub(super) static DRIVERS: [AnyDriver; 1] = [AnyDriver::without_migrate::<Simulada>()];

/// How long a statement waits before it looks again whether the writer has finished.
const BUSY: Duration = Duration::from_millis(1);

/// The connection of one process to one database.
pub(super) struct Conexion {
    base: Arc<Base>,
    life: Arc<Life>,
    number: u64,
    depth: usize,
}

// === impl Conexion ===

impl Conexion {
    async fn turn(&self) -> Result<(), Error> {
        self.life.before(Part::Sql).await.map_err(|trouble| failed(&trouble))?;
        while !self.base.is_free_for(self.number) {
            tokio::time::sleep(BUSY).await;
            self.life.alive().await;
        }
        Ok(())
    }

    async fn run(&mut self, query: SqlStr, arguments: Option<AnyArguments>) -> Result<Done, Error> {
        self.turn().await?;
        let arguments = arguments.map(|arguments| arguments.values.0).unwrap_or_default();
        let done = self.base.execute(query.as_str(), &arguments);
        self.answered().await?;
        done.map_err(|error| failed(&format!("{error}: {}", query.as_str())))
    }

    async fn transact(&mut self, statement: &'static str, depth: usize) -> Result<(), Error> {
        self.turn().await?;
        self.base
            .transact(self.number, statement, depth > 0)
            .map_err(|error| failed(&error))?;
        self.depth = depth;
        // A COMMIT that is not answered is one all the same; whoever is not answered to a BEGIN lets go of the transaction.
        self.answered().await
    }

    /// The statement has run, and whoever asked may never hear of it.
    async fn answered(&self) -> Result<(), Error> {
        self.life.answered(Part::Sql).await.map_err(|trouble| failed(&trouble))
    }
}

impl Drop for Conexion {
    fn drop(&mut self) {
        self.base.abandon(self.number);
    }
}

fn failed(why: &impl ToString) -> Error {
    Error::Protocol(why.to_string())
}

impl fmt::Debug for Conexion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conexion {}", self.number)
    }
}

impl AnyConnectionBackend for Conexion {
    fn name(&self) -> &str {
        // The statements that differ between databases ask for this.
        "SQLite"
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, sqlx_core::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn close_hard(self: Box<Self>) -> BoxFuture<'static, sqlx_core::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn ping(&mut self) -> BoxFuture<'_, sqlx_core::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn begin(&mut self, statement: Option<SqlStr>) -> BoxFuture<'_, sqlx_core::Result<()>> {
        assert!(
            statement.is_none() && self.depth == 0,
            "the model knows plain transactions only"
        );
        Box::pin(self.transact("BEGIN", 1))
    }

    fn commit(&mut self) -> BoxFuture<'_, sqlx_core::Result<()>> {
        Box::pin(self.transact("COMMIT", 0))
    }

    fn rollback(&mut self) -> BoxFuture<'_, sqlx_core::Result<()>> {
        self.start_rollback();
        Box::pin(async { Ok(()) })
    }

    fn start_rollback(&mut self) {
        self.base.abandon(self.number);
        self.depth = 0;
    }

    fn get_transaction_depth(&self) -> usize {
        self.depth
    }

    fn shrink_buffers(&mut self) {}

    fn flush(&mut self) -> BoxFuture<'_, sqlx_core::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn should_flush(&self) -> bool {
        false
    }

    fn fetch_many(
        &mut self,
        query: SqlStr,
        _persistent: bool,
        arguments: Option<AnyArguments>,
    ) -> BoxStream<'_, sqlx_core::Result<Either<AnyQueryResult, AnyRow>>> {
        let all = async move {
            let items: Vec<_> = match self.run(query, arguments).await {
                Ok(Done { rows, affected }) => {
                    let result = AnyQueryResult {
                        rows_affected: affected,
                        ..Default::default()
                    };
                    let rows = rows.into_iter().map(|row| Ok(Either::Right(row)));
                    rows.chain([Ok(Either::Left(result))]).collect()
                }
                Err(error) => vec![Err(error)],
            };
            stream::iter(items)
        };
        stream::once(all).flatten().boxed()
    }

    fn fetch_optional(
        &mut self,
        query: SqlStr,
        _persistent: bool,
        arguments: Option<AnyArguments>,
    ) -> BoxFuture<'_, sqlx_core::Result<Option<AnyRow>>> {
        Box::pin(async move { Ok(self.run(query, arguments).await?.rows.into_iter().next()) })
    }

    fn prepare_with<'c, 'q: 'c>(
        &'c mut self,
        _sql: SqlStr,
        _parameters: &[AnyTypeInfo],
    ) -> BoxFuture<'c, sqlx_core::Result<AnyStatement>> {
        Box::pin(async { Err(failed(&"nobody prepares a statement by hand")) })
    }

    // Asked for by the feature of sqlx-core that sqlx's macros switch on.
    fn describe(&mut self, _sql: SqlStr) -> BoxFuture<'_, sqlx_core::Result<Describe<sqlx_core::any::Any>>> {
        Box::pin(async { Err(failed(&"nobody describes a statement")) })
    }
}

// === what is never used ===

#[derive(Debug)]
pub(super) struct Simulada;

/// Stands for everything that `Any` brings itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Nothing;

impl Database for Simulada {
    type Connection = Conexion;
    type TransactionManager = Nothing;
    type Row = Nothing;
    type QueryResult = Nothing;
    type Column = Nothing;
    type TypeInfo = Nothing;
    type Value = Nothing;
    type ValueRef<'r> = Nothing;
    type Arguments = Nothing;
    type ArgumentBuffer = Nothing;
    type Statement = Nothing;
    const NAME: &'static str = "Simulada";
    const URL_SCHEMES: &'static [&'static str] = &["simulado"];
}

/// Which database, for which process.
#[derive(Debug, Clone)]
pub(super) struct Options(u64);

impl<'a> TryFrom<&'a AnyConnectOptions> for Options {
    type Error = Error;
    fn try_from(options: &'a AnyConnectOptions) -> Result<Self, Error> {
        options.database_url.path().parse()
    }
}

impl FromStr for Options {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        text.parse().map(Self).map_err(|error| failed(&error))
    }
}

impl ConnectOptions for Options {
    type Connection = Conexion;

    fn from_url(url: &sqlx_core::Url) -> Result<Self, Error> {
        url.path().parse()
    }

    async fn connect(&self) -> Result<Conexion, Error> {
        let opening = lock(&OPENING);
        let Some((base, life)) = opening.get(&self.0).cloned() else {
            return Err(failed(&"nobody opened this database"));
        };
        drop(opening);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        life.uses(&base, number);
        Ok(Conexion {
            base,
            life,
            number,
            depth: 0,
        })
    }

    fn log_statements(self, _: LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _: LevelFilter, _: Duration) -> Self {
        self
    }
}

impl Connection for Conexion {
    type Database = Simulada;
    type Options = Options;

    async fn close(self) -> Result<(), Error> {
        Ok(())
    }

    async fn close_hard(self) -> Result<(), Error> {
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn begin(&mut self) -> Result<Transaction<'_, Simulada>, Error> {
        unreachable!("Any begins")
    }

    fn shrink_buffers(&mut self) {}

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn should_flush(&self) -> bool {
        false
    }
}

impl TransactionManager for Nothing {
    type Database = Simulada;

    async fn begin(_: &mut Conexion, _: Option<SqlStr>) -> Result<(), Error> {
        unreachable!("Any begins")
    }

    async fn commit(_: &mut Conexion) -> Result<(), Error> {
        unreachable!("Any commits")
    }

    async fn rollback(_: &mut Conexion) -> Result<(), Error> {
        unreachable!("Any rolls back")
    }

    fn start_rollback(_: &mut Conexion) {}

    fn get_transaction_depth(conexion: &Conexion) -> usize {
        conexion.depth
    }
}

impl Extend<Self> for Nothing {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, _: T) {}
}

impl Row for Nothing {
    type Database = Simulada;

    fn columns(&self) -> &[Self] {
        &[]
    }

    fn try_get_raw<I: ColumnIndex<Self>>(&self, _: I) -> Result<Self, Error> {
        Err(failed(&"there are no rows here"))
    }
}

impl Column for Nothing {
    type Database = Simulada;

    fn ordinal(&self) -> usize {
        0
    }

    fn name(&self) -> &str {
        ""
    }

    fn type_info(&self) -> &Self {
        self
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

impl TypeInfo for Nothing {
    fn is_null(&self) -> bool {
        true
    }

    fn name(&self) -> &str {
        "nothing"
    }
}

impl Value for Nothing {
    type Database = Simulada;

    fn as_ref(&self) -> Self {
        Self
    }

    fn type_info(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }

    fn is_null(&self) -> bool {
        true
    }
}

impl ValueRef<'_> for Nothing {
    type Database = Simulada;

    fn to_owned(&self) -> Self {
        Self
    }

    fn type_info(&self) -> Cow<'_, Self> {
        Cow::Borrowed(self)
    }

    fn is_null(&self) -> bool {
        true
    }
}

impl Arguments for Nothing {
    type Database = Simulada;

    fn reserve(&mut self, _: usize, _: usize) {}

    fn add<'t, T: Encode<'t, Simulada> + Type<Simulada>>(&mut self, _: T) -> Result<(), BoxDynError> {
        Ok(())
    }

    fn len(&self) -> usize {
        0
    }
}

impl Statement for Nothing {
    type Database = Simulada;

    fn into_sql(self) -> SqlStr {
        unreachable!("nobody prepares")
    }

    fn sql(&self) -> &SqlStr {
        unreachable!("nobody prepares")
    }

    fn parameters(&self) -> Option<Either<&[Self], usize>> {
        None
    }

    fn columns(&self) -> &[Self] {
        &[]
    }

    sqlx_core::impl_statement_query!(Self);
}
