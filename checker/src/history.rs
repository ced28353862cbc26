//! The versions of every saga, judged as they come: the first break of each history is kept, what follows from it is not.

use std::collections::{BTreeMap, BTreeSet};

use saga::{Aviso, Saga, StepState, allowed};
use seedwork::{IdCorrelacion, Phase, SolicitudPago, Step};

use crate::replay::{Beyond, leads};
use crate::verdict::{Check, Verdict};
use crate::version::Version;
use crate::violation::Violation;

/// What became of every saga. Versions are folded as they come, in the order of the watch; versions that were missed or
/// seen twice do no harm.
#[derive(Debug, Clone, Default)]
pub struct Histories {
    payments: BTreeMap<IdCorrelacion, History>,
    /// Pairs of versions that lie too far apart to be compared with the engine.
    beyond: usize,
}

/// What became of one saga.
#[derive(Debug, Clone)]
pub struct History {
    /// How many versions were seen.
    pub versions: usize,
    /// What it said was to be paid: one, unless somebody changed it.
    pub solicitudes: Vec<SolicitudPago>,
    /// The last recorded state.
    pub last: Option<Saga>,
    /// The phase that was written beside it.
    pub phase: Option<Phase>,
    /// The reason that people were shown.
    pub reason: Option<String>,
    /// The steps that were ever seen done.
    pub done: BTreeSet<Step>,
    /// The steps that a person was ever seen to have taken over.
    pub taken_over: BTreeSet<Step>,
    /// When it was first seen ended or stalled, on the watcher's clock.
    pub settled_ms: Option<i64>,
    uid: String,
    broken: Option<Violation>,
}

// === impl Histories ===

impl Histories {
    /// Takes the next version in.
    pub fn see(&mut self, version: Version) {
        let history = self
            .payments
            .entry(version.id.clone())
            .or_insert_with(|| History::new(&version));
        self.beyond += usize::from(history.see(version));
    }

    /// What became of a payment.
    pub fn of(&self, id: &IdCorrelacion) -> Option<&History> {
        self.payments.get(id)
    }

    /// Every payment that was seen.
    pub fn iter(&self) -> impl Iterator<Item = (&IdCorrelacion, &History)> {
        self.payments.iter()
    }

    /// How many writes were too far apart to be compared with the engine.
    pub fn beyond(&self) -> usize {
        self.beyond
    }

    /// Forgets the others.
    pub fn retain(&mut self, keep: impl Fn(&IdCorrelacion) -> bool) {
        self.payments.retain(|id, _| keep(id));
    }
}

impl Extend<Version> for Histories {
    fn extend<T: IntoIterator<Item = Version>>(&mut self, versions: T) {
        versions.into_iter().for_each(|version| self.see(version));
    }
}

impl FromIterator<Version> for Histories {
    fn from_iter<T: IntoIterator<Item = Version>>(versions: T) -> Self {
        let mut histories = Self::default();
        histories.extend(versions);
        histories
    }
}

// === impl History ===

impl History {
    fn new(first: &Version) -> Self {
        Self {
            versions: 0,
            solicitudes: Vec::new(),
            last: None,
            phase: None,
            reason: None,
            done: BTreeSet::new(),
            taken_over: BTreeSet::new(),
            settled_ms: None,
            uid: first.uid.clone(),
            broken: None,
        }
    }

    /// Takes the next version in; whether it was too far from the last to be compared with the engine.
    fn see(&mut self, version: Version) -> bool {
        let Version {
            id,
            uid,
            solicitud,
            saga,
            phase,
            reason,
            at_ms,
        } = version;
        self.versions += 1;
        if !self.solicitudes.contains(&solicitud) {
            self.solicitudes.push(solicitud);
        }
        let remade = uid != self.uid;
        let Some(saga) = saga else { return false };
        // A payment that is made again waits for its archived state; what begins anew shows it in its status.
        if remade && phase.is_none() && self.last.is_some() {
            return false;
        }
        // What was before the first version that was seen begins like every other payment.
        let from = self.last.take().unwrap_or_else(|| Saga::start(saga.politica.clone()));
        let step = Move {
            id: &id,
            remade,
            from: &from,
            from_phase: self.phase,
            to: &saga,
            to_phase: phase,
        };
        let judged = if self.broken.is_none() { step.judge() } else { Ok(None) };
        let beyond = judged.is_err();
        self.broken = match (self.broken.take(), skipped(&id, &saga)) {
            // Undone out of order, and in the end not at all: that is the wrong.
            (None | Some(Violation::UndoOutOfOrder { .. }), Some(skipped)) => Some(skipped),
            (broken, _) => broken.or(judged.unwrap_or_default()),
        };
        self.remember(saga, phase, at_ms);
        (self.reason, self.uid) = (reason, uid);
        beyond
    }

    fn remember(&mut self, saga: Saga, phase: Option<Phase>, at_ms: i64) {
        for paso in &saga.pasos {
            match paso.estado {
                StepState::Done => self.done.insert(paso.nombre),
                StepState::Resolved => self.taken_over.insert(paso.nombre),
                StepState::Pending
                | StepState::Issued
                | StepState::Refused
                | StepState::Expired
                | StepState::Undoing
                | StepState::UndoFailing
                | StepState::Undone => false,
            };
        }
        let settled = saga.ended() || phase == Some(Phase::Stalled);
        if settled && self.settled_ms.is_none() {
            self.settled_ms = Some(at_ms);
        }
        self.phase = phase;
        self.last = Some(saga);
    }
}

/// No way through the table is longer.
const PHASES: u64 = 6;

/// From one version to the next.
struct Move<'a> {
    id: &'a IdCorrelacion,
    /// The resource is another one.
    remade: bool,
    from: &'a Saga,
    from_phase: Option<Phase>,
    to: &'a Saga,
    to_phase: Option<Phase>,
}

// === impl Move ===

impl Move<'_> {
    /// The first thing that is wrong with it.
    fn judge(&self) -> Result<Option<Violation>, Beyond> {
        let id = || self.id.clone();
        let (from, to) = (self.from.secuencia, self.to.secuencia);
        if to < from && self.remade {
            return Ok(Some(Violation::TwoSagas(id())));
        }
        if to < from {
            return Ok(Some(Violation::SecuenciaBack { id: id(), from, to }));
        }
        // A resource that a person applies again has the policy of today; nothing of it is followed any more.
        let mut before = self.from.clone();
        if self.remade {
            before.politica.clone_from(&self.to.politica);
        }
        if to == from && before != *self.to {
            let forked = Violation::Forked(id(), to);
            return Ok(Some(if self.remade { Violation::TwoSagas(id()) } else { forked }));
        }
        if let Some(phase) = self.to_phase
            && !reaches(self.from_phase, phase, to - from)
        {
            let from = self.from_phase.unwrap_or(Phase::Pending);
            return Ok(Some(Violation::PhaseMove {
                id: id(),
                from,
                to: phase,
            }));
        }
        if let Some(wrong) = in_itself(self.id, self.to, self.to_phase) {
            return Ok(Some(wrong));
        }
        match leads(self.id, &before, self.to) {
            Some(true) => Ok(None),
            Some(false) => Ok(Some(Violation::NotTheEngine { id: id(), from, to })),
            None => Err(Beyond),
        }
    }
}

/// Whether the engine's table leads from one phase to another in at most so many moves. The table is of single writes; of
/// those in between, the versions may have been missed.
fn reaches(from: Option<Phase>, to: Phase, moves: u64) -> bool {
    let mut phases = BTreeSet::from([from]);
    // Of one number there are several writes too: the first of a status, and what moves no saga.
    for _ in 0..moves.clamp(1, PHASES) {
        let next = |from: &Option<Phase>| Phase::ALL.map(|to| (*from, to));
        let reached = phases.iter().flat_map(next).filter(|(from, to)| allowed(*from, *to));
        phases = reached.map(|(_, to)| Some(to)).collect();
    }
    phases.contains(&Some(to))
}

/// What is wrong with a value by itself.
fn in_itself(id: &IdCorrelacion, saga: &Saga, recorded: Option<Phase>) -> Option<Violation> {
    let derived = saga.phase();
    let wrong_phase = recorded.filter(|recorded| *recorded != derived);
    let wrong_phase = wrong_phase.map(|recorded| Violation::WrongPhase {
        id: id.clone(),
        recorded,
        derived,
    });
    wrong_phase.or_else(|| out_of_order(id, saga))
}

/// A step whose undo began while a later one was not undone.
fn out_of_order(id: &IdCorrelacion, saga: &Saga) -> Option<Violation> {
    let undone = saga.pasos.iter().position(|paso| begun_to_undo(paso.estado))?;
    let kept = saga.pasos.iter().skip(undone).find(|paso| is_kept(paso.estado))?;
    Some(Violation::UndoOutOfOrder {
        id: id.clone(),
        step: saga.pasos[undone].nombre,
        before: kept.nombre,
    })
}

/// A step that was issued and is not undone when all is said to be.
fn skipped(id: &IdCorrelacion, saga: &Saga) -> Option<Violation> {
    let over = match saga.aviso {
        Aviso::Issued | Aviso::Done | Aviso::Skipped | Aviso::Failed => true,
        Aviso::NotNeeded | Aviso::Pending => false,
    };
    let kept = saga.pasos.iter().find(|paso| over && is_kept(paso.estado))?;
    Some(Violation::UndoSkipped(id.clone(), kept.nombre))
}

fn is_kept(estado: StepState) -> bool {
    match estado {
        StepState::Issued | StepState::Done | StepState::Refused | StepState::Expired => true,
        StepState::Pending | StepState::Undoing | StepState::UndoFailing | StepState::Undone | StepState::Resolved => {
            false
        }
    }
}

fn begun_to_undo(estado: StepState) -> bool {
    estado != StepState::Pending && !is_kept(estado)
}

/// What the histories show.
pub(crate) fn judge(histories: &Histories, verdict: &mut Verdict) {
    let versions: usize = histories.payments.values().map(|history| history.versions).sum();
    verdict.looked(Check::History, versions - histories.beyond.min(versions));
    verdict.found(histories.payments.values().filter_map(|history| history.broken.clone()));
}
