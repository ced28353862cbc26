//! Where a payment stands at its gateway.

use seedwork::Reason;
use serde::{Deserialize, Serialize};

use super::llamada::{Cobro, IdAutorizacion, IdReembolso};

/// Where a payment stands at its gateway. What a state names was recorded *before* it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tipo", content = "datos", rename_all = "camelCase")]
pub enum EstadoPago {
    /// An authorisation may be under way.
    Preparado,
    /// The money is promised: a capture may be under way.
    CapturaPedida(IdAutorizacion),
    /// The money was taken.
    Capturado(Cobro),
    /// The promise was declined: no money moved.
    Rechazado(Reason),
    /// The capture was declined: no money moved, and the promise is left.
    CapturaRechazada(IdAutorizacion, Reason),
    /// The money is promised and will not be taken: a void may be under way. Only an undo comes here.
    Autorizado(IdAutorizacion),
    /// The promise was given back: no money moved.
    Anulado(IdAutorizacion),
    /// A refund of all that was taken may be under way.
    ReembolsoPedido(Cobro),
    /// The refund definitely was refused: the money is still here, for a person to return.
    ReembolsoRechazado(Cobro, Reason),
    /// All that was taken was given back.
    Reembolsado(Cobro, IdReembolso),
}

// === impl EstadoPago ===

impl EstadoPago {
    /// The promise, if there is one.
    pub fn autorizacion(&self) -> Option<&IdAutorizacion> {
        match self {
            Self::Preparado | Self::Rechazado(_) => None,
            Self::CapturaPedida(autorizacion)
            | Self::CapturaRechazada(autorizacion, _)
            | Self::Autorizado(autorizacion)
            | Self::Anulado(autorizacion) => Some(autorizacion),
            Self::Capturado(cobro)
            | Self::ReembolsoPedido(cobro)
            | Self::ReembolsoRechazado(cobro, _)
            | Self::Reembolsado(cobro, _) => Some(&cobro.autorizacion),
        }
    }

    /// What was taken, if anything is known to have been.
    pub fn cobro(&self) -> Option<&Cobro> {
        match self {
            Self::Capturado(cobro)
            | Self::ReembolsoPedido(cobro)
            | Self::ReembolsoRechazado(cobro, _)
            | Self::Reembolsado(cobro, _) => Some(cobro),
            Self::Preparado
            | Self::CapturaPedida(_)
            | Self::Rechazado(_)
            | Self::CapturaRechazada(..)
            | Self::Autorizado(_)
            | Self::Anulado(_) => None,
        }
    }

    /// The refund, if it was done.
    pub fn reembolso(&self) -> Option<&IdReembolso> {
        if let Self::Reembolsado(_, reembolso) = self {
            Some(reembolso)
        } else {
            None
        }
    }
}
