//! `pagos archive replay`: whether a payment ended as the engine ends payments.

use operator::archive::Stored;
use operator::crd::PaymentSaga;
use operator::resource::Payment;
use saga::Saga;
use seedwork::Phase;

use super::story::{self, Story};

/// What a clean replay means, and what it cannot mean.
pub(super) const CHECKED: &str = "Checked: that some sequence of answers, deadlines and people's words leads the \
    engine to the recorded steps, cause, notice and number of writes, and that phase, step, reason and end follow from \
    them. Not checked, since it is not kept: which answers came, and when.";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replayed {
    id: String,
    /// The recorded phase and the engine's.
    phases: Option<(Phase, Phase)>,
    /// A way there, where there is one.
    story: Vec<String>,
    /// What is recorded otherwise.
    differences: Vec<String>,
}

/// Replays a row.
pub(super) fn replay(row: &Stored) -> Replayed {
    let unreadable = |why: String| Replayed {
        id: row.id.clone(),
        phases: None,
        story: Vec::new(),
        differences: vec![why],
    };
    let object: PaymentSaga = match serde_json::from_str(&row.recurso) {
        Ok(object) => object,
        Err(error) => return unreadable(format!("the resource cannot be read: {error}")),
    };
    let payment = match Payment::try_from_resource(&object) {
        Ok(payment) => payment,
        Err(unfit) => return unreadable(format!("the resource is no payment: {unfit}")),
    };
    let Some(recorded) = payment.saga else {
        return unreadable("the resource has no policy, so nothing was recorded".to_owned());
    };
    let mut differences = derived(row, &object, &recorded);
    if payment.id.as_str() != row.id {
        differences.push(format!("the resource is that of {}", payment.id));
    }
    let (engine, story) = match story::find(&payment.id, &recorded) {
        Story::Told(events) => (recorded.phase(), events),
        Story::None(nearest) => {
            differences.push("no sequence of events leads the engine there; what comes nearest:".to_owned());
            let differing = story::differences(&recorded, &nearest);
            differences.extend(differing.into_iter().map(|one| format!("  {one}")));
            (nearest.phase(), Vec::new())
        }
        Story::TooLong => {
            differences.push(format!(
                "its {} writes are too many to be replayed; what follows from them was checked",
                recorded.secuencia
            ));
            (recorded.phase(), Vec::new())
        }
    };
    let shown = object.status.as_ref().map_or(recorded.phase(), |status| status.phase);
    Replayed {
        id: row.id.clone(),
        phases: Some((shown, engine)),
        story,
        differences,
    }
}

/// What the status shows and does not follow from what it records.
fn derived(row: &Stored, object: &PaymentSaga, recorded: &Saga) -> Vec<String> {
    let Some(status) = &object.status else {
        return vec!["the resource has no status".to_owned()];
    };
    // As the operator would write it now; times are kept from what is there.
    let again = operator::resource::status(object, recorded, jiff::Timestamp::UNIX_EPOCH);
    let mut found = Vec::new();
    let mut compare = |what: &str, shown: String, follows: String| {
        if shown != follows {
            found.push(format!("{what}: recorded {shown}, from the steps follows {follows}"));
        }
    };
    compare("phase", status.phase.to_string(), again.phase.to_string());
    compare("step", status.step.clone(), again.step);
    compare("reason", format!("{:?}", status.reason), format!("{:?}", again.reason));
    compare(
        "message",
        format!("{:?}", status.message),
        format!("{:?}", again.message),
    );
    compare(
        "ended",
        status.completion_time.is_some().to_string(),
        recorded.ended().to_string(),
    );
    compare(
        "secuencia of the row",
        row.secuencia.to_string(),
        recorded.secuencia.to_string(),
    );
    if !recorded.ended() {
        found.push(format!("phase: {}, which is no end", recorded.phase()));
    }
    found
}

// === impl Replayed ===

impl Replayed {
    /// Whether it ended as the engine ends it.
    pub(super) fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    /// All of it, in lines.
    pub(super) fn in_full(&self) -> String {
        let Self {
            id,
            phases,
            story,
            differences,
        } = self;
        let mut lines = vec![match phases {
            Some((recorded, engine)) if self.is_same() => format!("{id}: {recorded}, as the engine ends it ({engine})"),
            Some((recorded, engine)) => format!("{id}: recorded {recorded}; the engine: {engine}"),
            None => format!("{id}: cannot be replayed"),
        }];
        lines.extend(differences.iter().map(|one| format!("  ✗ {one}")));
        if !story.is_empty() {
            lines.push("  a way there:".to_owned());
            lines.extend(story.iter().map(|event| format!("    {event}")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::story::tests::{archived, declined, ends};
    use super::*;

    fn row(saga: &Saga) -> Stored {
        Stored {
            id: "p-1".to_owned(),
            secuencia: i64::try_from(saga.secuencia).unwrap(),
            recurso: serde_json::to_string(&archived(saga)).unwrap(),
        }
    }

    fn tampered(change: impl FnOnce(&mut Value)) -> Replayed {
        let mut row = row(&declined());
        let mut resource: Value = serde_json::from_str(&row.recurso).unwrap();
        change(&mut resource);
        row.recurso = resource.to_string();
        replay(&row)
    }

    #[test]
    fn what_the_engine_archived_ends_as_the_engine_ends_it() {
        for (name, saga) in ends() {
            let replayed = replay(&row(&saga));
            assert!(replayed.is_same(), "{name}: {}", replayed.in_full());
            assert!(replayed.in_full().contains("a way there"), "{name}");
        }
    }

    #[test]
    fn a_phase_that_was_written_over_is_found() {
        let replayed = tampered(|resource| resource["status"]["phase"] = json!("Completed"));
        let text = replayed.in_full();
        assert!(!replayed.is_same());
        assert!(
            text.contains("p-1: recorded Completed; the engine: Compensated"),
            "{text}"
        );
        assert!(
            text.contains("phase: recorded Completed, from the steps follows Compensated"),
            "{text}"
        );
    }

    #[test]
    fn a_payment_that_is_made_to_look_undone_throughout_is_found_by_its_writes() {
        // Everything agrees with everything else, but the engine needs a write to undo step 1.
        let replayed = tampered(|resource| resource["status"]["steps"][0]["state"] = json!("Resolved"));
        let text = replayed.in_full();
        assert!(text.contains("no sequence of events"), "{text}");
        assert!(text.contains("recorded CrearFacturacion Resolved"), "{text}");
    }

    #[test]
    fn a_row_that_is_another_one_s_or_no_payment_is_found() {
        let mut other = row(&declined());
        other.id = "p-2".to_owned();
        assert!(replay(&other).in_full().contains("the resource is that of p-1"));
        other.secuencia += 1;
        assert!(replay(&other).in_full().contains("secuencia of the row"));
        let nonsense = tampered(|resource| resource["spec"]["monto"] = json!("-1"));
        assert!(nonsense.in_full().contains("is no payment"), "{}", nonsense.in_full());
        let gone = Stored {
            recurso: "{}".to_owned(),
            ..row(&declined())
        };
        assert!(replay(&gone).in_full().contains("cannot be read"));
    }
}
