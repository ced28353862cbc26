//! Whatever was done was done for a payment that has a saga.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Cases;
use crate::evidence::Evidence;
use crate::verdict::Verdict;
use crate::violation::{Place, Violation};

pub(crate) fn judge(cases: &Cases<'_>, verdict: &mut Verdict) {
    let Evidence {
        effects,
        facturas,
        pagos,
        notificaciones,
        mensajes,
        ..
    } = cases.evidence;
    let money = cases.saldos.keys().map(|id| (id.as_str(), Place::Gateway));
    let invoices = facturas.iter().flat_map(BTreeMap::keys);
    let invoices = invoices.map(|id| (id.as_str(), Place::Invoice));
    let payments = pagos.iter().flat_map(BTreeMap::keys);
    let payments = payments.map(|id| (id.as_str(), Place::Payment));
    let notices = notificaciones.iter().flatten().filter(|(_, told)| !told.is_empty());
    let notices = notices.map(|(id, _)| (id.as_str(), Place::Notification));
    // One that was made by hand is about no payment.
    let messages = mensajes.iter().flatten().filter(|mensaje| mensaje.tipo().is_some());
    let messages = messages.map(|mensaje| (mensaje.referencia.as_str(), Place::Message));
    let acts = effects.iter().flatten();
    let acts = acts.map(|effect| (effect.id.as_str(), Place::Effect));
    let all = money
        .chain(invoices)
        .chain(payments)
        .chain(notices)
        .chain(messages)
        .chain(acts);
    let orphans: BTreeSet<_> = all.filter(|(id, _)| !cases.known.contains(*id)).collect();
    verdict.found(
        orphans
            .into_iter()
            .map(|(id, place)| Violation::Orphan(id.to_owned(), place)),
    );
}
