//! Reading what Go programs count, in the text format of Prometheus.

/// One line: a series and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    labels: Vec<(&'a str, &'a str)>,
    /// The value.
    pub value: f64,
}

// === impl Sample ===

impl<'a> Sample<'a> {
    /// A label's value as it is written (a quote in it is `\"`); empty if it has none, as Prometheus sees it.
    pub fn label(&self, name: &str) -> &'a str {
        let found = self.labels.iter().find(|(label, _)| *label == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The series of a metric. What cannot be read is left out.
pub fn samples<'a>(text: &'a str, metric: &str) -> impl Iterator<Item = Sample<'a>> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(metric)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            // Another metric whose name begins with this one has no blank here.
            None => (Vec::new(), rest.strip_prefix(' ')?),
        };
        // A time may follow.
        let value = value.split_whitespace().next()?.parse().ok()?;
        Some(Sample { labels, value })
    })
}

/// `a="b",c="d"}` and what follows.
fn labels(mut rest: &str) -> Option<(Vec<(&str, &str)>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let end = end_of_value(after)?;
        labels.push((name, after.get(..end)?));
        let after = after.get(end + 1..)?;
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// Where the closing quote is: the first that no backslash takes the meaning from.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# TYPE requests_total counter
requests_total{code=\"200\",resource=\"paymentsagas\",verb=\"PUT\"} 12
requests_total{code=\"409\",path=\"/a\\\"},{b\\\\\",verb=\"PUT\"} 1.5e+03 1732500000000
requests_total_seconds 7
requests_total 3
requests_total{code=\"200\" 9
";

    #[test]
    fn series_are_read_with_their_labels_and_other_metrics_are_not() {
        let read: Vec<_> = samples(TEXT, "requests_total")
            .map(|sample| (sample.label("code"), sample.label("path"), sample.value))
            .collect();
        assert_eq!(
            read,
            [("200", "", 12.0), ("409", "/a\\\"},{b\\\\", 1500.0), ("", "", 3.0)],
            "a comment, a longer name and a line that ends early are left out"
        );
    }
}
