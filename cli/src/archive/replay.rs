//! `pagos archive replay`: whether a payment ended as the engine ends payments.

use std::collections::BTreeMap;

use checker::Way;
use operator::archive::Stored;
use operator::crd::{ENGINE_VERSION, PaymentSaga};
use operator::resource::Payment;
use saga::Saga;
use seedwork::Phase;
use serde_json::Value;

use super::story;
use crate::Verdict;

/// What a clean replay means, and what it cannot mean.
const CHECKED: &str = "Checked: that some sequence of answers, deadlines and people's words leads the \
    engine to the recorded steps, cause, notice and number of writes, and that phase, step, reason and end follow from \
    them. Not checked, since it is not kept: which answers came, and when.";

/// Whether a payment ended as the engine ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It did.
    Same,
    /// It did not.
    Differs,
    /// Nobody knows.
    Unknown(Why),
}

/// Why nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// An engine of this other version wrote it, and may have counted otherwise.
    Engine(u32),
    /// What follows from its steps agrees; more values may lie on the way there than are looked at.
    TooLong,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replayed {
    id: String,
    /// In a word.
    pub(super) outcome: Outcome,
    /// The recorded phase and the engine's.
    phases: Option<(Phase, Phase)>,
    /// A way there, where there is one.
    story: Vec<String>,
    /// What is recorded otherwise.
    differences: Vec<String>,
}

/// How many payments came to what.
#[derive(Debug, Default)]
pub(super) struct Tally {
    same: u64,
    differing: u64,
    unknown: BTreeMap<Why, u64>,
}

/// Replays a row, looking at no more values on the way than about `most`.
pub(super) fn replay(row: &Stored, most: usize) -> Replayed {
    let version = engine_version(&row.recurso);
    // Not even read: it may have words that nobody here knows.
    if let Some(newer) = version.filter(|version| *version > ENGINE_VERSION) {
        return Replayed {
            id: row.id.clone(),
            outcome: Outcome::Unknown(Why::Engine(newer)),
            phases: None,
            story: Vec::new(),
            differences: Vec::new(),
        };
    }
    by_this_engine(row, version.filter(|version| *version < ENGINE_VERSION), most)
}

/// The version of the engine that wrote the resource, whatever else is in it.
fn engine_version(recurso: &str) -> Option<u32> {
    let resource: Value = serde_json::from_str(recurso).ok()?;
    resource.pointer("/status/engineVersion")?.as_u64()?.try_into().ok()
}

/// What an `older` engine wrote may have been counted otherwise: that no way leads there proves nothing then. What the
/// row says twice must agree all the same.
fn by_this_engine(row: &Stored, older: Option<u32>, most: usize) -> Replayed {
    let unreadable = |why: String| Replayed {
        id: row.id.clone(),
        outcome: Outcome::Differs,
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
    let agrees = differences.is_empty();
    let mut unknown = None;
    let (engine, story) = match story::find(&payment.id, &recorded, most) {
        Way::Found(events) => (recorded.phase(), events),
        Way::None(instead) => {
            let nearest = story::nearest(&recorded, instead);
            unknown = older.map(Why::Engine);
            differences.push("no sequence of events leads the engine there; what comes nearest:".to_owned());
            let differing = story::differences(&recorded, &nearest);
            differences.extend(differing.into_iter().map(|one| format!("  {one}")));
            (nearest.phase(), Vec::new())
        }
        Way::TooLong => {
            unknown = Some(Why::TooLong);
            (recorded.phase(), Vec::new())
        }
    };
    let shown = object.status.as_ref().map_or(recorded.phase(), |status| status.phase);
    let outcome = match unknown {
        Some(why) if agrees => Outcome::Unknown(why),
        None if differences.is_empty() => Outcome::Same,
        Some(_) | None => Outcome::Differs,
    };
    Replayed {
        id: row.id.clone(),
        outcome,
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
    /// All of it, in lines.
    pub(super) fn in_full(&self) -> String {
        let Self {
            id,
            outcome,
            phases,
            story,
            differences,
        } = self;
        let mut lines = vec![match (outcome, phases) {
            (Outcome::Same, Some((recorded, engine))) => format!("{id}: {recorded}, as the engine ends it ({engine})"),
            (Outcome::Differs, Some((recorded, engine))) => format!("{id}: recorded {recorded}; the engine: {engine}"),
            (Outcome::Same | Outcome::Differs, None) => format!("{id}: cannot be replayed"),
            (Outcome::Unknown(why), Some((recorded, _))) => {
                format!("{id}: recorded {recorded}; cannot be judged: {}", why.sentence())
            }
            (Outcome::Unknown(why), None) => format!("{id}: cannot be judged: {}", why.sentence()),
        }];
        let mark = match outcome {
            Outcome::Same | Outcome::Differs => '✗',
            Outcome::Unknown(_) => '?',
        };
        lines.extend(differences.iter().map(|one| format!("  {mark} {one}")));
        if !story.is_empty() {
            lines.push("  a way there:".to_owned());
            lines.extend(story.iter().map(|event| format!("    {event}")));
        }
        lines.join("\n")
    }
}

// === impl Why ===

impl Why {
    /// What it is, and what can be done.
    fn sentence(self) -> String {
        match self {
            Self::Engine(version) => format!(
                "engine version {version} wrote it and this is version {ENGINE_VERSION}; ask the `pagos` of its release"
            ),
            Self::TooLong => {
                "there may be more ways there than are tried; what follows from its steps agrees".to_owned()
            }
        }
    }

    /// Which payments those are, after their number.
    fn kind(self) -> String {
        match self {
            Self::Engine(version) => format!("of engine version {version}"),
            Self::TooLong => "with more ways there than are tried".to_owned(),
        }
    }
}

// === impl Tally ===

impl Tally {
    /// One more.
    pub(super) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Differs => self.differing += 1,
            Outcome::Unknown(why) => *self.unknown.entry(why).or_default() += 1,
        }
    }

    /// Unwell for what differs alone: what nobody knows is no finding.
    pub(super) fn verdict(&self) -> Verdict {
        if self.differing == 0 {
            Verdict::Well
        } else {
            Verdict::Unwell
        }
    }

    /// All of it, in a sentence, and what was checked.
    pub(super) fn summary(&self) -> String {
        let Self {
            same,
            differing,
            unknown,
        } = self;
        let total: u64 = unknown.values().sum();
        let kinds = unknown.iter().map(|(why, count)| format!("{count} {}", why.kind()));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        let kinds = if kinds.is_empty() { kinds } else { format!(" ({kinds})") };
        format!(
            "{same} payments end as the engine ends them, {differing} do not, {total} cannot be judged{kinds}. {CHECKED}"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::story::MOST;
    use super::super::story::tests::{archived, completed, declined, ends};
    use super::*;

    fn row(saga: &Saga) -> Stored {
        Stored {
            id: "p-1".to_owned(),
            secuencia: i64::try_from(saga.secuencia).unwrap(),
            recurso: serde_json::to_string(&archived(saga)).unwrap(),
        }
    }

    fn changed(saga: &Saga, change: impl FnOnce(&mut Value)) -> Stored {
        let mut row = row(saga);
        let mut resource: Value = serde_json::from_str(&row.recurso).unwrap();
        change(&mut resource);
        row.recurso = resource.to_string();
        row
    }

    fn tampered(change: impl FnOnce(&mut Value)) -> Replayed {
        replay(&changed(&declined(), change), MOST)
    }

    #[test]
    fn what_the_engine_archived_ends_as_the_engine_ends_it() {
        for (name, saga) in ends() {
            let replayed = replay(&row(&saga), MOST);
            assert_eq!(replayed.outcome, Outcome::Same, "{name}: {}", replayed.in_full());
            assert!(replayed.in_full().contains("a way there"), "{name}");
        }
    }

    #[test]
    fn a_phase_that_was_written_over_is_found() {
        let replayed = tampered(|resource| resource["status"]["phase"] = json!("Completed"));
        let text = replayed.in_full();
        assert_eq!(replayed.outcome, Outcome::Differs);
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
        let in_full = |row: &Stored| replay(row, MOST).in_full();
        assert!(in_full(&other).contains("the resource is that of p-1"));
        other.secuencia += 1;
        assert!(in_full(&other).contains("secuencia of the row"));
        let nonsense = tampered(|resource| resource["spec"]["monto"] = json!("-1"));
        assert!(nonsense.in_full().contains("is no payment"), "{}", nonsense.in_full());
        let gone = Stored {
            recurso: "{}".to_owned(),
            ..row(&declined())
        };
        assert!(in_full(&gone).contains("cannot be read"));
        assert_eq!(replay(&gone, MOST).outcome, Outcome::Differs);
    }

    #[test]
    fn a_payment_of_an_older_engine_is_the_same_where_it_fits_and_cannot_be_judged_where_it_does_not() {
        let by_version_1 = |saga: &Saga| changed(saga, |resource| resource["status"]["engineVersion"] = json!(1));
        // A completed payment has no transition to spare.
        let mut counted_otherwise = completed();
        counted_otherwise.secuencia += 1;
        let replayed = replay(&by_version_1(&counted_otherwise), MOST);
        let text = replayed.in_full();
        assert_eq!(replayed.outcome, Outcome::Unknown(Why::Engine(1)), "{text}");
        assert!(text.contains("cannot be judged: engine version 1 wrote it"), "{text}");
        assert!(text.contains("  ? no sequence of events"), "{text}");
        // Written by this engine the same is a finding.
        assert_eq!(replay(&row(&counted_otherwise), MOST).outcome, Outcome::Differs);
        assert_eq!(replay(&by_version_1(&completed()), MOST).outcome, Outcome::Same);
        // Nor does any way of counting make the row say one thing and its resource another.
        let mut written_over = by_version_1(&completed());
        written_over.secuencia += 1;
        assert_eq!(replay(&written_over, MOST).outcome, Outcome::Differs);
    }

    #[test]
    fn a_payment_of_a_newer_engine_is_not_judged_even_if_it_cannot_be_read() {
        let newer = ENGINE_VERSION + 1;
        for state in ["Done", "Forgiven"] {
            let replayed = tampered(|resource| {
                resource["status"]["engineVersion"] = json!(newer);
                resource["status"]["steps"][0]["state"] = json!(state);
            });
            assert_eq!(replayed.outcome, Outcome::Unknown(Why::Engine(newer)), "{state}");
        }
    }

    #[test]
    fn more_ways_than_are_tried_are_no_finding_and_what_follows_from_the_steps_is_checked_all_the_same() {
        let replayed = replay(&row(&declined()), 1);
        assert_eq!(replayed.outcome, Outcome::Unknown(Why::TooLong));
        assert!(
            replayed.in_full().contains("more ways there than are tried"),
            "{}",
            replayed.in_full()
        );
        let phase = changed(&declined(), |resource| resource["status"]["phase"] = json!("Completed"));
        assert_eq!(replay(&phase, 1).outcome, Outcome::Differs);
    }

    #[test]
    fn only_what_differs_makes_the_command_unwell_and_the_rest_is_counted_by_its_kind() {
        let mut tally = Tally::default();
        let engine = |version| Outcome::Unknown(Why::Engine(version));
        for outcome in [Outcome::Same, Outcome::Unknown(Why::TooLong), engine(1), engine(1)] {
            tally.count(outcome);
        }
        assert!(matches!(tally.verdict(), Verdict::Well));
        let says = "1 payments end as the engine ends them, 0 do not, 3 cannot be judged \
                    (2 of engine version 1, 1 with more ways there than are tried). Checked";
        assert!(tally.summary().starts_with(says), "{}", tally.summary());
        tally.count(Outcome::Differs);
        assert!(matches!(tally.verdict(), Verdict::Unwell));
    }
}
