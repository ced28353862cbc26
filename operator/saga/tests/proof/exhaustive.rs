//! Every interleaving. Losses, duplicates, delays, reorderings, crashes, refusals, failed undos and passed deadlines are
//! unbounded in all of these; each person's request and the bank's chargeback come at most once, at every point.

use std::collections::BTreeSet;
use std::time::Instant;

use saga::{OnExhausted, PHASE_MOVES, Politica};
use seedwork::Phase;

use crate::model::explore::{Explored, explore};
use crate::model::report;
use crate::model::steps::Freedom;

const ENDS: [Phase; 2] = [Phase::Completed, Phase::Compensated];

/// Explores, and fails with the shortest counterexample.
fn demand(title: &str, notificacion: OnExhausted, freedom: Freedom) -> Explored {
    let start = Instant::now();
    let explored = match explore(Politica::standard(notificacion), freedom) {
        Ok(explored) => explored,
        Err(counterexample) => panic!("{title}: {counterexample}"),
    };
    let Explored {
        worlds,
        transitions,
        values,
        depth,
        moves: _,
        ends,
    } = &explored;
    let seconds = start.elapsed().as_secs_f64();
    report(&format!(
        "exhaustive ({title}): {worlds} distinct worlds, {transitions} transitions, {values} recorded values, \
         depth {depth}, in {seconds:.1} s; losses, duplicates, delays, crashes: any number"
    ));
    assert_eq!(
        *ends,
        BTreeSet::from(ENDS),
        "a fair continuation ends in each way, and in no other"
    );
    explored
}

#[test]
fn two_replicas_of_the_operator_agree_in_every_interleaving() {
    let freedom = Freedom {
        second_replica: true,
        ..Freedom::NONE
    };
    let explored = demand("two replicas", OnExhausted::Compensate, freedom);
    assert!(
        explored.worlds > 1_000_000,
        "the model has shrunk: {} worlds",
        explored.worlds
    );
}

#[test]
fn a_cancellation_a_chargeback_and_a_retry_at_any_point_leave_every_payment_whole() {
    let freedom = Freedom {
        cancel: true,
        bank: true,
        retry: true,
        ..Freedom::NONE
    };
    let explored = demand("cancel, chargeback, retry: each once", OnExhausted::Compensate, freedom);
    assert!(
        explored.worlds > 1_000_000,
        "the model has shrunk: {} worlds",
        explored.worlds
    );
    assert_eq!(
        explored.moves,
        BTreeSet::from(PHASE_MOVES),
        "the phase table is what the engine writes"
    );
}

#[test]
fn a_step_ended_by_hand_does_not_stop_the_undoing_of_the_others() {
    let freedom = Freedom {
        resolve: true,
        ..Freedom::NONE
    };
    demand("resolved by hand: once", OnExhausted::Compensate, freedom);
}

#[test]
fn a_payment_that_goes_on_without_its_notification_can_still_be_reversed() {
    let freedom = Freedom {
        bank: true,
        second_replica: true,
        ..Freedom::NONE
    };
    demand(
        "policy Continue, two replicas; chargeback: once",
        OnExhausted::Continue,
        freedom,
    );
}
