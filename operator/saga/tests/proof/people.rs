//! What people and the bank may do, at each point.

use std::time::Duration;

use saga::{CauseKind, StepState};
use seedwork::{Action, Phase, Step};

use crate::model::participants::{Doc, Luck};
use crate::model::simulation::{Faults, Looked, Simulation};
use crate::scenarios::{DAY, HOUR, cause, ended, estados, payment, stalled, will_stall};

/// Runs a payment that completes, and one whose last step is refused, to each of its points, and hands it over there
/// with what it would end as.
fn at_each_point(visit: impl Fn(Simulation, Phase, usize)) {
    for (refuses, end) in [
        (None, Phase::Completed),
        (Some(Step::CrearNotificacion), Phase::Compensated),
    ] {
        for point in 0.. {
            let mut sim = payment(Faults {
                refuses,
                ..Faults::default()
            });
            if (0..point).any(|_| !sim.step(DAY)) {
                assert!(point > 12, "a payment has more points than {point}");
                break;
            }
            visit(sim, end, point);
        }
    }
}

#[test]
fn a_cancellation_or_a_deletion_at_each_point_undoes_what_has_not_ended() {
    for kind in [CauseKind::Cancelled, CauseKind::Deleted] {
        at_each_point(|mut sim, end, point| {
            let before = sim.record.phase();
            sim.controls.cancel = kind == CauseKind::Cancelled;
            sim.controls.deleted = kind == CauseKind::Deleted;
            // The operator hears of it before anything else happens.
            sim.watch(0);
            let looked = sim.look(0);
            let sim = ended(sim);
            match before {
                Phase::Pending | Phase::Running => {
                    assert_eq!(
                        (sim.record.phase(), cause(&sim)),
                        (Phase::Compensated, (kind, None)),
                        "at {point}"
                    );
                }
                Phase::Compensating | Phase::Stalled => {
                    assert_eq!(
                        cause(&sim).0,
                        CauseKind::Refused,
                        "at {point}: it was being undone already"
                    );
                }
                Phase::Completed | Phase::Compensated => {
                    assert_eq!(
                        (looked, sim.record.phase()),
                        (Looked::Rests, end),
                        "at {point}: too late"
                    );
                }
            }
        });
    }
}

#[test]
fn a_chargeback_at_each_point_reverses_the_payment_and_is_never_refunded_too() {
    at_each_point(|mut sim, end, point| {
        let gateway = sim.participants.gateway;
        let ours = gateway.balance() == 1;
        sim.charge_back();
        let sim = ended(sim);
        let end = if ours { Phase::Compensated } else { end };
        assert_eq!(sim.record.phase(), end, "at {point}");
        assert_eq!(sim.participants.gateway.charged_back, ours, "at {point}");
        assert!(
            !ours || sim.participants.gateway.refunds == 0,
            "at {point}: returned twice"
        );
    });
}

#[test]
fn a_suspension_at_each_point_stops_the_sending_and_the_clock_but_not_the_answers() {
    at_each_point(|mut sim, end, point| {
        sim.controls.suspend = true;
        let sent = sim.published.len();
        sim.settle(HOUR);
        assert!(sim.bag.is_empty(), "at {point}: answers are received while suspended");
        assert_eq!(sim.published.len(), sent, "at {point}: nothing is sent");
        sim.advance(HOUR);
        sim.controls.suspend = false;
        let sim = ended(sim);
        assert_eq!(sim.record.phase(), end, "at {point}");
        let expired = sim.record.cause.is_some_and(|cause| cause.kind == CauseKind::Expired);
        assert!(!expired, "at {point}: an hour of suspension is no deadline");
    });
}

#[test]
fn a_cancellation_is_heard_while_suspended() {
    let mut sim = payment(Faults {
        silent: vec![Action::Do(Step::CrearNotificacion)],
        ..Faults::default()
    });
    sim.settle(Duration::from_secs(10));
    sim.controls.suspend = true;
    sim.controls.cancel = true;
    sim.settle(HOUR);
    assert_eq!(cause(&sim), (CauseKind::Cancelled, None));
    assert_eq!(
        sim.times(Action::Undo(Step::CrearNotificacion)),
        0,
        "and nothing is sent"
    );
    sim.controls.suspend = false;
    assert_eq!(ended(sim).record.phase(), Phase::Compensated);
}

#[test]
fn a_step_that_a_person_takes_over_is_kept_as_such_and_the_undoing_goes_on() {
    let mut sim = stalled();
    sim.controls.resolved_by = Some("ana: refunded at the counter".to_owned());
    sim.settle(2 * HOUR);
    assert_eq!(
        estados(&sim)[..2],
        [StepState::UndoFailing, StepState::Resolved],
        "one word, one step"
    );
    assert_eq!(sim.record.resolved_by.as_deref(), Some("ana: refunded at the counter"));
    sim.controls.resolved_by = Some("ana: cancelled the invoice".to_owned());
    sim.settle(3 * HOUR);
    assert_eq!(sim.record.phase(), Phase::Compensated);
    assert_eq!(estados(&sim)[..2], [StepState::Resolved, StepState::Resolved]);
    // Nobody had a word from the participant of step 2. Once there is one, nothing is asked for any more.
    sim.faults.fails.clear();
    let sim = ended(sim);
    assert_eq!(estados(&sim)[..2], [StepState::Resolved, StepState::Undone]);
}

#[test]
fn a_step_that_is_done_after_a_person_settled_it_in_silence_is_undone_before_the_end_and_after_it() {
    let step = Step::CrearFacturacion;
    for after_the_end in [false, true] {
        // Its command and its undo are held up; the person hears of nothing but silence.
        let mut sim = payment(Faults {
            silent: vec![Action::Do(step), Action::Undo(step)],
            ..Faults::default()
        });
        sim.settle(HOUR);
        assert_eq!(sim.record.phase(), Phase::Stalled);
        sim.controls.resolved_by = Some("ana: there is no invoice".to_owned());
        while sim.record.ended() != after_the_end || estados(&sim)[0] != StepState::Resolved {
            assert!(sim.step(DAY), "the word is recorded and the payment ends");
        }
        assert_eq!(estados(&sim)[0], StepState::Resolved);
        assert_eq!(sim.participants.facturacion, Doc::Nothing);
        sim.faults.silent.clear();
        sim.handle(Action::Do(step), Luck::Good);
        assert_eq!(sim.participants.facturacion, Doc::Did);
        let sim = ended(sim);
        let found = (sim.participants.facturacion, estados(&sim)[0]);
        assert_eq!(
            found,
            (Doc::Undone, StepState::Undone),
            "after the end: {after_the_end}"
        );
        assert_eq!(sim.record.resolved_by.as_deref(), Some("ana: there is no invoice"));
    }
}

#[test]
fn a_word_that_finds_nothing_failing_is_spent() {
    let mut sim = payment(Faults::default());
    let early = Some("ana: too early".to_owned());
    sim.controls.resolved_by.clone_from(&early);
    let sim = ended(sim);
    assert_eq!((sim.record.phase(), sim.record.resolved_by), (Phase::Completed, early));
}

#[test]
fn a_word_takes_over_nothing_that_fails_after_it() {
    let mut sim = will_stall();
    sim.controls.resolved_by = Some("ana: refunded at the counter".to_owned());
    sim.settle(2 * HOUR);
    assert_eq!(estados(&sim)[1], StepState::UndoFailing);
    sim.controls.resolved_by = Some("ana: refunded now".to_owned());
    sim.settle(3 * HOUR);
    assert_eq!(estados(&sim)[1], StepState::Resolved);
}

#[test]
fn a_retry_is_acted_on_once_and_at_once() {
    let mut sim = stalled();
    let (tries, secuencia) = (sim.times(Action::Undo(Step::RealizarPago)), sim.record.secuencia);
    sim.controls.retry_requested = Some("2026-11-24T10:00:00Z".to_owned());
    for replica in 0..2 {
        sim.watch(replica);
        sim.look(replica);
    }
    assert_eq!(
        (sim.record.phase(), sim.record.secuencia),
        (Phase::Compensating, secuencia + 1)
    );
    let now = sim.clock;
    while sim.clock == now && sim.step(DAY) {}
    assert!(sim.times(Action::Undo(Step::RealizarPago)) > tries, "without waiting");
    sim.settle(now + HOUR);
    assert_eq!(sim.record.phase(), Phase::Stalled);
    assert!(
        sim.record.secuencia < secuencia + 5,
        "{} writes",
        sim.record.secuencia - secuencia
    );
    sim.faults.fails.clear();
    assert_eq!(ended(sim).record.phase(), Phase::Compensated);
}

#[test]
fn a_retry_gives_a_step_its_whole_time_again() {
    let mut sim = payment(Faults {
        silent: vec![Action::Do(Step::CrearFacturacion)],
        ..Faults::default()
    });
    sim.settle(Duration::from_secs(50));
    sim.controls.retry_requested = Some("1".to_owned());
    sim.settle(Duration::from_secs(109));
    assert_eq!(sim.record.phase(), Phase::Running);
    sim.settle(Duration::from_secs(111));
    assert_eq!(cause(&sim), (CauseKind::Expired, Some(Step::CrearFacturacion)));
}
