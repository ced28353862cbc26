//! The table `clientes`: the index of clients' documents and their read model.

use seedwork::{Fault, IdCliente};
use seedwork_runtime::sql;
use sqlx::AnyPool;
use sqlx::any::AnyRow;

use super::super::{moment, number, text, unreadable};
use super::ClienteVisto;
use crate::domain::cliente::{Cliente, DatosCliente};
use crate::domain::instante::Instante;
use crate::domain::plan::EstadoPlan;

pub(super) struct Tabla(AnyPool);

/// What the table knows under an id.
pub(super) enum Fila {
    /// Announced: its document was about to be written.
    Pendiente(Pendiente),
    /// Projected from its document.
    Vista(ClienteVisto),
}

/// An announced client.
pub(super) struct Pendiente {
    pub(super) id: IdCliente,
    pub(super) anunciado: Instante,
}

// === impl Tabla ===

impl Tabla {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self(pool)
    }

    /// Writes the row that must stand before its document does.
    pub(super) async fn announce(&self, id: &IdCliente, ahora: Instante) -> Result<(), Fault> {
        sqlx::query("INSERT INTO clientes (id, anunciado) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING")
            .bind(id.as_str())
            .bind(ahora.ms())
            .execute(&self.0)
            .await
            .map_err(sql::fault("announce a client"))?;
        Ok(())
    }

    /// Brings the row up to `version` of its document. Never goes back; puts a missing row in place.
    pub(super) async fn project(&self, cliente: &Cliente, version: i64) -> Result<(), Fault> {
        let Cliente {
            id,
            datos,
            fecha_creacion,
            fecha_actualizacion,
        } = cliente;
        let DatosCliente {
            nombre,
            apellidos,
            correo,
        } = datos;
        sqlx::query(
            "INSERT INTO clientes
                 (id, nombre, apellidos, correo, fecha_creacion, fecha_actualizacion, anunciado, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET
                 nombre = excluded.nombre, apellidos = excluded.apellidos, correo = excluded.correo,
                 fecha_creacion = excluded.fecha_creacion, fecha_actualizacion = excluded.fecha_actualizacion,
                 version = excluded.version
             WHERE clientes.version < excluded.version",
        )
        .bind(id.as_str())
        .bind(nombre)
        .bind(apellidos)
        .bind(correo)
        .bind(fecha_creacion.ms())
        .bind(fecha_actualizacion.ms())
        .bind(fecha_creacion.ms())
        .bind(version)
        .execute(&self.0)
        .await
        .map_err(sql::fault("project a client"))?;
        Ok(())
    }

    /// Removes a row whose document never came to be.
    pub(super) async fn forget(&self, id: &IdCliente) -> Result<(), Fault> {
        sqlx::query("DELETE FROM clientes WHERE id = $1 AND version = 0")
            .bind(id.as_str())
            .execute(&self.0)
            .await
            .map_err(sql::fault("remove an announced client"))?;
        Ok(())
    }

    /// Rows announced before `antes` and still pending, oldest first.
    pub(super) async fn pending(&self, antes: Instante, most: i64) -> Result<Vec<Pendiente>, Fault> {
        let rows = sqlx::query(
            "SELECT id, anunciado FROM clientes WHERE version = 0 AND anunciado <= $1 ORDER BY anunciado LIMIT $2",
        )
        .bind(antes.ms())
        .bind(most)
        .fetch_all(&self.0)
        .await
        .map_err(sql::fault("read pending clients"))?;
        rows.iter().map(Pendiente::read).collect()
    }

    pub(super) async fn find(&self, id: &str, ahora: Instante) -> Result<Option<Fila>, Fault> {
        let row = sqlx::query(
            "SELECT c.id, c.nombre, c.apellidos, c.correo, c.fecha_creacion, c.fecha_actualizacion, c.anunciado,
                    c.version, COALESCE((SELECT MAX(f.periodo_fin) FROM facturas f
                     WHERE f.id_cliente = c.id AND f.estado = 'CONFIRMADO'), 0) AS pagado_hasta
             FROM clientes c WHERE c.id = $1",
        )
        .bind(id)
        .fetch_optional(&self.0)
        .await
        .map_err(sql::fault("read a client"))?;
        let Some(row) = row else { return Ok(None) };
        let pending = number(&row, "version")? == 0;
        Ok(Some(if pending {
            Fila::Pendiente(Pendiente::read(&row)?)
        } else {
            Fila::Vista(vista(&row, ahora)?)
        }))
    }

    /// At most `limite` clients after the id `cursor`, in the order of their ids, which is that of their creation.
    pub(super) async fn list(&self, cursor: &str, limite: i64, ahora: Instante) -> Result<Vec<ClienteVisto>, Fault> {
        let rows = sqlx::query(
            "SELECT c.id, c.nombre, c.apellidos, c.correo, c.fecha_creacion, c.fecha_actualizacion,
                    COALESCE((SELECT MAX(f.periodo_fin) FROM facturas f
                     WHERE f.id_cliente = c.id AND f.estado = 'CONFIRMADO'), 0) AS pagado_hasta
             FROM clientes c WHERE c.version > 0 AND c.id > $1 ORDER BY c.id LIMIT $2",
        )
        .bind(cursor)
        .bind(limite)
        .fetch_all(&self.0)
        .await
        .map_err(sql::fault("list clients"))?;
        rows.iter().map(|row| vista(row, ahora)).collect()
    }
}

impl Pendiente {
    fn read(row: &AnyRow) -> Result<Self, Fault> {
        Ok(Self {
            id: id(row)?,
            anunciado: Instante::from_ms(number(row, "anunciado")?),
        })
    }
}

fn id(row: &AnyRow) -> Result<IdCliente, Fault> {
    IdCliente::parse(text(row, "id")?).map_err(unreadable("id"))
}

fn vista(row: &AnyRow, ahora: Instante) -> Result<ClienteVisto, Fault> {
    let datos = DatosCliente {
        nombre: text(row, "nombre")?,
        apellidos: text(row, "apellidos")?,
        correo: text(row, "correo")?,
    };
    let cliente = Cliente {
        id: id(row)?,
        datos,
        fecha_creacion: Instante::from_ms(number(row, "fecha_creacion")?),
        fecha_actualizacion: Instante::from_ms(number(row, "fecha_actualizacion")?),
    };
    Ok(ClienteVisto {
        cliente,
        estado_plan: EstadoPlan::at(ahora, moment(row, "pagado_hasta")?),
    })
}
