//! The notifications as they are listed: SQL, behind the documents and never ahead of them.

use seedwork::{Fault, IdCorrelacion};
use seedwork_runtime::sql;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _};
use uuid::Uuid;

use crate::domain::{Estado, Medio, Notificacion, Tipo};

/// The tables, for [`sql::open`].
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The table of notifications.
#[derive(Clone)]
pub struct ReadModel {
    pool: AnyPool,
}

/// A notification as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fila {
    /// Its identity.
    pub id: String,
    /// The payment it tells of; `None` for one made over HTTP.
    pub id_correlacion: Option<String>,
    /// What it is about.
    pub tipo: String,
    /// The medium it stands on.
    pub medio: String,
    /// What it says.
    pub valor: String,
    /// The name of its state.
    pub estado: String,
    /// When it was made: RFC 3339, UTC, to the second.
    pub fecha_creacion: String,
    /// When it last changed: RFC 3339, UTC, to the second.
    pub fecha_actualizacion: String,
}

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pagina {
    /// Only the notifications of this payment.
    pub id_correlacion: Option<IdCorrelacion>,
    /// Only what comes after this notification.
    pub tras: Option<Uuid>,
    /// At most so many.
    pub limite: u32,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, id_correlacion, tipo, medio, valor, estado, fecha_creacion, fecha_actualizacion ",
            "FROM notificaciones ",
            $rest
        )
    };
}

// === impl ReadModel ===

impl ReadModel {
    /// Over an open database.
    pub fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Shows a notification of a payment as it is at `version` of the payment's document. Safe to repeat; an older
    /// version changes nothing.
    pub async fn proyectar(
        &self,
        pago: &IdCorrelacion,
        notificacion: &Notificacion,
        version: u64,
    ) -> Result<(), Fault> {
        let Notificacion {
            id,
            tipo,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = notificacion;
        let version = i64::try_from(version).map_err(|error| Fault::bug("failed to store a version", error))?;
        sqlx::query(
            "INSERT INTO notificaciones
             (id, id_correlacion, tipo, medio, valor, estado, fecha_creacion, fecha_actualizacion, version, pendiente)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
             ON CONFLICT (id) DO UPDATE SET medio = excluded.medio, valor = excluded.valor, estado = excluded.estado,
             fecha_actualizacion = excluded.fecha_actualizacion, version = excluded.version
             WHERE notificaciones.version < excluded.version",
        )
        .bind(id.to_string())
        .bind(pago.as_str())
        .bind(tipo.as_str())
        .bind(estado.medio().as_str())
        .bind(valor)
        .bind(estado.as_str())
        .bind(fecha_creacion)
        .bind(fecha_actualizacion)
        .bind(version)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("show a notification"))?;
        Ok(())
    }

    /// Writes down a notification made over HTTP, before its document is stored; `revisar` is when to see whether it
    /// was, in milliseconds since the epoch.
    pub async fn anotar(&self, notificacion: &Notificacion, revisar: i64) -> Result<(), Fault> {
        let Notificacion {
            id,
            tipo,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = notificacion;
        sqlx::query(
            "INSERT INTO notificaciones
             (id, id_correlacion, tipo, medio, valor, estado, fecha_creacion, fecha_actualizacion, version, pendiente)
             VALUES ($1, '', $2, $3, $4, $5, $6, $7, 0, $8)",
        )
        .bind(id.to_string())
        .bind(tipo.as_str())
        .bind(estado.medio().as_str())
        .bind(valor)
        .bind(estado.as_str())
        .bind(fecha_creacion)
        .bind(fecha_actualizacion)
        .bind(revisar)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("write down a notification"))?;
        Ok(())
    }

    /// The document is stored, at this version.
    pub async fn asentar(&self, id: &Uuid, version: i64) -> Result<(), Fault> {
        sqlx::query("UPDATE notificaciones SET pendiente = 0, version = $1 WHERE id = $2 AND version < $1")
            .bind(version)
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(sql::fault("settle a notification"))?;
        Ok(())
    }

    /// Looks at a pending row again later.
    pub async fn aplazar(&self, id: &Uuid, revisar: i64) -> Result<(), Fault> {
        sqlx::query("UPDATE notificaciones SET pendiente = $1 WHERE id = $2 AND pendiente > 0")
            .bind(revisar)
            .bind(id.to_string())
            .execute(&self.pool)
            .await
            .map_err(sql::fault("put off a notification"))?;
        Ok(())
    }

    /// At most `limite` notifications whose document was not stored when it was time to look, longest due first.
    pub async fn pendientes(&self, ahora: i64, limite: u32) -> Result<Vec<Notificacion>, Fault> {
        let rows = sqlx::query(select!(
            "WHERE pendiente > 0 AND pendiente <= $1 ORDER BY pendiente, id LIMIT $2"
        ))
        .bind(ahora)
        .bind(i64::from(limite))
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("look for pending notifications"))?;
        rows.iter().map(|row| leer(row)?.registrada()).collect()
    }

    /// One notification.
    pub async fn buscar(&self, id: &Uuid) -> Result<Option<Fila>, Fault> {
        let row = sqlx::query(select!("WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql::fault("read a notification"))?;
        row.as_ref().map(leer).transpose()
    }

    /// A page of notifications, oldest first; [`Fault::Rejected`] for a cursor that is none.
    pub async fn listar(&self, pagina: &Pagina) -> Result<Vec<Fila>, Fault> {
        let Pagina {
            id_correlacion,
            tras,
            limite,
        } = pagina;
        // Before everything, unless the cursor says where.
        let (fecha, id) = match tras {
            None => (String::new(), String::new()),
            Some(id) => match self.buscar(id).await? {
                Some(fila) => (fila.fecha_creacion, fila.id),
                None => {
                    return Err(Fault::Rejected(vec![
                        "cursor must be the id of a notification".to_owned(),
                    ]));
                }
            },
        };
        let query = match id_correlacion {
            None => sqlx::query(select!(
                "WHERE fecha_creacion > $1 OR (fecha_creacion = $1 AND id > $2) ORDER BY fecha_creacion, id LIMIT $3"
            )),
            Some(_) => sqlx::query(select!(
                "WHERE (fecha_creacion > $1 OR (fecha_creacion = $1 AND id > $2)) AND id_correlacion = $4
                 ORDER BY fecha_creacion, id LIMIT $3"
            )),
        };
        let query = query.bind(fecha).bind(id).bind(i64::from(*limite));
        let query = match id_correlacion {
            None => query,
            Some(pago) => query.bind(pago.to_string()),
        };
        let rows = query
            .fetch_all(&self.pool)
            .await
            .map_err(sql::fault("list notifications"))?;
        rows.iter().map(leer).collect()
    }
}

fn leer(row: &AnyRow) -> Result<Fila, Fault> {
    let text = |column| {
        row.try_get::<String, _>(column)
            .map_err(|error| Fault::bug("failed to read the row of a notification", error))
    };
    Ok(Fila {
        id: text("id")?,
        id_correlacion: Some(text("id_correlacion")?).filter(|id| !id.is_empty()),
        tipo: text("tipo")?,
        medio: text("medio")?,
        valor: text("valor")?,
        estado: text("estado")?,
        fecha_creacion: text("fecha_creacion")?,
        fecha_actualizacion: text("fecha_actualizacion")?,
    })
}

// === impl Fila ===

impl Fila {
    /// The notification made over HTTP that this row was written for.
    fn registrada(self) -> Result<Notificacion, Fault> {
        let Self {
            id,
            id_correlacion: _,
            tipo,
            medio,
            valor,
            estado: _,
            fecha_creacion,
            fecha_actualizacion,
        } = self;
        let bad = || Fault::bug("failed to read the row of a notification", format!("{id} {medio}"));
        Ok(Notificacion {
            id: Uuid::parse_str(&id).map_err(|_| bad())?,
            tipo: Tipo::from(tipo),
            valor,
            estado: Estado::Registrada {
                medio: Medio::parse(&medio).ok_or_else(bad)?,
            },
            fecha_creacion,
            fecha_actualizacion,
        })
    }
}
