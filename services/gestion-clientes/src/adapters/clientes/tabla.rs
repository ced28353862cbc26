//! The table `clientes`: the index of clients' documents and their read model.

use seedwork::{Fault, IdCliente};
use seedwork_runtime::sql::{self, Pool};
use sqlx::any::AnyRow;

use super::super::{moment, number, text, unreadable};
use super::ClienteVisto;
use crate::domain::cliente::{Cliente, DatosCliente};
use crate::domain::instante::Instante;
use crate::domain::plan::EstadoPlan;

pub(super) struct Tabla(Pool);

/// What the table knows under an id.
pub(super) struct Fila {
    /// A write of its document was announced and has not been seen to end.
    pub(super) pendiente: Option<Pendiente>,
    /// As it was projected from its document; `None` before the first time.
    pub(super) vista: Option<ClienteVisto>,
}

/// An announced write.
pub(super) struct Pendiente {
    pub(super) id: IdCliente,
    /// When it was announced.
    pub(super) anunciado: Instante,
    /// The version that it was to make.
    pub(super) esperada: i64,
}

/// A query for clients, for [`vista`]. What a query is made of must stand in the program.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.nombre, c.apellidos, c.correo, c.fecha_creacion, c.fecha_actualizacion, c.anunciado,
                    c.version, c.esperada, COALESCE((SELECT MAX(f.periodo_fin) FROM facturas f
                     WHERE f.id_cliente = c.id AND f.estado = 'CONFIRMADO'), 0) AS pagado_hasta
             FROM clientes c ",
            $rest
        )
    };
}

// === impl Tabla ===

impl Tabla {
    pub(super) fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Notes that `version` of a document is about to be written: before the document, the row must stand and be
    /// pending. The same version again, for a write that was left and is tried anew, has its whole time once more.
    pub(super) async fn announce(&self, id: &IdCliente, version: i64, ahora: Instante) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO clientes (id, anunciado, esperada) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET anunciado = excluded.anunciado, esperada = excluded.esperada
             WHERE clientes.esperada <= excluded.esperada",
        )
        .bind(id.as_str())
        .bind(ahora.ms())
        .bind(version)
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
                 (id, nombre, apellidos, correo, fecha_creacion, fecha_actualizacion, anunciado, version, esperada)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
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
        .bind(fecha_actualizacion.ms())
        .bind(version)
        .bind(version)
        .execute(&self.0)
        .await
        .map_err(sql::fault("project a client"))?;
        Ok(())
    }

    /// The version of a row; `None` when there is no row.
    pub(super) async fn version(&self, id: &IdCliente) -> Result<Option<i64>, Fault> {
        let row = sqlx::query("SELECT version FROM clientes WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read the version of a client"))?;
        row.as_ref().map(|row| number(row, "version")).transpose()
    }

    /// Writes a row anew, back to an older version too, if it still has the version `seen`; whether it had. A write that
    /// is announced meanwhile stays announced.
    pub(super) async fn restore(&self, cliente: &Cliente, version: i64, seen: i64) -> Result<bool, Fault> {
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
        let done = sqlx::query(
            "UPDATE clientes SET nombre = $1, apellidos = $2, correo = $3, fecha_creacion = $4,
                 fecha_actualizacion = $5, version = $7,
                 anunciado = CASE WHEN esperada > $8 THEN anunciado ELSE $6 END,
                 esperada = CASE WHEN esperada > $8 THEN esperada ELSE $8 END
             WHERE id = $9 AND version = $10",
        )
        .bind(nombre)
        .bind(apellidos)
        .bind(correo)
        .bind(fecha_creacion.ms())
        .bind(fecha_actualizacion.ms())
        .bind(fecha_actualizacion.ms())
        .bind(version)
        .bind(version)
        .bind(id.as_str())
        .bind(seen)
        .execute(&self.0)
        .await
        .map_err(sql::fault("write the row of a client anew"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives an announced write up: its document was not written and will not be. One that was announced again since it
    /// was judged is another's.
    pub(super) async fn abandon(&self, judged: &Pendiente) -> Result<(), Fault> {
        sqlx::query("UPDATE clientes SET esperada = version WHERE id = $1 AND esperada = $2 AND anunciado = $3")
            .bind(judged.id.as_str())
            .bind(judged.esperada)
            .bind(judged.anunciado.ms())
            .execute(&self.0)
            .await
            .map_err(sql::fault("give up an announced write"))?;
        Ok(())
    }

    /// Removes a row whose document never came to be, unless it was announced again since it was judged.
    pub(super) async fn forget(&self, judged: &Pendiente) -> Result<(), Fault> {
        sqlx::query("DELETE FROM clientes WHERE id = $1 AND version = 0 AND anunciado = $2")
            .bind(judged.id.as_str())
            .bind(judged.anunciado.ms())
            .execute(&self.0)
            .await
            .map_err(sql::fault("remove an announced client"))?;
        Ok(())
    }

    /// Rows announced before `antes` and still pending, oldest first. One that was announced after `lejos` was so before
    /// the clock was set back.
    pub(super) async fn pending(&self, antes: Instante, lejos: Instante, most: i64) -> Result<Vec<Pendiente>, Fault> {
        let rows = sqlx::query(
            "SELECT id, anunciado, esperada FROM clientes
             WHERE (version = 0 OR version < esperada) AND (anunciado <= $1 OR anunciado > $2)
             ORDER BY anunciado LIMIT $3",
        )
        .bind(antes.ms())
        .bind(lejos.ms())
        .bind(most)
        .fetch_all(&self.0)
        .await
        .map_err(sql::fault("read pending clients"))?;
        rows.iter().map(Pendiente::read).collect()
    }

    pub(super) async fn find(&self, id: &str, ahora: Instante) -> Result<Option<Fila>, Fault> {
        let row = sqlx::query(select!("WHERE c.id = $1"))
            .bind(id)
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read a client"))?;
        let Some(row) = row else { return Ok(None) };
        let (version, esperada) = (number(&row, "version")?, number(&row, "esperada")?);
        let pending = version == 0 || version < esperada;
        Ok(Some(Fila {
            pendiente: pending.then(|| Pendiente::read(&row)).transpose()?,
            vista: (version > 0).then(|| vista(&row, ahora)).transpose()?,
        }))
    }

    /// At most `limite` clients after the id `cursor`, in the order of their ids.
    pub(super) async fn list(&self, cursor: &str, limite: i64, ahora: Instante) -> Result<Vec<ClienteVisto>, Fault> {
        let rows = sqlx::query(select!("WHERE c.version > 0 AND c.id > $1 ORDER BY c.id LIMIT $2"))
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
            esperada: number(row, "esperada")?,
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
        version: number(row, "version")?,
        estado_plan: EstadoPlan::at(ahora, moment(row, "pagado_hasta")?),
    })
}
