//! The gateway's ledger against the ends of the payments.

use seedwork::{Phase, Step};

use crate::case::{Case, Cases};
use crate::ledger::Saldo;
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    if cases.evidence.movimientos.is_none() {
        return;
    }
    for case in cases.ended() {
        verdict.looked(Check::Money, 1);
        // What a person settled by hand is theirs to account for.
        if case.taken_over(Step::RealizarPago) {
            continue;
        }
        let owed = case.owed();
        verdict.held += case.saldo.neto();
        verdict.owed += if case.excused(owed) { case.saldo.neto() } else { owed };
        verdict.found(taken(case, owed).or_else(|| set_aside(case)));
    }
    let unknown = cases
        .saldos
        .iter()
        .filter(|(referencia, _)| !cases.known.contains(referencia.as_str()));
    for (referencia, saldo) in unknown {
        verdict.held += saldo.neto();
        verdict.found([Violation::Orphan(referencia.clone())]);
    }
}

/// What is wrong with the money that was taken.
fn taken(case: &Case<'_>, owed: i64) -> Option<Violation> {
    let id = case.id.clone();
    let Saldo {
        capturas, capturado, ..
    } = case.saldo;
    let returned = case.saldo.devuelto();
    if capturas > 1 {
        return Some(Violation::ChargedTwice(id, capturas));
    }
    if case.excused(owed) {
        return None;
    }
    if returned > capturado {
        let taken = capturado;
        return Some(Violation::RefundAboveCapture { id, taken, returned });
    }
    let held = case.saldo.neto();
    // That is for the amounts to say.
    let another_amount = case.phase == Phase::Completed && capturas == 1 && capturado != owed;
    (held != owed && !another_amount).then_some(Violation::WrongMoney { id, held, owed })
}

/// An authorisation is used up by its capture; every other one must have been let go.
fn set_aside(case: &Case<'_>) -> Option<Violation> {
    let Saldo {
        autorizaciones,
        anulaciones,
        capturas,
        ..
    } = case.saldo;
    // More than one is a wrong of its own.
    let open = autorizaciones == 1 && anulaciones + capturas == 0;
    (open && case.phase == Phase::Compensated).then(|| Violation::MoneySetAside(case.id.clone()))
}

// === impl Case ===

impl Case<'_> {
    /// What the merchant should hold of it.
    fn owed(&self) -> i64 {
        match self.phase {
            Phase::Completed => self.asked.solicitud.dinero.minor(),
            Phase::Pending | Phase::Running | Phase::Compensating | Phase::Compensated | Phase::Stalled => 0,
        }
    }

    /// A chargeback that came after the end is the bank's doing, not ours.
    fn excused(&self, owed: i64) -> bool {
        let Saldo { contracargado, .. } = self.saldo;
        self.charged_back && contracargado > 0 && self.saldo.neto() + contracargado == owed
    }
}
