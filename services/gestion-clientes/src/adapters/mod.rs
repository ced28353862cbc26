//! Translation between the domain and the outside: documents, tables, messages, HTTP.

pub(crate) mod clientes;
mod contrasena;
pub(crate) mod facturacion;
pub(crate) mod facturas;
pub(crate) mod http;
pub(crate) mod inbox;

use seedwork::Fault;
use seedwork_runtime::now_ms;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::domain::instante::Instante;

/// The shell's clock.
fn ahora() -> Instante {
    Instante::from_ms(now_ms())
}

/// A column that does not hold what we put there.
fn unreadable<E>(column: &str) -> impl FnOnce(E) -> Fault
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |error| Fault::bug(format!("failed to read the column {column}"), error)
}

fn text(row: &AnyRow, column: &str) -> Result<String, Fault> {
    row.try_get(column).map_err(unreadable(column))
}

fn number(row: &AnyRow, column: &str) -> Result<i64, Fault> {
    row.try_get(column).map_err(unreadable(column))
}

/// A moment from a column where 0 stands for none.
fn moment(row: &AnyRow, column: &str) -> Result<Option<Instante>, Fault> {
    Ok(Some(number(row, column)?).filter(|ms| *ms != 0).map(Instante::from_ms))
}
