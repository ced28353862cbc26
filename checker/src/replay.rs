//! Whether the engine gets from one recorded value to another.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use saga::{Applied, Controls, Memory, Next, Saga, apply, chargeback, next};
use seedwork::contrato::Respuesta;
use seedwork::{Action, IdCorrelacion, Outcome, Reason};

/// The most transitions between two values that are searched. A watch that was cut off misses a few; a payment that was
/// retried for hours may have many more, and then nothing is said.
const LONGEST: u64 = 24;
/// The most values that are followed.
const WIDEST: usize = 1 << 14;
/// Longer than any patience.
const LATE: Duration = Duration::from_secs(1 << 34);

/// Two values that are too far apart to be compared with the engine.
pub(crate) struct Beyond;

/// Whether the engine, given the right answers, words and delays, comes to `to` some time after `from`. Not every value
/// in between need have been written. `None`: too far apart to say.
pub(crate) fn leads(id: &IdCorrelacion, from: &Saga, to: &Saga) -> Option<bool> {
    if from == to {
        return Some(true);
    }
    if from.secuencia >= to.secuencia {
        return Some(false);
    }
    if to.secuencia - from.secuencia > LONGEST {
        return None;
    }
    let asked = Questions::about(id, from, to);
    // By their number, smallest first: an answer may be several transitions at once, and none goes back.
    let mut values = BTreeMap::from([(from.secuencia, HashSet::from([from.clone()]))]);
    let mut followed = 0;
    while let Some((_, same)) = values.pop_first() {
        followed += same.len();
        if followed > WIDEST {
            return None;
        }
        for value in &same {
            for next in asked.ask(value) {
                if next == *to {
                    return Some(true);
                }
                if next.secuencia < to.secuencia && may_become(&next, to) {
                    values.entry(next.secuencia).or_default().insert(next);
                }
            }
        }
    }
    Some(false)
}

/// Why something is undone is decided once.
fn may_become(value: &Saga, to: &Saga) -> bool {
    value.cause.is_none() || value.cause == to.cause
}

/// Everything that can happen to a payment, in the words that are left of it.
struct Questions {
    id: IdCorrelacion,
    reasons: Vec<Reason>,
    controls: Vec<Controls>,
}

// === impl Questions ===

impl Questions {
    fn about(id: &IdCorrelacion, from: &Saga, to: &Saga) -> Self {
        // A reason that was overwritten on the way may have been any.
        let mut reasons = vec![Reason::new("Desconocido", "")];
        let motivos = to.pasos.iter().filter_map(|paso| paso.motivo.clone());
        reasons.extend(motivos.chain(to.cause.as_ref().map(|cause| cause.reason.clone())));
        reasons.sort();
        reasons.dedup();
        let nothing = Controls::default();
        let mut controls = vec![nothing.clone()];
        for deleted in [false, true] {
            controls.push(Controls {
                cancel: true,
                deleted,
                ..nothing.clone()
            });
        }
        // As with reasons: a word that another one followed may have been any.
        let words = |seen: &Option<String>| seen.clone().into_iter().chain(["?".to_owned()]).map(Some);
        if from.retry_seen != to.retry_seen {
            controls.extend(words(&to.retry_seen).map(|retry_requested| Controls {
                retry_requested,
                ..nothing.clone()
            }));
        }
        if from.resolved_by != to.resolved_by {
            controls.extend(words(&to.resolved_by).map(|resolved_by| Controls {
                resolved_by,
                ..nothing.clone()
            }));
        }
        Self {
            id: id.clone(),
            reasons,
            controls,
        }
    }

    /// What the engine may come to next.
    fn ask<'a>(&'a self, value: &'a Saga) -> impl Iterator<Item = Saga> + 'a {
        let answers = Action::all().flat_map(|action| self.answers(action));
        let answered = answers.map(|answer| apply(value, &answer));
        let banks = self.reasons.iter().map(|reason| chargeback(value, reason.clone()));
        let written = answered.chain(banks).filter_map(|applied| match applied {
            Applied::Changed(saga) => Some(saga),
            Applied::Ignored(_) => None,
        });
        let late = Memory {
            elapsed: LATE,
            sends: 1,
            last_send: Some(LATE),
        };
        let decided = self.controls.iter().map(move |controls| next(value, controls, &late));
        written.chain(decided.filter_map(|next| match next {
            Next::Record(saga) => Some(saga),
            Next::Send(_) | Next::Wait(_) | Next::Rest | Next::Ended => None,
        }))
    }

    fn answers(&self, action: Action) -> Vec<Respuesta> {
        let refused = self.reasons.iter().cloned().map(Outcome::Refused);
        let failed = self.reasons.iter().cloned().map(Outcome::Failed);
        let outcomes = [Outcome::Done].into_iter().chain(refused).chain(failed);
        let answer = |outcome| Respuesta {
            action,
            id_correlacion: self.id.clone(),
            outcome,
        };
        outcomes.map(answer).collect()
    }
}
