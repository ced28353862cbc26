//! Makes the tables `clientes` and `facturas` again from the documents.
//!
//! A state store tells no keys, so these come from SQL: from the two tables, which know an id before its document is
//! written, and from the requests, retries and reminders that are known here. So the invoice of a payment that came by
//! another door and whose row was removed by hand does not come back: nothing else in this database names it. Rows are overwritten one by one, each only if
//! nobody wrote it meanwhile, so this may run beside the service. Nothing is removed: a row without a document is
//! counted and left, since a rebuild over the wrong state store must not forget every key there is.

use std::sync::Arc;

use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::Sidecar;
use seedwork_runtime::participant::{Documento, Participation};
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::sidecar::load;
use seedwork_runtime::sql::{self, Pool};
use serde::Deserialize;

use super::clientes::{Clientes, Rebuilt};
use super::facturacion::Facturacion;
use super::facturas::Facturas;
use super::text;
use crate::domain::factura::Factura;

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconstruccion {
    /// Rows of clients that are what their documents say.
    pub clientes: u64,
    /// Rows of invoices that are what their documents say.
    pub facturas: u64,
    /// Rows that have no document; they are left as they are.
    pub sin_documento: u64,
}

/// How many keys are read at a time.
const BATCH: i64 = 500;

/// Every key of a client that SQL knows, after `$1`. A page of each table makes a page of all: however many rows there are,
/// no more than that are sorted.
const CLIENTES: &str = "SELECT id FROM (SELECT id FROM clientes WHERE id > $1 ORDER BY id LIMIT $2) AS a
    UNION SELECT id FROM (SELECT DISTINCT id_cliente AS id FROM facturas WHERE id_cliente > $1 ORDER BY id LIMIT $2) AS b
    UNION SELECT id FROM (SELECT DISTINCT id_cliente AS id FROM reintentos WHERE id_cliente > $1 ORDER BY id LIMIT $2) AS c
    ORDER BY id LIMIT $2";

/// Every key of an invoice that SQL knows, after `$1`.
const FACTURAS: &str = "SELECT id FROM (SELECT id FROM facturas WHERE id > $1 ORDER BY id LIMIT $2) AS a
    UNION SELECT id FROM (SELECT id FROM reintentos WHERE id > $1 ORDER BY id LIMIT $2) AS b
    UNION SELECT id FROM (
        SELECT DISTINCT id_factura AS id FROM recordatorios WHERE id_factura > $1 ORDER BY id LIMIT $2) AS c
    UNION SELECT id FROM (
        SELECT id_correlacion AS id FROM solicitudes WHERE id_correlacion > $1 ORDER BY id_correlacion LIMIT $2) AS d
    ORDER BY id LIMIT $2";

/// The requests that were taken here, after `$1`: they name clients too.
const SOLICITUDES: &str = "SELECT id_correlacion AS id, solicitud FROM solicitudes WHERE id_correlacion > $1 ORDER BY id_correlacion LIMIT $2";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pagador {
    id_cliente: IdCliente,
}

/// Makes both tables again.
///
/// # Errors
/// When the state store or the database does not answer. What was done is done; a repeat does no harm.
pub(crate) async fn reconstruir(sidecar: &Arc<dyn Sidecar>, pool: &Pool) -> Result<Reconstruccion, StartupError> {
    let clientes = Clientes::new(Arc::clone(sidecar), pool.clone())?;
    let facturas = Facturas::new(pool.clone());
    let mut hecho = Reconstruccion::default();
    rebuild(sidecar.as_ref(), pool, &clientes, &facturas, &mut hecho)
        .await
        .map_err(|fault| StartupError::new("cannot make the tables again; once the cause is mended, repeat", fault))?;
    Ok(hecho)
}

async fn rebuild(
    sidecar: &dyn Sidecar,
    pool: &Pool,
    clientes: &Clientes,
    facturas: &Facturas,
    hecho: &mut Reconstruccion,
) -> Result<(), Fault> {
    // Invoices first: one that had lost its row brings its client's key back.
    let mut cursor = String::new();
    while let Some(ids) = page(pool, FACTURAS, &mut cursor).await? {
        for id in ids.iter().filter_map(|id| IdCorrelacion::parse(id.as_str()).ok()) {
            // The row's version first, as for clients.
            let seen = facturas.version(&id).await?;
            let key = Participation::<Facturacion>::key(&id);
            let documento: Option<Documento<Factura>> = load(sidecar, &key).await?.value;
            let found = documento.and_then(|documento| Some((documento.agregado?, documento.version)));
            match (found, seen) {
                (Some((factura, version)), None) => facturas.project(&factura, version).await?,
                (Some((factura, version)), Some(seen)) => facturas.restore(&factura, version, seen).await?,
                // A request that never became an invoice.
                (None, None) => continue,
                (None, Some(_)) => {
                    tracing::warn!(%id, "an invoice has no document; its row is left");
                    hecho.sin_documento += 1;
                    continue;
                }
            }
            hecho.facturas += 1;
        }
    }
    let mut cursor = String::new();
    while let Some(ids) = page(pool, CLIENTES, &mut cursor).await? {
        for id in ids.into_iter().filter_map(|id| IdCliente::parse(id).ok()) {
            one_client(clientes, &id, hecho).await?;
        }
    }
    // Clients whom only a request names: rare, and looked at again if the table has them by now.
    let mut cursor = String::new();
    while let Some(rows) = rows(pool, SOLICITUDES, &mut cursor).await? {
        for row in rows {
            let pagador = serde_json::from_str::<Pagador>(&text(&row, "solicitud")?);
            if let Ok(Pagador { id_cliente }) = pagador
                && !clientes.has_row(&id_cliente).await?
            {
                one_client(clientes, &id_cliente, hecho).await?;
            }
        }
    }
    Ok(())
}

async fn one_client(clientes: &Clientes, id: &IdCliente, hecho: &mut Reconstruccion) -> Result<(), Fault> {
    match clientes.rebuild(id).await? {
        Rebuilt::Done | Rebuilt::Newer => hecho.clientes += 1,
        // An invoice or a request may name anybody; only a row of ours is missing something.
        Rebuilt::NoDocument if clientes.has_row(id).await? => {
            tracing::warn!(%id, "a client has no document; its row is left");
            hecho.sin_documento += 1;
        }
        Rebuilt::NoDocument => {}
    }
    Ok(())
}

async fn page(pool: &Pool, query: &'static str, cursor: &mut String) -> Result<Option<Vec<String>>, Fault> {
    let Some(rows) = rows(pool, query, cursor).await? else {
        return Ok(None);
    };
    rows.iter()
        .map(|row| text(row, "id"))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The rows after `cursor`, which moves on; `None` after the last.
async fn rows(pool: &Pool, query: &'static str, cursor: &mut String) -> Result<Option<Vec<sqlx::any::AnyRow>>, Fault> {
    let rows = sqlx::query(query)
        .bind(cursor.as_str())
        .bind(BATCH)
        .fetch_all(pool)
        .await
        .map_err(sql::fault("read the keys of documents"))?;
    let Some(last) = rows.last() else { return Ok(None) };
    *cursor = text(last, "id")?;
    Ok(Some(rows))
}
