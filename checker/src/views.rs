//! Invoice, plan, payment and screen say what the saga says.

use std::collections::BTreeSet;

use seedwork::{IdCliente, IdCorrelacion, Phase, Step};

use crate::case::{Case, Cases};
use crate::ledger::Saldo;
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    invoices(cases, verdict);
    plans(cases, verdict);
    payments(cases, verdict);
    screens(cases, verdict);
}

fn invoices(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(facturas) = &cases.evidence.facturas else {
        return;
    };
    for case in cases.ended() {
        verdict.looked(Check::Invoices, 1);
        let estado = facturas.get(case.id).map(|factura| factura.estado.as_str());
        let fits = match (case.phase, estado) {
            (Phase::Completed, estado) => estado == Some("CONFIRMADO"),
            // Step 1 was refused, or turned back before it was done.
            (_, None) => !case.was_billed(),
            (_, Some(estado)) => estado == "CANCELADO",
        };
        if !fits && !case.is_billed_by_hand() {
            verdict.found([Violation::WrongInvoice(case.id.clone(), estado.map(str::to_owned))]);
        }
    }
}

fn plans(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(planes) = &cases.evidence.planes else { return };
    let client = |case: &'_ Case<'_>| case.asked.solicitud.id_cliente.clone();
    let paid: BTreeSet<IdCliente> = cases
        .ended()
        .filter(|case| case.phase == Phase::Completed)
        .map(client)
        .collect();
    let open = |case: &&Case<'_>| !case.ended || case.is_billed_by_hand();
    let open: BTreeSet<IdCliente> = cases.payments.iter().filter(open).map(client).collect();
    for (id_cliente, plan) in planes.iter().filter(|(id, _)| !open.contains(*id)) {
        verdict.looked(Check::Plans, 1);
        let expected = if paid.contains(id_cliente) {
            "PAGADO"
        } else {
            "PENDIENTE"
        };
        if plan != expected {
            verdict.found([Violation::WrongPlan(id_cliente.clone(), plan.clone())]);
        }
    }
}

fn payments(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(pagos) = &cases.evidence.pagos else { return };
    // Where the gateway's own account is wrong, that was said.
    let money = |violation: &Violation| matches!(violation.check(), Check::Money | Check::Ledger | Check::Amounts);
    let wrong = verdict.violations.iter().filter(|violation| money(violation));
    let wrong: BTreeSet<IdCorrelacion> = wrong.filter_map(Violation::payment).cloned().collect();
    let looked = cases.evidence.movimientos.is_some();
    for case in cases.ended() {
        verdict.looked(Check::Payments, 1);
        let estado = pagos.get(case.id).map(|pago| pago.estado.as_str());
        let ledger = (looked && !wrong.contains(case.id)).then_some(&case.saldo);
        if !case.taken_over(Step::RealizarPago) && !payment_fits(case, estado, ledger) {
            verdict.found([Violation::WrongPayment(case.id.clone(), estado.map(str::to_owned))]);
        }
    }
}

fn payment_fits(case: &Case<'_>, estado: Option<&str>, ledger: Option<&Saldo>) -> bool {
    if case.phase == Phase::Completed {
        // A chargeback that was forgotten elsewhere may be known here.
        return estado == Some("CONFIRMADO") || case.charged_back && estado == Some("CONTRACARGADO");
    }
    let nothing = || matches!(estado, None | Some("RECHAZADO"));
    match ledger {
        None => nothing() || matches!(estado, Some("ANULADO" | "REEMBOLSADO" | "CONTRACARGADO")),
        Some(saldo) if saldo.reembolsado > 0 => estado == Some("REEMBOLSADO"),
        Some(saldo) if saldo.contracargado > 0 => estado == Some("CONTRACARGADO"),
        Some(saldo) if saldo.autorizaciones > 0 => estado == Some("ANULADO"),
        Some(_) => nothing(),
    }
}

fn screens(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(sagas) = &cases.evidence.sagas else { return };
    for case in cases.ended().filter(|case| case.saga.is_some()) {
        verdict.looked(Check::Screens, 1);
        let seen = sagas.get(case.id).copied();
        if seen.is_none_or(|seen| seen.phase != case.phase || !seen.ended) {
            verdict.found([Violation::WrongScreen {
                id: case.id.clone(),
                shown: seen.map(|seen| seen.phase),
                recorded: case.phase,
            }]);
        }
    }
}

// === impl Case ===

impl Case<'_> {
    /// Nobody knows how its invoice stands. Where only its confirmation was taken over, it is cancelled all the same.
    fn is_billed_by_hand(&self) -> bool {
        self.taken_over(Step::CrearFacturacion)
    }

    /// An invoice was issued: step 1 was seen done, or a later step is why everything was undone.
    fn was_billed(&self) -> bool {
        let turned_at = self.saga.and_then(|saga| saga.cause.as_ref()?.step);
        self.was_done(Step::CrearFacturacion) || turned_at.is_some_and(|step| step > Step::CrearFacturacion)
    }
}
