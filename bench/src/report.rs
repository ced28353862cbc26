//! The figures, as people and programs read them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::cost::Cost;

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    clients: usize,
    payments: usize,
    payments_per_second: f64,
    /// From the request to the end on the watch, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
    /// Milliseconds of CPU for each payment, by process.
    cpu_ms: BTreeMap<String, f64>,
    cpu_ms_total: f64,
    /// Writes to the API server for each payment, by verb. Those of payments that leave later are not in it.
    writes: BTreeMap<String, f64>,
    memory_mib: BTreeMap<String, f64>,
}

// === impl Row ===

impl Row {
    /// A run of so many clients, from what was spent before and after it.
    pub(crate) fn new(clients: usize, elapsed: Duration, mut took: Vec<Duration>, before: &Cost, after: &Cost) -> Self {
        took.sort_unstable();
        let payments = took.len();
        let count = f64::from(u32::try_from(payments).unwrap_or(u32::MAX)).max(1.0);
        let each = |before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>| -> BTreeMap<String, f64> {
            let spent = |(name, now): (&String, &f64)| (name.clone(), (now - before.get(name).unwrap_or(&0.0)) / count);
            after.iter().map(spent).filter(|(_, spent)| *spent > 0.0).collect()
        };
        let at = |hundredths: usize| {
            let index = payments * hundredths / 100;
            took.get(index.min(payments.saturating_sub(1)))
                .map_or(0.0, Duration::as_secs_f64)
                * 1000.0
        };
        let cpu_ms = each(&before.cpu, &after.cpu);
        Self {
            clients,
            payments,
            payments_per_second: count / elapsed.as_secs_f64(),
            p50_ms: at(50),
            p99_ms: at(99),
            cpu_ms_total: cpu_ms.values().sum(),
            cpu_ms,
            writes: each(&before.writes, &after.writes),
            memory_mib: after.memory.clone(),
        }
    }
}

/// A table of all runs.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from("clients  payments  payments/s   p50 ms   p99 ms  CPU ms  writes\n");
    for row in rows {
        let writes: f64 = row.writes.values().sum();
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "{:>7} {:>9} {:>11.1} {:>8.1} {:>8.1} {:>7.1} {:>7.2}",
            row.clients, row.payments, row.payments_per_second, row.p50_ms, row.p99_ms, row.cpu_ms_total, writes
        );
    }
    if let Some(row) = rows.last() {
        let _ = writeln!(text, "\nCPU ms for each payment at {} clients, and MiB:", row.clients);
        let mut parts: Vec<_> = row.cpu_ms.iter().collect();
        parts.sort_by(|a, b| b.1.total_cmp(a.1));
        for (name, spent) in parts {
            let memory = row.memory_mib.get(name).copied().unwrap_or_default();
            let _ = writeln!(text, "  {name:<26} {spent:>6.2} {memory:>6.0}");
        }
    }
    text
}
