//! What is written on a resource.

use checker::{TipoMovimiento, Violation};
use saga::{Aviso, Saga, StepState};
use seedwork::{Phase, Step};

use super::{Wrong, archived, pago, wrong};
use crate::run::id;

pub(super) fn wrongs() -> Vec<Wrong> {
    vec![
        wrong(
            "a payment does not end",
            |run| {
                let declined = id("declined");
                run.evidence.archivo.as_mut().unwrap().remove(&declined);
                let last = run.versions.iter().rposition(|version| version.id == declined).unwrap();
                run.versions.remove(last);
            },
            Violation::NotEnded(id("declined"), Phase::Compensating),
        ),
        wrong(
            "a payment is stalled and does not say why",
            |run| run.versions_of("stalled").last_mut().unwrap().reason = None,
            Violation::StalledWithoutReason(id("stalled")),
        ),
        wrong(
            "a chargeback is forgotten",
            |run| {
                run.line("done", TipoMovimiento::Contracargo);
                run.evidence.contracargos.insert(id("done"));
            },
            Violation::ChargebackForgotten(id("done")),
        ),
        wrong(
            "a chargeback is known to integración-pagos and to nobody else",
            |run| {
                run.line("done", TipoMovimiento::Contracargo);
                run.evidence.contracargos.insert(id("done"));
                pago(run, "done").estado = "CONTRACARGADO".to_owned();
            },
            Violation::ChargebackForgotten(id("done")),
        ),
        wrong(
            "a payment takes too long",
            |run| run.versions_of("done").last_mut().unwrap().at_ms = 90_000,
            Violation::Late {
                id: id("done"),
                took_ms: 90_000,
            },
        ),
        wrong(
            "secuencia goes back",
            |run| {
                let older = run.versions_of("done")[2].clone();
                run.versions.push(older);
            },
            Violation::SecuenciaBack {
                id: id("done"),
                from: 5,
                to: 3,
            },
        ),
        wrong(
            "a write is forced over another",
            |run| {
                let mut forced = run.versions_of("done")[2].clone();
                forced.saga.as_mut().unwrap().retry_seen = Some("now".to_owned());
                let at = run
                    .versions
                    .iter()
                    .position(|version| version.id == id("done"))
                    .unwrap();
                run.versions.insert(at + 3, forced);
            },
            Violation::Forked(id("done"), 3),
        ),
        wrong(
            "a phase moves as it must not",
            |run| run.version("undone", |saga| saga.secuencia == 3).phase = Some(Phase::Stalled),
            Violation::PhaseMove {
                id: id("undone"),
                from: Phase::Running,
                to: Phase::Stalled,
            },
        ),
        wrong(
            "a phase is not what its steps say",
            |run| run.version("undone", |saga| saga.cause.is_some()).phase = Some(Phase::Running),
            Violation::WrongPhase {
                id: id("undone"),
                recorded: Phase::Running,
                derived: Phase::Compensating,
            },
        ),
        wrong(
            "an undo is skipped",
            |run| {
                let versions = run
                    .versions_of("undone")
                    .into_iter()
                    .map(|version| version.saga.as_mut());
                let over = versions
                    .flatten()
                    .filter(|saga| matches!(saga.aviso, Aviso::Issued | Aviso::Done));
                over.for_each(|saga| saga.pasos[1].estado = StepState::Done);
                let archived = archived(run, "undone");
                archived.saga.as_mut().unwrap().pasos[1].estado = StepState::Done;
            },
            Violation::UndoSkipped(id("undone"), Step::RealizarPago),
        ),
        wrong(
            "an undo is skipped and the one before it is done instead",
            |run| {
                let skip = |saga: &mut Saga| {
                    if saga.pasos[1].estado == StepState::Undoing {
                        saga.pasos[0].estado = StepState::Undoing;
                    }
                    if matches!(saga.pasos[1].estado, StepState::Undoing | StepState::Undone) {
                        saga.pasos[1].estado = StepState::Done;
                    }
                };
                let versions = run.versions_of("undone").into_iter();
                versions.filter_map(|version| version.saga.as_mut()).for_each(skip);
                skip(archived(run, "undone").saga.as_mut().unwrap());
            },
            Violation::UndoSkipped(id("undone"), Step::RealizarPago),
        ),
        wrong(
            "a step is undone before a later one",
            |run| {
                let version = run.version("undone", |saga| saga.pasos[1].estado == StepState::Undoing);
                let saga = version.saga.as_mut().unwrap();
                (saga.pasos[0].estado, saga.pasos[1].estado) = (StepState::Undoing, StepState::Done);
            },
            Violation::UndoOutOfOrder {
                id: id("undone"),
                step: Step::CrearFacturacion,
                before: Step::RealizarPago,
            },
        ),
        wrong(
            "a step is done without an answer to the one before",
            |run| {
                let version = run.version("undone", |saga| saga.secuencia == 4);
                version.saga.as_mut().unwrap().pasos[1].estado = StepState::Issued;
            },
            Violation::NotTheEngine {
                id: id("undone"),
                from: 3,
                to: 4,
            },
        ),
        wrong(
            "a person's word is written along with an answer",
            |run| {
                let version = run.version("undone", |saga| saga.secuencia == 4);
                version.saga.as_mut().unwrap().resolved_by = Some("nobody".to_owned());
            },
            Violation::NotTheEngine {
                id: id("undone"),
                from: 3,
                to: 4,
            },
        ),
    ]
}
