//! Automatic retries of soft declines: each a payment of its own, linked to the one that was declined first.
//!
//! A retry's identity derives from the first payment and the number of the attempt, and its request goes through the
//! intake like any other: two replicas that make the same one make it once.

use std::sync::Arc;

use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::intake::{EstadoSolicitud, IdempotencyKey, Intake};
use seedwork_runtime::sql::{self, Pool};

use super::facturas::{Facturas, page, select};
use super::{number, text, unreadable};
use crate::domain::factura::{Factura, PERIODO_DIAS, Reintento};
use crate::domain::instante::{Instante, MS_PER_DAY};
use crate::domain::reintento::{Calendario, declinada};

/// The table of retries.
#[derive(Clone)]
pub(crate) struct Enlaces(Pool);

/// Tries declined payments again.
pub struct Reintentos {
    intake: Arc<Intake>,
    facturas: Facturas,
    enlaces: Enlaces,
    pool: Pool,
    calendario: Calendario,
}

/// How many invoices are read at a time.
const BATCH: i64 = 100;

/// How long before the declined payment was asked for a client may have paid and is left alone, in days: who pays twice
/// within a day meant one payment. Nor does a clock that leaps have anybody charged.
const MARGEN_DIAS: i64 = 1;

// === impl Enlaces ===

impl Enlaces {
    pub(crate) fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Which retry this payment is; `None` for what a person asked for.
    pub(crate) async fn of(&self, id: &IdCorrelacion) -> Result<Option<Reintento>, Fault> {
        let row = sqlx::query("SELECT primera, intento FROM reintentos WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.0)
            .await
            .map_err(sql::fault("read a retry"))?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Reintento {
            de: IdCorrelacion::parse(text(&row, "primera")?).map_err(unreadable("primera"))?,
            intento: u32::try_from(number(&row, "intento")?).map_err(unreadable("intento"))?,
        }))
    }

    /// The attempts made for a payment, in order, and when each was made.
    async fn attempts(&self, primera: &IdCorrelacion) -> Result<Vec<(IdCorrelacion, Instante)>, Fault> {
        let rows = sqlx::query("SELECT id, creado FROM reintentos WHERE primera = $1 ORDER BY intento")
            .bind(primera.as_str())
            .fetch_all(&self.0)
            .await
            .map_err(sql::fault("read the retries"))?;
        let read = |row| {
            let id = IdCorrelacion::parse(text(row, "id")?).map_err(unreadable("id"))?;
            Ok((id, Instante::from_ms(number(row, "creado")?)))
        };
        rows.iter().map(read).collect()
    }

    /// Whether `id`, a retry of `primera`, would be one payment too many: the client has paid since `primera` was asked
    /// for or just before, or another payment of theirs is under way or waits at this door. Two at once could both be
    /// taken.
    pub(crate) async fn has_paid_or_is_paying(
        &self,
        id: &IdCorrelacion,
        primera: &IdCorrelacion,
        id_cliente: &IdCliente,
    ) -> Result<bool, Fault> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS pagos FROM facturas f WHERE f.id_cliente = $1 AND f.id <> $2
                AND (f.estado = 'PAGO_ENVIADO' OR (f.estado = 'CONFIRMADO' AND f.periodo_fin >= $3 + (
                    SELECT CASE WHEN p.emitida > 0 THEN p.emitida ELSE p.cancelada END
                        FROM facturas p WHERE p.id = $4)))",
        )
        .bind(id_cliente.as_str())
        .bind(id.as_str())
        // A period begins when the invoice is confirmed.
        .bind((PERIODO_DIAS - MARGEN_DIAS) * MS_PER_DAY)
        .bind(primera.as_str())
        .fetch_one(&self.0)
        .await
        .map_err(sql::fault("look whether a client has paid"))?;
        if number(&row, "pagos")? > 0 {
            return Ok(true);
        }
        // As the intake writes it. Within a text its quotation marks were escaped: it is the member or nothing.
        let cliente = serde_json::to_string(id_cliente)
            .map_err(|error| Fault::bug("failed to write the id of a client", error))?;
        // In two parts, so that the intake's indexes of the open requests serve.
        let row = sqlx::query(
            "SELECT COUNT(*) AS solicitudes FROM (
                 SELECT id_correlacion, solicitud FROM solicitudes WHERE estado = 'abierta' AND intentos = 0
                 UNION ALL
                 SELECT id_correlacion, solicitud FROM solicitudes
                     WHERE estado = 'abierta' AND intentos > 0 AND contestada IN (0, 1)) AS abiertas
             WHERE id_correlacion <> $1 AND replace(solicitud, $2, '') <> solicitud
                AND NOT EXISTS (SELECT 1 FROM facturas f WHERE f.id = id_correlacion)",
        )
        .bind(id.as_str())
        .bind(format!("\"idCliente\":{cliente}"))
        .fetch_one(&self.0)
        .await
        .map_err(sql::fault("look whether a client asks to pay"))?;
        Ok(number(&row, "solicitudes")? > 0)
    }

    async fn note(&self, id: &IdCorrelacion, factura: &Factura, intento: i64, ahora: Instante) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO reintentos (id, primera, intento, id_cliente, creado) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET creado = excluded.creado",
        )
        .bind(id.as_str())
        .bind(factura.id.as_str())
        .bind(intento)
        .bind(factura.id_cliente.as_str())
        .bind(ahora.ms())
        .execute(&self.0)
        .await
        .map_err(sql::fault("note a retry"))?;
        Ok(())
    }
}

// === impl Reintentos ===

impl Reintentos {
    pub(crate) fn new(intake: Arc<Intake>, pool: Pool, calendario: Calendario) -> Self {
        Self {
            intake,
            facturas: Facturas::new(pool.clone()),
            enlaces: Enlaces::new(pool.clone()),
            pool,
            calendario,
        }
    }

    /// Makes the retries that are due at `ahora`; returns how many.
    ///
    /// # Errors
    /// When the database does not answer: the rest is made next time.
    pub async fn reintentar(&self, ahora: Instante) -> Result<usize, Fault> {
        let (mut made, mut cursor) = (0, String::new());
        while let Some((facturas, last)) = self.declinadas(ahora, &cursor).await? {
            for factura in &facturas {
                match self.try_again(factura, ahora).await {
                    Ok(is_made) => made += usize::from(is_made),
                    // What cannot be read of one payment does not silence the others.
                    Err(fault @ Fault::Bug { .. }) => {
                        let id = &factura.id;
                        tracing::error!(%id, error = fault.chain(), "a declined payment cannot be tried again");
                    }
                    Err(fault) => return Err(fault),
                }
            }
            cursor = last;
        }
        Ok(made)
    }

    /// Makes the next attempt for a payment, if there is one and it is due.
    async fn try_again(&self, primera: &Factura, ahora: Instante) -> Result<bool, Fault> {
        let Some(cuando) = declinada(primera) else {
            return Ok(false);
        };
        let mut attempts = self.enlaces.attempts(&primera.id).await?;
        if let Some((last, _)) = attempts.last() {
            match self.facturas.find(last).await? {
                // A hard decline, a cancel, a payment: that was the last attempt. Under way: it is waited for.
                Some(factura) if declinada(&factura).is_none() => return Ok(false),
                Some(_) => {}
                None => match self.intake.find(last).await?.map(|registro| registro.estado) {
                    // Its row stands and its request does not: a crash between the two. The same attempt is made again.
                    None => drop(attempts.pop()),
                    // Not issued yet: it is waited for.
                    Some(EstadoSolicitud::Abierta) => return Ok(false),
                    // Refused: the client was paying, say, and may have come to nothing. The next one has its day.
                    Some(EstadoSolicitud::Cerrada | EstadoSolicitud::Rechazada(_)) => {}
                },
            }
        }
        let hechos = attempts.len();
        let ultimo = attempts.last().map(|(_, creado)| *creado);
        let Some(due) = self.calendario.siguiente(cuando, hechos, ultimo) else {
            return Ok(false);
        };
        let intento = i64::try_from(hechos).unwrap_or(i64::MAX).saturating_add(1);
        let (scope, attempt) = (format!("reintento\n{}", primera.id), intento.to_string());
        // The line break keeps these keys apart from every caller's.
        let key = IdempotencyKey::parse(&scope, &attempt)?;
        let id = key.id();
        let id_cliente = &primera.id_cliente;
        if ahora < due || self.enlaces.has_paid_or_is_paying(&id, &primera.id, id_cliente).await? {
            return Ok(false);
        }
        self.enlaces.note(&id, primera, intento, ahora).await?;
        let id = self.intake.accept(&primera.solicitud(), Some(key)).await?;
        tracing::info!(%id, primera = %primera.id, intento, "a declined payment is tried again");
        Ok(true)
    }

    /// Payments that a person asked for and that were declined softly, not too long ago: a [`page`].
    async fn declinadas(&self, ahora: Instante, cursor: &str) -> Result<Option<(Vec<Factura>, String)>, Fault> {
        let rows = sqlx::query(select!(
            "WHERE f.estado = 'CANCELADO' AND f.reintento_de = '' AND f.cancelada > $1 AND f.id > $2
             ORDER BY f.id LIMIT $3"
        ))
        .bind(self.calendario.desde(ahora).ms())
        .bind(cursor)
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await
        .map_err(sql::fault("read declined payments"))?;
        page(&rows)
    }
}
