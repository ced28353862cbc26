//! Wrongs, each planted in a run without fault, each called by its name and by no other.

use std::collections::BTreeSet;

use checker::{Pago, Version, Violation};
use seedwork::Step;

use crate::payment::{Plot, Then};
use crate::run::{Run, id};

mod acts;
mod amounts;
mod archive;
mod histories;
mod orphans;
mod requests;
mod surroundings;
mod views;

/// The run that wrongs are planted in: payments that end, turn round and stay in every way there is.
pub(crate) fn good() -> Run {
    let plot = Plot::default;
    Run::empty()
        .with("done", "ana", plot())
        .with("twin", "ana", plot())
        .with("undone", "berta", refused(Step::CrearNotificacion))
        .with("declined", "carla", refused(Step::RealizarPago))
        .with("unknown", "nadie", refused(Step::CrearFacturacion))
        .with(
            "cancelled",
            "dora",
            Plot {
                cancelled: Some(Step::RealizarPago),
                ..plot()
            },
        )
        .with(
            "silent",
            "eva",
            Plot {
                silent: Some((Step::ConfirmarFacturacion, true)),
                ..plot()
            },
        )
        .with(
            "back",
            "fanny",
            Plot {
                charged_back: true,
                ..plot()
            },
        )
        .with(
            "raced",
            "mora",
            Plot {
                charged_back: true,
                ..refused(Step::CrearNotificacion)
            },
        )
        .with(
            "lenient",
            "gema",
            Plot {
                lenient: true,
                ..refused(Step::CrearNotificacion)
            },
        )
        .with("stalled", "hilda", failing(Then::Stays))
        .with("by-hand", "ines", failing(Then::ByHand))
        .with(
            "overtaken",
            "lola",
            Plot {
                silent: Some((Step::ConfirmarFacturacion, false)),
                failing: Some(Step::ConfirmarFacturacion),
                then: Then::ByHand,
                overtaken: true,
                ..plot()
            },
        )
        .with(
            "untold",
            "julia",
            Plot {
                untold: true,
                ..refused(Step::RealizarPago)
            },
        )
        .with_unanswered("unheard", "karla", plot())
}

fn refused(step: Step) -> Plot {
    Plot {
        refused: Some(step),
        ..Plot::default()
    }
}

fn failing(then: Then) -> Plot {
    Plot {
        failing: Some(Step::RealizarPago),
        then,
        ..refused(Step::ConfirmarFacturacion)
    }
}

/// A wrong: what it is, what it does to a run, and what must be said of it.
struct Wrong {
    what: &'static str,
    plant: fn(&mut Run),
    said: Violation,
}

const fn wrong(what: &'static str, plant: fn(&mut Run), said: Violation) -> Wrong {
    Wrong { what, plant, said }
}

fn wrongs() -> Vec<Wrong> {
    let themes = [
        requests::wrongs,
        histories::wrongs,
        acts::wrongs,
        amounts::wrongs,
        views::wrongs,
        archive::wrongs,
        orphans::wrongs,
        surroundings::wrongs,
    ];
    themes.iter().flat_map(|wrongs| wrongs()).collect()
}

fn archived<'a>(run: &'a mut Run, payment: &str) -> &'a mut Version {
    run.evidence.archivo.as_mut().unwrap().get_mut(&id(payment)).unwrap()
}

fn pago<'a>(run: &'a mut Run, payment: &str) -> &'a mut Pago {
    run.evidence.pagos.as_mut().unwrap().get_mut(&id(payment)).unwrap()
}

#[test]
fn each_planted_wrong_is_found_and_called_by_its_name() {
    for Wrong { what, plant, said } in wrongs() {
        let mut run = good();
        plant(&mut run);
        let verdict = run.judge();
        assert_eq!(verdict.violations, [said], "{what}");
        assert!(verdict.holds().is_err(), "{what}");
        let sentence = verdict.violations[0].to_string();
        assert!(sentence.len() > 10 && !sentence.ends_with('.'), "{sentence}");
        assert!(verdict.judged(verdict.violations[0].check()).is_some(), "{what}");
    }
}

/// Lists the variants twice from one list: as names and as a match without a wildcard, so that a new one does not compile
/// before it is listed, and does not pass before it is planted.
macro_rules! variants {
    ($($name:ident),* $(,)?) => {
        const VARIANTS: &[&str] = &[$(stringify!($name)),*];
        fn variant(violation: &Violation) -> &'static str {
            match violation {
                $(Violation::$name { .. } => stringify!($name)),*
            }
        }
    };
}

variants!(
    Lost,
    Unasked,
    OneKeyTwoPayments,
    Shared,
    TwoSagas,
    Altered,
    NotEnded,
    StalledWithoutReason,
    ChargebackForgotten,
    Late,
    SecuenciaBack,
    Forked,
    PhaseMove,
    WrongPhase,
    UndoSkipped,
    UndoOutOfOrder,
    NotTheEngine,
    EffectTwice,
    EffectAfterUndo,
    NotUndone,
    UndoOfNothing,
    Unissued,
    ChargedTwice,
    RefundAboveCapture,
    WrongMoney,
    MoneySetAside,
    Orphan,
    WrongAmount,
    WrongInvoice,
    WrongPlan,
    WrongPayment,
    WrongNotification,
    WrongMessages,
    WrongScreen,
    NotArchived,
    ArchiveDiffers,
    ArchiveNotReplayed,
    Leaked,
    Busy,
    NotBack,
);

#[test]
fn every_violation_there_is_is_planted() {
    let planted: BTreeSet<&str> = wrongs().iter().map(|wrong| variant(&wrong.said)).collect();
    assert_eq!(planted, VARIANTS.iter().copied().collect());
}
