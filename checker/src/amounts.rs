//! The amount at every hop.

use std::collections::BTreeMap;

use seedwork::Phase;

use crate::case::{Case, Cases};
use crate::evidence::{Effect, Evidence, Pago, Seen};
use crate::importe::Importe;
use crate::ledger::{Movimiento, TipoMovimiento};
use crate::verdict::{Check, Verdict};
use crate::violation::{Hop, Violation};

/// What stands where, by payment.
type Found<'a> = BTreeMap<&'a str, Vec<(Hop, Importe)>>;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    let mut found = documents(cases.evidence);
    acts(cases.evidence, &mut found);
    for case in &cases.payments {
        let asked = Importe::from(case.asked.solicitud.dinero);
        let hops = found.remove(case.id.as_str()).unwrap_or_default();
        let hops: Vec<_> = hops.into_iter().filter(|(hop, _)| case.is_bound_at(*hop)).collect();
        if !hops.is_empty() {
            verdict.looked(Check::Amounts, hops.len());
        }
        let changed = hops.into_iter().filter(|(_, found)| *found != asked);
        verdict.found(changed.map(|(hop, found)| Violation::WrongAmount {
            id: case.id.clone(),
            hop,
            asked,
            found,
        }));
    }
}

/// What is written down.
fn documents(evidence: &Evidence) -> Found<'_> {
    let mut all = Found::new();
    for (id, history) in evidence.histories.iter().flat_map(|histories| histories.iter()) {
        let said = history.solicitudes.iter().map(|it| (Hop::Saga, it.dinero.into()));
        all.entry(id.as_str()).or_default().extend(said);
    }
    for (id, version) in evidence.archivo.iter().flatten() {
        let said = (Hop::Archive, version.solicitud.dinero.into());
        all.entry(id.as_str()).or_default().push(said);
    }
    for (id, Seen { importe, .. }) in evidence.sagas.iter().flatten() {
        all.entry(id.as_str()).or_default().push((Hop::Screen, *importe));
    }
    for (id, factura) in evidence.facturas.iter().flatten() {
        let said = factura.importe.map(|importe| (Hop::Invoice, importe));
        all.entry(id.as_str()).or_default().extend(said);
    }
    for (id, Pago { importe, cobrado, .. }) in evidence.pagos.iter().flatten() {
        let nothing = Importe { minor: 0, ..*importe };
        let said = [(Hop::Payment, *importe), (Hop::Taken, cobrado.unwrap_or(nothing))];
        all.entry(id.as_str()).or_default().extend(said);
    }
    all
}

/// What was done.
fn acts<'a>(evidence: &'a Evidence, all: &mut Found<'a>) {
    for Effect { id, action, importe } in evidence.effects.iter().flatten() {
        let done = importe.map(|importe| (Hop::Effect(*action), importe));
        all.entry(id.as_str()).or_default().extend(done);
    }
    let mut taken = BTreeMap::new();
    for line in evidence.movimientos.iter().flatten() {
        let (hop, importe) = (line.hop(), line.importe());
        let payment = line.referencia.as_str();
        if hop != Hop::Returned {
            taken.insert(payment, importe.moneda);
        } else if taken.get(payment).is_none_or(|moneda| *moneda == importe.moneda) {
            // How much of it comes back is for the money to say, which adds up minor units.
            continue;
        }
        all.entry(payment).or_default().push((hop, importe));
    }
}

// === impl Movimiento ===

impl Movimiento {
    fn hop(&self) -> Hop {
        match self.tipo {
            TipoMovimiento::Autorizacion => Hop::Authorised,
            TipoMovimiento::Captura => Hop::Captured,
            TipoMovimiento::Anulacion | TipoMovimiento::Reembolso | TipoMovimiento::Contracargo => Hop::Returned,
        }
    }
}

// === impl Case ===

impl Case<'_> {
    /// A gateway that takes another amount than it was asked for is found out, and gives all of it back: only what is
    /// kept must be what was asked for.
    fn is_bound_at(&self, hop: Hop) -> bool {
        match hop {
            Hop::Taken | Hop::Captured => self.phase == Phase::Completed,
            Hop::Saga
            | Hop::Archive
            | Hop::Invoice
            | Hop::Payment
            | Hop::Authorised
            | Hop::Returned
            | Hop::Effect(_)
            | Hop::Screen => true,
        }
    }
}
