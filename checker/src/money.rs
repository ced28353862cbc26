//! The gateway's ledger against the ends of the payments.

use saga::CauseKind;
use seedwork::{Phase, Step};

use crate::case::{Case, Cases};
use crate::ledger::Saldo;
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    if cases.evidence.movimientos.is_none() {
        return;
    }
    verdict.looked(Check::Money, cases.payments.len());
    for case in &cases.payments {
        let excess = excess(case);
        // What has not ended may still move, and what a person settled by hand is theirs to account for.
        if !case.ended || case.taken_over(Step::RealizarPago) {
            verdict.found(excess);
            continue;
        }
        let owed = case.owed();
        verdict.held += case.saldo.neto();
        verdict.owed += if case.excused(owed) { case.saldo.neto() } else { owed };
        verdict.found(excess.or_else(|| taken(case, owed)).or_else(|| set_aside(case)));
    }
    let unknown = cases
        .saldos
        .iter()
        .filter(|(referencia, _)| !cases.known.contains(referencia.as_str()));
    verdict.held += unknown.map(|(_, saldo)| saldo.neto()).sum::<i64>();
}

/// Taken twice, or more refunded than was taken: wrong however the payment goes on, and whoever settles it.
fn excess(case: &Case<'_>) -> Option<Violation> {
    let id = case.id.clone();
    let Saldo {
        capturas,
        capturado,
        reembolsado,
        ..
    } = case.saldo;
    if capturas > 1 {
        return Some(Violation::ChargedTwice(id, capturas));
    }
    (reembolsado > capturado).then(|| Violation::RefundAboveCapture {
        id,
        taken: capturado,
        returned: case.saldo.devuelto(),
    })
}

/// What is wrong with the money that was taken.
fn taken(case: &Case<'_>, owed: i64) -> Option<Violation> {
    let id = case.id.clone();
    let Saldo {
        capturas, capturado, ..
    } = case.saldo;
    let returned = case.saldo.devuelto();
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
    // And that for the ends.
    let with_the_bank = case.forgot_its_bank() && held + case.saldo.contracargado == owed;
    (held != owed && !another_amount && !with_the_bank).then_some(Violation::WrongMoney { id, held, owed })
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

    /// The money came back twice, from us and from the bank, and both were right: the payment was undone for another
    /// reason, so its refund may have been recorded before anybody told us of the bank. What is undone because of the bank
    /// is never refunded too: integración-pagos stored the chargeback before the operator heard of it and undid anything.
    fn excused(&self, owed: i64) -> bool {
        let Saldo { contracargado, .. } = self.saldo;
        let cause = self.saga.and_then(|saga| saga.cause.as_ref());
        let of_its_own = cause.is_some_and(|cause| cause.kind != CauseKind::Chargeback);
        self.charged_back && of_its_own && contracargado > 0 && self.saldo.neto() + contracargado == owed
    }
}
