//! The gateway's ledger, added up.

use std::collections::{BTreeMap, BTreeSet};

use seedwork::Moneda;
use serde::Deserialize;

use crate::importe::Importe;

/// One line of the gateway's ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Movimiento {
    /// What happened.
    pub tipo: TipoMovimiento,
    /// The payment it belongs to, as its client named it.
    pub referencia: String,
    /// The idempotency key it was made under.
    pub clave: String,
    /// How much, in minor units.
    pub monto: i64,
    /// Of which currency.
    pub moneda: Moneda,
}

/// The kinds of ledger lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TipoMovimiento {
    /// Money set aside.
    Autorizacion,
    /// Money set aside no longer.
    Anulacion,
    /// Money taken.
    Captura,
    /// Money given back.
    Reembolso,
    /// Money taken back by the client's bank.
    Contracargo,
}

/// What the ledger says of one payment, in minor units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saldo {
    /// How often money was set aside.
    pub autorizaciones: usize,
    /// How often money that was set aside was let go.
    pub anulaciones: usize,
    /// How often money was taken.
    pub capturas: usize,
    /// How much was taken.
    pub capturado: i64,
    /// How much was given back.
    pub reembolsado: i64,
    /// How much the bank took back.
    pub contracargado: i64,
    /// The idempotency keys it happened under.
    pub claves: BTreeSet<String>,
}

// === impl Movimiento ===

impl Movimiento {
    /// How much, of which currency.
    pub fn importe(&self) -> Importe {
        Importe {
            minor: self.monto,
            moneda: self.moneda,
        }
    }
}

// === impl Saldo ===

impl Saldo {
    /// What the merchant holds of it.
    pub fn neto(&self) -> i64 {
        self.capturado - self.devuelto()
    }

    /// What the client has back of it, by whatever way.
    pub fn devuelto(&self) -> i64 {
        self.reembolsado + self.contracargado
    }
}

/// Adds the ledger up by payment.
pub fn saldos(movimientos: &[Movimiento]) -> BTreeMap<String, Saldo> {
    let mut saldos: BTreeMap<String, Saldo> = BTreeMap::new();
    for Movimiento {
        tipo,
        referencia,
        clave,
        monto,
        moneda: _,
    } in movimientos
    {
        let saldo = saldos.entry(referencia.clone()).or_default();
        saldo.claves.insert(clave.clone());
        match tipo {
            TipoMovimiento::Autorizacion => saldo.autorizaciones += 1,
            TipoMovimiento::Anulacion => saldo.anulaciones += 1,
            TipoMovimiento::Captura => {
                saldo.capturas += 1;
                saldo.capturado += monto;
            }
            TipoMovimiento::Reembolso => saldo.reembolsado += monto,
            TipoMovimiento::Contracargo => saldo.contracargado += monto,
        }
    }
    saldos
}
