//! The port to a card gateway. Its adapters pass one contract suite (`tests/pagos/contrato.rs`).

#[cfg(any(test, feature = "test-support"))]
mod memoria;
mod simulada;
pub mod stripe;

use async_trait::async_trait;
use seedwork::{Dinero, Fault, IdCorrelacion, MedioPago, Reason};

use crate::domain::conciliacion::Cuenta;
use crate::domain::{Cobro, Contestacion, IdAutorizacion, IdCargo, IdReembolso, Llamada, NombrePasarela};

#[cfg(any(test, feature = "test-support"))]
pub use memoria::{PasarelaMemoria, Retencion};
pub use simulada::PasarelaSimulada;
pub use stripe::PasarelaStripe;

/// What a gateway says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Respuesta<T> {
    /// Done.
    Hecho(T),
    /// Definitely not done, and this call will never do it.
    Rechazado(Reason),
    /// Nobody knows whether it was done. The same call again, under the same key, finds out.
    Incierto(Reason),
}

/// A card gateway. Every call carries the key that [`Operacion::clave`](crate::domain::Operacion::clave) derives from
/// the payment's identity, and the identity as reference; the same call may be made any number of times.
///
/// There is no look-up on purpose: it could prove presence, never absence, and a repeat under the same key proves both.
/// [`cuentas`](Self::cuentas) is for the reconciliation, which decides about no payment.
#[async_trait]
pub trait Pasarela: Send + Sync + 'static {
    /// Which gateway it is.
    fn nombre(&self) -> NombrePasarela;

    /// Has money promised.
    async fn autorizar(&self, id: &IdCorrelacion, medio_pago: MedioPago, dinero: Dinero) -> Respuesta<IdAutorizacion>;

    /// Takes the money of a promise; says what was really taken.
    async fn capturar(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion, dinero: Dinero) -> Respuesta<Cobro>;

    /// Gives a promise back.
    async fn anular(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion) -> Respuesta<()>;

    /// Gives taken money back.
    async fn reembolsar(&self, id: &IdCorrelacion, cargo: &IdCargo, dinero: Dinero) -> Respuesta<IdReembolso>;

    /// A page of what the gateway holds of the payments that moved there since a moment, in milliseconds since the
    /// epoch. The accounts of one payment may be spread over pages.
    async fn cuentas(&self, desde_ms: i64, cursor: Option<&str>) -> Result<Pagina, Fault>;
}

/// A page of the gateway's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pagina {
    /// The accounts.
    pub cuentas: Vec<Cuenta>,
    /// Where the next page begins; `None` at the end.
    pub siguiente: Option<String>,
}

/// Makes a call of the state machine's.
pub(crate) async fn llamar(pasarela: &dyn Pasarela, id: &IdCorrelacion, llamada: &Llamada) -> Contestacion {
    match llamada {
        Llamada::Autorizar { medio_pago, dinero } => pasarela
            .autorizar(id, *medio_pago, *dinero)
            .await
            .contestacion(Contestacion::Autorizada),
        Llamada::Capturar { autorizacion, dinero } => pasarela
            .capturar(id, autorizacion, *dinero)
            .await
            .contestacion(Contestacion::Capturada),
        Llamada::Anular { autorizacion } => pasarela
            .anular(id, autorizacion)
            .await
            .contestacion(|()| Contestacion::Anulada),
        Llamada::Reembolsar { cargo, dinero } => pasarela
            .reembolsar(id, cargo, *dinero)
            .await
            .contestacion(Contestacion::Reembolsada),
    }
}

// === impl Respuesta ===

impl<T> Respuesta<T> {
    fn contestacion(self, hecho: impl FnOnce(T) -> Contestacion) -> Contestacion {
        match self {
            Self::Hecho(valor) => hecho(valor),
            Self::Rechazado(motivo) => Contestacion::Rechazada(motivo),
            Self::Incierto(motivo) => Contestacion::Incierta(motivo),
        }
    }
}
