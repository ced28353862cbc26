//! What travels. Few enough kinds that any set of them is one `u32`.

use std::fmt;

use seedwork::contrato::Respuesta;
use seedwork::{Action, IdCorrelacion, Outcome, Reason, Step};

use super::index;

/// One message of the one payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    /// Operator → participant.
    Command(Action),
    /// Participant → operator.
    Reply(Answer),
    /// Integración-pagos → operator.
    Chargeback,
}

/// A participant's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) action: Action,
    pub(crate) how: How,
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Done,
    Refused,
    Failed,
}

/// A set of messages: those that were ever sent.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Sent(pub(crate) u32);

// === impl Message ===

impl Message {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = 28;

    /// Its place in a set.
    pub(crate) fn number(self) -> usize {
        match self {
            Self::Command(Action::Do(step)) => index(step),
            Self::Command(Action::Undo(step)) => 4 + index(step),
            Self::Command(Action::AvisarReversion) => 8,
            Self::Reply(answer) => answer.number(),
            Self::Chargeback => 27,
        }
    }

    /// Every message, each at its number.
    pub(crate) const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::Chargeback; Self::COUNT];
        let mut place = 0;
        while place < 4 {
            let step = Step::ALL[place];
            all[place] = Self::Command(Action::Do(step));
            all[4 + place] = Self::Command(Action::Undo(step));
            all[9 + place] = Self::Reply(Answer {
                action: Action::Do(step),
                how: How::Done,
            });
            all[13 + place] = Self::Reply(Answer {
                action: Action::Do(step),
                how: How::Refused,
            });
            all[17 + place] = Self::Reply(Answer {
                action: Action::Undo(step),
                how: How::Done,
            });
            all[21 + place] = Self::Reply(Answer {
                action: Action::Undo(step),
                how: How::Failed,
            });
            place += 1;
        }
        all[8] = Self::Command(Action::AvisarReversion);
        all[25] = Self::Reply(Answer {
            action: Action::AvisarReversion,
            how: How::Done,
        });
        all[26] = Self::Reply(Answer {
            action: Action::AvisarReversion,
            how: How::Failed,
        });
        all
    };
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(action) => f.write_str(action.command_type()),
            Self::Reply(answer) => f.write_str(
                answer
                    .action
                    .reply_type(&answer.outcome())
                    .unwrap_or("an impossible answer"),
            ),
            Self::Chargeback => f.write_str("ContracargoRecibido"),
        }
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn new(action: Action, how: How) -> Self {
        Self { action, how }
    }

    /// Its place in a set. Answers that an action cannot have share a place with its success.
    fn number(self) -> usize {
        match (self.action, self.how) {
            (Action::Do(step), How::Done | How::Failed) => 9 + index(step),
            (Action::Do(step), How::Refused) => 13 + index(step),
            (Action::Undo(step), How::Done | How::Refused) => 17 + index(step),
            (Action::Undo(step), How::Failed) => 21 + index(step),
            (Action::AvisarReversion, How::Done | How::Refused) => 25,
            (Action::AvisarReversion, How::Failed) => 26,
        }
    }

    fn outcome(self) -> Outcome {
        match self.how {
            How::Done => Outcome::Done,
            How::Refused => Outcome::Refused(Reason::new("Rechazado", "No se puede.")),
            How::Failed => Outcome::Failed(Reason::new("NoDisponible", "Ahora no se puede.")),
        }
    }

    /// As the engine reads it.
    pub(crate) fn respuesta(self) -> Respuesta {
        respuesta(self.action, self.outcome())
    }
}

/// An answer as the engine reads it, to the one payment there is.
pub(crate) fn respuesta(action: Action, outcome: Outcome) -> Respuesta {
    let id_correlacion = IdCorrelacion::parse("1").expect("a legal id");
    Respuesta {
        action,
        id_correlacion,
        outcome,
    }
}

// === impl Sent ===

impl Sent {
    pub(crate) fn contains(self, message: Message) -> bool {
        self.0 & (1 << message.number()) != 0
    }

    pub(crate) fn with(self, message: Message) -> Self {
        Self(self.0 | (1 << message.number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_its_own_place() {
        for (place, message) in Message::ALL.into_iter().enumerate() {
            assert_eq!(message.number(), place, "{message}");
        }
    }
}
