//! A payment as anyone outside the operator sees it.

use serde::{Deserialize, Serialize};

use crate::contrato::{Reason, Step};
use crate::ids::IdCorrelacion;
use crate::solicitud::SolicitudPago;

/// Where a payment stands. Derived from its steps; written for people and read models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Phase {
    /// Nothing has been issued yet.
    Pending,
    /// Steps are being done.
    Running,
    /// What was issued is being undone.
    Compensating,
    /// Every step is done. A chargeback can still reverse it.
    Completed,
    /// Everything that was issued is undone. Final.
    Compensated,
    /// A person must look: the reason and the remedy stand beside it. Retried all the while.
    Stalled,
}

/// One step of a payment, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasoVisto {
    /// Which step.
    pub nombre: Step,
    /// Its state, by the engine's own name (`Pending`, `Issued`, `Done`, `Refused`, `Undoing`, `Undone`, …).
    pub estado: String,
    /// Why, when it did not simply work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub motivo: Option<Reason>,
}

/// The whole state of one payment. Sent where it stays and where it ends; the highest `secuencia` wins, so a reader needs no
/// history and cannot go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EstadoPago {
    /// Which payment.
    pub id_correlacion: IdCorrelacion,
    /// Grows with each transition.
    pub secuencia: u64,
    /// What was asked for.
    pub solicitud: SolicitudPago,
    /// Where it stands.
    pub phase: Phase,
    /// How far it got: `2/4`.
    pub step: String,
    /// Why it did not, or does not yet, complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Its steps, in order.
    pub steps: Vec<PasoVisto>,
    /// The W3C trace id of the payment's one trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// RFC 3339, UTC.
    pub start_time: String,
    /// RFC 3339, UTC; set once ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
    /// True once nothing more happens by itself: completed, undone, or ended by a person's hand.
    pub ended: bool,
}

// === impl Phase ===

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Running,
        Self::Compensating,
        Self::Completed,
        Self::Compensated,
        Self::Stalled,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Compensating => "Compensating",
            Self::Completed => "Completed",
            Self::Compensated => "Compensated",
            Self::Stalled => "Stalled",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
