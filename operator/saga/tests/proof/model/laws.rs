//! What must hold: of every recorded value, at every write, in every world.

use saga::{Aviso, StepState, allowed};
use seedwork::{Phase, Step};

use super::engine::View;
use super::participants::{Doc, Pago, Participants};

/// The law that is broken.
pub(crate) type Broken = String;

/// Of every value that is written.
pub(crate) fn shape(view: &View) -> Result<(), Broken> {
    // A step's rank never grows along the list, and at most one step is being done or undone.
    let rank = |estado| match estado {
        StepState::Done | StepState::Refused | StepState::Expired => 0,
        StepState::Issued | StepState::Undoing | StepState::UndoFailing => 1,
        StepState::Undone | StepState::Resolved => 2,
        StepState::Pending => 3,
    };
    let ranks: Vec<u8> = view.estados.iter().map(|(_, estado)| rank(*estado)).collect();
    let active = view.estados.iter().filter(|(_, estado)| rank(*estado) == 1).count();
    law(ranks.is_sorted(), || format!("steps out of order: {:?}", view.estados))?;
    law(active <= 1, || format!("two commands outstanding: {:?}", view.estados))?;
    let any = |wanted: &[StepState]| view.estados.iter().any(|(_, estado)| wanted.contains(estado));
    let undoing = any(&[StepState::Undoing, StepState::UndoFailing]);
    let kept = any(&[
        StepState::Issued,
        StepState::Done,
        StepState::Refused,
        StepState::Expired,
    ]);
    let undone = any(&[
        StepState::Undoing,
        StepState::UndoFailing,
        StepState::Undone,
        StepState::Resolved,
    ]);
    let fits = match view.aviso {
        Aviso::NotNeeded => !undone,
        Aviso::Pending => undoing,
        Aviso::Issued | Aviso::Done | Aviso::Skipped | Aviso::Failed => !undoing && !kept,
    };
    law(fits, || {
        format!("the notice is {:?} while the steps are {:?}", view.aviso, view.estados)
    })?;
    let ended = matches!(view.phase, Phase::Completed | Phase::Compensated);
    law(ended == view.outstanding.is_none(), || {
        format!("{} with {:?} outstanding", view.phase, view.outstanding)
    })?;
    law(view.phase != Phase::Stalled || view.reason.is_some(), || {
        "stalled without a reason".to_owned()
    })
}

/// Of every write.
pub(crate) fn write(old: &View, new: &View) -> Result<(), Broken> {
    law(new.secuencia > old.secuencia, || {
        format!("secuencia went from {} to {}", old.secuencia, new.secuencia)
    })?;
    law(allowed(Some(old.phase), new.phase), || {
        format!("phase went from {} to {}", old.phase, new.phase)
    })?;
    law(new.retried || !old.retried, || {
        "a word that was acted on is forgotten".to_owned()
    })?;
    for ((step, from), (_, to)) in old.estados.iter().zip(&new.estados) {
        law(from == to || may_become(*from).contains(to), || {
            format!("{step} went from {from:?} to {to:?}")
        })?;
    }
    shape(new)
}

/// Which states a step may have after this one.
fn may_become(from: StepState) -> &'static [StepState] {
    match from {
        // Several transitions may be one write.
        StepState::Pending => &[
            StepState::Issued,
            StepState::Done,
            StepState::Refused,
            StepState::Expired,
            StepState::Undoing,
        ],
        StepState::Issued => &[
            StepState::Done,
            StepState::Refused,
            StepState::Expired,
            StepState::Undoing,
        ],
        StepState::Done | StepState::Refused | StepState::Expired => &[StepState::Undoing],
        StepState::Undoing => &[StepState::UndoFailing, StepState::Undone],
        StepState::UndoFailing => &[StepState::Undoing, StepState::Undone, StepState::Resolved],
        // Its participant answers at last.
        StepState::Resolved => &[StepState::Undone],
        StepState::Undone => &[],
    }
}

/// Of every world: the record against what the participants and the gateway really hold.
pub(crate) fn world(view: &View, participants: Participants) -> Result<(), Broken> {
    let gateway = participants.gateway;
    law(gateway.captures <= 1, || "the money was captured twice".to_owned())?;
    law(gateway.balance() >= 0, || {
        format!("more money was returned than taken: {gateway:?}")
    })?;
    let mut issued = false;
    for (step, estado) in &view.estados {
        let doc = participants.doc(*step);
        issued = (issued || *estado == StepState::Issued) && !(*estado == StepState::Pending && step.moves_money());
        let agrees = match estado {
            // After the step being done others may have been, up to the next one that moves money.
            StepState::Pending => issued || doc == Doc::Nothing,
            StepState::Issued | StepState::Expired => doc != Doc::Undone,
            StepState::Done => doc == Doc::Did,
            StepState::Refused => doc == Doc::Refused,
            StepState::Undone => doc == Doc::Undone,
            StepState::Undoing | StepState::UndoFailing | StepState::Resolved => true,
        };
        law(agrees, || {
            format!("{step} is recorded as {estado:?}, its participant holds {doc:?}")
        })?;
    }
    if !view.resolved {
        for (earlier, later) in Step::ALL.iter().zip(&Step::ALL[1..]) {
            let kept = |step| participants.doc(step) == Doc::Did;
            law(!kept(*later) || kept(*earlier), || {
                format!("{later} has an effect while {earlier} has none")
            })?;
        }
    }
    match view.phase {
        Phase::Pending | Phase::Running | Phase::Compensating | Phase::Stalled => Ok(()),
        Phase::Completed => law(
            participants.pago == Pago::Did && gateway.captures == 1 && gateway.refunds == 0,
            || format!("completed without the money: {gateway:?}"),
        ),
        Phase::Compensated => {
            law(view.resolved || gateway.balance() == 0, || {
                format!("compensated with money kept: {gateway:?}")
            })?;
            law(view.aviso != Aviso::Done || participants.told, || {
                "nobody told the client".to_owned()
            })
        }
    }
}

/// Of a world in which, undisturbed, nothing more happens.
pub(crate) fn rest(view: &View, participants: Participants) -> Result<(), Broken> {
    let ended = matches!(view.phase, Phase::Completed | Phase::Compensated);
    law(ended, || {
        format!("nothing is left to do, and the payment is {}", view.phase)
    })?;
    law(view.owed.is_none(), || {
        format!("nothing is left to do, and {:?} is owed", view.owed)
    })?;
    let heeded = !participants.gateway.charged_back || view.phase != Phase::Completed;
    law(heeded, || "the bank took the money back and nobody heard".to_owned())?;
    world(view, participants)
}

fn law(holds: bool, broken: impl FnOnce() -> Broken) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(broken()) }
}
