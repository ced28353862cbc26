//! The port to the message provider. Its two implementations pass one contract suite (`tests/api/contrato.rs`).

#[cfg(any(test, feature = "test-support"))]
mod memoria;
mod proveedor;

use async_trait::async_trait;
use seedwork::Reason;

use crate::domain::Mensaje;

#[cfg(any(test, feature = "test-support"))]
pub use memoria::MensajeriaEnMemoria;
pub use proveedor::Proveedor;

/// What came of a call. The reasons of [`Entrega::Incierto`] travel to the saga, so they never name an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrega {
    /// The provider has taken the message, by this call or by an earlier one with the same key.
    Entregado,
    /// It has not and will not: another call with this key gets the same answer.
    Rechazado(Reason),
    /// Not known. The same call, with the same key, is to be repeated.
    Incierto(Reason),
}

/// Who delivers messages.
#[async_trait]
pub trait Mensajeria: Send + Sync + 'static {
    /// Asks for one delivery. Safe to repeat: the key of the message makes the repeats one delivery.
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega;
}
