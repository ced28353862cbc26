//! What participants and the gateway do.

use checker::{Effect, TipoMovimiento, Violation};
use seedwork::{Action, Step};

use super::{Wrong, wrong};
use crate::run::{MONTO, Run, id};

pub(super) fn wrongs() -> Vec<Wrong> {
    use TipoMovimiento::{Anulacion, Autorizacion, Captura, Contracargo, Reembolso};
    let step = Step::RealizarPago;
    vec![
        wrong(
            "an invoice is issued twice",
            |run| act_again(run, "done", Action::Do(Step::CrearFacturacion)),
            Violation::EffectTwice(id("done"), Action::Do(Step::CrearFacturacion)),
        ),
        wrong(
            "an invoice is cancelled twice",
            |run| act_again(run, "undone", Action::Undo(Step::CrearFacturacion)),
            Violation::EffectTwice(id("undone"), Action::Undo(Step::CrearFacturacion)),
        ),
        wrong(
            "the client is told twice that it was undone",
            |run| act_again(run, "undone", Action::AvisarReversion),
            Violation::EffectTwice(id("undone"), Action::AvisarReversion),
        ),
        wrong(
            "money is set aside under another key",
            |run| run.line("done", Autorizacion),
            Violation::EffectTwice(id("done"), Action::Do(step)),
        ),
        wrong(
            "a late command is done after its undo",
            |run| act(run, "undone", Action::Do(Step::ConfirmarFacturacion)),
            Violation::EffectAfterUndo(id("undone"), Step::ConfirmarFacturacion),
        ),
        wrong(
            "a late command is done between its undo and the end",
            |run| {
                let effects = run.evidence.effects.as_mut().unwrap();
                let undo = Action::Undo(Step::ConfirmarFacturacion);
                let undone = |effect: &Effect| effect.id == id("undone") && effect.action == undo;
                let at = effects.iter().position(undone).unwrap();
                let late = Effect {
                    action: Action::Do(Step::ConfirmarFacturacion),
                    ..effects[at].clone()
                };
                effects.insert(at + 1, late);
            },
            Violation::EffectAfterUndo(id("undone"), Step::ConfirmarFacturacion),
        ),
        wrong(
            "a client is told of a success after being told of the reversal",
            |run| act(run, "undone", Action::Do(Step::CrearNotificacion)),
            Violation::EffectAfterUndo(id("undone"), Step::CrearNotificacion),
        ),
        wrong(
            "what a person took over is done after the end and not undone",
            |run| {
                let undo = Action::Undo(Step::ConfirmarFacturacion);
                let effects = run.evidence.effects.as_mut().unwrap();
                effects.retain(|effect| effect.id != id("overtaken") || effect.action != undo);
            },
            Violation::EffectAfterUndo(id("overtaken"), Step::ConfirmarFacturacion),
        ),
        wrong(
            "an undo is answered and not done",
            |run| {
                let undo = Action::Undo(Step::ConfirmarFacturacion);
                let effects = run.evidence.effects.as_mut().unwrap();
                effects.retain(|effect| effect.id != id("undone") || effect.action != undo);
            },
            Violation::NotUndone(id("undone"), Step::ConfirmarFacturacion),
        ),
        wrong(
            "an undo is answered and not done, and nobody could be told",
            |run| {
                let undo = Action::Undo(Step::CrearFacturacion);
                let effects = run.evidence.effects.as_mut().unwrap();
                effects.retain(|effect| effect.id != id("untold") || effect.action != undo);
            },
            Violation::NotUndone(id("untold"), Step::CrearFacturacion),
        ),
        wrong(
            "the client is told that all is undone before it is",
            |run| {
                let effects = run.evidence.effects.as_mut().unwrap();
                let of = |action: Action| move |effect: &Effect| effect.id == id("undone") && effect.action == action;
                let undo = Action::Undo(Step::CrearFacturacion);
                let undone = effects.iter().position(of(undo)).unwrap();
                let told = effects.iter().position(of(Action::AvisarReversion)).unwrap();
                effects.swap(undone, told);
            },
            Violation::NotUndone(id("undone"), Step::CrearFacturacion),
        ),
        wrong(
            "money is set aside again after it was returned",
            |run| run.line("undone", Autorizacion),
            Violation::EffectAfterUndo(id("undone"), step),
        ),
        wrong(
            "undoing nothing changes something",
            |run| act(run, "declined", Action::Undo(Step::ConfirmarFacturacion)),
            Violation::UndoOfNothing(id("declined"), Step::ConfirmarFacturacion),
        ),
        wrong(
            "a void where nothing was set aside",
            |run| run.line("declined", Anulacion),
            Violation::UndoOfNothing(id("declined"), step),
        ),
        wrong(
            "money that was taken and returned is let go, too",
            |run| run.line("undone", Anulacion),
            Violation::UndoOfNothing(id("undone"), step),
        ),
        wrong(
            "money is let go twice",
            |run| run.line("cancelled", Anulacion),
            Violation::EffectTwice(id("cancelled"), Action::Undo(step)),
        ),
        wrong(
            "money is returned in two parts",
            |run| {
                let lines = run.lines();
                let of_undone = |line: &checker::Movimiento| line.referencia == "undone" && line.tipo == Reembolso;
                let whole = lines.iter().position(of_undone).unwrap();
                lines[whole].monto /= 2;
                let half = lines[whole].clone();
                lines.insert(whole, half);
            },
            Violation::EffectTwice(id("undone"), Action::Undo(step)),
        ),
        wrong(
            "money is taken after it was let go, and returned",
            |run| {
                run.line("cancelled", Captura);
                run.line("cancelled", Reembolso);
            },
            Violation::EffectAfterUndo(id("cancelled"), step),
        ),
        wrong(
            "a step is done that was never issued",
            |run| {
                let effects = run.evidence.effects.as_mut().unwrap();
                let at = effects.iter().position(|effect| effect.id == id("declined")).unwrap();
                let mut effect = effects[at].clone();
                effect.action = Action::Do(Step::ConfirmarFacturacion);
                effects.insert(at + 1, effect);
            },
            Violation::Unissued(id("declined"), Step::ConfirmarFacturacion),
        ),
        wrong(
            "participants undo in the wrong order",
            |run| {
                let effects = run.evidence.effects.as_mut().unwrap();
                let of = |step| move |effect: &Effect| effect.id == id("undone") && effect.action == Action::Undo(step);
                let confirm = effects.iter().position(of(Step::ConfirmarFacturacion)).unwrap();
                let issue = effects.iter().position(of(Step::CrearFacturacion)).unwrap();
                effects.swap(confirm, issue);
            },
            Violation::UndoOutOfOrder {
                id: id("undone"),
                step: Step::CrearFacturacion,
                before: Step::ConfirmarFacturacion,
            },
        ),
        wrong(
            "money is taken twice",
            |run| run.line("done", Captura),
            Violation::ChargedTwice(id("done"), 2),
        ),
        wrong(
            "more is returned than was taken",
            |run| run.line("undone", Reembolso),
            Violation::RefundAboveCapture {
                id: id("undone"),
                taken: MONTO,
                returned: 2 * MONTO,
            },
        ),
        wrong(
            "money is taken twice of a payment that a person settled",
            |run| run.line("by-hand", Captura),
            Violation::ChargedTwice(id("by-hand"), 2),
        ),
        wrong(
            "more is returned than was taken of a payment that waits for a person",
            |run| {
                run.line("stalled", Reembolso);
                run.line("stalled", Reembolso);
            },
            Violation::RefundAboveCapture {
                id: id("stalled"),
                taken: MONTO,
                returned: 2 * MONTO,
            },
        ),
        wrong(
            "what the bank took back is refunded too",
            |run| run.line("back", Reembolso),
            Violation::RefundAboveCapture {
                id: id("back"),
                taken: MONTO,
                returned: 2 * MONTO,
            },
        ),
        wrong(
            "the bank takes back what was refunded without a reason",
            |run| {
                let lines = run.lines();
                let of_back = |line: &checker::Movimiento| line.referencia == "back" && line.tipo == Contracargo;
                let bank = lines.iter().position(of_back).unwrap();
                let refund = checker::Movimiento {
                    tipo: Reembolso,
                    ..lines[bank].clone()
                };
                lines.insert(bank, refund);
            },
            Violation::RefundAboveCapture {
                id: id("back"),
                taken: MONTO,
                returned: 2 * MONTO,
            },
        ),
        wrong(
            "what was returned twice is returned a third time",
            |run| run.line("raced", Reembolso),
            Violation::RefundAboveCapture {
                id: id("raced"),
                taken: MONTO,
                returned: 3 * MONTO,
            },
        ),
        wrong(
            "money is not returned",
            |run| {
                run.lines()
                    .retain(|line| line.tipo != Reembolso || line.referencia != "undone")
            },
            Violation::WrongMoney {
                id: id("undone"),
                held: MONTO,
                owed: 0,
            },
        ),
        wrong(
            "a completed payment is refunded",
            |run| run.line("done", Reembolso),
            Violation::WrongMoney {
                id: id("done"),
                held: 0,
                owed: MONTO,
            },
        ),
        wrong(
            "the bank takes money back and nobody knows",
            |run| run.line("done", Contracargo),
            Violation::WrongMoney {
                id: id("done"),
                held: 0,
                owed: MONTO,
            },
        ),
        wrong(
            "money stays set aside",
            |run| run.lines().retain(|line| line.tipo != Anulacion),
            Violation::MoneySetAside(id("cancelled")),
        ),
    ]
}

fn act(run: &mut Run, payment: &str, action: Action) {
    let effects = run.evidence.effects.as_mut().unwrap();
    effects.push(Effect {
        id: id(payment),
        action,
        importe: None,
    });
}

fn act_again(run: &mut Run, payment: &str, action: Action) {
    let effects = run.evidence.effects.as_mut().unwrap();
    let at = effects
        .iter()
        .position(|effect| effect.id == id(payment) && effect.action == action)
        .unwrap();
    let again = effects[at].clone();
    effects.insert(at, again);
}
