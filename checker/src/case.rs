//! One payment, with everything that is known of it.

use std::collections::{BTreeMap, BTreeSet};

use saga::{Paso, Saga, StepState};
use seedwork::{IdCorrelacion, Phase, Step};

use crate::evidence::{Evidence, Request};
use crate::history::History;
use crate::ledger::{Saldo, saldos};
use crate::requests::Asked;

/// One payment.
pub(crate) struct Case<'a> {
    pub(crate) id: &'a IdCorrelacion,
    pub(crate) asked: &'a Request,
    pub(crate) history: Option<&'a History>,
    /// The last recorded state: of the resource, else of the archive.
    pub(crate) saga: Option<&'a Saga>,
    /// Where it stands: as the recorded steps say, else as the BFF shows it.
    pub(crate) phase: Phase,
    /// Whether nothing more happens by itself.
    pub(crate) ended: bool,
    /// What the gateway says of it; nothing where nobody looked.
    pub(crate) saldo: Saldo,
    /// The bank is known to have taken its money back.
    pub(crate) charged_back: bool,
}

/// Every payment, and what the gateway says of all.
pub(crate) struct Cases<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) payments: Vec<Case<'a>>,
    pub(crate) saldos: BTreeMap<String, Saldo>,
    /// Every payment that was asked for or has a saga.
    pub(crate) known: BTreeSet<&'a str>,
}

// === impl Cases ===

impl<'a> Cases<'a> {
    /// Of the payments that were asked for and have a saga.
    pub(crate) fn new(evidence: &'a Evidence, asked: &Asked<'a>, known: BTreeSet<&'a str>) -> Self {
        let saldos = saldos(evidence.movimientos.as_deref().unwrap_or_default());
        let payments = asked
            .iter()
            .filter_map(|(id, asked)| Case::new(evidence, id, asked, saldos.get(id.as_str())));
        let payments = payments.collect();
        Self {
            evidence,
            payments,
            saldos,
            known,
        }
    }

    /// Those that have ended: the others cannot be held against anything yet.
    pub(crate) fn ended(&self) -> impl Iterator<Item = &Case<'a>> {
        self.payments.iter().filter(|case| case.ended)
    }
}

// === impl Case ===

impl<'a> Case<'a> {
    fn new(evidence: &'a Evidence, id: &'a IdCorrelacion, asked: &'a Request, saldo: Option<&Saldo>) -> Option<Self> {
        let history = evidence.histories.as_ref().and_then(|histories| histories.of(id));
        let live = history.and_then(|history| history.last.as_ref());
        let archived = evidence.archivo.as_ref().and_then(|archivo| archivo.get(id));
        let archived = archived.and_then(|version| version.saga.as_ref());
        // A watch that was cut off may know less than the archive.
        let saga = [archived, live].into_iter().flatten().max_by_key(|saga| saga.secuencia);
        let seen = evidence.sagas.as_ref().and_then(|sagas| sagas.get(id));
        let (phase, ended) = match (saga, seen) {
            (Some(saga), _) => (saga.phase(), saga.ended()),
            (None, Some(seen)) => (seen.phase, seen.ended),
            // It was created, and nothing of it is recorded.
            (None, None) if history.is_some() => (Phase::Pending, false),
            (None, None) => return None,
        };
        Some(Self {
            id,
            asked,
            history,
            saga,
            phase,
            ended,
            saldo: saldo.cloned().unwrap_or_default(),
            charged_back: evidence.contracargos.contains(id),
        })
    }

    /// The bank took the money back, and nothing was undone.
    pub(crate) fn forgot_its_bank(&self) -> bool {
        self.charged_back && self.ended && self.phase == Phase::Completed
    }

    /// A step, where the record is known.
    pub(crate) fn paso(&self, step: Step) -> Option<&Paso> {
        self.saga?.pasos.iter().find(|paso| paso.nombre == step)
    }

    /// As [`taken_over`](Self::taken_over), or its participant has answered since.
    pub(crate) fn was_taken_over(&self, step: Step) -> bool {
        let seen = self.history.is_some_and(|history| history.taken_over.contains(&step));
        seen || self.taken_over(step)
    }

    /// A person took this step over: nothing is known of its effect.
    pub(crate) fn taken_over(&self, step: Step) -> bool {
        self.paso(step).is_some_and(|paso| paso.estado == StepState::Resolved)
    }

    /// The step was seen done, whatever became of it.
    pub(crate) fn was_done(&self, step: Step) -> bool {
        let seen = self.history.is_some_and(|history| history.done.contains(&step));
        seen || self.paso(step).is_some_and(|paso| paso.estado == StepState::Done)
    }
}
