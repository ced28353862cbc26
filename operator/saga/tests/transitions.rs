//! The transition table: every step state under every event, as a golden file. `UPDATE_GOLDEN=1` rewrites it.
//!
//! And the laws of the engine alone: every value that any sequence of events can reach, answers that no sane
//! participant gives included, under every event.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use saga::{
    Applied, Aviso, Controls, Memory, Next, OnExhausted, PHASE_MOVES, Politica, Saga, StepState, allowed, apply,
    chargeback, may_wait, next,
};
use seedwork::contrato::Respuesta;
use seedwork::{Action, IdCorrelacion, Outcome, Phase, Reason, Step};

/// Published, and nothing heard since.
const OUT_OF_TIME: Memory = Memory {
    elapsed: Duration::from_hours(1),
    sends: 1,
    last_send: Some(Duration::from_hours(1)),
};

/// Something that may happen to a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Event {
    Reply(Action, Outcome),
    Chargeback,
    Control(&'static str, Controls, Memory),
    /// The outstanding command has not been published.
    Due,
    /// It has, and its time is up.
    OutOfTime,
}

/// What it leads to.
enum Outcomes {
    Changed(Box<Saga>),
    Same(String),
}

fn reason(motivo: &str) -> Reason {
    Reason::new(motivo, "")
}

/// Every answer there could be, possible or not.
fn replies() -> impl Iterator<Item = Event> {
    Action::all().flat_map(|action| {
        let outcomes = [
            Outcome::Done,
            Outcome::Refused(reason("Rechazado")),
            Outcome::Failed(reason("Ocupado")),
            Outcome::Failed(reason("Caido")),
        ];
        outcomes.map(|outcome| Event::Reply(action, outcome))
    })
}

/// Everything else.
fn others() -> [Event; 10] {
    let text = |text: &str| Some(text.to_owned());
    let control = |name, controls| Event::Control(name, controls, Memory::default());
    let none = Controls::default;
    [
        Event::Chargeback,
        Event::Due,
        Event::OutOfTime,
        control("cancel", Controls { cancel: true, ..none() }),
        control(
            "delete",
            Controls {
                deleted: true,
                ..none()
            },
        ),
        control(
            "suspend",
            Controls {
                suspend: true,
                ..none()
            },
        ),
        Event::Control(
            "suspend, out of time",
            Controls {
                suspend: true,
                ..none()
            },
            OUT_OF_TIME,
        ),
        control(
            "suspend and cancel",
            Controls {
                suspend: true,
                cancel: true,
                ..none()
            },
        ),
        control(
            "retry",
            Controls {
                retry_requested: text("1"),
                ..none()
            },
        ),
        control(
            "resolved-by",
            Controls {
                resolved_by: text("ana: a"),
                ..none()
            },
        ),
    ]
}

fn happen(saga: &Saga, event: &Event) -> Outcomes {
    let applied = |applied| match applied {
        Applied::Changed(saga) => Outcomes::Changed(Box::new(saga)),
        Applied::Ignored(ignored) => Outcomes::Same(format!("ignored: {ignored:?}")),
    };
    let looked = |controls: &Controls, memory: &Memory| match next(saga, controls, memory) {
        Next::Record(saga) => Outcomes::Changed(Box::new(saga)),
        Next::Send(action) => Outcomes::Same(format!("send {}", action.command_type())),
        Next::Wait(time) => Outcomes::Same(format!("wait {} s", time.as_secs())),
        Next::Rest => Outcomes::Same("rest".to_owned()),
        Next::Ended => Outcomes::Same("ended".to_owned()),
    };
    match event {
        Event::Reply(action, outcome) => {
            let id_correlacion = IdCorrelacion::parse("1").expect("a legal id");
            applied(apply(
                saga,
                &Respuesta {
                    action: *action,
                    id_correlacion,
                    outcome: outcome.clone(),
                },
            ))
        }
        Event::Chargeback => applied(chargeback(saga, reason("Contracargo"))),
        Event::Control(_, controls, memory) => looked(controls, memory),
        Event::Due => looked(&Controls::default(), &Memory::default()),
        Event::OutOfTime => looked(&Controls::default(), &OUT_OF_TIME),
    }
}

/// Every value under a policy, the shortest way first. A person's word is given once.
fn reachable(notificacion: OnExhausted) -> Vec<Saga> {
    let start = Saga::start(Politica::standard(notificacion));
    let (mut found, mut seen) = (Vec::new(), HashSet::from([start.clone()]));
    let mut queue = VecDeque::from([start]);
    while let Some(saga) = queue.pop_front() {
        for event in replies().chain(others()) {
            if let Outcomes::Changed(new) = happen(&saga, &event)
                && seen.insert(Saga {
                    secuencia: 0,
                    ..(*new).clone()
                })
            {
                queue.push_back(*new);
            }
        }
        found.push(saga);
    }
    found
}

fn all_reachable() -> Vec<Saga> {
    let mut all = reachable(OnExhausted::Compensate);
    all.extend(reachable(OnExhausted::Continue));
    all
}

#[test]
fn the_transition_table_is_the_golden_one() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transitions.golden");
    let table = table();
    #[expect(
        clippy::disallowed_methods,
        reason = "rewriting the golden file is asked for from outside"
    )]
    let update = std::env::var("UPDATE_GOLDEN").is_ok();
    if update {
        std::fs::write(&path, &table).expect("the golden file can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, should_be)) in table.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, should_be, "line {}; UPDATE_GOLDEN=1 rewrites the table", number + 1);
    }
    assert_eq!(
        table.lines().count(),
        golden.lines().count(),
        "UPDATE_GOLDEN=1 rewrites the table"
    );
}

/// One block for each state of each step and of the notice: the shortest payment with it, under every event that
/// concerns it.
fn table() -> String {
    let all = all_reachable();
    let mut table = String::from(
        "Every step state under every event. One block each: the shortest payment that has it. A line shows what the event\n\
         leads to: the states of the four steps and of the notice, or why nothing is written.\n",
    );
    for step in Step::ALL {
        for estado in StepState::ALL {
            let paso = |saga: &&Saga| {
                saga.pasos
                    .iter()
                    .any(|paso| paso.nombre == step && paso.estado == estado)
            };
            let title = format!("{step} {estado:?}");
            let about = |action: Action| action == Action::Do(step) || action == Action::Undo(step);
            block(&mut table, &title, all.iter().find(paso), about);
        }
    }
    for aviso in [
        Aviso::NotNeeded,
        Aviso::Pending,
        Aviso::Issued,
        Aviso::Done,
        Aviso::Skipped,
        Aviso::Failed,
    ] {
        let title = format!("AvisarReversion {aviso:?}");
        let about = |action: Action| action == Action::AvisarReversion;
        block(&mut table, &title, all.iter().find(|saga| saga.aviso == aviso), about);
    }
    table
}

fn block(table: &mut String, title: &str, example: Option<&Saga>, about: impl Fn(Action) -> bool) {
    let mut line = |text: String| writeln!(table, "{text}").expect("a string can be written");
    line(String::new());
    let Some(saga) = example else {
        return line(format!("== {title}: never"));
    };
    line(format!("== {title}: {}", describe(saga)));
    let concerns = |event: &Event| match event {
        Event::Reply(action, _) => about(*action),
        Event::Chargeback | Event::Control(..) | Event::Due | Event::OutOfTime => true,
    };
    for event in replies().chain(others()).filter(concerns) {
        let name = name(&event);
        let leads_to = match happen(saga, &event) {
            Outcomes::Changed(new) => describe(&new),
            Outcomes::Same(why) => why,
        };
        line(format!("{name:<46} {leads_to}"));
    }
}

fn name(event: &Event) -> String {
    match event {
        Event::Reply(action, outcome) => {
            let name = action.reply_type(outcome).unwrap_or_else(|| action.command_type());
            match outcome {
                Outcome::Done => name.to_owned(),
                Outcome::Refused(_) => format!("{name} (refused)"),
                Outcome::Failed(reason) => format!("{name} (failed: {})", reason.motivo),
            }
        }
        Event::Chargeback => "chargeback".to_owned(),
        Event::Control(name, _, _) => (*name).to_owned(),
        Event::Due => "not published yet".to_owned(),
        Event::OutOfTime => "out of time".to_owned(),
    }
}

fn describe(saga: &Saga) -> String {
    let estados: Vec<String> = saga.pasos.iter().map(|paso| format!("{:?}", paso.estado)).collect();
    let notice = if saga.aviso == Aviso::NotNeeded {
        String::new()
    } else {
        format!(" | notice {:?}", saga.aviso)
    };
    let reason = saga
        .reason()
        .map_or_else(String::new, |reason| format!(" ({})", reason.motivo));
    format!("{}{notice} = {}{reason}", estados.join(" "), saga.phase())
}

#[test]
fn whatever_happens_to_whatever_payment_secuencia_grows_and_phases_follow_the_table() {
    let mut moves = BTreeSet::new();
    for saga in all_reachable() {
        for event in replies().chain(others()) {
            let Outcomes::Changed(new) = happen(&saga, &event) else {
                continue;
            };
            assert!(new.secuencia > saga.secuencia, "{saga:?}, {event:?}");
            assert_eq!(new.politica, saga.politica, "{saga:?}, {event:?}");
            if saga.phase() != new.phase() {
                moves.insert((saga.phase(), new.phase()));
            }
        }
    }
    assert_eq!(moves, BTreeSet::from(PHASE_MOVES));
    for (from, to) in moves {
        assert!(allowed(Some(from), to) && allowed(None, to));
    }
    for phase in Phase::ALL {
        assert!(allowed(Some(phase), phase), "a status may be written without a move");
        assert_eq!(
            allowed(Some(Phase::Compensated), phase),
            phase == Phase::Compensated,
            "compensated is final"
        );
    }
}

/// Every value that comes before its write, from this recorded one on.
fn ahead_of(recorded: &Saga) -> Vec<Saga> {
    let mut ahead = Vec::new();
    let mut from = recorded.clone();
    while let Some(Action::Do(step)) = from.outstanding()
        && let Outcomes::Changed(new) = happen(&from, &Event::Reply(Action::Do(step), Outcome::Done))
        && may_wait(&from, &new)
    {
        from = *new;
        ahead.push(from.clone());
    }
    ahead
}

#[test]
fn what_waits_for_its_write_is_what_a_success_leads_to_up_to_the_step_that_moves_money_and_the_end() {
    for saga in all_reachable() {
        for event in replies().chain(others()) {
            let Outcomes::Changed(new) = happen(&saga, &event) else {
                continue;
            };
            let next = match (saga.outstanding(), new.outstanding()) {
                (Some(Action::Do(_)), Some(Action::Do(next))) => Some(next),
                _ => None,
            };
            let success = matches!(event, Event::Reply(_, Outcome::Done));
            let expected = success && next.is_some_and(|next| !next.moves_money());
            assert_eq!(may_wait(&saga, &new), expected, "{saga:?}, {event:?}");
        }
    }
}

#[test]
fn an_answer_leads_to_the_same_value_from_what_is_recorded_as_from_what_went_ahead_of_it() {
    let mut compared = 0;
    for recorded in all_reachable() {
        for ahead in ahead_of(&recorded) {
            let Some(Action::Do(step)) = ahead.outstanding() else {
                panic!("{ahead:?}")
            };
            for event in
                replies().filter(|event| matches!(event, Event::Reply(action, _) if *action == Action::Do(step)))
            {
                let [here, there] = [&recorded, &ahead].map(|saga| match happen(saga, &event) {
                    Outcomes::Changed(new) => Some(new),
                    Outcomes::Same(_) => None,
                });
                assert_eq!(here, there, "{recorded:?}, {ahead:?}, {event:?}");
                compared += usize::from(here.is_some());
            }
        }
    }
    assert!(compared >= 6, "{compared}");
}

#[test]
fn what_turns_round_undoes_whatever_went_ahead_of_the_record_and_outnumbers_it() {
    let mut turned = 0;
    for recorded in all_reachable() {
        for ahead in ahead_of(&recorded) {
            for event in others() {
                let Outcomes::Changed(new) = happen(&recorded, &event) else {
                    continue;
                };
                if new.cause.is_none() || recorded.cause.is_some() {
                    continue;
                }
                turned += 1;
                assert!(new.secuencia > ahead.secuencia, "{recorded:?}, {ahead:?}, {event:?}");
                for (paso, went) in new.pasos.iter().zip(&ahead.pasos) {
                    let issued = went.estado != StepState::Pending;
                    assert!(!issued || paso.estado != StepState::Pending, "{new:?}, {ahead:?}");
                }
            }
        }
    }
    assert!(turned >= 10, "{turned}");
}

#[test]
fn a_command_is_outstanding_exactly_until_the_end() {
    for saga in all_reachable() {
        assert_eq!(saga.outstanding().is_none(), saga.ended(), "{saga:?}");
        let active = saga.pasos.iter().filter(|paso| {
            matches!(
                paso.estado,
                StepState::Issued | StepState::Undoing | StepState::UndoFailing
            )
        });
        assert!(active.count() <= 1, "one at a time: {saga:?}");
    }
}

#[test]
fn nothing_that_happens_after_the_end_changes_a_payment_but_a_chargeback_and_what_is_owed() {
    for saga in all_reachable().iter().filter(|saga| saga.ended()) {
        for event in replies().chain(others()) {
            let owed = saga.owed().any(
                |owed| matches!(&event, Event::Reply(action, Outcome::Done | Outcome::Failed(_)) if *action == owed),
            );
            let may = owed || event == Event::Chargeback && saga.phase() == Phase::Completed;
            let changed = matches!(happen(saga, &event), Outcomes::Changed(_));
            assert_eq!(changed, may, "{saga:?}, {event:?}");
        }
    }
}

#[test]
fn what_a_person_settled_without_a_word_from_its_participant_is_asked_for_until_there_is_one() {
    let mut met = 0;
    for saga in all_reachable() {
        for action in saga.owed() {
            let late = Memory {
                elapsed: Duration::from_hours(2),
                ..OUT_OF_TIME
            };
            let asked = matches!(next(&saga, &Controls::default(), &late), Next::Send(_));
            assert!(asked || !saga.ended(), "{saga:?}");
            for outcome in [Outcome::Done, Outcome::Failed(reason("Ocupado"))] {
                let Outcomes::Changed(heard) = happen(&saga, &Event::Reply(action, outcome)) else {
                    panic!("{action:?} is answered: {saga:?}");
                };
                assert!(heard.owed().all(|owed| owed != action), "{heard:?}");
                assert_eq!(heard.phase(), saga.phase(), "{heard:?}");
            }
            met += 1;
        }
    }
    assert!(met > 0, "something was settled in silence");
}

#[test]
fn the_same_answer_twice_is_written_once() {
    for saga in all_reachable() {
        for event in replies() {
            if let Outcomes::Changed(once) = happen(&saga, &event)
                && let Outcomes::Changed(twice) = happen(&once, &event)
            {
                panic!("{event:?}: {saga:?}, then {once:?}, then {twice:?}");
            }
        }
    }
}

#[test]
fn a_saga_survives_being_stored() {
    for saga in all_reachable() {
        let stored = serde_json::to_string(&saga).expect("it can be written");
        assert!(stored.len() < 3_000, "{} bytes of a 4 kB object", stored.len());
        assert_eq!(serde_json::from_str::<Saga>(&stored).expect("it can be read"), saga);
    }
    let start = Saga::start(Politica::standard(OnExhausted::Continue));
    let stored = serde_json::to_value(&start).expect("it can be written");
    assert_eq!(stored["politica"]["pasos"][1]["deadlineSeconds"], 120);
    assert_eq!(stored["politica"]["pasos"][3]["onExhausted"], "Continue");
    assert_eq!(stored["politica"]["stallAfterSeconds"], 600);
    assert_eq!(stored["pasos"][0]["estado"], "Issued");
}
