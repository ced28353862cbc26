//! What was asked for against what there is.

use std::collections::{BTreeMap, BTreeSet};

use seedwork::{IdCliente, IdCorrelacion, SolicitudPago};

use crate::case::Cases;
use crate::evidence::{Answer, Door, Evidence, Request};
use crate::verdict::{Check, Verdict};
use crate::violation::Violation;

/// Payments that were asked for, each with its request.
pub(crate) type Asked<'a> = BTreeMap<&'a IdCorrelacion, &'a Request>;

/// What makes two tries one: a client's key, or the name of a resource. `None`: a try of its own.
type Ask<'a> = (&'a IdCliente, &'a str);

/// Holds the requests against the sagas; what has a saga is judged further.
pub(crate) fn judge<'a>(evidence: &'a Evidence, verdict: &mut Verdict) -> Cases<'a> {
    let Some(sagas) = sagas(evidence) else {
        return Cases::new(evidence, &Asked::new(), BTreeSet::new());
    };
    verdict.looked(Check::Requests, evidence.requests.len());
    let (mut asked, broken) = accepted(&evidence.requests);
    verdict.found(broken);
    let lost = asked.keys().filter(|id| !sagas.contains_key(**id));
    verdict.found(lost.map(|id| Violation::Lost((*id).clone())));

    let (mut named, mut nameless) = unanswered(&evidence.requests);
    let mut others: Vec<_> = sagas.iter().filter(|(id, _)| !asked.contains_key(**id)).collect();
    // Those of which nobody saw what they are about take what is left.
    others.sort_by_key(|(_, solicitudes)| solicitudes.is_empty());
    for (id, solicitudes) in others {
        let fits = |request: &&Request| solicitudes.is_empty() || solicitudes.contains(&&request.solicitud);
        let fitting = || Some(nameless.swap_remove(nameless.iter().position(fits)?));
        match named.remove(*id).or_else(fitting) {
            Some(request) => {
                asked.insert(id, request);
            }
            None => verdict.found([Violation::Unasked((*id).clone())]),
        }
    }
    let known = sagas.keys().chain(asked.keys()).map(|id| id.as_str()).collect();
    asked.retain(|id, _| sagas.contains_key(*id));
    for (id, request) in &asked {
        let other = |solicitud: &&&SolicitudPago| {
            solicitud.id_cliente != request.solicitud.id_cliente || solicitud.medio_pago != request.solicitud.medio_pago
        };
        if sagas[*id].iter().any(|solicitud| other(&solicitud)) {
            verdict.found([Violation::Altered((*id).clone())]);
        }
    }
    Cases::new(evidence, &asked, known)
}

/// Every saga that anybody knows of, with what it says is to be paid, where that is known. `None` if nobody looked.
fn sagas(evidence: &Evidence) -> Option<BTreeMap<&IdCorrelacion, Vec<&SolicitudPago>>> {
    let Evidence {
        sagas,
        histories,
        archivo,
        ..
    } = evidence;
    if sagas.is_none() && histories.is_none() && archivo.is_none() {
        return None;
    }
    let mut known: BTreeMap<&IdCorrelacion, Vec<&SolicitudPago>> = BTreeMap::new();
    for id in sagas.iter().flat_map(BTreeMap::keys) {
        known.entry(id).or_default();
    }
    for (id, history) in histories.iter().flat_map(|histories| histories.iter()) {
        known.entry(id).or_default().extend(&history.solicitudes);
    }
    for (id, version) in archivo.iter().flatten() {
        known.entry(id).or_default().push(&version.solicitud);
    }
    Some(known)
}

/// The payments that were said yes to; and answers that do not fit each other.
fn accepted(requests: &[Request]) -> (Asked<'_>, Vec<Violation>) {
    let mut asked = Asked::new();
    let mut answers: BTreeMap<Ask<'_>, &IdCorrelacion> = BTreeMap::new();
    let mut broken = Vec::new();
    for request in requests {
        let Answer::Accepted(id) = &request.answer else {
            continue;
        };
        let ask = request.ask();
        let known = ask.and_then(|ask| answers.insert(ask, id));
        if let (Some((_, key)), Some(first)) = (ask, known)
            && first != id
        {
            broken.push(Violation::OneKeyTwoPayments {
                key: key.to_owned(),
                first: first.clone(),
                second: id.clone(),
            });
        }
        let same = asked
            .insert(id, request)
            .is_none_or(|other: &Request| ask.is_some() && other.ask() == ask);
        if !same {
            broken.push(Violation::Shared(id.clone()));
        }
    }
    (asked, broken)
}

/// The tries that got no answer and of which no other try was answered, one of each: those that say which payment they
/// must become, by that, and the others.
fn unanswered(requests: &[Request]) -> (Asked<'_>, Vec<&Request>) {
    let answered = requests
        .iter()
        .filter(|request| matches!(request.answer, Answer::Accepted(_)));
    let mut settled: BTreeSet<Ask<'_>> = answered.filter_map(Request::ask).collect();
    let lost = requests.iter().filter(|request| request.answer == Answer::Lost);
    let lost = lost.filter(|request| request.ask().is_none_or(|ask| settled.insert(ask)));
    let (named, nameless): (Vec<_>, Vec<_>) = lost.partition(|request| request.id.is_some());
    // Of two that say the same, the first.
    let named = named.into_iter().rev();
    let named = named.filter_map(|request| Some((request.id.as_ref()?, request)));
    (named.collect(), nameless)
}

// === impl Request ===

impl Request {
    fn ask(&self) -> Option<Ask<'_>> {
        let applied = self.id.as_ref().filter(|_| self.door == Door::Kubernetes);
        let name = self.key.as_deref().or_else(|| applied.map(IdCorrelacion::as_str));
        Some((&self.solicitud.id_cliente, name?))
    }
}
