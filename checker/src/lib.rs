//! The judge of demo, kill matrix and campaigns: every accepted payment has exactly one saga, which has ended, and
//! the gateway's ledger, the invoices and the plans say the same as the saga.
//!
//! Pure: the caller gathers what was seen, the checker compares. It trusts no part of the system about money but the
//! gateway's own ledger.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod judge;
mod ledger;

use std::collections::{BTreeMap, BTreeSet};

use seedwork::{IdCliente, IdCorrelacion, Phase};

pub use judge::{Verdict, Violation, judge};
pub use ledger::{Movimiento, Saldo, TipoMovimiento, saldos};

/// A payment that a door said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity.
    pub id: IdCorrelacion,
    /// Who pays.
    pub id_cliente: IdCliente,
    /// How much, in minor units.
    pub minor: i64,
}

/// A saga as it was seen in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its phase.
    pub phase: Phase,
    /// Whether it has ended.
    pub ended: bool,
}

/// Everything a verdict is made of.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What the doors accepted.
    pub accepted: Vec<Accepted>,
    /// The sagas, by payment.
    pub sagas: BTreeMap<IdCorrelacion, Seen>,
    /// The gateway's ledger.
    pub movimientos: Vec<Movimiento>,
    /// The state of each invoice (`PAGO_ENVIADO`, `CONFIRMADO`, `CANCELADO`), by payment.
    pub facturas: BTreeMap<IdCorrelacion, String>,
    /// The plan of each client that exists (`PENDIENTE`, `PAGADO`, `ATRASADO`).
    pub planes: BTreeMap<IdCliente, String>,
    /// Payments whose money the bank took back: a completed one among them was reversed by that.
    pub contracargos: BTreeSet<IdCorrelacion>,
}

// === impl Evidence ===

impl Evidence {
    /// Without the gateway's lines about payments that are not judged here: others may pay at the same time.
    #[must_use]
    pub fn of_accepted_only(mut self) -> Self {
        let own: BTreeSet<&str> = self.accepted.iter().map(|payment| payment.id.as_str()).collect();
        self.movimientos.retain(|line| own.contains(line.referencia.as_str()));
        self
    }
}
