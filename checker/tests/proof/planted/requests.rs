//! What was asked for, and what there is.

use checker::{Answer, Request, Version, Violation};
use seedwork::MedioPago;

use super::{Wrong, wrong};
use crate::payment::Plot;
use crate::run::id;

pub(super) fn wrongs() -> Vec<Wrong> {
    vec![
        wrong(
            "an accepted request is lost",
            |run| run.forget("undone"),
            Violation::Lost(id("undone")),
        ),
        wrong(
            "a saga that nobody asked for",
            |run| {
                let undone = id("undone");
                let other = |request: &Request| request.answer != Answer::Accepted(undone.clone());
                run.evidence.requests.retain(other);
            },
            Violation::Unasked(id("undone")),
        ),
        wrong(
            "a refused request is done all the same",
            |run| run.request("undone").answer = Answer::Refused("monto".to_owned()),
            Violation::Unasked(id("undone")),
        ),
        wrong(
            "one unanswered request becomes two payments",
            |run| {
                *run = run.clone().with_unanswered("again", "karla", Plot::default());
                run.evidence.requests.pop();
            },
            Violation::Unasked(id("unheard")),
        ),
        wrong(
            "a key is answered with another payment",
            |run| run.request("twin").key = Some("key-of-done".to_owned()),
            Violation::OneKeyTwoPayments {
                key: "key-of-done".to_owned(),
                first: id("done"),
                second: id("twin"),
            },
        ),
        wrong(
            "two requests are answered with one payment",
            |run| {
                let mut second = run.request("done").clone();
                second.key = Some("another".to_owned());
                run.evidence.requests.push(second);
            },
            Violation::Shared(id("done")),
        ),
        wrong(
            "a payment begins a second time",
            |run| {
                let again: Vec<Version> = run.versions_of("done")[..2]
                    .iter()
                    .map(|version| (**version).clone())
                    .collect();
                let again = again.into_iter().map(|version| Version {
                    uid: "another".to_owned(),
                    ..version
                });
                run.versions.extend(again);
            },
            Violation::TwoSagas(id("done")),
        ),
        wrong(
            "another medium is charged",
            |run| run.request("done").solicitud.medio_pago = MedioPago::Pse,
            Violation::Altered(id("done")),
        ),
    ]
}
