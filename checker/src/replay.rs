//! Whether the engine gets from one recorded value to another, and by what.
//!
//! A record keeps where each step stands and why, not the answers that led there. So the question is turned round: is
//! there any sequence of answers, deadlines and people's words under which the engine comes to exactly this value, in
//! exactly as many transitions? Reasons and words that a later write replaced are kept nowhere; stand-ins take their
//! place.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use saga::{Applied, CauseKind, Controls, Memory, Next, Saga, apply, chargeback, next, obey};
use seedwork::contrato::Respuesta;
use seedwork::{Action, IdCorrelacion, Outcome, Reason, Step};

/// The most transitions between two versions that are searched. A watch that was cut off misses a few; a payment that
/// was retried for hours may have many more, and then nothing is said.
const LONGEST: u64 = 24;
/// The most values that are looked at between two versions.
const WIDEST: usize = 1 << 15;
/// Longer than any patience.
const LATE: Duration = Duration::from_secs(1 << 34);
/// The outstanding command was published, and its time is up.
const OUT_OF_TIME: Memory = Memory {
    elapsed: LATE,
    sends: 1,
    last_send: Some(LATE),
};

/// Two values that are too far apart to be compared with the engine.
pub(crate) struct Beyond;

/// What came of looking for a way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// One, as what happens on it. There may be others.
    Found(Vec<String>),
    /// None; these are the values that the engine comes to instead.
    None(Vec<Saga>),
    /// Nobody knows: too many values on the way.
    TooLong,
}

/// Something that may happen to a payment.
enum Event {
    Answer(Respuesta),
    TimeIsUp,
    Chargeback(Reason),
    Word(Controls),
}

/// A value that the engine comes to.
struct Reached<'a> {
    /// Shared with the set of what is known: there may be very many.
    saga: Rc<Saga>,
    /// The place of the value that it comes from, and what happened to that.
    before: Option<(usize, &'a Event)>,
}

/// Whether the engine, given the right answers, words and delays, comes to `to` some time after `from`. `None`: too far
/// apart to say.
pub(crate) fn leads(id: &IdCorrelacion, from: &Saga, to: &Saga) -> Option<bool> {
    if to.secuencia.saturating_sub(from.secuencia) > LONGEST {
        return None;
    }
    match way(id, from, to, WIDEST) {
        Way::Found(_) => Some(true),
        Way::None(_) => Some(false),
        Way::TooLong => None,
    }
}

/// Looks for a way of the engine's from one value to another, at no more values than about `most`. Not every value in
/// between need have been written.
pub fn way(id: &IdCorrelacion, from: &Saga, to: &Saga, most: usize) -> Way {
    if from == to {
        return Way::Found(Vec::new());
    }
    let events = events(id, to);
    let start = Rc::new(from.clone());
    let mut known = HashSet::from([Rc::clone(&start)]);
    let mut reached = vec![Reached {
        saga: start,
        before: None,
    }];
    let mut place = 0;
    while let Some(saga) = reached.get(place).map(|value| Rc::clone(&value.saga)) {
        if reached.len() > most {
            return Way::TooLong;
        }
        // An event may be several transitions at once, and none goes back.
        let goes_on = saga.secuencia < to.secuencia;
        for event in events.iter().filter(|_| goes_on) {
            let Some(after) = event.befall(&saga) else { continue };
            if after == *to {
                return Way::Found(told(&reached, place, event));
            }
            // Why something is undone is decided once.
            if after.cause.is_some() && after.cause != to.cause || known.contains(&after) {
                continue;
            }
            let after = Rc::new(after);
            known.insert(Rc::clone(&after));
            reached.push(Reached {
                saga: after,
                before: Some((place, event)),
            });
        }
        place += 1;
    }
    drop(known);
    let instead = reached.into_iter().map(|value| Rc::unwrap_or_clone(value.saga));
    Way::None(instead.collect())
}

/// What happens on the way to a value, and then to that.
fn told(reached: &[Reached<'_>], mut place: usize, last: &Event) -> Vec<String> {
    let mut told = vec![last.told(&reached[place].saga)];
    while let Some((before, event)) = reached[place].before {
        told.push(event.told(&reached[before].saga));
        place = before;
    }
    told.reverse();
    told
}

/// Everything that may happen on the way to a value and leave what is recorded.
fn events(id: &IdCorrelacion, to: &Saga) -> Vec<Event> {
    let answers = Action::all().flat_map(|action| {
        let answer = move |outcome| Respuesta {
            action,
            id_correlacion: id.clone(),
            outcome,
        };
        outcomes(action, to).into_iter().map(answer)
    });
    let mut events: Vec<Event> = answers.map(Event::Answer).collect();
    events.push(Event::TimeIsUp);
    let bank = to.cause.as_ref().filter(|cause| cause.kind == CauseKind::Chargeback);
    events.extend(bank.map(|cause| Event::Chargeback(cause.reason.clone())));
    events.extend(words(to).into_iter().map(Event::Word));
    events
}

/// The answers to a command: done, or not for any reason that is recorded or was replaced since.
fn outcomes(action: Action, to: &Saga) -> Vec<Outcome> {
    let own = |step: Step| to.pasos.iter().find(|paso| paso.nombre == step)?.motivo.clone();
    let stand_in = |which: u8| Reason::new(format!("NotKept{which}"), "(a reason that a later one replaced)");
    let mut outcomes = vec![Outcome::Done];
    match action {
        Action::Do(step) => {
            let cause = to.cause.as_ref().map(|cause| cause.reason.clone());
            let reasons = own(step).into_iter().chain(cause).chain([stand_in(1)]);
            outcomes.extend(reasons.map(Outcome::Refused));
        }
        Action::Undo(step) => {
            // Two, since only another reason than the one before is written.
            let reasons = own(step).into_iter().chain([stand_in(1), stand_in(2)]);
            outcomes.extend(reasons.map(Outcome::Failed));
        }
        Action::AvisarReversion => {}
    }
    outcomes
}

/// What people may have asked for. Of each annotation only the last is kept; where there is none there never was one.
fn words(to: &Saga) -> Vec<Controls> {
    let nothing = Controls::default;
    let turned = match to.cause.as_ref().map(|cause| cause.kind) {
        Some(CauseKind::Cancelled) => Some(Controls {
            cancel: true,
            ..nothing()
        }),
        Some(CauseKind::Deleted) => Some(Controls {
            deleted: true,
            ..nothing()
        }),
        Some(CauseKind::Refused | CauseKind::Expired | CauseKind::Chargeback) | None => None,
    };
    let each = |kept: &Option<String>| -> Vec<Option<String>> {
        let words = kept
            .iter()
            .flat_map(|last| [last.as_str(), "(an earlier one)", "(another earlier one)"]);
        words.map(|word| Some(word.to_owned())).collect()
    };
    let retries = each(&to.retry_seen).into_iter().map(|retry_requested| Controls {
        retry_requested,
        ..nothing()
    });
    let by_hand = each(&to.resolved_by).into_iter().map(|resolved_by| Controls {
        resolved_by,
        ..nothing()
    });
    turned.into_iter().chain(retries).chain(by_hand).collect()
}

// === impl Event ===

impl Event {
    /// What the engine makes of a payment that it happens to; `None` if that is nothing.
    fn befall(&self, saga: &Saga) -> Option<Saga> {
        let changed = |applied| match applied {
            Applied::Changed(saga) => Some(saga),
            Applied::Ignored(_) => None,
        };
        match self {
            // An answer to what was issued without a record comes after those to the steps before it.
            Self::Answer(reply) => {
                let mut asked = saga.outstanding().into_iter().chain(saga.owed());
                let was_asked = asked.any(|action| action == reply.action);
                was_asked.then(|| apply(saga, reply)).and_then(changed)
            }
            Self::TimeIsUp => match next(saga, &Controls::default(), &OUT_OF_TIME) {
                Next::Record(saga) => Some(saga),
                Next::Send(_) | Next::Wait(_) | Next::Rest | Next::Ended => None,
            },
            Self::Chargeback(reason) => changed(chargeback(saga, reason.clone())),
            Self::Word(controls) => obey(saga, controls),
        }
    }

    /// That it happens to a payment, in words.
    fn told(&self, saga: &Saga) -> String {
        match self {
            Self::Answer(Respuesta { action, outcome, .. }) => {
                let command = action.command_type();
                match outcome {
                    Outcome::Done => format!("{command}: done"),
                    Outcome::Refused(reason) => format!("{command}: refused, {reason}"),
                    Outcome::Failed(reason) => format!("{command}: failed, {reason}"),
                }
            }
            Self::TimeIsUp => {
                let command = saga.outstanding().map_or("nothing", Action::command_type);
                format!("{command}: its time is up")
            }
            Self::Chargeback(_) => "the client's bank takes the money back".to_owned(),
            Self::Word(Controls {
                cancel,
                suspend: _,
                deleted: _,
                retry_requested,
                resolved_by,
            }) => match (retry_requested, resolved_by) {
                (Some(word), _) => format!("a person asks for a retry: {word}"),
                (None, Some(word)) => format!("a person takes it over: {word}"),
                (None, None) if *cancel => "a person cancels it".to_owned(),
                (None, None) => "a person deletes it".to_owned(),
            },
        }
    }
}
