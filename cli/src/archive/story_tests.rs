//! Stories that the engine told, found again; and values that it never writes.

use std::time::Duration;

use operator::crd::PaymentSaga;
use operator::resource;
use saga::{Applied, Controls, Memory, Next, OnExhausted, Politica, StepState, apply, chargeback, next, obey};
use seedwork::contrato::Respuesta;
use seedwork::{Action, App, MedioPago, Moneda, Outcome, Reason, SolicitudPago, Step};

use super::*;

pub(crate) fn payment() -> IdCorrelacion {
    IdCorrelacion::parse("p-1").unwrap()
}

/// Its archived resource, as the operator writes it.
pub(crate) fn archived(saga: &Saga) -> PaymentSaga {
    let solicitud = SolicitudPago::parse(MedioPago::Pse.as_str(), "c-1", "24.00", Moneda::USD).unwrap();
    let mut object = resource::new_resource(&payment(), &solicitud, saga.politica.clone(), App::Bff, None);
    let now: jiff::Timestamp = "2026-11-24T18:00:00Z".parse().unwrap();
    object.status = Some(resource::status(&object, saga, now));
    object
}

fn start(notificacion: OnExhausted) -> Saga {
    Saga::start(Politica::standard(notificacion))
}

/// The payment after an answer to its outstanding command, or to what is owed after its end.
fn answered(saga: &Saga, outcome: Outcome) -> Saga {
    let reply = Respuesta {
        action: saga.outstanding().or(saga.owed().next()).unwrap(),
        id_correlacion: payment(),
        outcome,
    };
    match apply(saga, &reply) {
        Applied::Changed(changed) => changed,
        Applied::Ignored(why) => panic!("{reply:?}: {why:?}"),
    }
}

/// The payment after a person's word.
fn told(saga: &Saga, controls: &Controls) -> Saga {
    obey(saga, controls).unwrap()
}

/// The payment whose outstanding command nobody answers in time.
fn unheard(saga: &Saga) -> Saga {
    let late = Duration::from_hours(24 * 365 * 100);
    let memory = Memory {
        elapsed: late,
        sends: 1,
        last_send: Some(late),
    };
    match next(saga, &Controls::default(), &memory) {
        Next::Record(changed) => changed,
        other @ (Next::Send(_) | Next::Wait(_) | Next::Rest | Next::Ended) => panic!("{other:?}"),
    }
}

/// Every outstanding command is answered with "done" until it ends.
fn go_on(mut saga: Saga) -> Saga {
    while !saga.ended() {
        saga = answered(&saga, Outcome::Done);
    }
    saga
}

fn reason(motivo: &str) -> Reason {
    Reason::new(motivo, format!("{motivo}, in words"))
}

pub(crate) fn completed() -> Saga {
    go_on(start(OnExhausted::Continue))
}

pub(crate) fn declined() -> Saga {
    let at_gateway = answered(&start(OnExhausted::Continue), Outcome::Done);
    go_on(answered(&at_gateway, Outcome::Refused(reason("Declinada"))))
}

/// An undo that fails for one reason after the other, stalls, is tried again at a person's word, and is settled by one.
fn stalled_and_settled() -> Saga {
    let at_gateway = answered(&start(OnExhausted::Continue), Outcome::Done);
    let mut saga = told(
        &at_gateway,
        &Controls {
            cancel: true,
            ..Controls::default()
        },
    );
    saga = answered(&saga, Outcome::Failed(reason("Ocupado")));
    saga = unheard(&saga);
    for motivo in ["Caido", "Ocupado", "Cerrado"] {
        saga = answered(&saga, Outcome::Failed(reason(motivo)));
    }
    for request in ["2026-11-24T18:00", "2026-11-24T19:00"] {
        let retry_requested = Some(request.to_owned());
        saga = told(
            &saga,
            &Controls {
                retry_requested,
                ..Controls::default()
            },
        );
    }
    saga = unheard(&saga);
    let resolved_by = Some("ana: refunded by hand".to_owned());
    saga = told(
        &saga,
        &Controls {
            resolved_by,
            ..Controls::default()
        },
    );
    go_on(saga)
}

/// Ends of every kind, as the engine makes them.
pub(crate) fn ends() -> Vec<(&'static str, Saga)> {
    let started = || start(OnExhausted::Continue);
    let at_notification = |notificacion| (0..3).fold(start(notificacion), |saga, _| answered(&saga, Outcome::Done));
    let charged_back = |saga: &Saga| match chargeback(saga, reason("Fraude")) {
        Applied::Changed(changed) => changed,
        Applied::Ignored(why) => panic!("{why:?}"),
    };
    let untold = {
        let mut saga = answered(&started(), Outcome::Refused(reason("ClienteInexistente")));
        while saga.outstanding() != Some(Action::AvisarReversion) && !saga.ended() {
            saga = answered(&saga, Outcome::Done);
        }
        saga
    };
    let deleted = Controls {
        deleted: true,
        ..Controls::default()
    };
    vec![
        ("completed", completed()),
        ("declined", declined()),
        ("unknown client", go_on(untold)),
        ("gateway silent", go_on(unheard(&answered(&started(), Outcome::Done)))),
        (
            "completed without a notification",
            go_on(answered(
                &at_notification(OnExhausted::Continue),
                Outcome::Refused(reason("SinMedio")),
            )),
        ),
        (
            "undone for want of a notification",
            go_on(answered(
                &at_notification(OnExhausted::Compensate),
                Outcome::Refused(reason("SinMedio")),
            )),
        ),
        ("charged back after its end", go_on(charged_back(&completed()))),
        (
            "charged back, without a notification",
            go_on(charged_back(&answered(
                &at_notification(OnExhausted::Continue),
                Outcome::Refused(reason("SinMedio")),
            ))),
        ),
        ("deleted", go_on(told(&started(), &deleted))),
        ("stalled and settled", stalled_and_settled()),
        (
            "settled in silence, undone at last",
            answered(&stalled_and_settled(), Outcome::Done),
        ),
        (
            "settled in silence, refused at last",
            answered(&stalled_and_settled(), Outcome::Failed(reason("Cerrado"))),
        ),
    ]
}

/// An event is one transition, or several: a deadline owns up to what may have followed its step unrecorded.
#[test]
fn every_end_that_the_engine_makes_has_a_story_of_no_more_events_than_transitions() {
    for (name, saga) in ends() {
        match find(&payment(), &saga, MOST) {
            Way::Found(events) => assert!(
                u64::try_from(events.len()).unwrap() < saga.secuencia,
                "{name}: {events:#?}"
            ),
            other @ (Way::None(_) | Way::TooLong) => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_story_is_told_in_words() {
    let Way::Found(events) = find(&payment(), &declined(), MOST) else {
        panic!("there is one");
    };
    assert_eq!(events[0], "CrearFacturacion: done");
    assert!(events[1].starts_with("RealizarPago: refused, Declinada"), "{events:?}");
}

/// A transition more of a payment that was undone may be an undo that failed once; one that completed has none to spare.
#[test]
fn a_payment_that_completed_has_as_many_transitions_as_it_takes() {
    let mut saga = completed();
    saga.secuencia += 1;
    assert!(matches!(find(&payment(), &saga, MOST), Way::None(_)));
    let mut saga = declined();
    saga.secuencia += 1;
    let Way::Found(events) = find(&payment(), &saga, MOST) else {
        panic!("an undo may fail");
    };
    assert!(
        events.iter().any(|event| event.contains("failed, NotKept")),
        "{events:?}"
    );
}

type Change = Box<dyn Fn(&mut Saga)>;

#[test]
fn a_value_with_anything_changed_has_none_and_what_comes_nearest_shows_where() {
    let step = |index: usize, estado: StepState| move |saga: &mut Saga| saga.pasos[index].estado = estado;
    let changes: Vec<(&str, Change, &str)> = vec![
        (
            "a step that was not undone",
            Box::new(step(1, StepState::Done)),
            "step 2: recorded RealizarPago Done",
        ),
        (
            "a step that was never issued",
            Box::new(step(0, StepState::Pending)),
            "step 1: recorded",
        ),
        (
            "a transition too few",
            Box::new(|saga| saga.secuencia -= 1),
            "aviso: recorded Done, the engine has Issued",
        ),
        (
            "nobody knows why",
            Box::new(|saga| saga.cause = None),
            "aviso: recorded Done, the engine has NotNeeded",
        ),
        (
            "somebody else's refusal",
            Box::new(|saga| {
                if let Some(cause) = &mut saga.cause {
                    cause.step = Some(Step::CrearNotificacion);
                }
            }),
            "cause",
        ),
        (
            "a reason that came from nowhere",
            Box::new(|saga| saga.pasos[0].motivo = Some(reason("X"))),
            "step 1",
        ),
        (
            "settled by nobody's word",
            Box::new(step(1, StepState::Resolved)),
            "step 2",
        ),
        (
            "a word that nobody could act on",
            Box::new(|saga| saga.resolved_by = Some("eva: x".to_owned())),
            "resolvedBy",
        ),
    ];
    for (name, change, shown) in changes {
        let mut saga = declined();
        change(&mut saga);
        match find(&payment(), &saga, MOST) {
            Way::None(instead) => {
                let differences = differences(&saga, &nearest(&saga, instead));
                assert!(
                    differences.iter().any(|one| one.contains(shown)),
                    "{name}: {differences:#?}"
                );
            }
            other @ (Way::Found(_) | Way::TooLong) => panic!("{name}: {other:?}"),
        }
    }
}
