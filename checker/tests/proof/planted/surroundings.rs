//! What surrounds the payments.

use checker::{Kind, Leak, Scanner, Violation};

use super::{Wrong, wrong};

pub(super) fn wrongs() -> Vec<Wrong> {
    vec![
        wrong(
            "a card number in a log",
            |run| {
                let mut scanner = Scanner::default();
                scanner.read("log of integracion-pagos", "card 4111111111111111 declined");
                run.evidence.scan = Some(scanner.finish());
            },
            Violation::Leaked(Leak {
                place: "log of integracion-pagos".to_owned(),
                at: 5,
                kind: Kind::Card,
            }),
        ),
        wrong(
            "something is written while nothing is asked for",
            |run| run.evidence.idle.as_mut().unwrap()[0].after += 3,
            Violation::Busy {
                what: "paymentsagas".to_owned(),
                writes: 3,
            },
        ),
        wrong(
            "a table grows",
            |run| run.evidence.baseline.as_mut().unwrap()[0].after += 1,
            Violation::NotBack {
                what: "rows of the intake".to_owned(),
                after: 6,
                most: 5,
            },
        ),
    ]
}
