//! `pagos archive list`.

use std::ops::ControlFlow;

use local::out::say;
use operator::archive::{Archive, Stored};
use operator::crd::PaymentSaga;

/// Which payments, and how many.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only this client's
    #[arg(long)]
    cliente: Option<String>,
    /// Only those that ended in this phase: Completed or Compensated
    #[arg(long)]
    phase: Option<String>,
    /// Only those that ended at this time or later: 2026-11-24, or 2026-11-24T18:00:00Z
    #[arg(long, value_parser = instant)]
    since: Option<jiff::Timestamp>,
    /// Only those that ended before this time
    #[arg(long, value_parser = instant)]
    until: Option<jiff::Timestamp>,
    /// At most this many
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// Go on after this payment, the last one that was shown
    #[arg(long, default_value = "")]
    after: String,
}

const HEADER: [&str; 9] = [
    "ID", "PHASE", "STEP", "REASON", "CLIENTE", "MONTO", "MONEDA", "ENDED", "DURATION",
];

/// Prints a page.
pub(super) async fn run(archive: &Archive, filter: &Filter) -> Result<(), String> {
    let mut table = vec![HEADER.map(str::to_owned)];
    let (mut last, mut more, mut unreadable) = (String::new(), false, 0_u64);
    super::rows(archive, &filter.after, |row| {
        let Stored { id, recurso, .. } = row;
        let Ok(object) = serde_json::from_str::<PaymentSaga>(&recurso) else {
            unreadable += 1;
            return ControlFlow::Continue(());
        };
        if !filter.takes(&object) {
            return ControlFlow::Continue(());
        }
        if table.len() > filter.limit {
            more = true;
            return ControlFlow::Break(());
        }
        table.push(line(&id, &object));
        last = id;
        ControlFlow::Continue(())
    })
    .await
    .map_err(|fault| fault.chain())?;
    say(draw(&table).trim_end());
    // Beside the table, for whoever reads on.
    if more {
        eprintln!("there are more: --after {last}");
    }
    if unreadable > 0 {
        eprintln!("{unreadable} rows hold no payment; `pagos archive replay` names them");
    }
    Ok(())
}

fn line(id: &str, object: &PaymentSaga) -> [String; 9] {
    let spec = &object.spec;
    let of = |field: fn(&operator::crd::PaymentSagaStatus) -> Option<String>| {
        object.status.as_ref().and_then(field).unwrap_or_default()
    };
    [
        id.to_owned(),
        of(|status| Some(status.phase.to_string())),
        of(|status| Some(status.step.clone())),
        of(|status| status.reason.clone()),
        spec.id_cliente.clone(),
        spec.monto.clone(),
        spec.moneda.clone(),
        of(|status| status.completion_time.clone()),
        of(|status| status.duration.clone()),
    ]
}

fn draw(table: &[[String; 9]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let mut text = String::new();
    for row in table {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A day, which begins at midnight UTC, or an instant.
fn instant(text: &str) -> Result<jiff::Timestamp, String> {
    let midnight = format!("{text}T00:00:00Z");
    text.parse()
        .or_else(|_| midnight.parse())
        .map_err(|_| format!("{text:?} must be a day, 2026-11-24, or an instant, 2026-11-24T18:00:00Z"))
}

// === impl Filter ===

impl Filter {
    fn takes(&self, object: &PaymentSaga) -> bool {
        let Self {
            cliente,
            phase,
            since,
            until,
            limit: _,
            after: _,
        } = self;
        let status = object.status.as_ref();
        let ended: Option<jiff::Timestamp> = status.and_then(|status| status.completion_time.as_ref()?.parse().ok());
        cliente
            .as_ref()
            .is_none_or(|cliente| object.spec.id_cliente == *cliente)
            && phase
                .as_ref()
                .is_none_or(|phase| status.is_some_and(|status| status.phase.as_str() == phase))
            && since.is_none_or(|since| ended.is_some_and(|ended| ended >= since))
            && until.is_none_or(|until| ended.is_some_and(|ended| ended < until))
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::tests::{archived, completed};
    use super::*;

    fn any() -> Filter {
        Filter {
            cliente: None,
            phase: None,
            since: None,
            until: None,
            limit: 50,
            after: String::new(),
        }
    }

    #[test]
    fn a_payment_is_found_by_client_phase_and_the_time_of_its_end() {
        // It ended at 2026-11-24T18:00:00Z.
        let payment = archived(&completed());
        let at = |text: &str| Some(instant(text).unwrap());
        let taken = [
            any(),
            Filter {
                cliente: Some("c-1".to_owned()),
                ..any()
            },
            Filter {
                phase: Some("Completed".to_owned()),
                ..any()
            },
            Filter {
                since: at("2026-11-24"),
                until: at("2026-11-25"),
                ..any()
            },
            Filter {
                since: at("2026-11-24T18:00:00Z"),
                ..any()
            },
        ];
        let left = [
            Filter {
                cliente: Some("c-2".to_owned()),
                ..any()
            },
            Filter {
                phase: Some("Compensated".to_owned()),
                ..any()
            },
            Filter {
                since: at("2026-11-24T18:00:01Z"),
                ..any()
            },
            Filter {
                until: at("2026-11-24T18:00:00Z"),
                ..any()
            },
        ];
        for filter in taken {
            assert!(filter.takes(&payment), "{filter:?}");
        }
        for filter in left {
            assert!(!filter.takes(&payment), "{filter:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_would_be_one() {
        assert!(instant("yesterday").unwrap_err().contains("2026-11-24T18:00:00Z"));
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let table = [HEADER.map(str::to_owned), line("p-1", &archived(&completed()))];
        let text = draw(&table);
        let columns: Vec<usize> = text
            .lines()
            .map(|line| line.find("24.00").or(line.find("MONTO")).unwrap())
            .collect();
        assert_eq!(columns[0], columns[1], "{text}");
    }
}
