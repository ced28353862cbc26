//! One database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use sqlx_core::any::{AnyColumn, AnyRow, AnyTypeInfo, AnyTypeInfoKind, AnyValue, AnyValueKind};
use sqlx_core::ext::ustr::UStr;

use crate::lock;

/// A value, for the judge who looks into a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

/// A database in memory.
pub struct Base(
    Mutex<Open>,
    /** The rows that its tables were made with, as a script. */ String,
);

struct Open {
    connection: rusqlite::Connection,
    statements: HashMap<String, Arc<Shape>>,
    /// The connection that has a transaction open; everybody else waits, as for SQLite's one writer.
    owner: Option<u64>,
}

/// What a statement takes and gives.
struct Shape {
    /// For each parameter of the statement, which argument it is.
    parameters: Vec<usize>,
    names: Arc<sqlx_core::HashMap<UStr, usize>>,
    columns: Vec<AnyColumn>,
}

/// What a statement did.
pub(super) struct Done {
    pub(super) rows: Vec<AnyRow>,
    pub(super) affected: u64,
}

// === impl Base ===

impl Base {
    pub(super) fn new<'a>(scripts: impl Iterator<Item = &'a str>) -> Self {
        // One thread at a time speaks to it: see the lock around it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let made = rusqlite::Connection::open_in_memory_with_flags(flags).and_then(|connection| {
            connection.set_prepared_statement_cache_capacity(256);
            // Or each new argument makes SQLite plan its statement anew, which is half of what a world costs.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            connection
                .execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA temp_store = MEMORY;")?;
            for script in scripts {
                connection.execute_batch(script)?;
            }
            Ok(connection)
        });
        let connection = made.unwrap_or_else(|error| panic!("the model of SQL cannot be made: {error}"));
        let open = Mutex::new(Open {
            connection,
            statements: HashMap::new(),
            owner: None,
        });
        let bare = Self(open, String::new());
        let script = bare.script();
        let Self(open, _) = bare;
        Self(open, script)
    }

    /// What is in it, as a script.
    fn script(&self) -> String {
        let mut script = String::new();
        for table in self.look("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
            let [Value::Text(table)] = &table[..] else { continue };
            for row in self.look(&format!("SELECT * FROM {table}")) {
                let values = row.iter().map(|value| match value {
                    Value::Null => "NULL".to_owned(),
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                });
                let values: Vec<_> = values.collect();
                script.push_str(&format!("INSERT INTO {table} VALUES ({});", values.join(", ")));
            }
        }
        script
    }

    /// Forgets every row but those that the tables were made with.
    pub fn wipe(&self) {
        let Self(_, made_with) = self;
        let mut open = self.open();
        open.owner = None;
        let connection = &open.connection;
        let wiped = (|| {
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK")?;
            }
            let mut tables =
                connection.prepare_cached("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
            let names = tables
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            for name in names {
                connection.prepare_cached(&format!("DELETE FROM {name}"))?.execute([])?;
            }
            connection.execute_batch(made_with)
        })();
        wiped.unwrap_or_else(|error: rusqlite::Error| panic!("the model of SQL cannot be wiped: {error}"));
    }

    /// The judge's look: rows of a query without arguments.
    pub fn look(&self, query: &str) -> Vec<Vec<Value>> {
        let open = self.open();
        let looked = (|| {
            let mut statement = open.connection.prepare_cached(query)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let value = |column| {
                    Ok(match row.get_ref(column)? {
                        ValueRef::Integer(number) => Value::Number(number),
                        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
                        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
                    })
                };
                all.push((0..columns).map(value).collect::<Result<Vec<_>, rusqlite::Error>>()?);
            }
            Ok(all)
        })();
        looked.unwrap_or_else(|error: rusqlite::Error| panic!("the judge's query fails: {error}: {query}"))
    }

    /// Whether `who` may speak now.
    pub(super) fn is_free_for(&self, who: u64) -> bool {
        self.open().owner.is_none_or(|owner| owner == who)
    }

    /// Begins, commits or rolls back.
    pub(super) fn transact(&self, who: u64, statement: &str, owned: bool) -> Result<(), rusqlite::Error> {
        let mut open = self.open();
        open.connection.execute_batch(statement)?;
        open.owner = owned.then_some(who);
        Ok(())
    }

    /// What was begun by `who` and not committed is gone.
    pub(crate) fn abandon(&self, who: u64) {
        let mut open = self.open();
        if open.owner == Some(who) {
            open.owner = None;
            // It fails only when the statement itself has ended the transaction.
            let _ = open.connection.execute_batch("ROLLBACK");
        }
    }

    pub(super) fn execute(&self, sql: &str, arguments: &[AnyValueKind]) -> Result<Done, rusqlite::Error> {
        let mut open = self.open();
        let Open {
            connection, statements, ..
        } = &mut *open;
        let mut statement = connection.prepare_cached(sql)?;
        let shape = match statements.get(sql) {
            Some(shape) => Arc::clone(shape),
            None => {
                let shape = Arc::new(shape_of(&statement));
                statements.insert(sql.to_owned(), Arc::clone(&shape));
                shape
            }
        };
        for (place, argument) in shape.parameters.iter().enumerate() {
            let place = place + 1;
            match arguments.get(*argument) {
                Some(AnyValueKind::Bool(value)) => statement.raw_bind_parameter(place, i64::from(*value))?,
                Some(AnyValueKind::SmallInt(value)) => statement.raw_bind_parameter(place, i64::from(*value))?,
                Some(AnyValueKind::Integer(value)) => statement.raw_bind_parameter(place, i64::from(*value))?,
                Some(AnyValueKind::BigInt(value)) => statement.raw_bind_parameter(place, *value)?,
                Some(AnyValueKind::Real(value)) => statement.raw_bind_parameter(place, f64::from(*value))?,
                Some(AnyValueKind::Double(value)) => statement.raw_bind_parameter(place, *value)?,
                Some(AnyValueKind::Text(value)) => statement.raw_bind_parameter(place, value.as_str())?,
                Some(AnyValueKind::TextSlice(value)) => statement.raw_bind_parameter(place, &**value)?,
                Some(AnyValueKind::Blob(value)) => statement.raw_bind_parameter(place, value.as_slice())?,
                Some(_) | None => statement.raw_bind_parameter(place, rusqlite::types::Null)?,
            }
        }
        let mut rows = Vec::new();
        {
            let mut cursor = statement.raw_query();
            while let Some(row) = cursor.next()? {
                let values = (0..shape.columns.len()).map(|column| {
                    let kind = match row.get_ref(column)? {
                        ValueRef::Null => AnyValueKind::Null(AnyTypeInfoKind::Null),
                        ValueRef::Integer(value) => AnyValueKind::BigInt(value),
                        ValueRef::Real(value) => AnyValueKind::Double(value),
                        ValueRef::Text(text) => {
                            AnyValueKind::Text(Arc::new(String::from_utf8_lossy(text).into_owned()))
                        }
                        ValueRef::Blob(bytes) => AnyValueKind::Blob(Arc::new(bytes.to_vec())),
                    };
                    Ok(AnyValue { kind })
                });
                rows.push(AnyRow {
                    column_names: Arc::clone(&shape.names),
                    columns: shape.columns.clone(),
                    values: values.collect::<Result<_, rusqlite::Error>>()?,
                });
            }
        }
        drop(statement);
        Ok(Done {
            rows,
            affected: connection.changes(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        lock(&self.0)
    }
}

/// The statements are written with `$1`, which SQLite takes for names, in the order of their first appearance.
fn shape_of(statement: &rusqlite::Statement<'_>) -> Shape {
    let parameters = (1..=statement.parameter_count()).map(|place| {
        let number = statement
            .parameter_name(place)
            .and_then(|name| name.get(1..)?.parse().ok());
        number.unwrap_or(place) - 1
    });
    let names: Vec<UStr> = statement.column_names().into_iter().map(UStr::new).collect();
    let columns = names.iter().enumerate().map(|(ordinal, name)| AnyColumn {
        ordinal,
        name: name.clone(),
        type_info: AnyTypeInfo {
            kind: AnyTypeInfoKind::Null,
        },
    });
    Shape {
        parameters: parameters.collect(),
        columns: columns.collect(),
        names: Arc::new(names.into_iter().enumerate().map(|(at, name)| (name, at)).collect()),
    }
}
