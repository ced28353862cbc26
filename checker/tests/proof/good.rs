//! Of a run without fault nothing is said, whatever happens in it.

use checker::{Check, Evidence, Histories, Version, judge};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use saga::{Controls, Saga, obey};
use seedwork::Step;

use crate::payment::{Plot, Then};
use crate::planted::good;
use crate::run::Run;

fn steps() -> impl Strategy<Value = Option<Step>> {
    option::weighted(0.4, select(Step::ALL.to_vec()))
}

fn plots() -> impl Strategy<Value = Plot> {
    let then = prop_oneof![Just(Then::Works), Just(Then::ByHand), Just(Then::Stays)];
    let silent = option::weighted(0.2, (select(Step::ALL.to_vec()), any::<bool>()));
    let rare = any::<[bool; 4]>();
    (steps(), silent, steps(), steps(), then, rare).prop_map(
        |(refused, silent, cancelled, failing, then, [lenient, overtaken, untold, charged_back])| Plot {
            refused,
            silent,
            cancelled,
            lenient,
            failing,
            then,
            overtaken,
            untold,
            charged_back,
        },
    )
}

fn run(plots: Vec<Plot>) -> Run {
    let named = (0..).zip(plots);
    named.fold(Run::empty(), |run, (number, plot)| {
        let (payment, client) = (format!("p-{number}"), format!("c-{number}"));
        if number % 5 == 4 {
            run.with_unanswered(&payment, &client, plot)
        } else {
            run.with(&payment, &client, plot)
        }
    })
}

proptest! {
    // A case that failed is written into a test of its own, not into a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_without_fault_has_no_violation(plots in vec(plots(), 1..8)) {
        let run = run(plots);
        let payments = run.evidence.requests.len();
        let verdict = run.judge();
        prop_assert_eq!(&verdict.violations, &[]);
        prop_assert_eq!(verdict.holds(), Ok(()));
        prop_assert_eq!(verdict.payments, payments);
        prop_assert_eq!(verdict.completed + verdict.compensated + verdict.stalled, payments);
    }

    /// A watch that is cut off and lists again misses versions and sees others twice.
    #[test]
    fn versions_that_are_missed_or_seen_twice_do_no_harm(plots in vec(plots(), 1..5), seen in vec(0..3_usize, 100)) {
        let mut run = run(plots);
        let last = |versions: &[checker::Version], at: usize| {
            versions[at + 1..].iter().all(|later| later.id != versions[at].id)
        };
        let all = std::mem::take(&mut run.versions);
        for (at, version) in all.iter().enumerate() {
            let times = if last(&all, at) { 1 } else { seen[at % seen.len()] };
            run.versions.extend(std::iter::repeat_n(version.clone(), times));
        }
        let verdict = run.judge();
        prop_assert_eq!(&verdict.violations, &[]);
    }

    /// Nor does a watch that is not there, if the archive is.
    #[test]
    fn an_archive_alone_is_replayed(plots in vec(plots(), 1..5)) {
        let mut run = run(plots);
        run.versions.clear();
        let verdict = run.judge();
        let archived: Vec<_> = verdict.violations.iter().filter(|found| found.check() == Check::Archive).collect();
        prop_assert!(archived.is_empty(), "{archived:?}");
    }
}

#[test]
fn the_run_that_wrongs_are_planted_in_is_without_fault_and_everything_of_it_is_judged() {
    let run = good();
    let payments = run.evidence.requests.len();
    let versions = run.versions.len();
    let verdict = run.judge();
    assert_eq!(verdict.violations, []);
    assert_eq!(verdict.holds(), Ok(()));
    assert_eq!(verdict.demands(&Check::ALL), Ok(()));
    assert_eq!(verdict.judged(Check::Requests), Some(payments));
    assert_eq!(verdict.judged(Check::History), Some(versions));
    assert_eq!(verdict.judged(Check::Archive), Some(payments - 1));
    assert_eq!(
        verdict.to_string(),
        "15 payments, 4 completed, 10 compensated, 1 stalled, 0 violations"
    );
}

/// The provider took it, and whoever had it sent was gone before a row came of it.
#[test]
fn a_message_that_was_given_up_may_have_arrived_without_a_row() {
    let given_up = Plot {
        silent: Some((Step::CrearNotificacion, true)),
        lenient: true,
        ..Plot::default()
    };
    let untold = Plot {
        refused: Some(Step::RealizarPago),
        untold: true,
        ..Plot::default()
    };
    let mut run = Run::empty()
        .with("given-up", "ana", given_up)
        .with("untold", "berta", untold);
    let rows = run.evidence.notificaciones.as_mut().unwrap();
    rows.values_mut().for_each(Vec::clear);
    run.message("untold", "untold/ALERTA-REVERSION/correo");
    let verdict = run.judge();
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.completed, verdict.compensated), (1, 1));
    assert_eq!(verdict.judged(Check::Messages), Some(2));
}

#[test]
fn a_payment_that_left_and_comes_back_is_the_same_payment() {
    let mut run = Run::empty().with("done", "ana", Plot::default());
    let last = run.versions.last().unwrap().clone();
    let created = checker::Version {
        uid: "another".to_owned(),
        at_ms: last.at_ms + 1,
        ..run.versions[0].clone()
    };
    let restored = checker::Version {
        uid: "another".to_owned(),
        ..last
    };
    run.versions.extend([created, restored]);
    assert_eq!(run.judge().violations, []);
}

/// Nobody knows what such a one is about.
#[test]
fn a_payment_that_only_a_screen_shows_takes_no_request_that_another_needs() {
    let mut run = Run::empty()
        .with_unanswered("first", "ana", Plot::default())
        .with_unanswered("second", "berta", Plot::default());
    run.evidence.requests.reverse();
    run.versions.retain(|version| version.id == crate::run::id("second"));
    run.evidence.archivo = None;
    assert_eq!(run.judge().violations, []);
}

#[test]
fn a_word_that_is_said_again_after_another_that_the_watch_missed_is_no_fault() {
    let run = Run::empty().with("done", "ana", Plot::default());
    let created = &run.versions[0];
    let said = |saga: &Saga, word: &str| {
        let controls = Controls {
            retry_requested: Some(word.to_owned()),
            ..Controls::default()
        };
        obey(saga, &controls).unwrap()
    };
    let once = said(created.saga.as_ref().unwrap(), "8:00");
    let again = said(&said(&once, "9:00"), "8:00");
    let recorded = |saga| Version::recorded(created.id.clone(), created.solicitud.clone(), saga);
    let evidence = Evidence {
        histories: Some([once, again].into_iter().map(recorded).collect()),
        ..Evidence::default()
    };
    let verdict = judge(&evidence);
    let engine = |found: &&checker::Violation| found.check() == Check::History;
    assert_eq!(verdict.violations.iter().find(engine), None);
    assert_eq!(verdict.judged(Check::History), Some(2));
}

#[test]
fn histories_know_what_was_seen() {
    let run = good();
    let histories: Histories = run.versions.into_iter().collect();
    let undone = histories.of(&crate::run::id("undone")).unwrap();
    let done = [Step::CrearFacturacion, Step::RealizarPago, Step::ConfirmarFacturacion];
    assert_eq!(undone.done, done.into());
    assert_eq!(undone.settled_ms, Some(i64::try_from(undone.versions).unwrap()));
    assert_eq!((histories.beyond(), undone.solicitudes.len()), (0, 1));
}
