//! Payment requests, durable before the answer. One implementation for both doors (BFF and gestión-clientes).
//!
//! A request is a row before it is answered, and the row closes when its saga has ended. Until then the operator is
//! asked about it, with back-off: the question is the request itself, which starts an unknown payment and is
//! answered with the state of a known one. So a request survives whatever is killed or lost on the way.

mod keys;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use seedwork::contrato::SolicitarPago;
use seedwork::{App, Fault, IdCorrelacion, Reason, SolicitudPago};
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, Executor, Row as _};
use tokio::sync::Notify;

pub use keys::{Held, KeyInUse, Keys};

use crate::serve::StartupError;
use crate::sidecar::Sidecar;
use crate::sql::{self, Pool};

/// The table of requests at one door.
pub struct Intake {
    pool: Pool,
    sidecar: Arc<dyn Sidecar>,
    app: App,
    wake: Arc<Notify>,
    keys: Arc<Keys>,
    window: Window,
    /// When the operator last told of a payment of this door, in milliseconds since the epoch.
    heard_at: AtomicI64,
}

/// How many more requests may be published before some are answered. An estimate between two looks at the table, which is
/// right again after each; so no two replicas need to agree, and nobody counts rows for each request.
#[derive(Default)]
struct Window {
    room: AtomicI64,
    /// Rows wait for room, or nobody has looked yet.
    waiting: AtomicBool,
}

/// What a door may say of a request it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registro {
    /// What was asked for.
    pub solicitud: SolicitudPago,
    /// How the request stands.
    pub estado: EstadoSolicitud,
}

/// How a request stands at its door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EstadoSolicitud {
    /// Its saga has not ended, or is not known to exist yet.
    Abierta,
    /// Its saga has ended.
    Cerrada,
    /// It can never become a payment.
    Rechazada(Reason),
}

/// The requests a caller repeats under one `Idempotency-Key`.
#[derive(Debug, Clone, Copy)]
pub struct IdempotencyKey<'a> {
    /// Whose keys these are: the caller (the token's subject; without authentication the client's id).
    pub scope: &'a str,
    /// The header's value, 1–255 characters.
    pub key: &'a str,
}

/// What was noted of a request within somebody else's transaction.
#[derive(Debug)]
#[must_use = "once it is committed, the door is told with Intake::noted"]
pub struct Noted {
    news: bool,
    ended: bool,
}

const SCHEMA: &[&str] = &[
    // Times are milliseconds since the epoch: rows outlive the process and its monotonic clock.
    "CREATE TABLE IF NOT EXISTS solicitudes (
        id_correlacion TEXT PRIMARY KEY,
        solicitud TEXT NOT NULL,
        estado TEXT NOT NULL,
        motivo TEXT NOT NULL DEFAULT '',
        mensaje TEXT NOT NULL DEFAULT '',
        traceparent TEXT NOT NULL DEFAULT '',
        contestada BIGINT NOT NULL DEFAULT 0,
        intentos BIGINT NOT NULL DEFAULT 0,
        proximo BIGINT NOT NULL,
        creada BIGINT NOT NULL
    )",
    // Each finds its rows among any number that wait: while the operator is away, only the table grows.
    "CREATE INDEX IF NOT EXISTS solicitudes_nuevas ON solicitudes (creada) WHERE estado = 'abierta' AND intentos = 0",
    "CREATE INDEX IF NOT EXISTS solicitudes_enviadas ON solicitudes (contestada, proximo)
        WHERE estado = 'abierta' AND intentos > 0",
    // What they replace.
    "DROP INDEX IF EXISTS solicitudes_proximo",
];

const ABIERTA: &str = "abierta";
const CERRADA: &str = "cerrada";
const RECHAZADA: &str = "rechazada";

// === impl IdempotencyKey ===

impl<'a> IdempotencyKey<'a> {
    /// Checks the header's value; an empty or overlong key is refused with a sentence.
    pub fn parse(scope: &'a str, key: &'a str) -> Result<Self, Fault> {
        if key.is_empty() || key.chars().count() > 255 {
            return Err(Fault::Rejected(vec![
                "Idempotency-Key debe tener de 1 a 255 caracteres".to_owned(),
            ]));
        }
        Ok(Self { scope, key })
    }

    /// The identity of the payment that it stands for.
    pub fn id(self) -> IdCorrelacion {
        SolicitudPago::keyed_id(self.scope, self.key)
    }

    /// Another request was made under it.
    pub fn used() -> Fault {
        Fault::Conflict("Idempotency-Key ya se usó con otra petición".to_owned())
    }
}

// === impl Noted ===

impl Noted {
    /// Whether it changed a row, and so is to be committed.
    pub fn is_news(&self) -> bool {
        self.news
    }
}

/// Notes that a payment is known, or has ended. Of any number of repeats only the first changes a row, and the end.
fn note(id: &IdCorrelacion, ended: bool) -> Query<'static, Any, AnyArguments> {
    let (statement, proximo) = if ended {
        (
            "UPDATE solicitudes SET estado = 'cerrada', contestada = 1, proximo = $1 WHERE id_correlacion = $2 AND estado = 'abierta'",
            crate::now_ms(),
        )
    } else {
        (
            "UPDATE solicitudes SET contestada = 1, proximo = $1 WHERE id_correlacion = $2 AND contestada = 0",
            crate::now_ms() + worker::ASK_KNOWN_MS,
        )
    };
    sqlx::query(statement).bind(proximo).bind(id.as_str())
}

// === impl Window ===

impl Window {
    /// Takes a place, if there is one.
    fn enter(&self) -> bool {
        let less = |room: i64| (room > 0).then_some(room - 1);
        self.room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// Gives a place back.
    fn leave(&self) {
        self.room.fetch_add(1, Ordering::Relaxed);
    }

    /// What a look at the table found.
    fn found(&self, room: i64) {
        self.room.store(room, Ordering::Relaxed);
        self.waiting.store(room <= 0, Ordering::Relaxed);
    }
}

// === impl Intake ===

impl Intake {
    /// Puts the table in place, for who only reads it.
    pub async fn prepare(pool: &Pool) -> Result<(), StartupError> {
        // Two replicas that start together may both find nothing there; the one that is late finds what the other made.
        if sql::make(pool, SCHEMA).await.is_ok() {
            return Ok(());
        }
        sql::make(pool, SCHEMA)
            .await
            .map_err(|error| StartupError::new("cannot create the table of requests", error))
    }

    /// Opens the table and starts asking about what is in it.
    pub async fn open(pool: Pool, sidecar: Arc<dyn Sidecar>, app: App) -> Result<Arc<Self>, StartupError> {
        Self::prepare(&pool).await?;
        let wake = Arc::new(Notify::new());
        let intake = Arc::new(Self {
            pool,
            sidecar,
            app,
            wake: Arc::clone(&wake),
            keys: Arc::default(),
            window: Window::default(),
            heard_at: AtomicI64::new(0),
        });
        tokio::spawn(worker::run(Arc::downgrade(&intake), wake));
        Ok(intake)
    }

    /// Holds a key while its request is being answered: another one under it, in this replica, is to come back.
    ///
    /// # Errors
    /// When another request is being answered under it.
    pub fn hold(&self, key: Option<IdempotencyKey<'_>>) -> Result<Option<Held>, KeyInUse> {
        key.map(|key| self.keys.hold(key.id())).transpose()
    }

    /// Stores a request and answers its identity; once this returns it cannot be lost. The same key with the same
    /// body gives the same identity; with another body, [`Fault::Conflict`].
    pub async fn accept(
        &self,
        solicitud: &SolicitudPago,
        key: Option<IdempotencyKey<'_>>,
    ) -> Result<IdCorrelacion, Fault> {
        let id = key.map_or_else(|| crate::new_id().into(), IdempotencyKey::id);
        let body = serde_json::to_string(solicitud).map_err(|e| Fault::bug("failed to write a request", e))?;
        let now = crate::now_ms();
        let traceparent = crate::telemetry::current_traceparent().unwrap_or_default();
        // With room in the window, the row is stored as one that is published already, by us and at once; if that fails
        // it is asked about as any other.
        let at_once = self.window.enter();
        let (intentos, proximo) = if at_once {
            (1_i64, now + worker::ASK_FIRST_MS + crate::jitter_ms(1_000))
        } else {
            (0, now)
        };
        let inserted = sqlx::query(
            "INSERT INTO solicitudes (id_correlacion, solicitud, estado, traceparent, intentos, proximo, creada)
             VALUES ($1, $2, 'abierta', $3, $4, $5, $6) ON CONFLICT (id_correlacion) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(&body)
        .bind(&traceparent)
        .bind(intentos)
        .bind(proximo)
        .bind(now)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("store a request"))?;
        if inserted.rows_affected() == 0 {
            if at_once {
                self.window.leave();
            }
            let stored = self.find(&id).await?.map(|registro| registro.solicitud);
            if stored.as_ref() != Some(solicitud) {
                return Err(IdempotencyKey::used());
            }
            return Ok(id);
        }
        if at_once {
            let solicitar = SolicitarPago {
                id_correlacion: id.clone(),
                solicitud: solicitud.clone(),
                origen: self.app,
            };
            tokio::spawn(worker::publish(Arc::clone(&self.sidecar), solicitar, traceparent));
        } else {
            self.window.waiting.store(true, Ordering::Relaxed);
            self.wake.notify_one();
        }
        Ok(id)
    }

    /// A request by its identity.
    pub async fn find(&self, id: &IdCorrelacion) -> Result<Option<Registro>, Fault> {
        let row = sqlx::query("SELECT solicitud, estado, motivo, mensaje FROM solicitudes WHERE id_correlacion = $1")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql::fault("read a request"))?;
        let Some(row) = row else { return Ok(None) };
        let read = |error| Fault::bug("failed to read a request", error);
        let text = |column| row.try_get::<String, _>(column).map_err(read);
        let solicitud = serde_json::from_str(&text("solicitud")?)
            .map_err(|error| Fault::bug("failed to read a stored request", error))?;
        let estado = match text("estado")?.as_str() {
            RECHAZADA => EstadoSolicitud::Rechazada(Reason::new(text("motivo")?, text("mensaje")?)),
            CERRADA => EstadoSolicitud::Cerrada,
            _ => EstadoSolicitud::Abierta,
        };
        Ok(Some(Registro { solicitud, estado }))
    }

    /// The operator knows this payment. Cheap to repeat: only the first call and the end write.
    pub async fn heard(&self, id: &IdCorrelacion, ended: bool) -> Result<(), Fault> {
        let noted = self.heard_in(&self.pool, id, ended).await;
        self.noted(&noted.map_err(sql::fault("note that a request is known"))?);
        Ok(())
    }

    /// The same within a transaction on the door's own database, for who keeps more of what it heard. Once that is committed,
    /// [`noted`](Self::noted).
    pub async fn heard_in<'c>(
        &self,
        database: impl Executor<'c, Database = Any>,
        id: &IdCorrelacion,
        ended: bool,
    ) -> Result<Noted, sqlx::Error> {
        self.heard_at.store(crate::now_ms(), Ordering::Relaxed);
        let done = note(id, ended).execute(database).await?;
        let news = done.rows_affected() > 0;
        Ok(Noted { news, ended })
    }

    /// What was noted is committed: there may be room for another request.
    pub fn noted(&self, noted: &Noted) {
        let Noted { news, ended } = *noted;
        if !news {
            return;
        }
        // An end may be the second news of a payment; the next look knows.
        if !ended {
            self.window.leave();
        }
        if self.window.waiting.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    /// The request can never become a payment. The reason is kept in the words of clients.
    pub async fn refused(&self, id: &IdCorrelacion, reason: &Reason) -> Result<(), Fault> {
        let said = reason.para_cliente();
        if said != *reason {
            tracing::warn!(%id, %reason, "the operator refuses a request that was taken here");
        }
        sqlx::query(
            "UPDATE solicitudes SET estado = $1, motivo = $2, mensaje = $3 WHERE id_correlacion = $4 AND estado = $5",
        )
        .bind(RECHAZADA)
        .bind(&said.motivo)
        .bind(&said.mensaje)
        .bind(id.as_str())
        .bind(ABIERTA)
        .execute(&self.pool)
        .await
        .map_err(sql::fault("note that a request is refused"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
