//! The real engine behind numbers: it is pure, so each question is asked once and each value kept once.

use std::collections::HashMap;
use std::time::Duration;

use saga::{
    Applied, Aviso, Backoff, Controls, Memory, Next, Politica, Saga, StepState, apply, chargeback, may_wait, next,
};
use seedwork::{Action, Phase, Reason, Step};

use super::message::Message;

/// The number of a recorded value.
pub(crate) type Value = u16;

/// What is asked of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Question {
    /// An answer or a chargeback came.
    Delivered(Message),
    /// A command may be due.
    Due(Asked),
    /// Patience may have ended.
    Late(Asked),
}

/// What people ask for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Asked {
    pub(crate) cancel: bool,
    pub(crate) retry: bool,
    pub(crate) resolve: bool,
}

/// What the engine says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    /// Write, then act on it.
    Record(Value),
    /// Act on it; write it soon, or never.
    RunAhead(Value),
    Send(Action),
    Nothing,
}

/// What the laws look at in a recorded value.
pub(crate) struct View {
    pub(crate) phase: Phase,
    pub(crate) secuencia: u64,
    pub(crate) estados: Vec<(Step, StepState)>,
    pub(crate) aviso: Aviso,
    pub(crate) outstanding: Option<Action>,
    pub(crate) owed: Option<Action>,
    pub(crate) reason: Option<Reason>,
    pub(crate) resolved: bool,
    /// The person who asked for a retry was heard.
    pub(crate) retried: bool,
}

/// Every value met so far, and every answer given.
pub(crate) struct Engine {
    values: Vec<Saga>,
    views: Vec<View>,
    numbers: HashMap<Saga, Value>,
    answers: Vec<[Option<Decision>; QUESTIONS]>,
}

const QUESTIONS: usize = Message::COUNT + 16;
/// The most values a world has room for.
pub(crate) const MOST_VALUES: usize = 1 << 14;

// === impl Engine ===

impl Engine {
    pub(crate) fn new(politica: Politica) -> Self {
        let mut engine = Self {
            values: Vec::new(),
            views: Vec::new(),
            numbers: HashMap::new(),
            answers: Vec::new(),
        };
        engine.number(Saga::start(politica));
        engine
    }

    /// A policy whose times are few seconds; the order of events is what is explored, not their distance.
    pub(crate) fn quick(mut politica: Politica) -> Politica {
        politica.undo = Backoff {
            first_seconds: 1,
            max_seconds: 3,
        };
        politica
    }

    pub(crate) fn view(&self, value: Value) -> &View {
        &self.views[usize::from(value)]
    }

    pub(crate) fn values(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn ask(&mut self, value: Value, question: Question) -> Decision {
        let (row, column) = (usize::from(value), question.number());
        if let Some(decision) = self.answers[row][column] {
            return decision;
        }
        let decision = self.decide(&self.values[row].clone(), question);
        self.answers[row][column] = Some(decision);
        decision
    }

    fn decide(&mut self, saga: &Saga, question: Question) -> Decision {
        let second = Duration::from_secs(1);
        let (due, late) = (
            Memory {
                elapsed: 3 * second,
                sends: 0,
                last_send: None,
            },
            Memory {
                elapsed: 1000 * second,
                sends: 1,
                last_send: Some(1000 * second),
            },
        );
        let looked = match question {
            Question::Delivered(Message::Reply(answer)) => return self.applied(saga, apply(saga, &answer.respuesta())),
            Question::Delivered(Message::Chargeback) => {
                let reason = Reason::new("Contracargo", "El banco devolvió el dinero.");
                return self.applied(saga, chargeback(saga, reason));
            }
            Question::Delivered(Message::Command(_)) => return Decision::Nothing,
            Question::Due(asked) => next(saga, &asked.controls(), &due),
            Question::Late(asked) => next(saga, &asked.controls(), &late),
        };
        match looked {
            Next::Record(new) => self.changed(saga, new),
            Next::Send(action) => Decision::Send(action),
            Next::Wait(_) | Next::Rest | Next::Ended => Decision::Nothing,
        }
    }

    fn applied(&mut self, saga: &Saga, applied: Applied) -> Decision {
        match applied {
            Applied::Changed(new) => self.changed(saga, new),
            Applied::Ignored(_) => Decision::Nothing,
        }
    }

    fn changed(&mut self, saga: &Saga, new: Saga) -> Decision {
        let waits = may_wait(saga, &new);
        let number = self.number(new);
        if waits {
            Decision::RunAhead(number)
        } else {
            Decision::Record(number)
        }
    }

    fn number(&mut self, saga: Saga) -> Value {
        if let Some(&number) = self.numbers.get(&saga) {
            return number;
        }
        assert!(
            self.values.len() < MOST_VALUES,
            "the engine writes without end: {saga:#?}"
        );
        let number = Value::try_from(self.values.len()).expect("fits, as just checked");
        self.views.push(View::of(&saga));
        self.numbers.insert(saga.clone(), number);
        self.values.push(saga);
        self.answers.push([None; QUESTIONS]);
        number
    }
}

// === impl Question ===

impl Question {
    fn number(self) -> usize {
        match self {
            Self::Delivered(message) => message.number(),
            Self::Due(asked) => Message::COUNT + usize::from(asked.bits()),
            Self::Late(asked) => Message::COUNT + 8 + usize::from(asked.bits()),
        }
    }
}

// === impl Asked ===

impl Asked {
    pub(crate) fn bits(self) -> u8 {
        u8::from(self.cancel) | u8::from(self.retry) << 1 | u8::from(self.resolve) << 2
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self {
            cancel: bits & 1 != 0,
            retry: bits & 2 != 0,
            resolve: bits & 4 != 0,
        }
    }

    fn controls(self) -> Controls {
        Controls {
            cancel: self.cancel,
            suspend: false,
            deleted: false,
            retry_requested: self.retry.then(|| "now".to_owned()),
            resolved_by: self.resolve.then(|| "ana: by hand".to_owned()),
        }
    }
}

// === impl View ===

impl View {
    pub(crate) fn of(saga: &Saga) -> Self {
        Self {
            phase: saga.phase(),
            secuencia: saga.secuencia,
            estados: saga.pasos.iter().map(|paso| (paso.nombre, paso.estado)).collect(),
            aviso: saga.aviso,
            outstanding: saga.outstanding(),
            owed: saga.owed().next(),
            reason: saga.reason(),
            resolved: saga.pasos.iter().any(|paso| paso.estado == StepState::Resolved),
            retried: saga.retry_seen.is_some(),
        }
    }
}
