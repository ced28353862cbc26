//! A payment's trace, as Jaeger's query API gives it.

use std::collections::BTreeMap;

use serde_json::Value;

/// One span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its id.
    pub id: String,
    /// The span it hangs from.
    pub parent: Option<String>,
    /// The service it belongs to.
    pub service: String,
    /// What was done.
    pub name: String,
    /// When it began, in microseconds since 1970.
    pub start: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// The spans in an answer of `GET /api/traces/{id}`.
pub fn spans(answer: &Value) -> Vec<Span> {
    let trace = &answer["data"][0];
    let read = |span: &Value| -> Option<Span> {
        let parent = span["references"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["refType"] == "CHILD_OF"));
        Some(Span {
            id: span["spanID"].as_str()?.to_owned(),
            parent: parent.and_then(|one| one["spanID"].as_str()).map(str::to_owned),
            service: trace["processes"][span["processID"].as_str()?]["serviceName"]
                .as_str()?
                .to_owned(),
            name: span["operationName"].as_str()?.to_owned(),
            start: span["startTime"].as_u64()?,
            micros: span["duration"].as_u64()?,
        })
    };
    let mut spans: Vec<Span> = trace["spans"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(read)
        .collect();
    spans.sort_by_key(|span| span.start);
    spans
}

/// Without the sidecars' own spans (delivering, invoking): what hung from one hangs from its parent.
pub fn without_sidecars(spans: &[Span]) -> Vec<Span> {
    let is_sidecar = |span: &Span| {
        ["/dapr.", "pubsub/", "CallLocal/"]
            .iter()
            .any(|start| span.name.starts_with(start))
    };
    let hidden: BTreeMap<&str, Option<&str>> = spans
        .iter()
        .filter(|span| is_sidecar(span))
        .map(|span| (span.id.as_str(), span.parent.as_deref()))
        .collect();
    let shown = spans.iter().filter(|span| !hidden.contains_key(span.id.as_str()));
    shown
        .map(|span| {
            let mut parent = span.parent.as_deref();
            while let Some(above) = parent.and_then(|parent| hidden.get(parent)) {
                parent = *above;
            }
            Span {
                parent: parent.map(str::to_owned),
                ..span.clone()
            }
        })
        .collect()
}

/// The spans as a tree, one line each.
pub fn tree(spans: &[Span]) -> Vec<String> {
    let known: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    let mut children: BTreeMap<Option<&str>, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        // A parent that was not exported is no reason to hide its children.
        let parent = span.parent.as_deref().filter(|parent| known.contains_key(parent));
        children.entry(parent).or_default().push(span);
    }
    let first = spans.iter().map(|span| span.start).min().unwrap_or_default();
    let mut lines = Vec::new();
    branch(None, "", first, &children, &mut lines);
    lines
}

fn branch(
    parent: Option<&str>,
    indent: &str,
    first: u64,
    children: &BTreeMap<Option<&str>, Vec<&Span>>,
    lines: &mut Vec<String>,
) {
    let own = children.get(&parent).map(Vec::as_slice).unwrap_or_default();
    for (position, span) in own.iter().enumerate() {
        let last = position + 1 == own.len();
        let (knot, deeper) = match (parent, last) {
            (None, _) => ("", ""),
            (Some(_), true) => ("└─ ", "   "),
            (Some(_), false) => ("├─ ", "│  "),
        };
        let label = format!("{indent}{knot}{}", span.name);
        let (at, took) = ((span.start - first) / 1000, span.micros / 1000);
        lines.push(format!("{label:<64} {:<20} {at:>6} ms {took:>6} ms", span.service));
        branch(Some(&span.id), &format!("{indent}{deeper}"), first, children, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_hangs_from_a_sidecar_hangs_from_who_asked_it() {
        let span = |id: &str, parent: Option<&str>, name: &str| Span {
            id: id.into(),
            parent: parent.map(str::to_owned),
            service: "bff".into(),
            name: name.into(),
            start: 0,
            micros: 0,
        };
        let all = [
            span("a", None, "send RealizarPago"),
            span("b", Some("a"), "/dapr.proto.runtime.v1.Dapr/PublishEvent"),
            span("c", Some("b"), "pubsub/inbox-integracion-pagos"),
            span("d", Some("c"), "receive RealizarPago"),
        ];
        let shown = without_sidecars(&all);
        let edges: Vec<_> = shown
            .iter()
            .map(|span| (span.id.as_str(), span.parent.as_deref()))
            .collect();
        assert_eq!(edges, [("a", None), ("d", Some("a"))]);
    }

    #[test]
    fn spans_are_drawn_under_their_parents_in_the_order_they_began() {
        let span = |id: &str, parent: Option<&str>, start: u64| {
            let references: Vec<_> = parent
                .iter()
                .map(|parent| json!({"refType": "CHILD_OF", "spanID": parent}))
                .collect();
            json!({"spanID": id, "operationName": format!("op {id}"), "processID": "p1", "startTime": start,
                   "duration": 2000, "references": references})
        };
        let answer = json!({"data": [{
            "processes": {"p1": {"serviceName": "bff"}},
            "spans": [span("c", Some("a"), 3000), span("b", Some("a"), 2000), span("a", None, 1000), span("d", Some("gone"), 4000)],
        }]});
        let names: Vec<String> = tree(&spans(&answer))
            .iter()
            .map(|line| line.split("  ").next().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["op a", "├─ op b", "└─ op c", "op d"]);
    }
}
