//! The table `facturas`: the read model of invoices.

use seedwork::{Declive, Dinero, Fault, IdCliente, IdCorrelacion, MedioPago, Moneda, Reason};
use seedwork_runtime::sql::{self, Pool};
use sqlx::any::AnyRow;

use super::{moment, number, text, unreadable};
use crate::domain::factura::{Cancelacion, EstadoFactura, Factura, Reintento};
use crate::domain::instante::Instante;

/// A query for invoices, for [`read`] and [`page`]. What a query is made of must stand in the program.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT f.id, f.id_cliente, f.medio_pago, f.monto, f.moneda, f.estado, f.periodo_fin, f.emitida,
                    f.cancelada, f.motivo, f.mensaje, f.declive, f.reintento_de, f.intento FROM facturas f ",
            $rest
        )
    };
}
pub(super) use select;

/// The read model of invoices.
#[derive(Clone)]
pub struct Facturas(Pool);

// === impl Facturas ===

impl Facturas {
    /// The read model in this database.
    pub fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Brings an invoice up to `version` of its document. Never goes back.
    pub async fn project(&self, factura: &Factura, version: u64) -> Result<(), Fault> {
        let Factura {
            id,
            id_cliente,
            medio_pago,
            dinero,
            estado,
            emitida,
            cancelacion,
            reintento,
        } = factura;
        let version = i64::try_from(version).map_err(|error| Fault::bug("failed to project an invoice", error))?;
        let declive = cancelacion.as_ref().and_then(|cancelacion| cancelacion.reason.declive);
        sqlx::query(
            "INSERT INTO facturas (id, id_cliente, medio_pago, monto, moneda, estado, periodo_fin, version,
                                   emitida, cancelada, motivo, mensaje, reintento_de, intento, declive)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
             ON CONFLICT (id) DO UPDATE SET
                 id_cliente = excluded.id_cliente, medio_pago = excluded.medio_pago, monto = excluded.monto,
                 moneda = excluded.moneda, estado = excluded.estado, periodo_fin = excluded.periodo_fin,
                 version = excluded.version, emitida = excluded.emitida, cancelada = excluded.cancelada,
                 motivo = excluded.motivo, mensaje = excluded.mensaje, reintento_de = excluded.reintento_de,
                 intento = excluded.intento, declive = excluded.declive
             WHERE facturas.version < excluded.version",
        )
        .bind(id.as_str())
        .bind(id_cliente.as_str())
        .bind(medio_pago.as_str())
        .bind(dinero.minor())
        .bind(dinero.moneda().as_str())
        .bind(estado.as_str())
        .bind(ms(estado.periodo_fin()))
        .bind(version)
        .bind(ms(*emitida))
        .bind(ms(cancelacion.as_ref().map(|cancelacion| cancelacion.cuando)))
        .bind(
            cancelacion
                .as_ref()
                .map_or("", |cancelacion| &cancelacion.reason.motivo),
        )
        .bind(
            cancelacion
                .as_ref()
                .map_or("", |cancelacion| &cancelacion.reason.mensaje),
        )
        .bind(reintento.as_ref().map_or("", |reintento| reintento.de.as_str()))
        .bind(reintento.as_ref().map_or(0, |reintento| i64::from(reintento.intento)))
        .bind(declive.map_or("", Declive::as_str))
        .execute(&self.0)
        .await
        .map_err(sql::fault("project an invoice"))?;
        Ok(())
    }

    /// The version of a row; `None` when there is no row.
    pub(super) async fn version(&self, id: &IdCorrelacion) -> Result<Option<i64>, Fault> {
        let row = sqlx::query("SELECT version FROM facturas WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read the version of an invoice"))?;
        row.as_ref().map(|row| number(row, "version")).transpose()
    }

    /// Writes a row anew, back to an older version too, if it still has the version `seen`.
    pub(super) async fn restore(&self, factura: &Factura, version: u64, seen: i64) -> Result<(), Fault> {
        // Below every version, so that the projection takes place, and nobody else's is undone by it.
        let done = sqlx::query("UPDATE facturas SET version = -1 WHERE id = $1 AND version = $2")
            .bind(factura.id.as_str())
            .bind(seen)
            .execute(&self.0)
            .await
            .map_err(sql::fault("write the row of an invoice anew"))?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        self.project(factura, version).await
    }

    /// An invoice by the payment that it is for.
    pub async fn find(&self, id: &IdCorrelacion) -> Result<Option<Factura>, Fault> {
        let row = sqlx::query(select!("WHERE f.id = $1"))
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read an invoice"))?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limite` invoices of a client after the id `cursor`, in the order of their ids.
    pub async fn of_client(&self, id_cliente: &IdCliente, cursor: &str, limite: i64) -> Result<Vec<Factura>, Fault> {
        let rows = sqlx::query(select!("WHERE f.id_cliente = $1 AND f.id > $2 ORDER BY f.id LIMIT $3"))
            .bind(id_cliente.as_str())
            .bind(cursor)
            .bind(limite)
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("list the invoices of a client"))?;
        rows.iter().map(read).collect()
    }
}

/// A moment as a column has it.
fn ms(moment: Option<Instante>) -> i64 {
    moment.map_or(0, Instante::ms)
}

/// The invoices of a page and the id of its last row; `None` past the last page. One that cannot be read, since a newer version
/// stored it, does not silence the others.
pub(super) fn page(rows: &[AnyRow]) -> Result<Option<(Vec<Factura>, String)>, Fault> {
    let Some(last) = rows.last() else { return Ok(None) };
    let readable = |row: &AnyRow| {
        let unreadable = |fault: &Fault| {
            let id = text(row, "id").unwrap_or_default();
            let error = fault.chain();
            tracing::error!(id, error, "a stored invoice cannot be read; it waits for who can");
        };
        read(row).inspect_err(unreadable).ok()
    };
    Ok(Some((rows.iter().filter_map(readable).collect(), text(last, "id")?)))
}

fn read(row: &AnyRow) -> Result<Factura, Fault> {
    let moneda = Moneda::parse(&text(row, "moneda")?).map_err(unreadable("moneda"))?;
    let estado = EstadoFactura::read(&text(row, "estado")?, moment(row, "periodo_fin")?);
    let cancelacion = match moment(row, "cancelada")? {
        Some(cuando) => Some(Cancelacion {
            reason: Reason::new(text(row, "motivo")?, text(row, "mensaje")?)
                .with_declive(Declive::parse(&text(row, "declive")?)),
            cuando,
        }),
        None => None,
    };
    let reintento = match u32::try_from(number(row, "intento")?).map_err(unreadable("intento"))? {
        0 => None,
        intento => Some(Reintento {
            de: IdCorrelacion::parse(text(row, "reintento_de")?).map_err(unreadable("reintento_de"))?,
            intento,
        }),
    };
    Ok(Factura {
        id: IdCorrelacion::parse(text(row, "id")?).map_err(unreadable("id"))?,
        id_cliente: IdCliente::parse(text(row, "id_cliente")?).map_err(unreadable("id_cliente"))?,
        medio_pago: MedioPago::parse(&text(row, "medio_pago")?).map_err(unreadable("medio_pago"))?,
        dinero: Dinero::from_minor(number(row, "monto")?, moneda).map_err(unreadable("monto"))?,
        estado: estado.ok_or("no such state").map_err(unreadable("estado"))?,
        emitida: moment(row, "emitida")?,
        cancelacion,
        reintento,
    })
}
