//! The participants and the laws they obey: one stored reply per command, repeated for a repeated command; an undo
//! succeeds when there is nothing to undo and leaves a tombstone; a tombstone refuses the late original.

use seedwork::{Action, Step};

use super::message::{Answer, How};

/// Everything outside the operator that is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Participants {
    /// Gestión-clientes, steps 1 and 3.
    pub(crate) facturacion: Doc,
    pub(crate) confirmacion: Doc,
    /// Integración-pagos, step 2.
    pub(crate) pago: Pago,
    /// Notificaciones, step 4.
    pub(crate) notificacion: Doc,
    /// Notificaciones: the client was told of the reversal.
    pub(crate) told: bool,
    /// The outside world, where the money is.
    pub(crate) gateway: Gateway,
}

/// A step whose effect and whose stored reply are one document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doc {
    Nothing,
    Did,
    Refused,
    /// The tombstone.
    Undone,
}

/// The payment's document. Its effect is elsewhere, so its outcome can be unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pago {
    Nothing,
    /// The gateway is, was, or will be asked.
    Prepared,
    Did,
    Refused,
    /// A tombstone; whether there is money to return is unknown.
    Reverting,
    /// A tombstone; there is.
    Refunding,
    /// A tombstone, and no money of ours.
    Undone,
}

/// A card gateway. It de-duplicates by idempotency key and by nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gateway {
    /// What it stored under the key of the capture.
    pub(crate) verdict: Verdict,
    /// Captures and refunds that took place. More than two count as two.
    pub(crate) captures: u8,
    pub(crate) refunds: u8,
    /// The client's bank took the money back.
    pub(crate) charged_back: bool,
    /// A capture request that timed out for us and has not arrived there yet.
    pub(crate) in_flight: bool,
}

/// What the gateway stored under the key of the capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Unasked,
    Approved,
    Declined,
}

/// How a command is taken by a participant that is free to choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Luck {
    Good,
    /// A step is refused; an undo or a notice fails for now.
    Bad,
}

/// How a call of the gateway goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// It takes place and answers.
    Answered,
    /// It takes place; the answer is lost.
    Unheard,
    /// It times out and arrives later.
    Held,
    /// It is refused for now: refunds only.
    Failed,
}

/// A participant's new state and what it publishes.
type Handled = (Participants, Option<Answer>);

// === impl Participants ===

impl Participants {
    pub(crate) const START: Self = Self {
        facturacion: Doc::Nothing,
        confirmacion: Doc::Nothing,
        pago: Pago::Nothing,
        notificacion: Doc::Nothing,
        told: false,
        gateway: Gateway {
            verdict: Verdict::Unasked,
            captures: 0,
            refunds: 0,
            charged_back: false,
            in_flight: false,
        },
    };

    /// A command is delivered. `None`: this luck makes no difference here.
    pub(crate) fn handle(self, action: Action, luck: Luck) -> Option<Handled> {
        let answer = |how| Some(Answer::new(action, how));
        match action {
            Action::Do(Step::RealizarPago) => {
                // Neither refused nor failed here: the gateway decides, later.
                let (pago, how) = if luck == Luck::Good {
                    self.pago.prepare()?
                } else {
                    return None;
                };
                Some((Self { pago, ..self }, how.and_then(answer)))
            }
            Action::Undo(Step::RealizarPago) => {
                let (pago, how) = if luck == Luck::Good {
                    self.pago.bury()
                } else {
                    return None;
                };
                Some((Self { pago, ..self }, how.and_then(answer)))
            }
            Action::Do(step) => {
                let (doc, how) = self.doc(step).execute(luck)?;
                Some((self.with_doc(step, doc), answer(how)))
            }
            Action::Undo(step) => {
                let (doc, how) = self.doc(step).undo(luck)?;
                Some((self.with_doc(step, doc), answer(how)))
            }
            Action::AvisarReversion => match luck {
                Luck::Good => Some((Self { told: true, ..self }, answer(How::Done))),
                Luck::Bad if self.told => None,
                Luck::Bad => Some((self, answer(How::Failed))),
            },
        }
    }

    /// Integración-pagos works off its document: calls the gateway, stores what it learns, publishes. `None`: there is
    /// nothing to do, or this kind of call makes no difference.
    pub(crate) fn work(self, call: Call, approves: bool) -> Option<Handled> {
        let learn = |pago, gateway, reply| Some((Self { pago, gateway, ..self }, reply));
        let done = |how| Some(Answer::new(Action::Do(Step::RealizarPago), how));
        let undone = |how| Some(Answer::new(Action::Undo(Step::RealizarPago), how));
        let decided = self.gateway.capture(approves);
        match (self.pago, call) {
            (Pago::Nothing | Pago::Did | Pago::Refused | Pago::Undone, _)
            | (Pago::Prepared, Call::Failed)
            | (Pago::Reverting, Call::Failed | Call::Held)
            | (Pago::Refunding, Call::Held) => None,
            (Pago::Prepared, Call::Answered) => match decided.verdict {
                Verdict::Declined => learn(Pago::Refused, decided, done(How::Refused)),
                Verdict::Approved | Verdict::Unasked => learn(Pago::Did, decided, done(How::Done)),
            },
            (Pago::Prepared | Pago::Reverting, Call::Unheard) => learn(self.pago, decided, None),
            (Pago::Prepared, Call::Held) => learn(
                self.pago,
                Gateway {
                    in_flight: true,
                    ..self.gateway
                },
                None,
            ),
            // An unknown outcome is made definite by repeating the call with the same key.
            (Pago::Reverting, Call::Answered) => match decided.verdict {
                Verdict::Declined => learn(Pago::Undone, decided, undone(How::Done)),
                Verdict::Approved | Verdict::Unasked => learn(Pago::Refunding, decided, None),
            },
            (Pago::Refunding, Call::Answered) => learn(Pago::Undone, self.gateway.refund(), undone(How::Done)),
            (Pago::Refunding, Call::Unheard) => learn(self.pago, self.gateway.refund(), None),
            (Pago::Refunding, Call::Failed) => learn(self.pago, self.gateway, undone(How::Failed)),
        }
    }

    /// The document of a step other than the payment.
    pub(crate) fn doc(self, step: Step) -> Doc {
        match step {
            Step::CrearFacturacion => self.facturacion,
            Step::ConfirmarFacturacion => self.confirmacion,
            Step::CrearNotificacion => self.notificacion,
            Step::RealizarPago => match self.pago {
                Pago::Nothing => Doc::Nothing,
                Pago::Prepared | Pago::Did | Pago::Reverting | Pago::Refunding => Doc::Did,
                Pago::Refused => Doc::Refused,
                Pago::Undone => Doc::Undone,
            },
        }
    }

    fn with_doc(mut self, step: Step, doc: Doc) -> Self {
        match step {
            Step::CrearFacturacion => self.facturacion = doc,
            Step::ConfirmarFacturacion => self.confirmacion = doc,
            Step::CrearNotificacion => self.notificacion = doc,
            Step::RealizarPago => {}
        }
        self
    }
}

// === impl Doc ===

impl Doc {
    fn execute(self, luck: Luck) -> Option<(Self, How)> {
        match (self, luck) {
            (Self::Nothing, Luck::Good) => Some((Self::Did, How::Done)),
            (Self::Nothing, Luck::Bad) => Some((Self::Refused, How::Refused)),
            // The stored reply, again.
            (Self::Did, Luck::Good) => Some((self, How::Done)),
            // So does the tombstone answer: it refuses the late original.
            (Self::Refused | Self::Undone, Luck::Good) => Some((self, How::Refused)),
            (Self::Did | Self::Refused | Self::Undone, Luck::Bad) => None,
        }
    }

    fn undo(self, luck: Luck) -> Option<(Self, How)> {
        match (self, luck) {
            (_, Luck::Good) => Some((Self::Undone, How::Done)),
            (Self::Undone, Luck::Bad) => None,
            (Self::Nothing | Self::Did | Self::Refused, Luck::Bad) => Some((self, How::Failed)),
        }
    }
}

// === impl Pago ===

/// A new document and how the command is answered at once, if it is.
type Prompt = (Pago, Option<How>);

impl Pago {
    fn prepare(self) -> Option<Prompt> {
        Some(match self {
            Self::Nothing => (Self::Prepared, None),
            Self::Prepared => return None,
            Self::Did => (self, Some(How::Done)),
            // So does the tombstone answer: it refuses the late original.
            Self::Refused | Self::Reverting | Self::Refunding | Self::Undone => (self, Some(How::Refused)),
        })
    }

    fn bury(self) -> Prompt {
        match self {
            Self::Nothing | Self::Refused | Self::Undone => (Self::Undone, Some(How::Done)),
            Self::Prepared | Self::Reverting => (Self::Reverting, None),
            Self::Did | Self::Refunding => (Self::Refunding, None),
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// A capture arrives. Its key is the payment's identity: a repeated one finds the stored answer.
    fn capture(self, approves: bool) -> Self {
        match self.verdict {
            Verdict::Unasked if approves => Self {
                verdict: Verdict::Approved,
                captures: (self.captures + 1).min(2),
                ..self
            },
            Verdict::Unasked => Self {
                verdict: Verdict::Declined,
                ..self
            },
            Verdict::Approved | Verdict::Declined => self,
        }
    }

    /// A refund arrives. The same key again changes nothing; money charged back is not returned twice.
    fn refund(self) -> Self {
        if self.refunds > 0 || self.charged_back {
            return self;
        }
        Self {
            refunds: self.refunds + 1,
            ..self
        }
    }

    /// The capture that timed out for us arrives after all.
    pub(crate) fn land(self, approves: bool) -> Option<Self> {
        self.in_flight.then(|| Self {
            in_flight: false,
            ..self.capture(approves)
        })
    }

    /// The client's bank takes the money back.
    pub(crate) fn charge_back(self) -> Option<Self> {
        let can = self.captures > 0 && self.refunds == 0 && !self.charged_back;
        can.then_some(Self {
            charged_back: true,
            ..self
        })
    }

    /// What of the client's money is with us, in payments.
    pub(crate) fn balance(self) -> i8 {
        let [captures, refunds, charged_back] =
            [self.captures, self.refunds, u8::from(self.charged_back)].map(u8::cast_signed);
        captures - refunds - charged_back
    }
}
