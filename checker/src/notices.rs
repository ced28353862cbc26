//! The client is told what happened, once, and the message provider says the same.

use std::collections::BTreeMap;

use saga::{Aviso, CauseKind, Saga, StepState};
use seedwork::Step;

use crate::case::{Case, Cases};
use crate::evidence::{Mensaje, Notificacion};
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

const ALERTA: &str = "ALERTA";
const REVERSION: &str = "ALERTA-REVERSION";
const ENTREGADA: &str = "ENTREGADA";
const RECHAZADA: &str = "RECHAZADA";

/// How many messages of each kind were delivered.
type Delivered<'a> = BTreeMap<&'a str, usize>;

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Some(notificaciones) = &cases.evidence.notificaciones else {
        return;
    };
    let delivered = cases.evidence.mensajes.as_deref().map(by_payment);
    for case in cases.ended() {
        // What the client should have been told stands in the record.
        let Some(saga) = case.saga else { continue };
        verdict.looked(Check::Notifications, 1);
        let told = notificaciones.get(case.id).map(Vec::as_slice).unwrap_or_default();
        let known = told.iter().all(|one| [ALERTA, REVERSION].contains(&one.tipo.as_str()));
        let fits = known && alerta(case, saga, &of(told, ALERTA)) && reversion(saga, &of(told, REVERSION));
        if !fits {
            let told = told.iter().map(|one| format!("{} ({})", one.tipo, one.estado));
            verdict.found([Violation::WrongNotification(case.id.clone(), told.collect())]);
            continue;
        }
        let Some(delivered) = &delivered else { continue };
        verdict.looked(Check::Messages, 1);
        let mut delivered = delivered.get(case.id.as_str()).cloned().unwrap_or_default();
        // None is a number, too.
        for tipo in [ALERTA, REVERSION] {
            delivered.entry(tipo).or_default();
        }
        let wrong = delivered
            .into_iter()
            .find(|(tipo, times)| !says(&of(told, tipo), may_tell(case, saga, tipo), *times));
        verdict.found(wrong.map(|(tipo, delivered)| Violation::WrongMessages {
            id: case.id.clone(),
            tipo: tipo.to_owned(),
            delivered,
        }));
    }
}

fn by_payment(mensajes: &[Mensaje]) -> BTreeMap<&str, Delivered<'_>> {
    let mut all: BTreeMap<&str, Delivered<'_>> = BTreeMap::new();
    for mensaje in mensajes {
        // One that was made by hand names itself and not a payment.
        let tipo = mensaje.tipo().unwrap_or(&mensaje.clave);
        *all.entry(&mensaje.referencia).or_default().entry(tipo).or_default() += 1;
    }
    all
}

/// Whether so many messages are what the rows of a kind say. One that was given up under way may have arrived, also where
/// no row came of it.
fn says(told: &[&str], may_tell: bool, delivered: usize) -> bool {
    match told {
        [ENTREGADA] => delivered == 1,
        [RECHAZADA] => delivered == 0,
        _ => delivered <= usize::from(may_tell),
    }
}

/// Whether anybody was ever asked to tell the client so, by the last recorded state.
fn may_tell(case: &Case<'_>, saga: &Saga, tipo: &str) -> bool {
    match tipo {
        ALERTA => case
            .paso(Step::CrearNotificacion)
            .is_some_and(|paso| paso.estado != StepState::Pending),
        REVERSION => match saga.aviso {
            Aviso::NotNeeded | Aviso::Pending | Aviso::Skipped => false,
            Aviso::Issued | Aviso::Done | Aviso::Failed => true,
        },
        _ => false,
    }
}

/// How the notifications of a kind stand.
fn of<'a>(told: &'a [Notificacion], tipo: &str) -> Vec<&'a str> {
    let kind = told.iter().filter(|one| one.tipo == tipo);
    kind.map(|one| one.estado.as_str()).collect()
}

/// That it is paid: told where step 4 was done, not where it was refused, and perhaps where nobody knows; never twice.
fn alerta(case: &Case<'_>, saga: &Saga, told: &[&str]) -> bool {
    const STEP: Step = Step::CrearNotificacion;
    let Some(paso) = case.paso(STEP) else {
        return told.is_empty();
    };
    if paso.estado == StepState::Pending {
        return told.is_empty();
    }
    let cause = saga.cause.as_ref();
    let turned_round = cause.is_some_and(|cause| cause.kind == CauseKind::Refused && cause.step == Some(STEP));
    let refused = turned_round || paso.estado == StepState::Refused;
    let fits = if told == [ENTREGADA] {
        !refused
    } else {
        !case.was_done(STEP)
    };
    fits && told.len() <= 1
}

/// That it was undone.
fn reversion(saga: &Saga, told: &[&str]) -> bool {
    match saga.aviso {
        Aviso::NotNeeded | Aviso::Pending | Aviso::Skipped => told.is_empty(),
        Aviso::Done => told == [ENTREGADA],
        Aviso::Issued | Aviso::Failed => told.len() <= 1,
    }
}
