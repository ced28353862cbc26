//! The figures, as people and programs read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::machine::{Build, Machine, Process};
use crate::row::Row;
use crate::spent::LOAD;
use crate::{Outcome, text};

/// Everything, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When it was begun.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    pub(crate) build: Build,
    pub(crate) command: Vec<String>,
    pub(crate) systems: Vec<Measured>,
}

/// One system.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    /// How its API server is.
    pub(crate) system: &'static str,
    pub(crate) processes: Vec<Process>,
    pub(crate) rows: Vec<Row>,
}

// === impl Report ===

impl Report {
    /// Writes it as it is by now.
    pub(crate) fn write(&self, file: &Path) -> Outcome {
        let json = serde_json::to_string_pretty(self).map_err(text)?;
        fs::write(file, json).map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// One line for each row.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = [
        "load",
        "payments",
        "/s",
        "p50 ms",
        "p99 ms",
        "asked p50",
        "asked p99",
        "CPU ms",
        "load ms",
        "writes",
        "versions",
        "messages",
        "state ops",
        "MiB",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        let load = row.cpu_ms.get(LOAD).copied().unwrap_or_default();
        lines.push(vec![
            row.load.clone(),
            row.payments.to_string(),
            format!("{:.1}", row.payments_per_second),
            format!("{:.1}", row.accepted_to_ended_ms.p50),
            format!("{:.1}", row.accepted_to_ended_ms.p99),
            format!("{:.1}", row.asked_to_ended_ms.p50),
            format!("{:.1}", row.asked_to_ended_ms.p99),
            format!("{:.1}", row.cpu_ms_sum),
            format!("{load:.1}"),
            format!("{:.2}", row.api_writes_sum),
            format!("{:.2}", row.status_versions),
            format!("{:.1}", row.broker_messages),
            format!("{:.1}", row.state_operations),
            format!("{:.0}", row.memory_mib_sum),
        ]);
    }
    let mut text = columns(&lines);
    for row in rows {
        for note in &row.notes {
            text.push_str(&format!("  {}: {note}\n", row.load));
        }
    }
    text
}

/// What each payment cost, a column for each row, and the memory after the last.
pub(crate) fn details(rows: &[&Row]) -> String {
    let mut head = vec!["for each payment".to_owned()];
    head.extend(rows.iter().map(|row| row.load.clone()));
    head.push("MiB".to_owned());
    let mut lines = vec![head];
    let memory = rows.last().map(|row| &row.memory_mib);
    section(&mut lines, "CPU ms", rows, 0.005, |row| &row.cpu_ms);
    for line in lines.iter_mut().skip(2) {
        let mib = memory.and_then(|memory| memory.get(line[0].trim()));
        line.push(mib.map(|mib| format!("{mib:.0}")).unwrap_or_default());
    }
    section(&mut lines, "API server, writes", rows, 0.005, |row| &row.api_writes);
    section(&mut lines, "API server, others", rows, 0.005, |row| &row.api_others);
    section(&mut lines, "Redis, commands", rows, 0.05, |row| &row.broker_commands);
    section(&mut lines, "sidecars", rows, 0.05, |row| &row.sidecars);
    columns(&lines)
}

/// The largest first, those left out that are less everywhere.
fn section(
    lines: &mut Vec<Vec<String>>,
    title: &str,
    rows: &[&Row],
    least: f64,
    of: fn(&Row) -> &BTreeMap<String, f64>,
) {
    lines.push(vec![title.to_owned()]);
    let at = |row: &Row, name: &str| of(row).get(name).copied().unwrap_or_default();
    let names: BTreeSet<&String> = rows.iter().flat_map(|row| of(row).keys()).collect();
    let largest = |name: &str| rows.iter().map(|row| at(row, name)).fold(0.0, f64::max);
    let mut names: Vec<&String> = names.into_iter().filter(|name| largest(name) >= least).collect();
    let last = |name: &str| rows.last().map_or(0.0, |row| at(row, name));
    names.sort_by(|a, b| last(b).total_cmp(&last(a)));
    for name in names {
        let mut line = vec![format!("  {name}")];
        line.extend(rows.iter().map(|row| format!("{:.2}", at(row, name))));
        lines.push(line);
    }
}

/// Lines up cells: the first to the left, numbers to the right.
pub(crate) fn columns(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(nth, (cell, width))| {
            if nth == 0 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::load::Load;
    use crate::row::tests::{payments, snapshot};

    #[test]
    fn both_tables_line_up_and_show_memory_beside_its_process() {
        let start = Instant::now() + Duration::from_secs(60);
        let payments = payments(start, 1000);
        let at = |ms| start + Duration::from_millis(ms);
        let (before, after) = (snapshot(at(1005), 100.0, 30.0), snapshot(at(9005), 900.0, 30.0));
        let row = |load| Row::new(load, &before, &after, &payments).unwrap();
        let rows = [row(Load::Closed(1)), row(Load::Open(50.0))];
        let expected = "\
load         payments     /s  p50 ms  p99 ms  asked p50  asked p99  CPU ms  load ms  writes  versions  messages  state ops  MiB
1 client          800  100.0   400.0   400.0      500.0      500.0    30.0      1.0    2.00      5.00      10.0        4.0   40
open 50.0/s       800  100.0   400.0   400.0      500.0      500.0    30.0      1.0    2.00      5.00      10.0        4.0   40
";
        assert_eq!(table(&rows), expected);
        let details = details(&[&rows[0], &rows[1]]);
        assert!(
            details.starts_with("for each payment          1 client  open 50.0/s  MiB\nCPU ms\n"),
            "{details}"
        );
        assert!(
            details.contains("  etcd                       30.00        30.00   40\n"),
            "{details}"
        );
        assert!(
            details.contains("  PUT paymentsagas (409)      0.50         0.50\n"),
            "{details}"
        );
    }
}
