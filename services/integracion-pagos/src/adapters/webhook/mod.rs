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

use seedwork::{Fault, IdCorrelacion, Moneda};
use seedwork_runtime::participant::Participation;
use seedwork_runtime::sql::{self, Pool};
use seedwork_runtime::{Secret, now_ms};
use sqlx::Row as _;

use super::contracargos::Contracargos;
use super::participante::Pagos;
use super::pasarela::PasarelaStripe;
use crate::domain::{EstadoPago, IdAutorizacion, IdReembolso, Operacion, Pago};
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
    /// The bank takes back what a person had given back: the client may get it twice.
    ContracargoSobreReembolso,
    /// Money moved on another charge that carries this payment's identity: a second one, made by hand.
    MovimientoDeOtroCargo,
}

/// For how long an event's id is kept, in milliseconds: far longer than a signature holds, and than Stripe repeats.
const MEMORIA_MS: i64 = 90 * 24 * 3_600 * 1_000;

/// The words of the chargeback that a refund by hand counts as.
const REEMBOLSO_A_MANO: &str = "Reembolso hecho a mano en Stripe";

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
        // The payment's own money is where it was: to reverse it would lose the sale and leave the other charge.
        if es_de_otro_cargo(&pago, de) {
            return self.avisar(evento, id, NombreAviso::MovimientoDeOtroCargo).await;
        }
        match &evento.noticia {
            Noticia::Contracargo { motivo, monto, .. } => self.contracargado(evento, &pago, motivo, *monto).await,
            Noticia::Devolucion { todo, .. } => self.devuelto(evento, &pago, *todo).await,
            Noticia::DevolucionFallida { reembolso, clave, .. }
                if es_su_reembolso(&pago, reembolso.as_deref(), clave.as_deref()) =>
            {
                self.avisar(evento, id, NombreAviso::ReembolsoFallido).await
            }
            // One made by hand: who made it finds out.
            Noticia::DevolucionFallida { .. } | Noticia::Nada => Ok(()),
            Noticia::ContracargoGanado { .. } => self.avisar(evento, id, NombreAviso::ContracargoGanado).await,
        }
    }

    /// The bank took money back. What a person had given back is reversed already, and stays so; but the money may be
    /// leaving a second time, which nobody else would tell.
    async fn contracargado(
        &self,
        evento: &Evento,
        pago: &Pago,
        motivo: &str,
        monto: Option<(i64, Moneda)>,
    ) -> Result<(), Fault> {
        let id = &pago.id_correlacion;
        self.contracargos.recibir(id, motivo).await?;
        let known = pago.contracargo.as_ref();
        if known.is_some_and(|known| known.motivo == REEMBOLSO_A_MANO) {
            return self.avisar(evento, id, NombreAviso::ContracargoSobreReembolso).await;
        }
        let cobrado = pago.estado.cobro().map_or(pago.dinero, |cobro| cobro.dinero);
        match monto {
            Some((minor, moneda)) if moneda != cobrado.moneda() || minor < cobrado.minor() => {
                self.avisar(evento, id, NombreAviso::ContracargoParcial).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Money was given back: by us, which is known, or by hand. All of it by hand counts as a chargeback: the money is
    /// with the client, the saga must turn round, and nothing may be refunded a second time.
    async fn devuelto(&self, evento: &Evento, pago: &Pago, todo: bool) -> Result<(), Fault> {
        let id = &pago.id_correlacion;
        let vencida = pago.clave_vencida(self.participation.participant().instante());
        match &pago.estado {
            // The call can't be repeated any more, so nothing else would end the undo; whoever gave it, it is back.
            EstadoPago::ReembolsoPedido(_) if todo && vencida => self.contracargos.recibir(id, REEMBOLSO_A_MANO).await,
            // Ours, or found out to be ours by repeating the call.
            EstadoPago::ReembolsoPedido(_) | EstadoPago::Reembolsado(..) => Ok(()),
            EstadoPago::Capturado(_) | EstadoPago::ReembolsoRechazado(..) | EstadoPago::CapturaPedida(_) if todo => {
                self.contracargos.recibir(id, REEMBOLSO_A_MANO).await
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

    /// The payment that an event names. An event that names neither us nor a row of ours, which may come a moment later, is looked
    /// up at Stripe.
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

/// Whether an event names a promise or a charge that is not the payment's, as far as the payment knows its own.
fn es_de_otro_cargo(pago: &Pago, de: &Ligas) -> bool {
    let Ligas { id: _, intento, cargo } = de;
    let promesa = pago.estado.autorizacion().map(IdAutorizacion::as_str);
    let cobrado = pago.estado.cobro().map(|cobro| cobro.cargo.as_str());
    let named = [promesa.zip(intento.as_deref()), cobrado.zip(cargo.as_deref())];
    named.into_iter().flatten().any(|(suyo, nombrado)| suyo != nombrado)
}

/// Whether a refund is the one that gave a payment back, or may be it: what can be compared, its id or its key, decides.
/// Also while the answer to ours is not known: asked again, Stripe repeats that it was accepted.
fn es_su_reembolso(pago: &Pago, reembolso: Option<&str>, clave: Option<&str>) -> bool {
    if !matches!(
        pago.estado,
        EstadoPago::Reembolsado(..) | EstadoPago::ReembolsoPedido(_)
    ) {
        return false;
    }
    let suyo = pago.estado.reembolso().map(IdReembolso::as_str);
    let por_id = suyo.zip(reembolso).map(|(suyo, reembolso)| suyo == reembolso);
    let por_clave = clave.map(|clave| clave == Operacion::Reembolsar.clave(&pago.id_correlacion));
    let compared = [por_id, por_clave];
    compared.contains(&Some(true)) || compared == [None, None]
}

// === impl NombreAviso ===

impl NombreAviso {
    /// Every name.
    pub(crate) const ALL: [Self; 7] = [
        Self::ReembolsoParcialEnPasarela,
        Self::ReembolsoSinCobro,
        Self::ReembolsoFallido,
        Self::ContracargoGanado,
        Self::ContracargoParcial,
        Self::ContracargoSobreReembolso,
        Self::MovimientoDeOtroCargo,
    ];

    /// Its name on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ReembolsoParcialEnPasarela => "ReembolsoParcialEnPasarela",
            Self::ReembolsoSinCobro => "ReembolsoSinCobro",
            Self::ReembolsoFallido => "ReembolsoFallido",
            Self::ContracargoGanado => "ContracargoGanado",
            Self::ContracargoParcial => "ContracargoParcial",
            Self::ContracargoSobreReembolso => "ContracargoSobreReembolso",
            Self::MovimientoDeOtroCargo => "MovimientoDeOtroCargo",
        }
    }
}
