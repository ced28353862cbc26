//! A payment as anyone outside sees it: derived, never stored in the payment's document.

use std::fmt;

use seedwork::Reason;

use super::estado::EstadoPago;
use super::pago::Pago;

/// Where a payment stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EstadoVisible {
    /// Something is still to happen.
    EnProceso,
    /// The money is here.
    Confirmado,
    /// The gateway declined; no money moved.
    Rechazado,
    /// The promise was given back; no money moved.
    Anulado,
    /// The money was given back.
    Reembolsado,
    /// The client's bank took the money back.
    Contracargado,
}

/// Two accounts of the same money that can't both be right. A person must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Discrepancia {
    /// A chargeback of money that was never taken.
    ContracargoSinCobro,
    /// A chargeback of money that was refunded: the client got it twice.
    ContracargoSobreReembolso,
}

// === impl EstadoVisible ===

impl EstadoVisible {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::EnProceso,
        Self::Confirmado,
        Self::Rechazado,
        Self::Anulado,
        Self::Reembolsado,
        Self::Contracargado,
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EnProceso => "EN_PROCESO",
            Self::Confirmado => "CONFIRMADO",
            Self::Rechazado => "RECHAZADO",
            Self::Anulado => "ANULADO",
            Self::Reembolsado => "REEMBOLSADO",
            Self::Contracargado => "CONTRACARGADO",
        }
    }
}

// === impl Discrepancia ===

impl Discrepancia {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::ContracargoSinCobro, Self::ContracargoSobreReembolso];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContracargoSinCobro => "ContracargoSinCobro",
            Self::ContracargoSobreReembolso => "ContracargoSobreReembolso",
        }
    }
}

impl fmt::Display for Discrepancia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Pago ===

impl Pago {
    /// Where it stands, for people.
    pub fn visible(&self) -> EstadoVisible {
        match &self.estado {
            // Also where our own refund was refused: the undo has nothing left to do but to end.
            EstadoPago::Capturado(_) | EstadoPago::ReembolsoRechazado(..) if self.contracargo.is_some() => {
                EstadoVisible::Contracargado
            }
            // Money was taken, but not what was asked for: it is on its way back.
            EstadoPago::Capturado(cobro) if cobro.dinero != self.dinero => EstadoVisible::EnProceso,
            EstadoPago::Capturado(_) => EstadoVisible::Confirmado,
            EstadoPago::Rechazado(_) | EstadoPago::CapturaRechazada(..) => EstadoVisible::Rechazado,
            EstadoPago::Anulado(_) => EstadoVisible::Anulado,
            EstadoPago::Reembolsado(..) => EstadoVisible::Reembolsado,
            EstadoPago::Preparado
            | EstadoPago::Autorizado(_)
            | EstadoPago::CapturaPedida(_)
            | EstadoPago::ReembolsoPedido(_)
            | EstadoPago::ReembolsoRechazado(..) => EstadoVisible::EnProceso,
        }
    }

    /// Why it is where it is, when it did not simply work.
    pub fn motivo(&self) -> Option<Reason> {
        match &self.estado {
            EstadoPago::Rechazado(motivo)
            | EstadoPago::CapturaRechazada(_, motivo)
            | EstadoPago::ReembolsoRechazado(_, motivo) => Some(motivo.clone()),
            EstadoPago::Capturado(cobro) => self.monto_distinto(cobro),
            EstadoPago::Preparado
            | EstadoPago::Autorizado(_)
            | EstadoPago::CapturaPedida(_)
            | EstadoPago::Anulado(_)
            | EstadoPago::ReembolsoPedido(_)
            | EstadoPago::Reembolsado(..) => None,
        }
    }

    /// What does not fit together. Derived from where the payment is now: a chargeback that arrives while a refund is
    /// under way becomes one only if the refund is done.
    pub fn discrepancia(&self) -> Option<Discrepancia> {
        self.contracargo.as_ref()?;
        match &self.estado {
            EstadoPago::Reembolsado(..) => Some(Discrepancia::ContracargoSobreReembolso),
            EstadoPago::Preparado
            | EstadoPago::Autorizado(_)
            | EstadoPago::Rechazado(_)
            | EstadoPago::CapturaRechazada(..)
            | EstadoPago::Anulado(_) => Some(Discrepancia::ContracargoSinCobro),
            // A capture under way: the chargeback is the proof that it landed.
            EstadoPago::CapturaPedida(_)
            | EstadoPago::Capturado(_)
            | EstadoPago::ReembolsoPedido(_)
            | EstadoPago::ReembolsoRechazado(..) => None,
        }
    }
}
