//! The table `facturas`: the read model of invoices.

use seedwork::{Dinero, Fault, IdCliente, IdCorrelacion, MedioPago, Moneda};
use seedwork_runtime::sql;
use sqlx::AnyPool;
use sqlx::any::AnyRow;

use super::{moment, number, text, unreadable};
use crate::domain::factura::{EstadoFactura, Factura};

/// The read model of invoices.
#[derive(Clone)]
pub struct Facturas(AnyPool);

// === impl Facturas ===

impl Facturas {
    /// The read model in this database.
    pub fn new(pool: AnyPool) -> Self {
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
        } = factura;
        let version = i64::try_from(version).map_err(|error| Fault::bug("failed to project an invoice", error))?;
        sqlx::query(
            "INSERT INTO facturas (id, id_cliente, medio_pago, monto, moneda, estado, periodo_fin, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 id_cliente = excluded.id_cliente, medio_pago = excluded.medio_pago, monto = excluded.monto,
                 moneda = excluded.moneda, estado = excluded.estado, periodo_fin = excluded.periodo_fin,
                 version = excluded.version
             WHERE facturas.version < excluded.version",
        )
        .bind(id.as_str())
        .bind(id_cliente.as_str())
        .bind(medio_pago.as_str())
        .bind(dinero.minor())
        .bind(dinero.moneda().as_str())
        .bind(estado.as_str())
        .bind(estado.periodo_fin().map_or(0, |fin| fin.ms()))
        .bind(version)
        .execute(&self.0)
        .await
        .map_err(sql::fault("project an invoice"))?;
        Ok(())
    }

    /// An invoice by the payment that it is for.
    pub async fn find(&self, id: &IdCorrelacion) -> Result<Option<Factura>, Fault> {
        let row = sqlx::query(
            "SELECT id, id_cliente, medio_pago, monto, moneda, estado, periodo_fin FROM facturas WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&self.0)
        .await
        .map_err(sql::fault("read an invoice"))?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limite` invoices of a client after the id `cursor`, in the order of their ids.
    pub async fn of_client(&self, id_cliente: &IdCliente, cursor: &str, limite: i64) -> Result<Vec<Factura>, Fault> {
        let rows = sqlx::query(
            "SELECT id, id_cliente, medio_pago, monto, moneda, estado, periodo_fin FROM facturas
             WHERE id_cliente = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(id_cliente.as_str())
        .bind(cursor)
        .bind(limite)
        .fetch_all(&self.0)
        .await
        .map_err(sql::fault("list the invoices of a client"))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Factura, Fault> {
    let moneda = Moneda::parse(&text(row, "moneda")?).map_err(unreadable("moneda"))?;
    let estado = EstadoFactura::read(&text(row, "estado")?, moment(row, "periodo_fin")?);
    Ok(Factura {
        id: IdCorrelacion::parse(text(row, "id")?).map_err(unreadable("id"))?,
        id_cliente: IdCliente::parse(text(row, "id_cliente")?).map_err(unreadable("id_cliente"))?,
        medio_pago: MedioPago::parse(&text(row, "medio_pago")?).map_err(unreadable("medio_pago"))?,
        dinero: Dinero::from_minor(number(row, "monto")?, moneda).map_err(unreadable("monto"))?,
        estado: estado.ok_or("no such state").map_err(unreadable("estado"))?,
    })
}
