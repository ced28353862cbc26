//! What is done for nobody.

use std::collections::BTreeMap;

use checker::{Effect, Place, TipoMovimiento, Violation};
use seedwork::{Action, IdCorrelacion, Step};

use super::{Wrong, wrong};
use crate::run::id;

pub(super) fn wrongs() -> Vec<Wrong> {
    let orphan = |place| Violation::Orphan("stranger".to_owned(), place);
    vec![
        wrong(
            "money moves for a stranger",
            |run| run.line("stranger", TipoMovimiento::Autorizacion),
            orphan(Place::Gateway),
        ),
        wrong(
            "a stranger is billed",
            |run| copy(&mut run.evidence.facturas),
            orphan(Place::Invoice),
        ),
        wrong(
            "integración-pagos knows a stranger",
            |run| copy(&mut run.evidence.pagos),
            orphan(Place::Payment),
        ),
        wrong(
            "a stranger is to be told",
            |run| copy(&mut run.evidence.notificaciones),
            orphan(Place::Notification),
        ),
        wrong(
            "a stranger is told",
            |run| run.message("stranger", "stranger/ALERTA/sms"),
            orphan(Place::Message),
        ),
        wrong(
            "a participant works for a stranger",
            |run| {
                run.evidence.effects.as_mut().unwrap().push(Effect {
                    id: id("stranger"),
                    action: Action::Do(Step::CrearFacturacion),
                    importe: None,
                });
            },
            orphan(Place::Effect),
        ),
    ]
}

/// Gives a stranger what a payment has.
fn copy<T: Clone>(all: &mut Option<BTreeMap<IdCorrelacion, T>>) {
    let all = all.as_mut().unwrap();
    let one = all[&id("done")].clone();
    all.insert(id("stranger"), one);
}
