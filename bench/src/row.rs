//! One row of figures: what a load gave and what each of its payments cost.

use std::collections::BTreeMap;

use local::world::ApiRequest;
use serde::Serialize;

use crate::Outcome;
use crate::load::{Load, Payment};
use crate::spent::{LOAD, Snapshot, ended_between};
use crate::stats::{Spread, number, ratio};

/// The processors' time that nobody here spent, in a hundred, above which a row is not to be trusted.
const OTHERS_PERCENT: f64 = 5.0;

/// One run, over a window in the middle of it. "Each" is for each payment that ended in the window.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The load in words.
    pub(crate) load: String,
    clients: Option<usize>,
    offered_per_second: Option<f64>,
    seconds: f64,
    /// Payments that ended.
    pub(crate) payments: usize,
    pub(crate) payments_per_second: f64,
    /// From the door's answer to the end on the watch, of payments asked for in the window.
    pub(crate) accepted_to_ended_ms: Spread,
    /// From when the payment was to be asked for, the door's work and (open loop) queueing before it included.
    pub(crate) asked_to_ended_ms: Spread,
    compensated_percent: f64,
    /// Milliseconds of CPU each, by process; the load is listed and is not in the sum.
    pub(crate) cpu_ms: BTreeMap<String, f64>,
    pub(crate) cpu_ms_sum: f64,
    /// Writes that the API server accepted, each, by verb and resource, the deletion of payments that leave included.
    pub(crate) api_writes: BTreeMap<String, f64>,
    pub(crate) api_writes_sum: f64,
    /// Everything else that it was asked, each: reads, and writes that it refused.
    pub(crate) api_others: BTreeMap<String, f64>,
    /// Versions of the status each, as the watch showed them, and events on the watch.
    pub(crate) status_versions: f64,
    watch_events: f64,
    /// Commands to Redis each; a message is an XADD.
    pub(crate) broker_commands: BTreeMap<String, f64>,
    pub(crate) broker_messages: f64,
    /// What the applications asked of their sidecars, each.
    pub(crate) sidecars: BTreeMap<String, f64>,
    pub(crate) state_operations: f64,
    pub(crate) memory_mib: BTreeMap<String, f64>,
    pub(crate) memory_mib_sum: f64,
    pub(crate) etcd_mb: f64,
    /// Of all processors: busy, and kept by the machine's host.
    busy_percent: f64,
    steal_percent: f64,
    /// Of all processors: taken by what is no part of the measured system, the machine's host included.
    pub(crate) taken_percent: f64,
    /// What makes the row doubtful.
    pub(crate) notes: Vec<String>,
}

// === impl Row ===

impl Row {
    /// What happened between two looks, of all payments.
    pub(crate) fn new(load: Load, before: &Snapshot, after: &Snapshot, payments: &[Payment]) -> Outcome<Self> {
        for (part, process) in &before.processes {
            if after.processes.get(part) != Some(process) {
                return Err(format!(
                    "{part} was started again meanwhile: these figures would say nothing"
                ));
            }
        }
        let (from, to) = (before.cpu.at, after.cpu.at);
        let seconds = to.saturating_duration_since(from).as_secs_f64();
        let ended = ended_between(payments, from, to);
        let asked: Vec<&Payment> = payments
            .iter()
            .filter(|paid| (from..to).contains(&paid.asked))
            .collect();
        let spread = |since: fn(&Payment) -> std::time::Instant| {
            let took = |paid: &&Payment| paid.ended.saturating_duration_since(since(paid));
            Spread::of(asked.iter().map(took).collect())
        };
        let compensated = asked.iter().filter(|paid| paid.compensated).count();
        let unexpected = asked.iter().filter(|paid| paid.compensated != paid.declined).count();

        let cpu_ms = after.cpu.each_since(&before.cpu, payments);
        let cpu_ms_sum = cpu_ms.iter().filter(|(part, _)| *part != LOAD).map(|(_, ms)| ms).sum();
        let (api_writes, api_others) = by_outcome(after.api.each_since(&before.api, payments));
        let watch = after.watch.each_since(&before.watch, payments);
        let broker_commands = after.broker.each_since(&before.broker, payments);
        let sidecars = after.sidecars.each_since(&before.sidecars, payments);
        let of = |counts: &BTreeMap<String, f64>, what: &str| counts.get(what).copied().unwrap_or_default();

        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let capacity = seconds * 1000.0 * number(cores);
        let spent = |what: &str| of(&after.machine.counts, what) - of(&before.machine.counts, what);
        let percent = |ms: f64| 100.0 * ratio(ms, capacity);
        let ours = cpu_ms.values().sum::<f64>() * number(ended);
        let others = percent(spent("busy") - ours);

        let mut notes = Vec::new();
        if others > OTHERS_PERCENT {
            notes.push(format!("others took {others:.0} % of the processors"));
        }
        if percent(spent("steal")) > OTHERS_PERCENT {
            notes.push(format!(
                "the machine's host took {:.0} % of the processors",
                percent(spent("steal"))
            ));
        }
        if unexpected > 0 {
            notes.push(format!("{unexpected} payments ended otherwise than their amount says"));
        }
        Ok(Self {
            load: load.in_words(),
            clients: match load {
                Load::Closed(clients) => Some(clients),
                Load::Open(_) => None,
            },
            offered_per_second: match load {
                Load::Closed(_) => None,
                Load::Open(per_second) => Some(per_second),
            },
            seconds,
            payments: ended,
            payments_per_second: ratio(number(ended), seconds),
            accepted_to_ended_ms: spread(|paid| paid.accepted),
            asked_to_ended_ms: spread(|paid| paid.asked),
            compensated_percent: 100.0 * ratio(number(compensated), number(asked.len())),
            cpu_ms,
            cpu_ms_sum,
            api_writes_sum: api_writes.values().sum(),
            api_writes,
            api_others,
            status_versions: of(&watch, "versions"),
            watch_events: of(&watch, "events"),
            broker_messages: of(&broker_commands, "xadd"),
            broker_commands,
            state_operations: state_operations(&sidecars),
            sidecars,
            memory_mib_sum: after.memory_mib.values().sum(),
            memory_mib: after.memory_mib.clone(),
            etcd_mb: after.etcd_mb,
            busy_percent: percent(spent("busy")),
            steal_percent: percent(spent("steal")),
            taken_percent: others.max(0.0) + percent(spent("steal")),
            notes,
        })
    }

    /// The most important on one line.
    pub(crate) fn line(&self) -> String {
        let Spread { p50, p99, .. } = self.accepted_to_ended_ms;
        format!(
            "{:.1}/s, p50 {p50:.0} ms, p99 {p99:.0} ms, CPU {:.1} ms, {:.2} writes, {:.1} messages, {:.1} state operations",
            self.payments_per_second, self.cpu_ms_sum, self.api_writes_sum, self.broker_messages, self.state_operations
        )
    }
}

/// Accepted writes, and everything else.
fn by_outcome(requests: BTreeMap<ApiRequest, f64>) -> (BTreeMap<String, f64>, BTreeMap<String, f64>) {
    let (writes, others): (Vec<_>, Vec<_>) = requests
        .into_iter()
        .partition(|(request, _)| request.is_write() && request.was_accepted());
    let named = |requests: Vec<(ApiRequest, f64)>| -> BTreeMap<String, f64> {
        let mut named = BTreeMap::new();
        for (request, count) in requests {
            // 200 and 201 are told by one name.
            *named.entry(request.to_string()).or_insert(0.0) += count;
        }
        named
    };
    (named(writes), named(others))
}

fn state_operations(sidecars: &BTreeMap<String, f64>) -> f64 {
    let state = sidecars.iter().filter(|(what, _)| what.starts_with("state "));
    state.map(|(_, count)| count).sum()
}

// === impl Load ===

impl Load {
    /// As a row is called.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Closed(1) => "1 client".to_owned(),
            Self::Closed(clients) => format!("{clients} clients"),
            Self::Open(per_second) => format!("open {per_second:.1}/s"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, Instant};

    use local::process::Identity;

    use super::*;
    use crate::spent::Reading;

    /// A look at a system of which each payment costs so many milliseconds of CPU and two writes.
    pub(crate) fn snapshot(at: Instant, payments: f64, ms_each: f64) -> Snapshot {
        fn reading<const N: usize>(at: Instant, counts: [(&str, f64); N]) -> Reading<String> {
            let counts = counts.map(|(what, count)| (what.to_owned(), count));
            Reading {
                at,
                counts: BTreeMap::from(counts),
            }
        }
        let request = |verb: &str, code: &str| ApiRequest {
            verb: verb.to_owned(),
            resource: "paymentsagas".to_owned(),
            subresource: String::new(),
            code: code.to_owned(),
        };
        Snapshot {
            processes: BTreeMap::from([("etcd".to_owned(), Identity { pid: 1, start: 2 })]),
            cpu: reading(at, [("etcd", ms_each * payments), (LOAD, payments)]),
            machine: reading(at, [("busy", (ms_each + 1.0) * payments), ("steal", 0.0)]),
            watch: reading(at, [("versions", 5.0 * payments), ("events", 7.0 * payments)]),
            api: Reading {
                at,
                counts: BTreeMap::from([
                    (request("POST", "201"), payments),
                    (request("PUT", "200"), payments),
                    (request("PUT", "409"), 0.5 * payments),
                    (request("GET", "200"), 4.0 * payments),
                ]),
            },
            broker: reading(at, [("xadd", 10.0 * payments)]),
            sidecars: reading(at, [("state get", 4.0 * payments), ("published x", payments)]),
            memory_mib: BTreeMap::from([("etcd".to_owned(), 40.0)]),
            etcd_mb: 20.0,
        }
    }

    /// Payments that end one every ten milliseconds and take 500 ms, of which the door 100.
    pub(crate) fn payments(start: Instant, count: u32) -> Vec<Payment> {
        let ended = (1..=count).map(|number| start + Duration::from_millis(10) * number);
        ended
            .map(|ended| Payment {
                asked: ended - Duration::from_millis(500),
                accepted: ended - Duration::from_millis(400),
                ended,
                compensated: false,
                declined: false,
            })
            .collect()
    }

    #[test]
    fn a_row_tells_what_each_payment_of_its_window_cost() {
        let start = Instant::now() + Duration::from_secs(60);
        let payments = payments(start, 1000);
        let at = |ms| start + Duration::from_millis(ms);
        let (before, after) = (snapshot(at(1005), 100.0, 30.0), snapshot(at(9005), 900.0, 30.0));
        let row = Row::new(Load::Closed(64), &before, &after, &payments).unwrap();
        assert_eq!((row.payments, row.payments_per_second), (800, 100.0));
        assert_eq!((row.cpu_ms_sum, row.cpu_ms[LOAD]), (30.0, 1.0));
        assert_eq!((row.api_writes_sum, row.api_writes["POST paymentsagas"]), (2.0, 1.0));
        assert_eq!(row.api_others["PUT paymentsagas (409)"], 0.5);
        assert_eq!(
            (row.broker_messages, row.state_operations, row.status_versions),
            (10.0, 4.0, 5.0)
        );
        assert_eq!(
            (row.accepted_to_ended_ms.p99, row.asked_to_ended_ms.p50),
            (400.0, 500.0)
        );
        assert_eq!(row.notes, Vec::<String>::new());
    }

    #[test]
    fn what_makes_a_row_doubtful_is_said_and_a_process_that_died_makes_it_void() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut payments = payments(start, 1000);
        payments[500].declined = true;
        let at = |ms| start + Duration::from_millis(ms);
        let (before, mut after) = (snapshot(at(1005), 100.0, 9.0), snapshot(at(9005), 900.0, 9.0));
        let cores = std::thread::available_parallelism().unwrap();
        *after.machine.counts.get_mut("busy").unwrap() += 800.0 * number(cores.get());
        let row = Row::new(Load::Open(100.0), &before, &after, &payments).unwrap();
        assert_eq!(
            row.notes,
            [
                "others took 10 % of the processors",
                "1 payments ended otherwise than their amount says"
            ]
        );
        after.processes.insert("etcd".to_owned(), Identity { pid: 9, start: 2 });
        assert!(Row::new(Load::Open(100.0), &before, &after, &payments).is_err());
    }
}
