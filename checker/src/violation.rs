//! Every promise that can be broken.

use seedwork::{Action, IdCliente, IdCorrelacion, Phase, Step};

use crate::importe::Importe;
use crate::secrets::Leak;
use crate::verdict::Check;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A door said yes and there is no saga.
    Lost(IdCorrelacion),
    /// There is a saga that no request can account for.
    Unasked(IdCorrelacion),
    /// One `Idempotency-Key` was answered with two payments.
    OneKeyTwoPayments {
        /// The key.
        key: String,
        /// Its first payment.
        first: IdCorrelacion,
        /// Its second.
        second: IdCorrelacion,
    },
    /// Two requests were answered with one payment, so one of them was lost.
    Shared(IdCorrelacion),
    /// A payment that had begun began again under another resource.
    TwoSagas(IdCorrelacion),
    /// A saga is about another client or medium than was asked for.
    Altered(IdCorrelacion),

    /// A saga has not ended.
    NotEnded(IdCorrelacion, Phase),
    /// A saga waits for a person and does not say why.
    StalledWithoutReason(IdCorrelacion),
    /// A payment whose money the bank took back is completed all the same.
    ChargebackForgotten(IdCorrelacion),
    /// A saga ended, or was shown as stalled, too late.
    Late {
        /// Which payment.
        id: IdCorrelacion,
        /// How long it took from when it could last be disturbed, in milliseconds.
        took_ms: i64,
    },

    /// `secuencia` went back.
    SecuenciaBack {
        /// Which payment.
        id: IdCorrelacion,
        /// From.
        from: u64,
        /// To.
        to: u64,
    },
    /// Two different states were written under one `secuencia`: a forced write.
    Forked(IdCorrelacion, u64),
    /// The phase moved as the engine's table does not allow.
    PhaseMove {
        /// Which payment.
        id: IdCorrelacion,
        /// From.
        from: Phase,
        /// To.
        to: Phase,
    },
    /// The recorded phase is not what the recorded steps add up to.
    WrongPhase {
        /// Which payment.
        id: IdCorrelacion,
        /// What is written.
        recorded: Phase,
        /// What the engine says.
        derived: Phase,
    },
    /// Everything was said to be undone while this step was not.
    UndoSkipped(IdCorrelacion, Step),
    /// A step was undone before a later one.
    UndoOutOfOrder {
        /// Which payment.
        id: IdCorrelacion,
        /// The step that was undone first.
        step: Step,
        /// The later step that should have been.
        before: Step,
    },
    /// The engine makes no such write.
    NotTheEngine {
        /// Which payment.
        id: IdCorrelacion,
        /// The `secuencia` before it.
        from: u64,
        /// The `secuencia` that was written.
        to: u64,
    },

    /// A participant did the same thing twice.
    EffectTwice(IdCorrelacion, Action),
    /// A step had an effect after it was undone.
    EffectAfterUndo(IdCorrelacion, Step),
    /// What a step did was not undone when all was said to be.
    NotUndone(IdCorrelacion, Step),
    /// An undo changed something where there was nothing to undo.
    UndoOfNothing(IdCorrelacion, Step),
    /// A step had an effect whose saga never issued it.
    Unissued(IdCorrelacion, Step),

    /// Money was taken more than once.
    ChargedTwice(IdCorrelacion, usize),
    /// More was given back than was taken; minor units.
    RefundAboveCapture {
        /// Which payment.
        id: IdCorrelacion,
        /// What was taken.
        taken: i64,
        /// What was given back.
        returned: i64,
    },
    /// The gateway holds another amount than the saga's end says.
    WrongMoney {
        /// Which payment.
        id: IdCorrelacion,
        /// What the merchant holds, in minor units.
        held: i64,
        /// What it should hold.
        owed: i64,
    },
    /// Money is still set aside for a payment that was undone.
    MoneySetAside(IdCorrelacion),
    /// Something was done for a payment that has no saga.
    Orphan(String, Place),

    /// The amount changed on its way.
    WrongAmount {
        /// Which payment.
        id: IdCorrelacion,
        /// Where.
        hop: Hop,
        /// What was asked for.
        asked: Importe,
        /// What stands there.
        found: Importe,
    },

    /// The invoice says something else than the saga.
    WrongInvoice(IdCorrelacion, Option<String>),
    /// The client's plan says something else than its invoices.
    WrongPlan(IdCliente, String),
    /// Integración-pagos says something else than the saga and the gateway.
    WrongPayment(IdCorrelacion, Option<String>),
    /// The client was told something else than what happened.
    WrongNotification(IdCorrelacion, Vec<String>),
    /// The message provider delivered another number of messages than the notification says.
    WrongMessages {
        /// Which payment.
        id: IdCorrelacion,
        /// Which kind of notification.
        tipo: String,
        /// How many messages of it were delivered.
        delivered: usize,
    },
    /// The BFF shows something else than is recorded.
    WrongScreen {
        /// Which payment.
        id: IdCorrelacion,
        /// What it shows.
        shown: Option<Phase>,
        /// What is recorded.
        recorded: Phase,
    },

    /// A payment that has ended is not in the archive.
    NotArchived(IdCorrelacion),
    /// The archive has something else than the resource had.
    ArchiveDiffers(IdCorrelacion),
    /// The engine does not get to what the archive has.
    ArchiveNotReplayed(IdCorrelacion),

    /// Something secret stands where it can be read.
    Leaked(Leak),
    /// Something was written while nothing was asked for.
    Busy {
        /// What.
        what: String,
        /// How often.
        writes: u64,
    },
    /// Something grew and did not come back.
    NotBack {
        /// What.
        what: String,
        /// How much of it is left.
        after: u64,
        /// How much there may be.
        most: u64,
    },
}

/// A place that an amount passes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    /// The spec of the resource.
    Saga,
    /// The archived resource.
    Archive,
    /// The invoice.
    Invoice,
    /// The payment of integración-pagos: what was asked for.
    Payment,
    /// The payment of integración-pagos: what it says was taken.
    Taken,
    /// The authorisation in the gateway's ledger.
    Authorised,
    /// The capture in the gateway's ledger.
    Captured,
    /// What came back, in the gateway's ledger: only its currency is told.
    Returned,
    /// What a participant did.
    Effect(Action),
    /// The payment as the BFF shows it.
    Screen,
}

/// Where something of a payment is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The gateway's ledger.
    Gateway,
    /// The invoices.
    Invoice,
    /// The payments of integración-pagos.
    Payment,
    /// The notifications.
    Notification,
    /// The message provider's ledger.
    Message,
    /// What participants did.
    Effect,
}

// === impl Place ===

impl Place {
    fn check(self) -> Check {
        match self {
            Self::Gateway => Check::Money,
            Self::Invoice => Check::Invoices,
            Self::Payment => Check::Payments,
            Self::Notification => Check::Notifications,
            Self::Message => Check::Messages,
            Self::Effect => Check::Effects,
        }
    }
}

/// The account that says what was done of a step: of the gateway's part, its ledger.
fn account(step: Step) -> Check {
    match step {
        Step::RealizarPago => Check::Ledger,
        Step::CrearFacturacion | Step::ConfirmarFacturacion | Step::CrearNotificacion => Check::Effects,
    }
}

// === impl Violation ===

impl Violation {
    /// The payment that it is about, if it is about one.
    pub fn payment(&self) -> Option<&IdCorrelacion> {
        match self {
            Self::Lost(id)
            | Self::Unasked(id)
            | Self::OneKeyTwoPayments { second: id, .. }
            | Self::Shared(id)
            | Self::TwoSagas(id)
            | Self::Altered(id)
            | Self::NotEnded(id, _)
            | Self::StalledWithoutReason(id)
            | Self::ChargebackForgotten(id)
            | Self::Late { id, .. }
            | Self::SecuenciaBack { id, .. }
            | Self::Forked(id, _)
            | Self::PhaseMove { id, .. }
            | Self::WrongPhase { id, .. }
            | Self::UndoSkipped(id, _)
            | Self::UndoOutOfOrder { id, .. }
            | Self::NotTheEngine { id, .. }
            | Self::EffectTwice(id, _)
            | Self::EffectAfterUndo(id, _)
            | Self::NotUndone(id, _)
            | Self::UndoOfNothing(id, _)
            | Self::Unissued(id, _)
            | Self::ChargedTwice(id, _)
            | Self::RefundAboveCapture { id, .. }
            | Self::WrongMoney { id, .. }
            | Self::MoneySetAside(id)
            | Self::WrongAmount { id, .. }
            | Self::WrongInvoice(id, _)
            | Self::WrongPayment(id, _)
            | Self::WrongNotification(id, _)
            | Self::WrongMessages { id, .. }
            | Self::WrongScreen { id, .. }
            | Self::NotArchived(id)
            | Self::ArchiveDiffers(id)
            | Self::ArchiveNotReplayed(id) => Some(id),
            Self::Orphan(..) | Self::WrongPlan(..) | Self::Leaked(_) | Self::Busy { .. } | Self::NotBack { .. } => None,
        }
    }

    /// The check that finds it.
    pub fn check(&self) -> Check {
        match self {
            Self::Lost(_)
            | Self::Unasked(_)
            | Self::OneKeyTwoPayments { .. }
            | Self::Shared(_)
            | Self::TwoSagas(_)
            | Self::Altered(_) => Check::Requests,
            Self::NotEnded(..) | Self::StalledWithoutReason(_) | Self::ChargebackForgotten(_) => Check::Ends,
            Self::Late { .. } => Check::Bound,
            Self::SecuenciaBack { .. }
            | Self::Forked(..)
            | Self::PhaseMove { .. }
            | Self::WrongPhase { .. }
            | Self::UndoSkipped(..)
            | Self::UndoOutOfOrder { .. }
            | Self::NotTheEngine { .. } => Check::History,
            Self::EffectTwice(_, Action::Do(step) | Action::Undo(step))
            | Self::EffectAfterUndo(_, step)
            | Self::NotUndone(_, step)
            | Self::UndoOfNothing(_, step)
            | Self::Unissued(_, step) => account(*step),
            Self::EffectTwice(_, Action::AvisarReversion) => Check::Effects,
            Self::ChargedTwice(..)
            | Self::RefundAboveCapture { .. }
            | Self::WrongMoney { .. }
            | Self::MoneySetAside(_) => Check::Money,
            Self::Orphan(_, place) => place.check(),
            Self::WrongAmount { .. } => Check::Amounts,
            Self::WrongInvoice(..) => Check::Invoices,
            Self::WrongPlan(..) => Check::Plans,
            Self::WrongPayment(..) => Check::Payments,
            Self::WrongNotification(..) => Check::Notifications,
            Self::WrongMessages { .. } => Check::Messages,
            Self::WrongScreen { .. } => Check::Screens,
            Self::NotArchived(_) | Self::ArchiveDiffers(_) | Self::ArchiveNotReplayed(_) => Check::Archive,
            Self::Leaked(_) => Check::Secrets,
            Self::Busy { .. } => Check::Idle,
            Self::NotBack { .. } => Check::Baseline,
        }
    }
}
