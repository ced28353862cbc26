//! The client is told what happened, once.

use saga::{Aviso, Saga, StepState};
use seedwork::{Phase, Step};

use crate::case::{Case, Cases};
use crate::evidence::Notificacion;
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

const ALERTA: &str = "ALERTA";
const REVERSION: &str = "ALERTA-REVERSION";
const ENTREGADA: &str = "ENTREGADA";

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(notificaciones) = &cases.evidence.notificaciones else {
        return;
    };
    for case in cases.ended() {
        // What the client should have been told stands in the record.
        let Some(saga) = case.saga else { continue };
        verdict.looked(Check::Notifications, 1);
        let told = notificaciones.get(case.id).map(Vec::as_slice).unwrap_or_default();
        let fits = alerta(case, &of(told, ALERTA)) && reversion(saga, &of(told, REVERSION));
        if !fits {
            let told = told.iter().map(|one| format!("{} ({})", one.tipo, one.estado));
            verdict.found([Violation::WrongNotification(case.id.clone(), told.collect())]);
        }
    }
}

/// How the notifications of a kind stand.
fn of<'a>(told: &'a [Notificacion], tipo: &str) -> Vec<&'a str> {
    let kind = told.iter().filter(|one| one.tipo == tipo);
    kind.map(|one| one.estado.as_str()).collect()
}

/// That it is paid: told where step 4 was done, and perhaps where nobody knows; never twice.
fn alerta(case: &Case<'_>, told: &[&str]) -> bool {
    let Some(paso) = case.paso(Step::CrearNotificacion) else {
        return told.is_empty();
    };
    match (case.phase, paso.estado) {
        (_, StepState::Pending) => told.is_empty(),
        (Phase::Completed, StepState::Refused) => !told.contains(&ENTREGADA),
        _ if case.was_done(Step::CrearNotificacion) => told == [ENTREGADA],
        _ => told.len() <= 1,
    }
}

/// That it was undone.
fn reversion(saga: &Saga, told: &[&str]) -> bool {
    match saga.aviso {
        Aviso::NotNeeded | Aviso::Pending | Aviso::Skipped => told.is_empty(),
        Aviso::Done => told == [ENTREGADA],
        Aviso::Issued | Aviso::Failed => told.len() <= 1,
    }
}
