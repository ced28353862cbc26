//! What the engine can do with a payment, from its start to a recorded end. Pure.
//!
//! The archive keeps where each step stands and why, not the answers that led there. So the question is turned round:
//! is there any sequence of answers, deadlines and people's words under which the engine writes exactly this value, in
//! exactly as many transitions? Reasons that a later write replaced are not kept anywhere; stand-ins take their place.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use saga::{Applied, CauseKind, Controls, Memory, Next, Saga, apply, chargeback, next};
use seedwork::contrato::Respuesta;
use seedwork::{Action, IdCorrelacion, Outcome, Reason, Step};

/// Values that are looked at before a story counts as too long to be told.
pub(super) const MOST: usize = 200_000;

/// The outstanding command was published, and its time is up, however long it is.
const OUT_OF_TIME: Memory = Memory {
    elapsed: Duration::from_hours(24 * 365 * 100),
    sends: 1,
    last_send: Some(Duration::from_hours(24 * 365 * 100)),
};

/// The same, and its time has just begun.
const JUST_SENT: Memory = Memory {
    elapsed: Duration::ZERO,
    sends: 1,
    last_send: Some(Duration::ZERO),
};

/// What came of looking for a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Story {
    /// One that leads there; there may be others.
    Told(Vec<String>),
    /// None does; this is what comes nearest.
    None(Box<Saga>),
    /// Nobody knows: too many values on the way.
    TooLong,
}

struct Node {
    /// Shared with the set of what is known: there may be very many.
    saga: Rc<Saga>,
    before: Option<(usize, String)>,
}

/// Looks for a story that ends in `recorded`, at no more values than about `most`.
pub(super) fn find(id: &IdCorrelacion, recorded: &Saga, most: usize) -> Story {
    let start = Rc::new(Saga::start(recorded.politica.clone()));
    let mut known = HashSet::from([Rc::clone(&start)]);
    let mut nodes = vec![Node {
        saga: start,
        before: None,
    }];
    let mut position = 0;
    while let Some(Node { saga, .. }) = nodes.get(position) {
        if **saga == *recorded {
            return Story::Told(told(&nodes, position));
        }
        if nodes.len() > most {
            return Story::TooLong;
        }
        if saga.secuencia < recorded.secuencia {
            for (event, saga) in events(id, saga, recorded) {
                // A cause is never taken back, so with another one than the recorded there is no way there.
                if saga.cause.is_some() && saga.cause != recorded.cause || known.contains(&saga) {
                    continue;
                }
                let saga = Rc::new(saga);
                known.insert(Rc::clone(&saga));
                nodes.push(Node {
                    saga,
                    before: Some((position, event)),
                });
            }
        }
        position += 1;
    }
    let nearest = nodes.into_iter().min_by_key(|node| {
        let differences = differences(recorded, &node.saga).len();
        // Of two that are as near, one that has ended, since the recorded one should have.
        (differences, !node.saga.ended())
    });
    Story::None(Box::new(
        nearest.map_or_else(|| recorded.clone(), |node| Saga::clone(&node.saga)),
    ))
}

fn told(nodes: &[Node], end: usize) -> Vec<String> {
    let mut events = Vec::new();
    let mut position = end;
    while let Some((before, event)) = &nodes[position].before {
        events.push(event.clone());
        position = *before;
    }
    events.reverse();
    events
}

/// Everything that may happen now and could have left what is recorded.
fn events(id: &IdCorrelacion, saga: &Saga, recorded: &Saga) -> Vec<(String, Saga)> {
    let mut events = Vec::new();
    let outstanding = saga.outstanding();
    for action in outstanding.into_iter().chain(saga.owed()) {
        for outcome in outcomes(action, recorded) {
            let told = format!("{}: {}", action.command_type(), shown(&outcome));
            let reply = Respuesta {
                action,
                id_correlacion: id.clone(),
                outcome,
            };
            if let Applied::Changed(changed) = apply(saga, &reply) {
                events.push((told, changed));
            }
        }
    }
    if let Some(action) = outstanding
        && let Next::Record(changed) = next(saga, &Controls::default(), &OUT_OF_TIME)
    {
        events.push((format!("{}: its time is up", action.command_type()), changed));
    }
    let cause = recorded.cause.as_ref();
    if let Some(cause) = cause.filter(|cause| cause.kind == CauseKind::Chargeback)
        && let Applied::Changed(changed) = chargeback(saga, cause.reason.clone())
    {
        events.push(("the client's bank takes the money back".to_owned(), changed));
    }
    for (told, controls) in words(recorded) {
        if let Next::Record(changed) = next(saga, &controls, &JUST_SENT) {
            events.push((told, changed));
        }
    }
    events
}

/// The answers to a command: done, or not for any reason that is recorded or was replaced since.
fn outcomes(action: Action, recorded: &Saga) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Done];
    let of_step = |step: Step| recorded.pasos.iter().find(|paso| paso.nombre == step);
    match action {
        Action::Do(step) => {
            let own = of_step(step).and_then(|paso| paso.motivo.clone());
            let cause = recorded.cause.as_ref().map(|cause| cause.reason.clone());
            let reasons = own.into_iter().chain(cause).chain([stand_in("1")]);
            outcomes.extend(reasons.map(Outcome::Refused));
        }
        Action::Undo(step) => {
            let own = of_step(step).and_then(|paso| paso.motivo.clone());
            // Two, since only another reason than the one before is written.
            let reasons = own.into_iter().chain([stand_in("1"), stand_in("2")]);
            outcomes.extend(reasons.map(Outcome::Failed));
        }
        Action::AvisarReversion => {}
    }
    outcomes
}

/// What people may have asked for. Only the last of each annotation is kept.
fn words(recorded: &Saga) -> Vec<(String, Controls)> {
    let mut words = Vec::new();
    match recorded.cause.as_ref().map(|cause| cause.kind) {
        Some(CauseKind::Cancelled) => words.push((
            "a person cancels it".to_owned(),
            Controls {
                cancel: true,
                ..Controls::default()
            },
        )),
        Some(CauseKind::Deleted) => words.push((
            "a person deletes it".to_owned(),
            Controls {
                deleted: true,
                ..Controls::default()
            },
        )),
        Some(CauseKind::Refused | CauseKind::Expired | CauseKind::Chargeback) | None => {}
    }
    let earlier = |kept: &Option<String>| {
        let kept = kept.clone();
        let stand_ins = ["(an earlier one)", "(another earlier one)"].map(str::to_owned);
        kept.map(|kept| [kept].into_iter().chain(stand_ins))
            .into_iter()
            .flatten()
    };
    words.extend(earlier(&recorded.retry_seen).map(|value| {
        let controls = Controls {
            retry_requested: Some(value.clone()),
            ..Controls::default()
        };
        (format!("a person asks for a retry: {value}"), controls)
    }));
    words.extend(earlier(&recorded.resolved_by).map(|value| {
        let controls = Controls {
            resolved_by: Some(value.clone()),
            ..Controls::default()
        };
        (format!("a person takes it over: {value}"), controls)
    }));
    words
}

fn stand_in(which: &str) -> Reason {
    Reason::new(format!("NotKept{which}"), "(a reason that a later one replaced)")
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(reason) => format!("refused, {reason}"),
        Outcome::Failed(reason) => format!("failed, {reason}"),
    }
}

/// What is recorded and what the engine has, where the two differ.
pub(super) fn differences(recorded: &Saga, engine: &Saga) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, recorded: String, engine: String| {
        if recorded != engine {
            found.push(format!("{what}: recorded {recorded}, the engine has {engine}"));
        }
    };
    // Without `..`: a new field is compared, or this does not compile.
    let Saga {
        politica: _,
        secuencia,
        pasos,
        aviso,
        cause,
        retry_seen,
        resolved_by,
    } = recorded;
    compare("secuencia", secuencia.to_string(), engine.secuencia.to_string());
    for index in 0..pasos.len().max(engine.pasos.len()) {
        let text = |saga: &Saga| {
            saga.pasos.get(index).map_or_else(
                || "nothing".to_owned(),
                |paso| {
                    let reason = paso.motivo.as_ref().map(|reason| format!(" ({reason})"));
                    format!("{} {:?}{}", paso.nombre, paso.estado, reason.unwrap_or_default())
                },
            )
        };
        compare(&format!("step {}", index + 1), text(recorded), text(engine));
    }
    compare("aviso", format!("{aviso:?}"), format!("{:?}", engine.aviso));
    compare("cause", format!("{cause:?}"), format!("{:?}", engine.cause));
    compare(
        "retrySeen",
        format!("{retry_seen:?}"),
        format!("{:?}", engine.retry_seen),
    );
    compare(
        "resolvedBy",
        format!("{resolved_by:?}"),
        format!("{:?}", engine.resolved_by),
    );
    found
}

#[cfg(test)]
#[path = "story_tests.rs"]
pub(super) mod tests;
