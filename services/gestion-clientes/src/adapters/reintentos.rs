//! Automatic retries of soft declines: each a payment of its own, linked to the one that was declined first.
//!
//! A retry's identity derives from the first payment and the number of the attempt, and its request goes through the
//! intake like any other: two replicas that make the same one make it once.

use std::sync::Arc;

use seedwork::{Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::intake::{EstadoSolicitud, IdempotencyKey, Intake};
use seedwork_runtime::sql;
use sqlx::AnyPool;

use super::facturas::{Facturas, read, select};
use super::{number, text, unreadable};
use crate::domain::factura::{Factura, PERIODO_DIAS, Reintento};
use crate::domain::instante::{Instante, MS_PER_DAY};
use crate::domain::reintento::{Calendario, declinada};

/// The table of retries.
#[derive(Clone)]
pub(crate) struct Enlaces(AnyPool);

/// Tries declined payments again.
pub struct Reintentos {
    intake: Arc<Intake>,
    facturas: Facturas,
    enlaces: Enlaces,
    pool: AnyPool,
    calendario: Calendario,
}

/// How many invoices are read at a time.
const BATCH: i64 = 100;

// === impl Enlaces ===

impl Enlaces {
    pub(crate) fn new(pool: AnyPool) -> Self {
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

    /// The attempts made for a payment, in order.
    async fn attempts(&self, primera: &IdCorrelacion) -> Result<Vec<IdCorrelacion>, Fault> {
        self.ids(
            sqlx::query("SELECT id FROM reintentos WHERE primera = $1 ORDER BY intento")
                .bind(primera.as_str())
                .fetch_all(&self.0)
                .await,
        )
    }

    /// The attempts of a client that have no invoice.
    async fn without_invoice(&self, id_cliente: &IdCliente) -> Result<Vec<IdCorrelacion>, Fault> {
        self.ids(
            sqlx::query(
                "SELECT r.id FROM reintentos r WHERE r.id_cliente = $1
                    AND NOT EXISTS (SELECT 1 FROM facturas f WHERE f.id = r.id)",
            )
            .bind(id_cliente.as_str())
            .fetch_all(&self.0)
            .await,
        )
    }

    fn ids(&self, rows: Result<Vec<sqlx::any::AnyRow>, sqlx::Error>) -> Result<Vec<IdCorrelacion>, Fault> {
        let rows = rows.map_err(sql::fault("read the retries"))?;
        let read = |row| IdCorrelacion::parse(text(row, "id")?).map_err(unreadable("id"));
        rows.iter().map(read).collect()
    }

    async fn note(&self, id: &IdCorrelacion, factura: &Factura, intento: i64, ahora: Instante) -> Result<(), Fault> {
        sqlx::query(
            "INSERT INTO reintentos (id, primera, intento, id_cliente, creado) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
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
    pub(crate) fn new(intake: Arc<Intake>, pool: AnyPool, calendario: Calendario) -> Self {
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
        loop {
            let facturas = self.declinadas(ahora, &cursor).await?;
            let Some(last) = facturas.last() else { return Ok(made) };
            cursor = last.id.to_string();
            for factura in &facturas {
                made += usize::from(self.try_again(factura, ahora).await?);
            }
        }
    }

    /// Makes the next attempt for a payment, if there is one and it is due.
    async fn try_again(&self, primera: &Factura, ahora: Instante) -> Result<bool, Fault> {
        let Some(cuando) = declinada(primera) else {
            return Ok(false);
        };
        let attempts = self.enlaces.attempts(&primera.id).await?;
        let mut hechos = attempts.len();
        if let Some(last) = attempts.last() {
            match self.facturas.find(last).await? {
                // A hard decline, a cancel, a payment: that was the last attempt. Under way: it is waited for.
                Some(factura) if declinada(&factura).is_none() => return Ok(false),
                Some(_) => {}
                // Its row stands and its request does not: a crash between the two. The same attempt is made again.
                None if self.intake.find(last).await?.is_none() => hechos -= 1,
                None => return Ok(false),
            }
        }
        let Some(due) = self.calendario.siguiente(cuando, hechos) else {
            return Ok(false);
        };
        if ahora < due || self.has_paid_or_is_paying(primera, cuando).await? {
            return Ok(false);
        }
        let intento = i64::try_from(hechos).unwrap_or(i64::MAX).saturating_add(1);
        let (scope, attempt) = (format!("reintento\n{}", primera.id), intento.to_string());
        // The line break keeps these keys apart from every caller's.
        let key = IdempotencyKey::parse(&scope, &attempt)?;
        self.enlaces.note(&key.id(), primera, intento, ahora).await?;
        let id = self.intake.accept(&primera.solicitud(), Some(key)).await?;
        tracing::info!(%id, primera = %primera.id, intento, "a declined payment is tried again");
        Ok(true)
    }

    /// Whether the client has paid since the payment was asked for, or a payment of theirs is under way: two payments at
    /// once could both be taken.
    async fn has_paid_or_is_paying(&self, primera: &Factura, cuando: Instante) -> Result<bool, Fault> {
        let desde = primera.emitida.unwrap_or(cuando);
        let row = sqlx::query(
            "SELECT COUNT(*) AS pagos FROM facturas WHERE id_cliente = $1
                AND (estado = 'PAGO_ENVIADO' OR (estado = 'CONFIRMADO' AND periodo_fin >= $2))",
        )
        .bind(primera.id_cliente.as_str())
        // A period begins when the invoice is confirmed.
        .bind(desde.ms().saturating_add(PERIODO_DIAS * MS_PER_DAY))
        .fetch_one(&self.pool)
        .await
        .map_err(sql::fault("look whether a client has paid"))?;
        if number(&row, "pagos")? > 0 {
            return Ok(true);
        }
        for id in self.enlaces.without_invoice(&primera.id_cliente).await? {
            let registro = self.intake.find(&id).await?;
            if registro.is_some_and(|registro| registro.estado == EstadoSolicitud::Abierta) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Payments that a person asked for and that were declined softly, not too long ago.
    async fn declinadas(&self, ahora: Instante, cursor: &str) -> Result<Vec<Factura>, Fault> {
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
        rows.iter().map(read).collect()
    }
}
