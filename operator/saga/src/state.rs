//! The recorded state of one payment, and what is derived from it.

use schemars::JsonSchema;
use seedwork::{Action, Phase, Reason, Step};
use serde::{Deserialize, Serialize};

use crate::politica::Politica;

/// Everything that is recorded of one payment. What is not in here was never decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Saga {
    /// The policy it started with.
    pub politica: Politica,
    /// Grows with each transition, by one, and where nobody may come to the same number another way by one more for each
    /// step that may have been issued. The first value has 1.
    pub secuencia: u64,
    /// Its steps, in the order they are done.
    pub pasos: Vec<Paso>,
    /// Whether the client is told of the reversal.
    pub aviso: Aviso,
    /// Why everything is undone; `None` while going forward and once completed.
    pub cause: Option<Cause>,
    /// The last retry request that was acted on.
    pub retry_seen: Option<String>,
    /// The last word of a person that took a step over by hand, or found none that failed: who, and why.
    pub resolved_by: Option<String>,
}

/// The reason of an undo that nobody has answered. No participant's own.
pub(crate) const SILENCE: &str = "SinRespuesta";

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paso {
    /// Which step.
    pub nombre: Step,
    /// Where it stands.
    pub estado: StepState,
    /// Why it stands there, when it did not simply work.
    pub motivo: Option<Reason>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum StepState {
    /// Nobody is known to have been asked to do it. One that comes after the step being done may have been asked: see
    /// [`may_wait`](crate::may_wait).
    Pending,
    /// Its command may have been published; no answer is recorded.
    Issued,
    /// It is done.
    Done,
    /// It was refused, and the policy goes on without it. A refusal that compensates leads straight to `Undoing`.
    Refused,
    /// Its outcome is unknown and no longer waited for: its deadline passed and the policy goes on without it, or it is
    /// about to be undone.
    Expired,
    /// Its undo may have been published; no success is recorded.
    Undoing,
    /// As `Undoing`, for so long that a person should look. Retried all the same.
    UndoFailing,
    /// Its undo succeeded: nothing of it remains, and a late command finds a tombstone.
    Undone,
    /// A person took it over. Nothing is known of its effect. If its participant never answered, its undo is still
    /// [owed](Saga::owed).
    Resolved,
}

/// Where telling the client of the reversal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Aviso {
    /// Nothing is being undone.
    NotNeeded,
    /// Comes after the last undo.
    Pending,
    /// Its command may have been published; no answer is recorded.
    Issued,
    /// The client was told.
    Done,
    /// There is nobody to tell: step 1 was refused.
    Skipped,
    /// Its deadline passed; the payment ended without it.
    Failed,
}

/// Why everything is undone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// What kind of thing happened.
    pub kind: CauseKind,
    /// The step it happened to, if it was one.
    // Left out rather than null: the API server refuses a null where the schema lists names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// In the words of whoever caused it.
    pub reason: Reason,
}

/// What kind of thing led to the undoing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CauseKind {
    /// A participant refused a step.
    Refused,
    /// A step was not answered in time.
    Expired,
    /// A person set `spec.cancel`.
    Cancelled,
    /// A person deleted the resource.
    Deleted,
    /// The client's bank took the money back.
    Chargeback,
}

// === impl Saga ===

impl Saga {
    /// A payment that has just been created: step 1 is issued, because the creation itself was recorded. The policy
    /// must have passed [`Politica::check`].
    pub fn start(politica: Politica) -> Self {
        let pasos = politica.pasos.iter().map(|paso| Paso {
            nombre: paso.nombre,
            estado: StepState::Pending,
            motivo: None,
        });
        let mut saga = Self {
            pasos: pasos.collect(),
            politica,
            secuencia: 1,
            aviso: Aviso::NotNeeded,
            cause: None,
            retry_seen: None,
            resolved_by: None,
        };
        saga.go_on();
        saga
    }

    /// Where it stands. Never [`Phase::Pending`]: that is a resource whose saga has not started.
    pub fn phase(&self) -> Phase {
        match self.aviso {
            Aviso::NotNeeded if self.pasos.iter().all(|paso| paso.estado.is_settled()) => Phase::Completed,
            Aviso::NotNeeded => Phase::Running,
            Aviso::Pending | Aviso::Issued if self.failing().is_some() => Phase::Stalled,
            Aviso::Pending | Aviso::Issued => Phase::Compensating,
            Aviso::Done | Aviso::Skipped | Aviso::Failed => Phase::Compensated,
        }
    }

    /// Why it stands there: the undo that fails, else what led to the undoing, else the step that it goes on without.
    pub fn reason(&self) -> Option<Reason> {
        if let Some(failing) = self.failing() {
            return failing.motivo.clone();
        }
        let Some(Cause { kind, step, reason }) = &self.cause else {
            return self.pasos.iter().find_map(|paso| paso.motivo.clone());
        };
        match (kind, step) {
            // The step's own refusal is the code people look for; the participant's code opens the sentence.
            (CauseKind::Refused, Some(step)) if reason.motivo != step.refused_type() => {
                Some(Reason::new(step.refused_type(), reason.to_string()))
            }
            (
                CauseKind::Refused
                | CauseKind::Expired
                | CauseKind::Cancelled
                | CauseKind::Deleted
                | CauseKind::Chargeback,
                _,
            ) => Some(reason.clone()),
        }
    }

    /// How many steps were ever issued, and how many there are: `2/4`.
    pub fn progress(&self) -> (usize, usize) {
        let issued = self
            .pasos
            .iter()
            .filter(|paso| paso.estado != StepState::Pending)
            .count();
        (issued, self.pasos.len())
    }

    /// Whether nothing more happens by itself: everything is done, or everything is undone.
    pub fn ended(&self) -> bool {
        match self.phase() {
            Phase::Completed | Phase::Compensated => true,
            Phase::Pending | Phase::Running | Phase::Compensating | Phase::Stalled => false,
        }
    }

    /// The one command that is recorded as issued and not as answered. It may be published at any time, any number
    /// of times.
    pub fn outstanding(&self) -> Option<Action> {
        let step = self.pasos.iter().find_map(|paso| match paso.estado {
            StepState::Issued => Some(Action::Do(paso.nombre)),
            StepState::Undoing | StepState::UndoFailing => Some(Action::Undo(paso.nombre)),
            StepState::Pending
            | StepState::Done
            | StepState::Refused
            | StepState::Expired
            | StepState::Undone
            | StepState::Resolved => None,
        });
        let notice = (self.aviso == Aviso::Issued).then_some(Action::AvisarReversion);
        step.or(notice)
    }

    /// The undos that a person settled without a word from their participants. Each is asked for until there is one, after
    /// the payment's end, too: who has been silent may be about to do what it does not know to be settled.
    pub fn owed(&self) -> impl Iterator<Item = Action> {
        let unheard = |paso: &&Paso| {
            let silence = paso.motivo.as_ref().is_some_and(|motivo| motivo.motivo == SILENCE);
            paso.estado == StepState::Resolved && silence
        };
        self.pasos.iter().filter(unheard).map(|paso| Action::Undo(paso.nombre))
    }

    /// The step whose undo has failed for so long that a person should look.
    pub(crate) fn failing(&self) -> Option<&Paso> {
        self.pasos.iter().find(|paso| paso.estado == StepState::UndoFailing)
    }

    pub(crate) fn paso(&self, nombre: Step) -> Option<&Paso> {
        self.pasos.iter().find(|paso| paso.nombre == nombre)
    }

    /// The next value, with the next number.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut saga = self.clone();
        change(&mut saga);
        saga.secuencia += 1;
        saga
    }

    pub(crate) fn set(&mut self, nombre: Step, estado: StepState, motivo: Option<Reason>) {
        if let Some(paso) = self.pasos.iter_mut().find(|paso| paso.nombre == nombre) {
            paso.estado = estado;
            // Whether asking again may help is for the cause to say. Of a step it is not recorded.
            paso.motivo = motivo.map(|motivo| motivo.with_declive(None));
        }
    }

    /// Issues the next step, if there is one.
    pub(crate) fn go_on(&mut self) {
        if let Some(paso) = self.pasos.iter_mut().find(|paso| paso.estado == StepState::Pending) {
            paso.estado = StepState::Issued;
        }
    }

    /// From now on everything that was, or may have been, issued is undone.
    pub(crate) fn turn_back(&mut self, cause: Cause) {
        self.own_up(&cause);
        self.cause = Some(cause);
        self.aviso = Aviso::Pending;
        self.unwind();
    }

    /// Issues the undo of the last step that still needs it; after the last undo, the notice to the client.
    pub(crate) fn unwind(&mut self) {
        if let Some(paso) = self.pasos.iter_mut().rev().find(|paso| paso.estado.is_to_undo()) {
            paso.estado = StepState::Undoing;
            // From here on, what its undo answers; the refusal that led here is the cause.
            paso.motivo = None;
            return;
        }
        self.aviso = if self.client_is_unknown() {
            Aviso::Skipped
        } else {
            Aviso::Issued
        };
    }

    /// The cause, if it is this step's.
    pub(crate) fn cause_at(&self, nombre: Step) -> Option<Reason> {
        self.cause
            .as_ref()
            .filter(|cause| cause.step == Some(nombre))
            .map(|cause| cause.reason.clone())
    }

    /// Step 1 is where a client is found not to exist.
    fn client_is_unknown(&self) -> bool {
        let first = self.pasos.first().map(|paso| paso.nombre);
        self.cause
            .as_ref()
            .is_some_and(|cause| cause.kind == CauseKind::Refused && cause.step == first)
    }
}

// === impl StepState ===

impl StepState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Issued,
        Self::Done,
        Self::Refused,
        Self::Expired,
        Self::Undoing,
        Self::UndoFailing,
        Self::Undone,
        Self::Resolved,
    ];

    /// Nothing more is expected of it while going forward.
    fn is_settled(self) -> bool {
        match self {
            Self::Done | Self::Refused | Self::Expired => true,
            Self::Pending | Self::Issued | Self::Undoing | Self::UndoFailing | Self::Undone | Self::Resolved => false,
        }
    }

    /// It was issued, so it may have had an effect, whatever was answered; and its undo has not been issued.
    fn is_to_undo(self) -> bool {
        match self {
            Self::Issued | Self::Done | Self::Refused | Self::Expired => true,
            Self::Pending | Self::Undoing | Self::UndoFailing | Self::Undone | Self::Resolved => false,
        }
    }
}
