//! The notifications as they are listed: SQL, behind the documents and never ahead of them.

use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::sql::{self, Pool};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::domain::{Estado, Medio, Notificacion, Tipo};

/// The tables, for [`sql::open`].
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The table of notifications.
#[derive(Clone)]
pub struct ReadModel {
    pool: Pool,
}

/// A notification as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fila {
    /// Its identity.
    pub id: String,
    /// The payment it tells of; `None` for one made over HTTP.
    pub id_correlacion: Option<String>,
    /// Whom it is for; `None` for nobody.
    pub id_cliente: Option<String>,
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
    /// Only the notifications for this client.
    pub id_cliente: Option<IdCliente>,
    /// Only what comes after this place.
    pub tras: Option<Cursor>,
    /// At most so many.
    pub limite: u32,
}

/// A place in the order of lists: after a notification that was made at that moment. Displays as the text that callers
/// send back. Whether a notification stands there does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    fecha: String,
    id: String,
}

/// A notification made over HTTP that is not settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Pendiente {
    /// As it was accepted.
    pub notificacion: Notificacion,
    /// When it was to be looked at, in milliseconds since the epoch.
    pub revisar: i64,
    /// Until when its delivery is tried, in milliseconds since the epoch.
    pub plazo: i64,
}

/// What came of writing a notification down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anotada {
    /// It is new.
    Nueva,
    /// The same request made it before; as it stands now.
    Repetida(Box<Fila>),
    /// Another request made it before.
    Otra,
}

/// How long until a row that cannot be read is looked at again, in milliseconds. Others get their turn meanwhile.
const ILEGIBLE_MS: i64 = 15_000;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, id_correlacion, id_cliente, tipo, medio, valor, estado, fecha_creacion, fecha_actualizacion, ",
            "huella, plazo, pendiente FROM notificaciones ",
            $rest
        )
    };
}

// === impl ReadModel ===

impl ReadModel {
    /// Over an open database.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Shows a notification of a payment as it is at `version` of the payment's document, and ends the turn of whoever
    /// delivered it if it stands elsewhere now: what came of that is recorded. A version that another command of the
    /// payment wrote ends nobody's turn. Safe to repeat; an older version changes nothing.
    pub async fn proyectar(
        &self,
        pago: &IdCorrelacion,
        notificacion: &Notificacion,
        version: u64,
    ) -> Result<(), Fault> {
        let Notificacion {
            id,
            tipo,
            id_cliente,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = notificacion;
        let version = i64::try_from(version).map_err(|error| Fault::bug("failed to store a version", error))?;
        sqlx::query(
            "INSERT INTO notificaciones
             (id, id_correlacion, tipo, medio, valor, estado, fecha_creacion, fecha_actualizacion, version, id_cliente,
              pendiente)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)
             ON CONFLICT (id) DO UPDATE SET medio = excluded.medio, valor = excluded.valor, estado = excluded.estado,
             id_cliente = excluded.id_cliente, fecha_actualizacion = excluded.fecha_actualizacion,
             version = excluded.version,
             turno = CASE WHEN notificaciones.estado = excluded.estado AND notificaciones.medio = excluded.medio
                 THEN notificaciones.turno ELSE 0 END
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
        .bind(id_cliente.as_ref().map_or("", IdCliente::as_str))
        .execute(&self.pool)
        .await
        .map_err(sql::fault("show a notification"))?;
        Ok(())
    }

    /// Takes the delivery of a payment's notification for this process, from `ahora` until `hasta`, in milliseconds
    /// since the epoch; false while another has it. A turn that reaches further than clocks may differ was taken before
    /// one was set back, and is over. Without a row it is nobody's to take: two replicas meet at the row alone, and each
    /// try puts it in place first.
    pub async fn tomar_turno(&self, id: &Uuid, ahora: i64, hasta: i64) -> Result<bool, Fault> {
        let far = hasta.saturating_add(hasta.saturating_sub(ahora));
        let taken = sqlx::query("UPDATE notificaciones SET turno = $1 WHERE id = $2 AND (turno <= $3 OR turno > $4)")
            .bind(hasta)
            .bind(id.to_string())
            .bind(ahora)
            .bind(far)
            .execute(&self.pool)
            .await
            .map_err(sql::fault("take the delivery of a notification"))?;
        Ok(taken.rows_affected() > 0)
    }

    /// Ends a turn that was taken until `hasta`, unless it is over and another's.
    pub async fn soltar_turno(&self, id: &Uuid, hasta: i64) -> Result<(), Fault> {
        sqlx::query("UPDATE notificaciones SET turno = 0 WHERE id = $1 AND turno = $2")
            .bind(id.to_string())
            .bind(hasta)
            .execute(&self.pool)
            .await
            .map_err(sql::fault("leave the delivery of a notification"))?;
        Ok(())
    }

    /// Writes down a notification made over HTTP, before its document is stored; `revisar` is when to see whether it
    /// was, `plazo` until when to try its delivery, both in milliseconds since the epoch. One whose id is there
    /// already is left as it is.
    pub async fn anotar(
        &self,
        notificacion: &Notificacion,
        huella: &Uuid,
        revisar: i64,
        plazo: i64,
    ) -> Result<Anotada, Fault> {
        let Notificacion {
            id,
            tipo,
            id_cliente,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = notificacion;
        let inserted = sqlx::query(
            "INSERT INTO notificaciones
             (id, id_correlacion, tipo, medio, valor, estado, fecha_creacion, fecha_actualizacion, version, pendiente,
              id_cliente, huella, plazo)
             VALUES ($1, '', $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(tipo.as_str())
        .bind(estado.medio().as_str())
        .bind(valor)
        .bind(estado.as_str())
        .bind(fecha_creacion)
        .bind(fecha_actualizacion)
        .bind(revisar)
        .bind(id_cliente.as_ref().map_or("", IdCliente::as_str))
        .bind(huella.to_string())
        .bind(plazo)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("write down a notification"))?;
        if inserted.rows_affected() > 0 {
            return Ok(Anotada::Nueva);
        }
        let row = self.fila(id).await?;
        let row = row.ok_or_else(|| Fault::bug("failed to read what was written down", id.to_string()))?;
        let same = columna::<String>(&row, "huella")? == huella.to_string();
        Ok(if same {
            Anotada::Repetida(Box::new(leer(&row)?))
        } else {
            Anotada::Otra
        })
    }

    /// The document is stored, at this version, and says this. What is not under way any more is settled.
    pub async fn asentar(&self, notificacion: &Notificacion, version: i64) -> Result<(), Fault> {
        let Notificacion {
            id,
            tipo: _,
            id_cliente: _,
            valor: _,
            estado,
            fecha_creacion: _,
            fecha_actualizacion,
        } = notificacion;
        let settled = match estado {
            Estado::Aceptada { .. } | Estado::Preparada { .. } => 0_i64,
            Estado::Registrada { .. } | Estado::Entregada { .. } | Estado::Rechazada { .. } => 1,
        };
        sqlx::query(
            "UPDATE notificaciones SET version = $1, estado = $2, medio = $3, fecha_actualizacion = $4,
             pendiente = CASE WHEN $5 = 1 THEN 0 ELSE pendiente END WHERE id = $6 AND version <= $1",
        )
        .bind(version)
        .bind(estado.as_str())
        .bind(estado.medio().as_str())
        .bind(fecha_actualizacion)
        .bind(settled)
        .bind(id.to_string())
        .execute(&self.pool)
        .await
        .map_err(sql::fault("settle a notification"))?;
        Ok(())
    }

    /// Takes a pending row for this process until `hasta`, its delivery to be tried until `plazo`; false when another
    /// has it.
    pub async fn reclamar(&self, pendiente: &Pendiente, hasta: i64, plazo: i64) -> Result<bool, Fault> {
        let taken =
            sqlx::query("UPDATE notificaciones SET pendiente = $1, plazo = $2 WHERE id = $3 AND pendiente = $4")
                .bind(hasta)
                .bind(plazo)
                .bind(pendiente.notificacion.id.to_string())
                .bind(pendiente.revisar)
                .execute(&self.pool)
                .await
                .map_err(sql::fault("take a pending notification"))?;
        Ok(taken.rows_affected() > 0)
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

    /// At most `limite` notifications that were not settled when it was time to look, longest due first. One that is
    /// due later than `lejos` was put off before the clock was set back, and is due. One that cannot be read is put off.
    pub async fn pendientes(&self, ahora: i64, lejos: i64, limite: u32) -> Result<Vec<Pendiente>, Fault> {
        let rows = sqlx::query(select!(
            "WHERE pendiente > 0 AND (pendiente <= $1 OR pendiente > $2) ORDER BY pendiente, id LIMIT $3"
        ))
        .bind(ahora)
        .bind(lejos)
        .bind(i64::from(limite))
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("look for pending notifications"))?;
        let mut pendientes = Vec::new();
        for row in &rows {
            match Pendiente::leer(row) {
                Ok(pendiente) => pendientes.push(pendiente),
                // One that cannot be read, since a newer version stored it, does not silence the others.
                Err(fault) => {
                    let id: String = columna(row, "id")?;
                    let error = fault.chain();
                    tracing::error!(id, error, "a stored notification cannot be read; it waits for who can");
                    // As it was seen: a newer replica may have taken its turn with it since.
                    sqlx::query("UPDATE notificaciones SET pendiente = $1 WHERE id = $2 AND pendiente = $3")
                        .bind(ahora.saturating_add(ILEGIBLE_MS))
                        .bind(id)
                        .bind(columna::<i64>(row, "pendiente")?)
                        .execute(&self.pool)
                        .await
                        .map_err(sql::fault("put off a notification"))?;
                }
            }
        }
        Ok(pendientes)
    }

    async fn fila(&self, id: &Uuid) -> Result<Option<AnyRow>, Fault> {
        sqlx::query(select!("WHERE id = $1"))
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql::fault("read a notification"))
    }

    /// One notification.
    pub async fn buscar(&self, id: &Uuid) -> Result<Option<Fila>, Fault> {
        self.fila(id).await?.as_ref().map(leer).transpose()
    }

    /// A page of notifications, oldest first.
    pub async fn listar(&self, pagina: &Pagina) -> Result<Vec<Fila>, Fault> {
        let Pagina {
            id_correlacion,
            id_cliente,
            tras,
            limite,
        } = pagina;
        // Before everything, unless the cursor says where.
        let (fecha, id) = tras
            .as_ref()
            .map_or(("", ""), |Cursor { fecha, id }| (fecha.as_str(), id.as_str()));
        let query = match (id_correlacion, id_cliente) {
            (None, None) => sqlx::query(select!(
                "WHERE fecha_creacion > $1 OR (fecha_creacion = $1 AND id > $2) ORDER BY fecha_creacion, id LIMIT $3"
            )),
            (Some(_), None) => sqlx::query(select!(
                "WHERE (fecha_creacion > $1 OR (fecha_creacion = $1 AND id > $2)) AND id_correlacion = $4
                 ORDER BY fecha_creacion, id LIMIT $3"
            )),
            (None, Some(_)) => sqlx::query(select!(
                "WHERE (fecha_creacion > $1 OR (fecha_creacion = $1 AND id > $2)) AND id_cliente = $4
                 ORDER BY fecha_creacion, id LIMIT $3"
            )),
            (Some(_), Some(_)) => sqlx::query(select!(
                "WHERE (fecha_creacion > $1 OR (fecha_creacion = $1 AND id > $2)) AND id_correlacion = $4
                 AND id_cliente = $5 ORDER BY fecha_creacion, id LIMIT $3"
            )),
        };
        let mut query = query
            .bind(fecha.to_owned())
            .bind(id.to_owned())
            .bind(i64::from(*limite));
        if let Some(pago) = id_correlacion {
            query = query.bind(pago.to_string());
        }
        if let Some(cliente) = id_cliente {
            query = query.bind(cliente.as_str().to_owned());
        }
        let rows = query
            .fetch_all(&self.pool)
            .await
            .map_err(sql::fault("list notifications"))?;
        rows.iter().map(leer).collect()
    }
}

fn columna<'r, T>(row: &'r AnyRow, column: &str) -> Result<T, Fault>
where
    T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
{
    row.try_get(column)
        .map_err(|error| Fault::bug("failed to read the row of a notification", error))
}

fn leer(row: &AnyRow) -> Result<Fila, Fault> {
    let text = |column| columna::<String>(row, column);
    Ok(Fila {
        id: text("id")?,
        id_correlacion: Some(text("id_correlacion")?).filter(|id| !id.is_empty()),
        id_cliente: Some(text("id_cliente")?).filter(|id| !id.is_empty()),
        tipo: text("tipo")?,
        medio: text("medio")?,
        valor: text("valor")?,
        estado: text("estado")?,
        fecha_creacion: text("fecha_creacion")?,
        fecha_actualizacion: text("fecha_actualizacion")?,
    })
}

// === impl Cursor ===

impl Cursor {
    /// The place after a notification.
    pub fn after(fila: &Fila) -> Self {
        Self {
            fecha: fila.fecha_creacion.clone(),
            id: fila.id.clone(),
        }
    }

    /// Reads a moment to the second in UTC, a dot and an id: what the document's pattern says. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (fecha, id) = text.split_once('.')?;
        let like = |text: &str, form: &str, inner: fn(&u8) -> bool| {
            text.len() == form.len()
                && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                    b'0' => inner(&byte),
                    separator => byte == separator,
                })
        };
        let lower_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let fits = like(fecha, "0000-00-00T00:00:00Z", u8::is_ascii_digit)
            && like(id, "00000000-0000-0000-0000-000000000000", lower_hex);
        fits.then(|| Self {
            fecha: fecha.to_owned(),
            id: id.to_owned(),
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { fecha, id } = self;
        write!(f, "{fecha}.{id}")
    }
}

// === impl Pendiente ===

impl Pendiente {
    fn leer(row: &AnyRow) -> Result<Self, Fault> {
        Ok(Self {
            notificacion: leer(row)?.aceptada()?,
            revisar: columna(row, "pendiente")?,
            plazo: columna(row, "plazo")?,
        })
    }
}

// === impl Fila ===

impl Fila {
    /// The notification made over HTTP that this row was written for, as it was when it was accepted.
    fn aceptada(self) -> Result<Notificacion, Fault> {
        let Self {
            id,
            id_correlacion: _,
            id_cliente,
            tipo,
            medio,
            valor,
            estado: _,
            fecha_creacion,
            fecha_actualizacion,
        } = self;
        let bad = || Fault::bug("failed to read the row of a notification", format!("{id} {medio}"));
        let id_cliente = id_cliente.map(IdCliente::parse).transpose().map_err(|_| bad())?;
        let medio = Medio::parse(&medio).ok_or_else(bad)?;
        Ok(Notificacion {
            id: Uuid::parse_str(&id).map_err(|_| bad())?,
            tipo: Tipo::from(tipo),
            valor,
            estado: match &id_cliente {
                Some(_) => Estado::Aceptada { medio },
                None => Estado::Registrada { medio },
            },
            id_cliente,
            fecha_creacion,
            fecha_actualizacion,
        })
    }
}
