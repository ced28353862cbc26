//! The amount on its way.

use checker::{Hop, Importe, Movimiento, TipoMovimiento, Violation};
use seedwork::{Action, Dinero, Moneda, Step};

use super::{Wrong, archived, pago, wrong};
use crate::run::{MONTO, Run, id};

pub(super) fn wrongs() -> Vec<Wrong> {
    let less = |hop| Violation::WrongAmount {
        id: id("done"),
        hop,
        asked: usd(MONTO),
        found: usd(MONTO - 1),
    };
    fn lines(run: &mut Run, tipo: TipoMovimiento) {
        let line = run
            .lines()
            .iter_mut()
            .find(|line| line.referencia == "done" && line.tipo == tipo);
        line.unwrap().monto -= 1;
    }
    fn dinero() -> Dinero {
        Dinero::from_minor(MONTO - 1, Moneda::USD).unwrap()
    }
    vec![
        wrong(
            "the saga is about another amount",
            |run| run.versions_of("done")[0].solicitud.dinero = dinero(),
            less(Hop::Saga),
        ),
        wrong(
            "the archive has another amount",
            |run| archived(run, "done").solicitud.dinero = dinero(),
            less(Hop::Archive),
        ),
        wrong(
            "the invoice is about another amount",
            |run| {
                run.evidence
                    .facturas
                    .as_mut()
                    .unwrap()
                    .get_mut(&id("done"))
                    .unwrap()
                    .importe = Some(usd(MONTO - 1))
            },
            less(Hop::Invoice),
        ),
        wrong(
            "the BFF shows another amount",
            |run| {
                let screens = run.evidence.sagas.as_mut().unwrap();
                screens.get_mut(&id("done")).unwrap().importe = usd(MONTO - 1);
            },
            less(Hop::Screen),
        ),
        wrong(
            "the payment is about another amount",
            |run| pago(run, "done").importe = usd(MONTO - 1),
            less(Hop::Payment),
        ),
        wrong(
            "the payment says that another amount was taken",
            |run| pago(run, "done").cobrado = Some(usd(MONTO - 1)),
            less(Hop::Taken),
        ),
        wrong(
            "another amount is set aside",
            |run| lines(run, TipoMovimiento::Autorizacion),
            less(Hop::Authorised),
        ),
        wrong(
            "another amount is captured",
            |run| lines(run, TipoMovimiento::Captura),
            less(Hop::Captured),
        ),
        wrong(
            "another currency is captured",
            |run| {
                let captures = |line: &&mut Movimiento| line.tipo == TipoMovimiento::Captura;
                run.lines().iter_mut().find(captures).unwrap().moneda = Moneda::parse("COP").unwrap();
            },
            Violation::WrongAmount {
                id: id("done"),
                hop: Hop::Captured,
                asked: usd(MONTO),
                found: Importe {
                    minor: MONTO,
                    moneda: Moneda::parse("COP").unwrap(),
                },
            },
        ),
        wrong(
            "another currency is returned",
            |run| {
                let of_undone =
                    |line: &&mut Movimiento| line.referencia == "undone" && line.tipo == TipoMovimiento::Reembolso;
                run.lines().iter_mut().find(of_undone).unwrap().moneda = Moneda::parse("COP").unwrap();
            },
            Violation::WrongAmount {
                id: id("undone"),
                hop: Hop::Returned,
                asked: usd(MONTO),
                found: Importe {
                    minor: MONTO,
                    moneda: Moneda::parse("COP").unwrap(),
                },
            },
        ),
        wrong(
            "an invoice is issued over another amount",
            |run| {
                let effects = run.evidence.effects.as_mut().unwrap();
                effects[0].importe = Some(usd(MONTO - 1));
            },
            less(Hop::Effect(Action::Do(Step::CrearFacturacion))),
        ),
    ]
}

fn usd(minor: i64) -> Importe {
    Importe {
        minor,
        moneda: Moneda::USD,
    }
}
