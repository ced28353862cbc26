//! The port to the message provider. The provider and its double pass one contract suite (`tests/api/contrato.rs`);
//! what SMTP promises, which is less, is in `tests/api/correo.rs`.

#[cfg(any(test, feature = "test-support"))]
mod memoria;
mod proveedor;
mod smtp;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use seedwork::Reason;

use crate::domain::{Medio, Mensaje};

#[cfg(any(test, feature = "test-support"))]
pub use memoria::MensajeriaEnMemoria;
pub use proveedor::Proveedor;
pub use smtp::{Conexion, Smtp};

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
    /// Asks for one delivery. Safe to repeat: the key of the message makes the repeats one delivery; where there are no
    /// keys (SMTP), one that can be told from another.
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega;

    /// For how long, at most, a delivery by this medium must be one process's alone; `None` where the key makes repeats
    /// one delivery, even two at once.
    fn turno(&self, _medio: Medio) -> Option<Duration> {
        None
    }
}

/// Mails by one provider, everything else by another.
pub struct Reparto {
    /// Who delivers mails.
    pub correo: Arc<dyn Mensajeria>,
    /// Who delivers the rest.
    pub resto: Arc<dyn Mensajeria>,
}

// === impl Reparto ===

#[async_trait]
impl Mensajeria for Reparto {
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega {
        match mensaje.medio {
            Medio::Correo => self.correo.entregar(mensaje).await,
            Medio::Sms | Medio::Push => self.resto.entregar(mensaje).await,
        }
    }

    fn turno(&self, medio: Medio) -> Option<Duration> {
        match medio {
            Medio::Correo => self.correo.turno(medio),
            Medio::Sms | Medio::Push => self.resto.turno(medio),
        }
    }
}
