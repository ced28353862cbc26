//! One fault at each point: refusals, silence, losses, repetitions, failures.

use std::time::Duration;

use saga::{Aviso, CauseKind, OnExhausted, Politica, StepState};
use seedwork::{Action, Phase, Step};

use crate::model::engine::View;
use crate::model::laws;
use crate::model::message::{Message, respuesta};
use crate::model::participants::Doc;
use crate::model::simulation::{Faults, Simulation};

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) fn payment(faults: Faults) -> Simulation {
    payment_under(OnExhausted::Compensate, faults)
}

fn payment_under(notificacion: OnExhausted, faults: Faults) -> Simulation {
    let mut sim = Simulation::new(Politica::standard(notificacion), 2);
    sim.faults = faults;
    sim
}

/// Runs it to its end.
pub(crate) fn ended(mut sim: Simulation) -> Simulation {
    sim.settle(DAY);
    assert!(sim.record.ended(), "{:?}", sim.record);
    sim.check(laws::rest(&View::of(&sim.record), sim.participants));
    sim
}

pub(crate) fn estados(sim: &Simulation) -> Vec<StepState> {
    sim.record.pasos.iter().map(|paso| paso.estado).collect()
}

pub(crate) fn cause(sim: &Simulation) -> (CauseKind, Option<Step>) {
    let cause = sim.record.cause.as_ref().expect("a cause");
    (cause.kind, cause.step)
}

/// A payment that is going to be undone, and whose undoing is going to fail.
pub(crate) fn will_stall() -> Simulation {
    let fails = vec![Action::Undo(Step::RealizarPago), Action::Undo(Step::CrearFacturacion)];
    payment(Faults {
        refuses: Some(Step::CrearNotificacion),
        fails,
        ..Faults::default()
    })
}

/// A payment whose undos of steps 1 and 2 fail, stalled at step 2.
pub(crate) fn stalled() -> Simulation {
    let mut sim = will_stall();
    sim.settle(HOUR);
    assert_eq!(estados(&sim)[1], StepState::UndoFailing);
    sim
}

#[test]
fn an_undisturbed_payment_completes_with_one_write_per_answer() {
    let sim = ended(payment(Faults::default()));
    assert_eq!(sim.record.phase(), Phase::Completed);
    assert_eq!((sim.record.secuencia, sim.record.progress()), (5, (4, 4)));
    assert_eq!((sim.record.reason(), sim.clock), (None, Duration::ZERO));
    assert_eq!(sim.participants.gateway.balance(), 1);
}

#[test]
fn a_refusal_at_each_step_undoes_everything_that_was_issued() {
    for (number, step) in Step::ALL.into_iter().enumerate() {
        let sim = ended(payment(Faults {
            refuses: Some(step),
            ..Faults::default()
        }));
        let mut expected = vec![StepState::Undone; number + 1];
        expected.resize(4, StepState::Pending);
        assert_eq!(estados(&sim), expected, "{step}");
        assert_eq!(cause(&sim), (CauseKind::Refused, Some(step)));
        assert_eq!(sim.record.reason().expect("a reason").motivo, step.refused_type());
        assert_eq!(sim.record.progress(), (number + 1, 4), "{step}");
        let told = if number == 0 { Aviso::Skipped } else { Aviso::Done };
        assert_eq!((sim.record.aviso, sim.participants.told), (told, number > 0), "{step}");
    }
}

#[test]
fn silence_at_each_step_is_undone_like_an_answer() {
    for step in Step::ALL {
        let sim = ended(payment(Faults {
            silent: vec![Action::Do(step)],
            ..Faults::default()
        }));
        assert_eq!(sim.record.phase(), Phase::Compensated, "{step}");
        assert_eq!(cause(&sim), (CauseKind::Expired, Some(step)));
        assert_eq!(sim.participants.doc(step), Doc::Undone, "{step} has its tombstone");
        assert_eq!(sim.record.aviso, Aviso::Done);
        let deadline = u64::from(sim.record.politica.paso(step).deadline_seconds);
        assert_eq!(sim.clock.as_secs(), deadline, "{step}");
    }
}

#[test]
fn any_message_may_be_lost_once_and_the_payment_ends_the_same() {
    for refuses in [None, Some(Step::CrearNotificacion)] {
        let undisturbed = ended(payment(Faults {
            refuses,
            ..Faults::default()
        }));
        for message in Message::ALL {
            let sim = ended(payment(Faults {
                refuses,
                lost_once: vec![message],
                ..Faults::default()
            }));
            assert_eq!(sim.record, undisturbed.record, "{message}");
            assert_eq!(sim.participants, undisturbed.participants, "{message}");
        }
    }
}

#[test]
fn every_message_may_come_twice_and_the_payment_ends_the_same() {
    for refuses in [None].into_iter().chain(Step::ALL.map(Some)) {
        let once = ended(payment(Faults {
            refuses,
            ..Faults::default()
        }));
        let twice = ended(payment(Faults {
            refuses,
            twice: true,
            ..Faults::default()
        }));
        assert_eq!(twice.record, once.record, "{refuses:?}");
        assert_eq!(twice.participants, once.participants, "{refuses:?}");
    }
}

#[test]
fn an_undo_that_fails_is_stalled_in_plain_sight_and_tried_for_ever() {
    for step in Step::ALL {
        let undo = Action::Undo(step);
        let mut sim = payment(Faults {
            refuses: Some(Step::CrearNotificacion),
            fails: vec![undo],
            ..Faults::default()
        });
        sim.settle(Duration::from_mins(9));
        assert_eq!(
            sim.record.phase(),
            Phase::Compensating,
            "{step}: not at the first failure"
        );
        sim.settle(DAY);
        assert_eq!(sim.record.phase(), Phase::Stalled, "{step}");
        assert!(sim.record.reason().is_some(), "{step}");
        let in_a_day = sim.times(undo);
        assert!(
            (280..1_000).contains(&in_a_day),
            "{step}: two replicas tried {in_a_day} times in a day"
        );
        assert!(sim.record.secuencia < 15, "{step}: {} writes", sim.record.secuencia);

        sim.faults.fails.clear();
        sim.settle(2 * DAY);
        assert_eq!(sim.record.phase(), Phase::Compensated, "{step}");
        assert!(
            sim.clock < DAY + Duration::from_mins(10),
            "{step}: ended at {:?}",
            sim.clock
        );
        sim.check(laws::rest(&View::of(&sim.record), sim.participants));
    }
}

#[test]
fn an_undo_that_is_never_answered_is_stalled_too() {
    let undo = Action::Undo(Step::RealizarPago);
    let mut sim = payment(Faults {
        refuses: Some(Step::ConfirmarFacturacion),
        silent: vec![undo],
        ..Faults::default()
    });
    sim.settle(HOUR);
    assert_eq!(sim.record.phase(), Phase::Stalled);
    assert_eq!(sim.record.reason().expect("a reason").motivo, "SinRespuesta");
    sim.faults.silent.clear();
    assert_eq!(ended(sim).record.phase(), Phase::Compensated);
}

#[test]
fn a_notice_that_cannot_be_given_does_not_stop_the_end() {
    for broken in [
        Faults {
            silent: vec![Action::AvisarReversion],
            ..Faults::default()
        },
        Faults {
            fails: vec![Action::AvisarReversion],
            ..Faults::default()
        },
    ] {
        let sim = ended(payment(Faults {
            refuses: Some(Step::RealizarPago),
            ..broken
        }));
        assert_eq!(
            (sim.record.phase(), sim.record.aviso),
            (Phase::Compensated, Aviso::Failed)
        );
        assert_eq!(sim.clock.as_secs(), 60);
    }
}

#[test]
fn a_payment_whose_policy_says_so_goes_on_without_its_notification() {
    let step = Step::CrearNotificacion;
    for (faults, estado) in [
        (
            Faults {
                refuses: Some(step),
                ..Faults::default()
            },
            StepState::Refused,
        ),
        (
            Faults {
                silent: vec![Action::Do(step)],
                ..Faults::default()
            },
            StepState::Expired,
        ),
    ] {
        let mut sim = ended(payment_under(OnExhausted::Continue, faults));
        assert_eq!((sim.record.phase(), estados(&sim)[3]), (Phase::Completed, estado));
        assert!(sim.record.reason().is_some(), "the reason is shown");
        sim.faults = Faults::default();
        sim.charge_back();
        let sim = ended(sim);
        assert_eq!(
            (sim.record.phase(), estados(&sim)[3]),
            (Phase::Compensated, StepState::Undone)
        );
    }
}

#[test]
fn two_failures_that_take_turns_cost_neither_a_hot_loop_nor_a_write_each() {
    use saga::{Applied, Next, apply, next};
    use seedwork::{Outcome, Reason};

    let mut sim = stalled();
    let start = sim.record.secuencia;
    let action = Action::Undo(Step::RealizarPago);
    for turn in 0..1_000_u32 {
        let reason = Reason::new(if turn % 2 == 0 { "Ocupado" } else { "Caido" }, "");
        let reply = respuesta(action, Outcome::Failed(reason.clone()));
        match apply(&sim.record, &reply) {
            Applied::Changed(record) => sim.record = record,
            Applied::Ignored(ignored) => panic!("{ignored:?}"),
        }
        assert_eq!(sim.record.reason(), Some(reason), "the newest reason is shown");
        // Every value starts a new memory: even so, the next try is `undo.max` away.
        let Next::Wait(wait) = next(&sim.record, &sim.controls, &saga::Memory::default()) else {
            panic!("tried at once");
        };
        assert_eq!(wait.as_secs(), 300);
    }
    assert_eq!(sim.record.secuencia, start + 1_000);

    // Before it is shown as stalled, only the first failure is written: the clock towards it must run.
    let mut fresh = payment(Faults {
        refuses: Some(Step::RealizarPago),
        silent: vec![action],
        ..Faults::default()
    });
    fresh.settle(Duration::from_secs(5));
    let mut writes = 0;
    for turn in 0..10_u32 {
        let reply = respuesta(action, Outcome::Failed(Reason::new(format!("Fallo{turn}"), "")));
        if let Applied::Changed(record) = apply(&fresh.record, &reply) {
            fresh.record = record;
            writes += 1;
        }
    }
    assert_eq!(writes, 1);
}

#[test]
fn a_command_is_published_again_after_a_short_capped_back_off() {
    let action = Action::Do(Step::RealizarPago);
    let mut sim = Simulation::new(Politica::standard(OnExhausted::Compensate), 1);
    sim.faults.silent.push(action);
    sim.settle(HOUR);
    let times: Vec<u64> = sim
        .published
        .iter()
        .filter(|(_, published)| *published == action)
        .map(|(at, _)| at.as_secs())
        .collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 30, 45, 60, 75, 90, 105]);
    assert_eq!(cause(&sim), (CauseKind::Expired, Some(Step::RealizarPago)));
}
