//! What is shown.

use checker::{Notificacion, Violation};
use seedwork::Phase;

use super::{Wrong, pago, wrong};
use crate::run::{Run, cliente, id};

pub(super) fn wrongs() -> Vec<Wrong> {
    let some = |text: &str| Some(text.to_owned());
    vec![
        wrong(
            "the invoice of a completed payment is not confirmed",
            |run| factura(run, "done", "PAGO_ENVIADO"),
            Violation::WrongInvoice(id("done"), some("PAGO_ENVIADO")),
        ),
        wrong(
            "the invoice of an undone payment is confirmed",
            |run| factura(run, "undone", "CONFIRMADO"),
            Violation::WrongInvoice(id("undone"), some("CONFIRMADO")),
        ),
        wrong(
            "an undone payment has lost its invoice",
            |run| drop(run.evidence.facturas.as_mut().unwrap().remove(&id("undone"))),
            Violation::WrongInvoice(id("undone"), None),
        ),
        wrong(
            "an invoice stays confirmed of which a person took over no more than the confirmation",
            |run| factura(run, "overtaken", "CONFIRMADO"),
            Violation::WrongInvoice(id("overtaken"), some("CONFIRMADO")),
        ),
        wrong(
            "a client paid and the plan does not know",
            |run| {
                drop(
                    run.evidence
                        .planes
                        .as_mut()
                        .unwrap()
                        .insert(cliente("ana"), "PENDIENTE".to_owned()),
                )
            },
            Violation::WrongPlan(cliente("ana"), "PENDIENTE".to_owned()),
        ),
        wrong(
            "a client got the money back and the plan does not know",
            |run| {
                drop(
                    run.evidence
                        .planes
                        .as_mut()
                        .unwrap()
                        .insert(cliente("berta"), "PAGADO".to_owned()),
                )
            },
            Violation::WrongPlan(cliente("berta"), "PAGADO".to_owned()),
        ),
        wrong(
            "a plan stays paid whose confirmation a person took over",
            |run| {
                let planes = run.evidence.planes.as_mut().unwrap();
                planes.insert(cliente("lola"), "PAGADO".to_owned());
            },
            Violation::WrongPlan(cliente("lola"), "PAGADO".to_owned()),
        ),
        wrong(
            "a refund is not known to integración-pagos",
            |run| pago(run, "undone").estado = "CONFIRMADO".to_owned(),
            Violation::WrongPayment(id("undone"), some("CONFIRMADO")),
        ),
        wrong(
            "integración-pagos says refunded where the gateway says voided",
            |run| pago(run, "cancelled").estado = "REEMBOLSADO".to_owned(),
            Violation::WrongPayment(id("cancelled"), some("REEMBOLSADO")),
        ),
        wrong(
            "integración-pagos does not know a payment",
            |run| drop(run.evidence.pagos.as_mut().unwrap().remove(&id("done"))),
            Violation::WrongPayment(id("done"), None),
        ),
        wrong(
            "a client is not told of the reversal",
            |run| notices(run, "undone").clear(),
            Violation::WrongNotification(id("undone"), vec![]),
        ),
        wrong(
            "a client is told twice",
            |run| {
                let again = notices(run, "done")[0].clone();
                notices(run, "done").push(again);
            },
            Violation::WrongNotification(id("done"), vec!["ALERTA (ENTREGADA)".to_owned(); 2]),
        ),
        wrong(
            "a client is told of a payment though nobody could be",
            |run| {
                let alert = notices(run, "done")[0].clone();
                notices(run, "undone").insert(0, alert);
            },
            Violation::WrongNotification(
                id("undone"),
                vec![
                    "ALERTA (ENTREGADA)".to_owned(),
                    "ALERTA-REVERSION (ENTREGADA)".to_owned(),
                ],
            ),
        ),
        wrong(
            "a notification about a payment is of a kind that no payment has",
            |run| notices(run, "done")[0].tipo = "RECORDATORIO".to_owned(),
            Violation::WrongNotification(id("done"), vec!["RECORDATORIO (ENTREGADA)".to_owned()]),
        ),
        wrong(
            "a client is told of a payment that was never made",
            |run| {
                let alert = notices(run, "done")[0].clone();
                notices(run, "unknown").push(alert);
            },
            Violation::WrongNotification(id("unknown"), vec!["ALERTA (ENTREGADA)".to_owned()]),
        ),
        wrong(
            "a message is delivered twice",
            |run| run.message("done", "done/ALERTA/correo/2"),
            delivered("done", "ALERTA", 2),
        ),
        wrong(
            "a message is delivered under a key that says nothing",
            |run| {
                run.messages()
                    .iter_mut()
                    .filter(|one| one.referencia == "done")
                    .for_each(|one| one.clave = "k".to_owned())
            },
            delivered("done", "ALERTA", 0),
        ),
        wrong(
            "a client who paid is told of a reversal, and no row says so",
            |run| run.message("done", "done/ALERTA-REVERSION/correo"),
            delivered("done", "ALERTA-REVERSION", 1),
        ),
        wrong(
            "a client whom nobody knows is told of a reversal",
            |run| run.message("unknown", "unknown/ALERTA-REVERSION/correo"),
            delivered("unknown", "ALERTA-REVERSION", 1),
        ),
        wrong(
            "a client is told of a payment whose notification was never issued",
            |run| run.message("declined", "declined/ALERTA/correo"),
            delivered("declined", "ALERTA", 1),
        ),
        wrong(
            "a message is delivered again under a key of another shape",
            |run| run.message("done", "retry/done/ALERTA/correo"),
            delivered("done", "retry/done/ALERTA/correo", 1),
        ),
        wrong(
            "a message about a payment is of a kind that no payment has",
            |run| run.message("done", "done/RECORDATORIO/correo"),
            delivered("done", "RECORDATORIO", 1),
        ),
        wrong(
            "a message about a payment looks as if made by hand",
            |run| run.message("done", "done/correo"),
            delivered("done", "done/correo", 1),
        ),
        wrong(
            "a message that nobody delivered is noted",
            |run| run.messages().retain(|one| one.referencia != "undone"),
            delivered("undone", "ALERTA-REVERSION", 0),
        ),
        wrong(
            "the BFF shows another end",
            |run| {
                run.evidence
                    .sagas
                    .as_mut()
                    .unwrap()
                    .get_mut(&id("undone"))
                    .unwrap()
                    .phase = Phase::Completed
            },
            Violation::WrongScreen {
                id: id("undone"),
                shown: Some(Phase::Completed),
                recorded: Phase::Compensated,
            },
        ),
    ]
}

fn delivered(payment: &str, tipo: &str, delivered: usize) -> Violation {
    Violation::WrongMessages {
        id: id(payment),
        tipo: tipo.to_owned(),
        delivered,
    }
}

fn factura(run: &mut Run, payment: &str, estado: &str) {
    let facturas = run.evidence.facturas.as_mut().unwrap();
    facturas.get_mut(&id(payment)).unwrap().estado = estado.to_owned();
}

fn notices<'a>(run: &'a mut Run, payment: &str) -> &'a mut Vec<Notificacion> {
    run.evidence
        .notificaciones
        .as_mut()
        .unwrap()
        .get_mut(&id(payment))
        .unwrap()
}
