//! Which payments have ended, how, and how long it took.

use std::collections::BTreeMap;

use seedwork::{IdCorrelacion, Phase};

use crate::book::{Book, Payment};
use crate::clock::Millis;
use crate::recorder::Recorder;

/// Counts the payments that have not ended, without asking about those that have.
#[derive(Default)]
pub(crate) struct Open {
    known: usize,
    open: Vec<Payment>,
}

// === impl Open ===

impl Open {
    /// Looks again.
    pub(crate) fn look(&mut self, book: &Book, recorder: &Recorder) {
        let new = book.since(self.known);
        self.known += new.len();
        self.open.extend(new);
        self.open.retain(|payment| !has_ended(recorder, payment));
    }

    /// How many have not ended.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// How many have.
    pub(crate) fn ended(&self) -> usize {
        self.known - self.open.len()
    }
}

/// A chargeback may open it again; that is waited for on its own.
fn has_ended(recorder: &Recorder, payment: &Payment) -> bool {
    let phase = recorder.last(&payment.id).and_then(|version| version.phase);
    matches!(phase, Some(Phase::Completed | Phase::Compensated))
}

/// How many payments ended how.
pub(crate) fn ends(book: &Book, recorder: &Recorder) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for payment in book.since(0) {
        let end = match recorder.last(&payment.id) {
            Some(version) => {
                let phase = version.phase.map_or("no status", Phase::as_str);
                let reason = version.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
                format!("{phase}{reason}")
            }
            None => "no saga".to_owned(),
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

/// How long each payment took, from the first request to the first version that is an end, sorted. Those that a person held say
/// nothing.
pub(crate) fn took_to_end(book: &Book, recorder: &Recorder) -> Vec<(Millis, IdCorrelacion)> {
    let payments = book.since(0).into_iter().filter(|payment| !payment.held);
    let took = payments.filter_map(|payment| {
        let ended = recorder.ended_at(&payment.id)?;
        Some((ended.saturating_sub(payment.asked_at), payment.id))
    });
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    took
}

#[cfg(test)]
mod tests {
    use checker::Door;
    use seedwork::{Moneda, SolicitudPago};
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_payment_that_a_person_held_does_not_tell_how_long_payments_take() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::new(Clock::start(), &folder.path().join("clients.jsonl")).unwrap();
        let recorder = Recorder::after(0);
        let solicitud = SolicitudPago::parse("PSE", "c-1", "24", Moneda::USD).unwrap();
        let [held, other] = ["held", "other"].map(|key| SolicitudPago::keyed_id("c-1", key));
        for (id, ended) in [(&held, 900_000), (&other, 60_000)] {
            book.asks(id, "k", Door::Bff, &solicitud);
            let completed = json!({
                "metadata": {"name": id.resource_name()},
                "spec": {"idCliente": "c-1", "medioPago": "PSE", "monto": "24.00", "moneda": "USD"},
                "status": {"phase": "Completed", "secuencia": 5, "steps": [], "aviso": "NotNeeded"},
            });
            recorder.add(ended, 1, id.clone(), Some(&completed)).unwrap();
        }
        assert_eq!(took_to_end(&book, &recorder).len(), 2);
        book.holds(&held);
        let ids: Vec<_> = took_to_end(&book, &recorder).into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, [other]);
    }
}
