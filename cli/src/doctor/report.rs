//! How it is said: a tree for people, JSON for programs.

use serde_json::json;

use super::Examined;
use super::judge::{Finding, Grade};

/// What no sidecar's metadata holds, so nobody should take a clean report for an answer to it.
const NOT_SEEN: [&str; 5] = [
    "who may publish and read what (publishingScopes and subscriptionScopes of the broker component)",
    "settings inside a component or a Resiliency; `make conformance` asks for what they bring about",
    "tracing and access control (the Configuration)",
    "whether messages really arrive: a subscription is listed even while the broker refuses it",
    "sidecars of other replicas: one of each application was asked",
];

/// A branch per application; a mark, and under what is not fit the remedy.
pub(crate) fn tree(examined: &[Examined], colours: bool) -> String {
    let mut text = String::new();
    for Examined { app, at, findings } in examined {
        text.push_str(&format!("{app}  ({at})\n"));
        for (index, finding) in findings.iter().enumerate() {
            let last = index + 1 == findings.len();
            let Finding {
                grade,
                subject,
                says,
                remedy,
            } = finding;
            let (branch, below) = if last { ("└─", "  ") } else { ("├─", "│ ") };
            text.push_str(&format!("{branch} {} {subject}: {says}\n", mark(*grade, colours)));
            if let Some(remedy) = remedy {
                text.push_str(&format!("{below}     → {remedy}\n"));
            }
        }
        text.push('\n');
    }
    text.push_str("not in the metadata, so not looked at:\n");
    for one in NOT_SEEN {
        text.push_str(&format!("  · {one}\n"));
    }
    let count = |grade| {
        let findings = examined.iter().flat_map(|one| &one.findings);
        findings.filter(|finding| finding.grade == grade).count()
    };
    text.push_str(&format!(
        "\n{} unfit, {} to be known, {} fit\n",
        count(Grade::Unfit),
        count(Grade::Warning),
        count(Grade::Fit)
    ));
    text
}

fn mark(grade: Grade, colours: bool) -> String {
    let (mark, colour) = match grade {
        Grade::Fit => ("✓", 32),
        Grade::Warning => ("!", 33),
        Grade::Unfit => ("✗", 31),
    };
    if colours {
        format!("\x1b[{colour}m{mark}\x1b[0m")
    } else {
        mark.to_owned()
    }
}

/// The same for programs.
pub(crate) fn json(examined: &[Examined]) -> Result<String, serde_json::Error> {
    let fit = examined
        .iter()
        .flat_map(|one| &one.findings)
        .all(|finding| finding.grade != Grade::Unfit);
    serde_json::to_string_pretty(&json!({"fit": fit, "applications": examined, "notSeen": NOT_SEEN}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examined() -> Vec<Examined> {
        vec![Examined {
            app: "bff",
            at: "up, port 17030".to_owned(),
            findings: vec![
                Finding::unfit("pubsub", "it forgets", "use one that persists"),
                Finding::fit("Dapr", "1.18.2"),
            ],
        }]
    }

    #[test]
    fn the_remedy_stands_under_what_is_unfit_and_colours_only_where_they_are_wanted() {
        let text = tree(&examined(), false);
        let expected = "bff  (up, port 17030)\n\
                        ├─ ✗ pubsub: it forgets\n\
                        │      → use one that persists\n\
                        └─ ✓ Dapr: 1.18.2\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("1 unfit, 0 to be known, 1 fit\n"), "{text}");
        assert!(!text.contains('\x1b'));
        assert!(tree(&examined(), true).contains("\x1b[31m✗\x1b[0m pubsub"));
    }

    #[test]
    fn programs_are_told_the_same() {
        let value: serde_json::Value = serde_json::from_str(&json(&examined()).unwrap()).unwrap();
        assert_eq!(value["fit"], false);
        let finding = &value["applications"][0]["findings"][0];
        assert_eq!(
            (&finding["grade"], &finding["subject"]),
            (&"unfit".into(), &"pubsub".into())
        );
        assert_eq!(finding["remedy"], "use one that persists");
    }
}
