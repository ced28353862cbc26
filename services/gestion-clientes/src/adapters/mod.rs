//! Translation between the domain and the outside: documents, tables, messages, HTTP.

pub(crate) mod clientes;
mod contrasena;
pub(crate) mod facturacion;
pub(crate) mod facturas;
pub(crate) mod http;
pub(crate) mod inbox;
pub(crate) mod proyecciones;
pub(crate) mod recordatorios;
pub(crate) mod reintentos;
pub(crate) mod trabajos;

use seedwork::Fault;
use seedwork_runtime::now_ms;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::domain::instante::Instante;

/// The shell's clock.
fn ahora() -> Instante {
    Instante::from_ms(now_ms())
}

/// A moment as the wire has it: `2026-11-24T18:00:00Z`.
fn fecha(instante: Instante) -> String {
    let time = chrono::DateTime::from_timestamp_millis(instante.ms()).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_to_the_second_in_utc() {
        assert_eq!(fecha(Instante::from_ms(1_795_543_200_999)), "2026-11-24T18:00:00Z");
    }
}
