//! The table of parts that `local status` prints.

use crate::status::{State, Status};

/// What was measured beside the status, for one part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its share of memory in KiB.
    pub memory_kib: Option<u64>,
    /// What is wrong with a part that was ready, if asked now.
    pub trouble: Option<String>,
}

const HEADER: [&str; 6] = ["PART", "STATE", "PID", "RESTARTS", "PORT", "MEMORY"];
/// From here on, columns hold numbers.
const FIRST_NUMBER: usize = 2;

/// Draws the table, one entry of `seen` per part. The last line is the sum of the memory.
pub fn draw(status: &Status, seen: &[Seen], colours: bool) -> String {
    let mut rows: Vec<[String; 6]> = vec![HEADER.map(str::to_owned)];
    let mut notes = Vec::new();
    for (part, seen) in status.parts.iter().zip(seen) {
        let shown = if seen.trouble.is_some() {
            "unwell"
        } else {
            part.state.name()
        };
        rows.push([
            part.part.clone(),
            shown.to_owned(),
            part.process.map(|process| process.pid.to_string()).unwrap_or_default(),
            part.restarts.to_string(),
            part.port.map(|port| port.to_string()).unwrap_or_default(),
            seen.memory_kib.map(mib).unwrap_or_default(),
        ]);
        let waiting = part.waiting_for.as_ref().filter(|_| part.state != State::Ready);
        if let Some(trouble) = &seen.trouble {
            notes.push(format!("{}: {trouble}", part.part));
        } else if let Some(waiting) = waiting {
            notes.push(format!("{} waits for {waiting}", part.part));
        }
        if let Some(exit) = part.last_exit.as_ref().filter(|_| part.restarts > 0) {
            notes.push(format!("{} was started again: its last process {exit}", part.part));
        }
    }
    let sum = seen.iter().filter_map(|seen| seen.memory_kib).sum();
    let total = format!("{} parts", status.parts.len());
    rows.push([
        total,
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        mib(sum),
    ]);

    let widths: Vec<usize> = (0..HEADER.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let width = widths[column];
                let padded = if column < FIRST_NUMBER {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                };
                if colours && index > 0 && column == 1 {
                    colour(cell, &padded)
                } else {
                    padded
                }
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for note in notes {
        text.push_str(&format!("  {note}\n"));
    }
    text
}

fn mib(kib: u64) -> String {
    format!("{} MiB", kib.div_ceil(1024))
}

fn colour(state: &str, padded: &str) -> String {
    let code = match state {
        "ready" => 32,
        "unwell" | "back-off" => 31,
        "" => return padded.to_owned(),
        _ => 33,
    };
    format!("\u{1b}[{code}m{padded}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Identity;
    use crate::status::PartStatus;

    fn part(name: &str, state: State, pid: Option<u32>, port: Option<u16>) -> PartStatus {
        PartStatus {
            part: name.to_owned(),
            state,
            process: pid.map(|pid| Identity { pid, start: 1 }),
            restarts: 0,
            since: 0,
            waiting_for: None,
            last_exit: None,
            port,
        }
    }

    fn status() -> Status {
        let operator = PartStatus {
            restarts: 12,
            waiting_for: Some("its turn to be started again".to_owned()),
            last_exit: Some("ended with status 1".to_owned()),
            ..part("operator", State::BackOff, None, Some(8080))
        };
        let supervisor = Identity { pid: 1, start: 1 };
        Status {
            supervisor,
            parts: vec![part("etcd", State::Ready, Some(4711), Some(17001)), operator],
        }
    }

    fn seen() -> [Seen; 2] {
        [
            Seen {
                memory_kib: Some(40_000),
                trouble: None,
            },
            Seen::default(),
        ]
    }

    #[test]
    fn columns_line_up_memory_is_summed_and_what_is_not_ready_is_explained() {
        let expected = "\
PART      STATE      PID  RESTARTS   PORT  MEMORY
etcd      ready     4711         0  17001  40 MiB
operator  back-off              12   8080
2 parts                                    40 MiB
  operator waits for its turn to be started again
  operator was started again: its last process ended with status 1
";
        assert_eq!(draw(&status(), &seen(), false), expected);
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let coloured = draw(&status(), &seen(), true);
        assert!(coloured.contains("\u{1b}[32mready   \u{1b}[0m"), "{coloured}");
        assert!(coloured.contains("\u{1b}[31mback-off\u{1b}[0m"), "{coloured}");
        let plain = coloured
            .replace("\u{1b}[32m", "")
            .replace("\u{1b}[31m", "")
            .replace("\u{1b}[0m", "");
        assert_eq!(plain, draw(&status(), &seen(), false));
    }

    #[test]
    fn a_part_that_was_ready_and_does_not_answer_now_is_unwell() {
        let mut seen = seen();
        seen[0].trouble = Some("no answer in 2 s".to_owned());
        let drawn = draw(&status(), &seen, false);
        assert!(
            drawn.contains("etcd      unwell") && drawn.contains("  etcd: no answer in 2 s\n"),
            "{drawn}"
        );
    }
}
