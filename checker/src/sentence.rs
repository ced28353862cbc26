//! Each violation as a sentence.

use std::fmt;

use seedwork::{Action, Phase};

use crate::violation::{Hop, Place, Violation};

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(id) => write!(f, "{id} was accepted and has no saga"),
            Self::Unasked(id) => write!(f, "{id} has a saga and nobody asked for it"),
            Self::OneKeyTwoPayments { key, first, second } => {
                write!(f, "the key {key} was answered with {first} and with {second}")
            }
            Self::Shared(id) => write!(f, "two requests were answered with {id}"),
            Self::TwoSagas(id) => write!(f, "{id} began a second time"),
            Self::Altered(id) => write!(f, "{id} is about another client or medium than was asked for"),
            Self::NotEnded(id, phase) => write!(f, "{id} has not ended: {phase}"),
            Self::StalledWithoutReason(id) => write!(f, "{id} is stalled without a reason"),
            Self::ChargebackForgotten(id) => write!(f, "the bank took {id} back, and it is completed"),
            Self::Late { id, took_ms } => write!(f, "{id} took {took_ms} ms to its end"),
            Self::SecuenciaBack { id, from, to } => write!(f, "{id}: secuencia went from {from} to {to}"),
            Self::Forked(id, secuencia) => write!(f, "{id}: secuencia {secuencia} was written twice, differently"),
            Self::PhaseMove { id, from, to } => write!(f, "{id} went from {from} to {to}"),
            Self::WrongPhase { id, recorded, derived } => {
                write!(f, "{id} is recorded as {recorded}, its steps say {derived}")
            }
            Self::UndoSkipped(id, step) => write!(f, "{id} was ended without undoing {step}"),
            Self::UndoOutOfOrder { id, step, before } => write!(f, "{id}: {step} was undone before {before}"),
            Self::NotTheEngine { id, from, to } => {
                write!(f, "{id}: the engine does not lead from secuencia {from} to {to}")
            }
            Self::EffectTwice(id, action) => write!(f, "{id}: {} had an effect twice", action.command_type()),
            Self::EffectAfterUndo(id, step) => write!(f, "{id}: {step} had an effect after it was undone"),
            Self::NotUndone(id, step) => write!(f, "{id}: all was said to be undone, and what {step} did was not"),
            Self::UndoOfNothing(id, step) => {
                let command = Action::Undo(*step).command_type();
                write!(f, "{id}: {command} changed something where {step} had done nothing")
            }
            Self::Unissued(id, step) => write!(f, "{id}: {step} had an effect and was never issued"),
            Self::ChargedTwice(id, times) => write!(f, "{id} was charged {times} times"),
            Self::RefundAboveCapture { id, taken, returned } => {
                write!(f, "{id}: {taken} was taken and {returned} given back")
            }
            Self::WrongMoney { id, held, owed } => write!(f, "{id}: the gateway holds {held}, the saga says {owed}"),
            Self::MoneySetAside(id) => write!(f, "{id} was undone, but money is still set aside for it"),
            Self::Orphan(id, place) => write!(f, "{id} has no saga, and {place}"),
            Self::WrongAmount { id, hop, asked, found } => {
                write!(f, "{id}: {asked} was asked for, {hop} says {found}")
            }
            Self::WrongInvoice(id, Some(estado)) => write!(f, "{id}: the invoice says {estado}"),
            Self::WrongInvoice(id, None) => write!(f, "{id} has no invoice"),
            Self::WrongPlan(id, plan) => write!(f, "the plan of client {id} says {plan}"),
            Self::WrongPayment(id, Some(estado)) => write!(f, "{id}: integración-pagos says {estado}"),
            Self::WrongPayment(id, None) => write!(f, "{id} is unknown to integración-pagos"),
            Self::WrongNotification(id, told) if told.is_empty() => write!(f, "{id}: the client was told nothing"),
            Self::WrongNotification(id, told) => write!(f, "{id}: the client was told {}", told.join(", ")),
            Self::WrongMessages { id, tipo, delivered } => {
                write!(f, "{id}: {delivered} messages of {tipo} were delivered")
            }
            Self::WrongScreen { id, shown, recorded } => {
                let shown = shown.map_or("nothing", Phase::as_str);
                write!(f, "{id}: the BFF shows {shown}, {recorded} is recorded")
            }
            Self::NotArchived(id) => write!(f, "{id} has ended and is not in the archive"),
            Self::ArchiveDiffers(id) => write!(f, "{id}: the archive has another end than the resource"),
            Self::ArchiveNotReplayed(id) => write!(f, "{id}: the engine does not get to the archived end"),
            Self::Leaked(leak) => leak.fmt(f),
            Self::Busy { what, writes } => write!(f, "{what}: {writes} writes while nothing was asked for"),
            Self::NotBack { what, after, most } => write!(f, "{what}: {after} left, at most {most} may be"),
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saga => f.write_str("the resource"),
            Self::Archive => f.write_str("the archive"),
            Self::Invoice => f.write_str("the invoice"),
            Self::Payment => f.write_str("the payment"),
            Self::Taken => f.write_str("the payment's charge"),
            Self::Authorised => f.write_str("the gateway's authorisation"),
            Self::Captured => f.write_str("the gateway's capture"),
            Self::Returned => f.write_str("the gateway's return of it"),
            Self::Effect(action) => f.write_str(action.command_type()),
            Self::Screen => f.write_str("the BFF"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "the gateway moved money for it",
            Self::Invoice => "there is an invoice of it",
            Self::Payment => "integración-pagos knows it",
            Self::Notification => "there is a notification about it",
            Self::Message => "a message about it was delivered",
            Self::Effect => "a participant did something for it",
        })
    }
}
