use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use seedwork::contrato::Comando;
use seedwork::{Action, App, Fault, IdCorrelacion, Outcome, Reason, Step};
use tokio::time::{Instant, sleep};

use super::laws::{Laws, comando, reply_to};
use super::participation::{AT_ONCE, SLOTS};
use super::{Documento, Move, PATIENCE, Participant, Participation};
use crate::sidecar::{Expect, MemorySidecar, Sidecar};

/// A participant that counts: a do takes one unit from outside, an undo gives it back.
#[derive(Default)]
struct Counter {
    calls: AtomicU32,
    silent: bool,
    /// How long it takes outside.
    takes: Duration,
    minds_repeats: bool,
    /// How often what is projected is not taken.
    blind: AtomicU32,
    shown: Mutex<Vec<u64>>,
    told: Mutex<u32>,
}

#[async_trait]
impl Participant for Counter {
    type Aggregate = i64;
    /// How often the outside was asked.
    type Notes = u32;
    const DOCUMENT: &'static str = "cuenta";
    const FIRST: Step = Step::RealizarPago;
    const CALLS_OUTSIDE: bool = true;

    async fn advance(&self, aggregate: Option<&i64>, comando: &Comando, notes: &mut u32) -> Result<Move<i64>, Fault> {
        match (comando.action, aggregate) {
            (Action::Do(_), None) => Ok(Move::Checkpoint(0)),
            (Action::Do(_), Some(count)) => {
                self.calls.fetch_add(1, Ordering::SeqCst);
                *notes += 1;
                assert!(
                    !self.minds_repeats || !self.shown.lock().unwrap().is_empty(),
                    "shown before"
                );
                if !self.takes.is_zero() {
                    sleep(self.takes).await;
                }
                if self.silent {
                    return Ok(Move::Unsettled(Reason::new("SinRespuesta", "silence")));
                }
                Ok(Move::End {
                    aggregate: Some(count + 1),
                    outcome: Outcome::Done,
                })
            }
            (_, count) => Ok(Move::End {
                aggregate: count.map(|_| 0),
                outcome: Outcome::Done,
            }),
        }
    }

    fn minds_repeats(&self) -> bool {
        self.minds_repeats
    }

    async fn project(&self, _: &IdCorrelacion, _: &i64, version: u64, notes: &u32) -> Result<(), Fault> {
        let less = |times: u32| times.checked_sub(1);
        if self
            .blind
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
        {
            return Err(Fault::unavailable("show", "planted by the test"));
        }
        self.shown.lock().unwrap().push(version);
        *self.told.lock().unwrap() += notes;
        Ok(())
    }
}

fn at_work(participant: Counter) -> (Arc<Participation<Counter>>, Arc<MemorySidecar>) {
    let sidecar = Arc::new(MemorySidecar::default());
    let port: Arc<dyn Sidecar> = sidecar.clone();
    (Participation::new(participant, App::IntegracionPagos, port), sidecar)
}

/// It was answered with success, and the outside was asked once.
fn is_done_by_one_call(participation: &Participation<Counter>, sidecar: &MemorySidecar, order: &Comando) {
    assert_eq!(
        reply_to(&sidecar.take_messages(), order.action).unwrap().outcome,
        Outcome::Done
    );
    assert_eq!(participation.participant().calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_laws_hold_in_memory() {
    let (participation, sidecar) = at_work(Counter::default());
    let laws = Laws {
        participation,
        sidecar,
        run: "m".to_owned(),
        cliente: "c-1".to_owned(),
    };
    laws.hold_for(&Step::ALL).await;
}

#[tokio::test]
async fn a_lost_race_is_decided_anew() {
    let (participation, sidecar) = at_work(Counter::default());
    let order = comando(Action::Do(Step::RealizarPago), "p-1");
    // While we decide, an undo leaves its tombstone: our write must lose and the command be refused.
    let undo = comando(Action::Undo(Step::RealizarPago), "p-1");
    let tombstone = Documento::<i64>::default()
        .with_tombstone(undo.action)
        .with_end(undo.action, None, &Outcome::Done);
    sidecar.race_next_put("cuenta:p-1", serde_json::to_vec(&tombstone).unwrap());
    participation.run(&order).await.unwrap();
    let reply = reply_to(&sidecar.take_messages(), order.action).unwrap();
    assert!(matches!(reply.outcome, Outcome::Refused(_)));
    assert_eq!(
        participation.participant().calls.load(Ordering::SeqCst),
        0,
        "nothing was called after the tombstone"
    );
}

#[tokio::test]
async fn a_reply_that_could_not_be_sent_is_sent_at_the_next_delivery() {
    let (participation, sidecar) = at_work(Counter::default());
    let order = comando(Action::Do(Step::RealizarPago), "p-1");
    sidecar.fail_publishes(1);
    assert!(participation.run(&order).await.is_err());
    participation.run(&order).await.unwrap();
    is_done_by_one_call(&participation, &sidecar, &order);
}

#[tokio::test]
async fn silence_outside_is_silence_to_the_operator() {
    let (participation, sidecar) = at_work(Counter {
        silent: true,
        ..Counter::default()
    });
    participation
        .run(&comando(Action::Do(Step::RealizarPago), "p-1"))
        .await
        .unwrap();
    assert!(sidecar.take_messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_shown_if_it_takes_long_or_others_meet_there() {
    let long = AT_ONCE * 2;
    for (takes, minds_repeats, expected) in [
        (Duration::ZERO, false, vec![2]),
        (AT_ONCE / 2, false, vec![2]),
        (long, false, vec![1, 2]),
        (Duration::ZERO, true, vec![1, 2]),
        (long, true, vec![1, 2]),
    ] {
        let (participation, _sidecar) = at_work(Counter {
            takes,
            minds_repeats,
            ..Counter::default()
        });
        let order = comando(Action::Do(Step::RealizarPago), "p-1");
        let run = async {
            participation.run(&order).await.unwrap();
        };
        // Before its end, not with it.
        let during = async {
            sleep(takes.saturating_sub(Duration::from_millis(1))).await;
            participation.participant().shown.lock().unwrap().len()
        };
        let ((), seen) = tokio::join!(run, during);
        let shown = participation.participant().shown.lock().unwrap().clone();
        assert_eq!(shown, expected, "{takes:?} {minds_repeats}");
        assert_eq!(*participation.participant().told.lock().unwrap(), 1, "with its end");
        if takes == long {
            assert_eq!(seen, 1, "{minds_repeats}");
        }
    }
}

#[tokio::test]
async fn what_is_recorded_and_without_an_answer_is_shown_by_each_try() {
    let (participation, _sidecar) = at_work(Counter {
        silent: true,
        ..Counter::default()
    });
    let order = comando(Action::Do(Step::RealizarPago), "p-1");
    let shown = || participation.participant().shown.lock().unwrap().clone();
    participation.run(&order).await.unwrap();
    assert_eq!(shown(), [1], "what it has shown itself it does not show again");
    participation.run(&order).await.unwrap();
    assert_eq!(shown(), [1, 1], "whoever wrote it may have died before it was shown");
    assert_eq!(*participation.participant().told.lock().unwrap(), 2, "each try is told");
}

#[tokio::test(start_paused = true)]
async fn what_the_outside_said_outlives_a_read_model_that_is_away() {
    let (participation, sidecar) = at_work(Counter {
        takes: AT_ONCE * 2,
        blind: AtomicU32::new(1),
        ..Counter::default()
    });
    let order = comando(Action::Do(Step::RealizarPago), "p-1");
    participation.run(&order).await.unwrap();
    assert!(reply_to(&sidecar.take_messages(), order.action).is_some());
    assert_eq!(*participation.participant().shown.lock().unwrap(), [2]);
}

#[tokio::test]
async fn while_the_read_model_takes_nothing_the_outside_is_asked_for_nothing() {
    let (participation, _sidecar) = at_work(Counter {
        blind: AtomicU32::new(3),
        ..Counter::default()
    });
    let calls = || participation.participant().calls.load(Ordering::SeqCst);
    // The first meets it with its end; then it is known.
    for (id, expected) in [("p-1", 1), ("p-2", 1), ("p-3", 1)] {
        let order = comando(Action::Do(Step::RealizarPago), id);
        assert!(participation.run(&order).await.is_err());
        assert_eq!(calls(), expected, "{id}");
    }
    for (id, expected) in [("p-2", 2), ("p-3", 3), ("p-1", 3)] {
        let order = comando(Action::Do(Step::RealizarPago), id);
        participation.run(&order).await.unwrap();
        assert_eq!(calls(), expected, "{id}");
    }
}

#[tokio::test]
async fn what_is_undone_while_the_outside_is_asked_is_refused() {
    for silent in [false, true] {
        let (participation, sidecar) = at_work(Counter {
            silent,
            ..Counter::default()
        });
        let order = comando(Action::Do(Step::RealizarPago), "p-1");
        let undo = Action::Undo(Step::RealizarPago);
        let undone = Documento::default().with_checkpoint(0).with_tombstone(undo);
        sidecar.follow_next_put("cuenta:p-1", serde_json::to_vec(&undone).unwrap());
        participation.run(&order).await.unwrap();
        let reply = reply_to(&sidecar.take_messages(), order.action).unwrap();
        assert!(matches!(reply.outcome, Outcome::Refused(_)), "{reply:?}");
        let after = participation.document(&order.id_correlacion).await.unwrap().value;
        assert_eq!(after, Some(undone), "what was said is not recorded");
        let told = *participation.participant().told.lock().unwrap();
        assert_eq!(told, 1, "it is told all the same, and once; silent: {silent}");
    }
}

#[tokio::test]
async fn what_the_outside_said_outlives_a_read_that_failed() {
    let (participation, sidecar) = at_work(Counter::default());
    let order = comando(Action::Do(Step::RealizarPago), "p-1");
    // Its first read is of what it has written, while the outside is asked.
    sidecar.fail_gets(1);
    participation.run(&order).await.unwrap();
    is_done_by_one_call(&participation, &sidecar, &order);
}

#[tokio::test]
async fn who_minds_repeats_is_asked_once_what_was_written_is_read() {
    let (participation, sidecar) = at_work(Counter {
        minds_repeats: true,
        ..Counter::default()
    });
    let order = comando(Action::Do(Step::RealizarPago), "p-1");
    sidecar.fail_gets(1);
    assert!(participation.run(&order).await.is_err());
    assert_eq!(participation.participant().calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_answer_is_kept_when_another_commands_write_leaves_the_aggregate_as_it_was() {
    let order = comando(Action::Do(Step::CrearFacturacion), "p-1");
    let begun = Documento::<i64>::default().with_checkpoint(0);
    let undone = |step| begun.clone().with_tombstone(Action::Undo(step));
    for (meanwhile, calls, done) in [
        (undone(Step::CrearNotificacion), 1, true),
        // Here it counts no more, or is another's.
        (undone(Step::CrearFacturacion), 1, false),
        (begun.clone().with_checkpoint(7), 2, true),
    ] {
        let (participation, sidecar) = at_work(Counter::default());
        let bytes = serde_json::to_vec(&begun).unwrap();
        sidecar.put("cuenta:p-1", bytes, Expect::Absent).await.unwrap();
        sidecar.race_next_put("cuenta:p-1", serde_json::to_vec(&meanwhile).unwrap());
        participation.run(&order).await.unwrap();
        assert_eq!(participation.participant().calls.load(Ordering::SeqCst), calls);
        let reply = reply_to(&sidecar.take_messages(), order.action).unwrap();
        assert_eq!(reply.outcome == Outcome::Done, done, "{meanwhile:?}");
        let after = participation.document(&order.id_correlacion).await.unwrap().value;
        let expected = if done {
            let count = meanwhile.agregado.map(|count| count + 1);
            meanwhile.with_end(order.action, count, &Outcome::Done)
        } else {
            meanwhile
        };
        assert_eq!(after, Some(expected));
    }
}

/// A participant with a command in each slot and one that waits for a slot. Each takes so many seconds, of which one is over.
async fn busy(seconds: u64) -> (Arc<Participation<Counter>>, Arc<MemorySidecar>) {
    let (participation, sidecar) = at_work(Counter {
        takes: Duration::from_secs(seconds),
        ..Counter::default()
    });
    for n in 0..=SLOTS {
        let order = comando(Action::Do(Step::RealizarPago), &format!("p-{n}"));
        participation.receive(order).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    (participation, sidecar)
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_before_its_process_does_and_nothing_more_is_begun() {
    let (participation, sidecar) = busy(4).await;
    participation.settle(PATIENCE).await;
    assert_eq!(sidecar.take_messages().len(), SLOTS, "each is recorded and answered");
    let late = comando(Action::Do(Step::RealizarPago), "late");
    assert!(
        participation.receive(late).await.is_err(),
        "another process is to take it"
    );
    sleep(Duration::from_secs(60)).await;
    assert!(sidecar.take_messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_there_is_patience_holds_no_process() {
    let (participation, sidecar) = busy(60).await;
    let begun = Instant::now();
    participation.settle(PATIENCE).await;
    assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
    assert!(sidecar.take_messages().is_empty());
}
