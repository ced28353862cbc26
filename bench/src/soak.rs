//! Whether a payment after very many costs what one at the beginning did.

use crate::Outcome;
use crate::load::{Load, Payers};
use crate::row::Row;
use crate::spent::{Edge, Snapshot};
use crate::stats::ratio;
use crate::system::System;

/// The window around payment 1,000.
const FIRST: [usize; 2] = [500, 1500];
/// The fewest payments that have a last window apart from the first.
pub(crate) const FEWEST: usize = 3000;
/// How much of the first window's rate the last must have, on as much of the processors.
const KEPT: f64 = 0.95;
/// How large etcd's file may become, in 10⁶ bytes.
const ETCD_MB: f64 = 200.0;

/// Keeps the load up until so many payments have ended, and looks every so many. Each row is printed as it comes.
pub(crate) async fn run(
    system: &System,
    payers: &Payers,
    load: Load,
    payments: usize,
    every: usize,
) -> Outcome<Vec<Row>> {
    let looking = async {
        let mut rows = Vec::new();
        let mut before: Option<Snapshot> = None;
        for boundary in boundaries(payments, every) {
            payers.until_ended(boundary).await?;
            let after = Snapshot::take(system, Edge::End).await?;
            if let Some(before) = &before {
                let mut row = Row::new(load, before, &after, &payers.paid())?;
                row.load = format!("to payment {boundary}");
                println!("{}", line(&row));
                rows.push(row);
            }
            before = Some(after);
        }
        Ok(rows)
    };
    payers.under(load, looking).await
}

fn line(row: &Row) -> String {
    let notes = row.notes.join("; ");
    format!(
        "  {:<18} {:>7.1}/s  CPU {:>5.1} ms  writes {:>4.2}  etcd {:>4.0} MB  all {:>5.0} MiB  {notes}",
        row.load, row.payments_per_second, row.cpu_ms_sum, row.api_writes_sum, row.etcd_mb, row.memory_mib_sum
    )
}

/// After how many payments a look is taken. What remains at the end is a window of its own if it is half of one.
fn boundaries(payments: usize, every: usize) -> Vec<usize> {
    let every = every.max(1);
    let steps = (1..).map(|step| step * every);
    let between = steps
        .take_while(|at| *at + every / 2 < payments)
        .filter(|at| *at > FIRST[1]);
    FIRST.into_iter().chain(between).chain([payments]).collect()
}

/// The first window against the last.
pub(crate) fn verdict(rows: &[Row]) -> Result<String, String> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return Err("nothing was measured".to_owned());
    };
    let rate = ratio(last.payments_per_second, first.payments_per_second);
    let kept = ratio(rate_of_what_was_left(last), rate_of_what_was_left(first));
    let cpu = ratio(first.cpu_ms_sum, last.cpu_ms_sum);
    let etcd = rows.iter().map(|row| row.etcd_mb).fold(0.0, f64::max);
    let said = format!(
        "around payment 1000 {:.1}/s at {:.1} ms while others took {:.0} % of the processors, at the end {:.1}/s at {:.1} ms \
         and {:.0} %: {:.0} % of the rate, {:.0} % of that on what others left, {:.0} % of the CPU's worth; etcd at most {etcd:.0} MB",
        first.payments_per_second,
        first.cpu_ms_sum,
        first.taken_percent,
        last.payments_per_second,
        last.cpu_ms_sum,
        last.taken_percent,
        rate * 100.0,
        kept * 100.0,
        cpu * 100.0
    );
    if kept >= KEPT && etcd < ETCD_MB {
        Ok(said)
    } else {
        Err(format!(
            "{said}; wanted: at least {:.0} % on what others left, and less than {ETCD_MB:.0} MB",
            KEPT * 100.0
        ))
    }
}

/// Payments a second, had the system had the processors for itself. It uses all of them, so what others take it lacks.
fn rate_of_what_was_left(row: &Row) -> f64 {
    ratio(row.payments_per_second, 1.0 - row.taken_percent / 100.0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::row::tests::{payments, snapshot};

    #[test]
    fn looks_are_taken_around_payment_1000_then_regularly_then_at_the_end() {
        assert_eq!(boundaries(20_000, 5000), [500, 1500, 5000, 10_000, 15_000, 20_000]);
        assert_eq!(boundaries(12_000, 5000), [500, 1500, 5000, 12_000]);
        assert_eq!(boundaries(13_000, 5000), [500, 1500, 5000, 10_000, 13_000]);
        assert_eq!(boundaries(FEWEST, 5000), [500, 1500, FEWEST]);
        assert_eq!(boundaries(4000, 1000), [500, 1500, 2000, 3000, 4000]);
    }

    fn row(seconds: u64, etcd_mb: f64) -> Row {
        let start = Instant::now() + Duration::from_secs(60);
        let payments = payments(start, 1000);
        let after = start + Duration::from_secs(seconds);
        let (before, mut after) = (snapshot(start, 0.0, 9.0), snapshot(after, 1000.0, 9.0));
        after.etcd_mb = etcd_mb;
        Row::new(Load::Closed(64), &before, &after, &payments).unwrap()
    }

    #[test]
    fn a_slower_end_or_a_large_etcd_fails() {
        let fast = || row(11, 30.0);
        let said = verdict(&[fast(), row(10, 250.0), fast()]).unwrap_err();
        assert!(
            said.contains("100 % of the rate") && said.contains("etcd at most 250 MB"),
            "{said}"
        );
        assert!(verdict(&[fast(), row(10, 199.0), fast()]).is_ok());
        let said = verdict(&[fast(), row(12, 30.0)]).unwrap_err();
        assert!(said.contains("92 % of the rate"), "{said}");
    }

    #[test]
    fn what_others_took_at_the_end_is_not_laid_to_the_system() {
        let taken = |seconds, percent| {
            let mut row = row(seconds, 30.0);
            row.taken_percent = percent;
            row
        };
        let said = verdict(&[taken(11, 0.0), taken(12, 10.0)]).unwrap();
        assert!(said.contains("92 % of the rate, 102 % of that"), "{said}");
        assert!(verdict(&[taken(11, 10.0), taken(12, 10.0)]).is_err());
    }
}
