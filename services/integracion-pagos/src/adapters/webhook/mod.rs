//! Stripe's webhooks: believed when they are signed, acted on once, and never a second refund.
//!
//! ```text
//! POST /pagos/webhook/stripe ─▶ firma ─▶ evento ─▶ seen before? ─▶ contracargos (a chargeback, or a refund by hand)
//!                                                            └──▶ avisos       (what a person must look at)
//! ```
//! The act comes first and the event's id is stored after it: an event that dies half-way is told again by Stripe and
//! acted on again, which is safe, since each act is.

mod evento;
mod firma;
#[cfg(test)]
mod fuzz;

use std::sync::Arc;

use seedwork::{Fault, IdCorrelacion};
use seedwork_runtime::participant::Participation;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Secret, now_ms};
use sqlx::Row as _;

use super::contracargos::Contracargos;
use super::participante::Pagos;
use super::pasarela::PasarelaStripe;
use crate::domain::{EstadoPago, Pago};
use evento::{Evento, Ligas, Noticia};
use firma::{FirmaInvalida, verificar};

/// What webhooks are handled with.
pub struct Webhook {
    secretos: Vec<Secret>,
    pool: Pool,
    participation: Arc<Participation<Pagos>>,
    contracargos: Arc<Contracargos>,
    /// For payments that only Stripe can name.
    stripe: Option<Arc<PasarelaStripe>>,
}

/// Why a webhook was not taken.
#[derive(Debug)]
pub(crate) enum NoRecibido {
    /// There is no secret to believe one by.
    SinSecreto,
    /// It is not Stripe's.
    Firma(FirmaInvalida),
    /// Signed, and yet no event.
    Ilegible(String),
    /// Not now: Stripe will tell it again.
    Fallo(Fault),
}

/// What a webhook tells that reverses nothing and fits nothing we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NombreAviso {
    /// Some of the money was given back by hand.
    ReembolsoParcialEnPasarela,
    /// All of the money was given back by hand, while nothing was taken by our books.
    ReembolsoSinCobro,
    /// A refund of ours was accepted, and did not arrive.
    ReembolsoFallido,
    /// A dispute ended in our favour: the payment was reversed and the money is here.
    ContracargoGanado,
    /// The bank took back less than was taken: the payment is reversed as a whole, and the rest is here.
    ContracargoParcial,
}

/// For how long an event's id is kept, in milliseconds: far longer than a signature holds, and than Stripe repeats.
const MEMORIA_MS: i64 = 90 * 24 * 3_600 * 1_000;

// === impl Webhook ===

impl Webhook {
    /// Believes what is signed with one of `secretos`; nothing when there is none.
    pub fn new(
        secretos: Vec<Secret>,
        pool: Pool,
        participation: Arc<Participation<Pagos>>,
        contracargos: Arc<Contracargos>,
        stripe: Option<Arc<PasarelaStripe>>,
    ) -> Self {
        let secretos = secretos
            .into_iter()
            .filter(|secreto| !secreto.expose().is_empty())
            .collect();
        Self {
            secretos,
            pool,
            participation,
            contracargos,
            stripe,
        }
    }

    /// Takes a webhook as it arrived; once this returns `Ok`, it need not be told again.
    pub(crate) async fn recibir(&self, signature: &str, body: &[u8]) -> Result<(), NoRecibido> {
        if self.secretos.is_empty() {
            return Err(NoRecibido::SinSecreto);
        }
        verificar(signature, body, &self.secretos, now_ms() / 1_000).map_err(NoRecibido::Firma)?;
        let evento = Evento::parse(body).map_err(NoRecibido::Ilegible)?;
        if evento.noticia.ligas().is_none() {
            return Ok(());
        }
        if self.visto(&evento).await.map_err(NoRecibido::Fallo)? {
            return Ok(());
        }
        self.atender(&evento).await.map_err(NoRecibido::Fallo)?;
        self.anotar(&evento).await.map_err(NoRecibido::Fallo)
    }

    async fn atender(&self, evento: &Evento) -> Result<(), Fault> {
        let Some(de) = evento.noticia.ligas() else {
            return Ok(());
        };
        let Some(pago) = self.pago(de).await? else {
            tracing::warn!(
                evento = evento.id,
                tipo = evento.tipo,
                ?de,
                "a webhook is about no payment of ours"
            );
            return Ok(());
        };
        let id = &pago.id_correlacion;
        tracing::info!(%id, evento = evento.id, tipo = evento.tipo, "a webhook about a payment");
        match &evento.noticia {
            Noticia::Contracargo { motivo, monto, .. } => {
                self.contracargos.recibir(id, motivo).await?;
                let cobrado = pago.estado.cobro().map_or(pago.dinero, |cobro| cobro.dinero);
                match monto {
                    Some((minor, moneda)) if *moneda != cobrado.moneda() || *minor < cobrado.minor() => {
                        self.avisar(evento, id, NombreAviso::ContracargoParcial).await
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Noticia::Devolucion { todo, .. } => self.devuelto(evento, &pago, *todo).await,
            // Also while the answer to ours is not known: asked again, Stripe repeats that it was accepted.
            Noticia::DevolucionFallida { .. }
                if matches!(
                    pago.estado,
                    EstadoPago::Reembolsado(..) | EstadoPago::ReembolsoPedido(_)
                ) =>
            {
                self.avisar(evento, id, NombreAviso::ReembolsoFallido).await
            }
            // One made by hand: who made it finds out.
            Noticia::DevolucionFallida { .. } | Noticia::Nada => Ok(()),
            Noticia::ContracargoGanado { .. } => self.avisar(evento, id, NombreAviso::ContracargoGanado).await,
        }
    }

    /// Money was given back: by us, which is known, or by hand. All of it by hand counts as a chargeback: the money is
    /// with the client, the saga must turn round, and nothing may be refunded a second time.
    async fn devuelto(&self, evento: &Evento, pago: &Pago, todo: bool) -> Result<(), Fault> {
        let id = &pago.id_correlacion;
        match &pago.estado {
            // Ours, or found out to be ours by repeating the call.
            EstadoPago::ReembolsoPedido(_) | EstadoPago::Reembolsado(..) => Ok(()),
            EstadoPago::Capturado(_) | EstadoPago::ReembolsoRechazado(..) | EstadoPago::CapturaPedida(_) if todo => {
                self.contracargos.recibir(id, "Reembolso hecho a mano en Stripe").await
            }
            EstadoPago::Capturado(_) | EstadoPago::ReembolsoRechazado(..) | EstadoPago::CapturaPedida(_) => {
                self.avisar(evento, id, NombreAviso::ReembolsoParcialEnPasarela).await
            }
            EstadoPago::Preparado
            | EstadoPago::Rechazado(_)
            | EstadoPago::CapturaRechazada(..)
            | EstadoPago::Autorizado(_)
            | EstadoPago::Anulado(_) => self.avisar(evento, id, NombreAviso::ReembolsoSinCobro).await,
        }
    }

    /// The payment that an event names. Our rows know each promise before money is taken from it; an event that names
    /// neither us nor a row of ours is looked up at Stripe.
    async fn pago(&self, de: &Ligas) -> Result<Option<Pago>, Fault> {
        let Ligas { id, intento, cargo } = de;
        let mut found = id.as_deref().and_then(|id| IdCorrelacion::parse(id).ok());
        if found.is_none() {
            found = self.por_ids(intento.as_deref(), cargo.as_deref()).await?;
        }
        if let (None, Some(stripe), Some(intento)) = (&found, &self.stripe, intento) {
            found = stripe.pago_de(intento).await?;
        }
        let Some(id) = found else { return Ok(None) };
        let document = self.participation.document(&id).await?;
        Ok(document.value.and_then(|documento| documento.agregado))
    }

    async fn por_ids(&self, intento: Option<&str>, cargo: Option<&str>) -> Result<Option<IdCorrelacion>, Fault> {
        let row = sqlx::query(
            "SELECT id FROM pagos WHERE (autorizacion = $1 AND $1 <> '') OR (cargo = $2 AND $2 <> '') LIMIT 1",
        )
        .bind(intento.unwrap_or_default())
        .bind(cargo.unwrap_or_default())
        .fetch_optional(&self.pool)
        .await
        .map_err(sql::fault("find the payment of a webhook"))?;
        let id = row.and_then(|row| row.try_get::<String, _>("id").ok());
        Ok(id.and_then(|id| IdCorrelacion::parse(id).ok()))
    }

    async fn visto(&self, evento: &Evento) -> Result<bool, Fault> {
        let row = sqlx::query("SELECT id FROM eventos_webhook WHERE id = $1")
            .bind(&evento.id)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql::fault("look for a webhook's event"))?;
        Ok(row.is_some())
    }

    async fn anotar(&self, evento: &Evento) -> Result<(), Fault> {
        let ahora = now_ms();
        sqlx::query("INSERT INTO eventos_webhook (id, tipo, recibido) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
            .bind(&evento.id)
            .bind(&evento.tipo)
            .bind(ahora)
            .execute(&self.pool)
            .await
            .map_err(sql::fault("note a webhook's event"))?;
        sqlx::query("DELETE FROM eventos_webhook WHERE recibido < $1")
            .bind(ahora - MEMORIA_MS)
            .execute(&self.pool)
            .await
            .map_err(sql::fault("forget old webhook events"))?;
        Ok(())
    }

    async fn avisar(&self, evento: &Evento, id: &IdCorrelacion, nombre: NombreAviso) -> Result<(), Fault> {
        let nombre = nombre.as_str();
        tracing::warn!(%id, nombre, evento = evento.id, "a person must compare this payment with the gateway");
        sqlx::query(
            "INSERT INTO avisos (evento, pago, nombre, detalle, recibido) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (evento) DO NOTHING",
        )
        .bind(&evento.id)
        .bind(id.as_str())
        .bind(nombre)
        .bind(&evento.tipo)
        .bind(now_ms())
        .execute(&self.pool)
        .await
        .map_err(sql::fault("store what a webhook told"))?;
        Ok(())
    }
}

// === impl NombreAviso ===

impl NombreAviso {
    /// Every name.
    pub(crate) const ALL: [Self; 5] = [
        Self::ReembolsoParcialEnPasarela,
        Self::ReembolsoSinCobro,
        Self::ReembolsoFallido,
        Self::ContracargoGanado,
        Self::ContracargoParcial,
    ];

    /// Its name on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ReembolsoParcialEnPasarela => "ReembolsoParcialEnPasarela",
            Self::ReembolsoSinCobro => "ReembolsoSinCobro",
            Self::ReembolsoFallido => "ReembolsoFallido",
            Self::ContracargoGanado => "ContracargoGanado",
            Self::ContracargoParcial => "ContracargoParcial",
        }
    }
}
