//! What the system has spent so far, by the kernel's and its own parts' count.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use local::process::Identity;
use local::status::Status;
use local::world::ApiRequest;

use crate::load::Payment;
use crate::stats::{number, ratio};
use crate::system::System;
use crate::{Outcome, text};

/// The name under which the load itself is listed.
pub(crate) const LOAD: &str = "(the load)";

/// `_SC_CLK_TCK` of Linux, on every architecture that we build for: proc(5) counts in hundredths of a second.
const MS_PER_TICK: f64 = 10.0;

/// Counters at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading<K> {
    pub(crate) at: Instant,
    pub(crate) counts: BTreeMap<K, f64>,
}

/// Which end of a window is looked at. Looking costs something itself, so at the beginning the processors' time is read
/// last and at the end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Begin,
    End,
}

/// Everything that is counted, since the start of each process.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The process of each part.
    pub(crate) processes: BTreeMap<String, Identity>,
    /// CPU of each process, in milliseconds.
    pub(crate) cpu: Reading<String>,
    /// CPU of the whole machine (`busy`), and what its host kept from it (`steal`), in milliseconds.
    pub(crate) machine: Reading<String>,
    /// Versions of statuses and events on the watch.
    pub(crate) watch: Reading<String>,
    /// Requests to the API server that concern payments.
    pub(crate) api: Reading<ApiRequest>,
    /// Commands to Redis.
    pub(crate) broker: Reading<String>,
    /// State operations and messages, as the sidecars count them.
    pub(crate) sidecars: Reading<String>,
    /// Share of memory of each process, in MiB: shared pages are divided among those who share them.
    pub(crate) memory_mib: BTreeMap<String, f64>,
    /// etcd's file, in 10⁶ bytes.
    pub(crate) etcd_mb: f64,
}

// === impl Reading ===

impl<K: Ord + Clone> Reading<K> {
    fn now(counts: BTreeMap<K, f64>) -> Self {
        Self {
            at: Instant::now(),
            counts,
        }
    }

    /// What was added since an earlier reading, for each payment that ended between the two. Every counter has a window
    /// of its own, since reading them all takes a while.
    pub(crate) fn each_since(&self, before: &Self, payments: &[Payment]) -> BTreeMap<K, f64> {
        let ended = number(ended_between(payments, before.at, self.at));
        self.counts
            .iter()
            .map(|(what, now)| (what, now - before.counts.get(what).unwrap_or(&0.0)))
            .filter(|(_, added)| *added > 0.0)
            .map(|(what, added)| (what.clone(), ratio(added, ended)))
            .collect()
    }
}

/// How many payments ended in a window.
pub(crate) fn ended_between(payments: &[Payment], from: Instant, to: Instant) -> usize {
    payments.iter().filter(|paid| (from..to).contains(&paid.ended)).count()
}

/// Waits until nobody works on payments any more, and answers whether that came: what one load leaves behind (messages
/// that wait, payments that leave) is not what the next one costs.
pub(crate) async fn settled(system: &System, patience: Duration) -> Outcome<bool> {
    let started = Instant::now();
    let mut last = None;
    loop {
        let now = (broker(system).await?, api(system).await?);
        let messages = now.0.get("xadd").copied().unwrap_or_default();
        let writes: f64 = now
            .1
            .iter()
            .filter(|(request, _)| request.is_write())
            .map(|(_, count)| count)
            .sum();
        if last == Some((messages, writes)) {
            return Ok(true);
        }
        if started.elapsed() > patience {
            return Ok(false);
        }
        last = Some((messages, writes));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn api(system: &System) -> Outcome<BTreeMap<ApiRequest, f64>> {
    let mut requests = system.world.api_requests().await.map_err(text)?;
    requests.retain(|request, _| matches!(request.resource.as_str(), "paymentsagas" | "events"));
    Ok(requests)
}

async fn broker(system: &System) -> Outcome<BTreeMap<String, f64>> {
    system.world.broker_calls(&system.redis_password).await.map_err(text)
}

// === impl Snapshot ===

impl Snapshot {
    /// Looks.
    pub(crate) async fn take(system: &System, edge: Edge) -> Outcome<Self> {
        let processes = processes(system)?;
        let at_once = || Ok::<_, String>((cpu(&processes)?, machine()?, watch(system)));
        let first = match edge {
            Edge::Begin => None,
            Edge::End => Some(at_once()?),
        };
        let world = &system.world;
        let api = Reading::now(api(system).await?);
        let broker = Reading::now(broker(system).await?);
        let sidecars = Reading::now(world.sidecar_counts().await.map_err(text)?);
        let etcd_mb = world.etcd_bytes().await.map_err(text)? / 1e6;
        let looked_at = processes.clone();
        // The kernel walks every page of every process for it: not between two payments.
        let memory_mib = tokio::task::spawn_blocking(move || memory(&looked_at));
        let memory_mib = memory_mib.await.map_err(text)?;
        let (cpu, machine, watch) = match first {
            Some(first) => first,
            None => at_once()?,
        };
        Ok(Self {
            processes,
            cpu,
            machine,
            watch,
            api,
            broker,
            sidecars,
            memory_mib,
            etcd_mb,
        })
    }
}

fn processes(system: &System) -> Outcome<BTreeMap<String, Identity>> {
    let status = Status::of_running(system.layout.state()).map_err(text)?;
    let status = status.ok_or("the system does not run any more")?;
    let running = status.parts.into_iter();
    let mut processes: BTreeMap<String, Identity> =
        running.filter_map(|part| Some((part.part, part.process?))).collect();
    processes.insert("(supervisor)".to_owned(), status.supervisor);
    let own = Identity::of(std::process::id()).ok_or("/proc does not know this process")?;
    processes.insert(LOAD.to_owned(), own);
    Ok(processes)
}

fn cpu(processes: &BTreeMap<String, Identity>) -> Outcome<Reading<String>> {
    let mut spent = BTreeMap::new();
    for (part, process) in processes {
        let file = format!("/proc/{}/stat", process.pid);
        let stat = std::fs::read_to_string(&file).map_err(|error| format!("{part} has ended: {file}: {error}"))?;
        let ms = cpu_ms(&stat).ok_or_else(|| format!("{file} is not as proc(5) says"))?;
        spent.insert(part.clone(), ms);
    }
    Ok(Reading::now(spent))
}

/// Milliseconds in `/proc/<pid>/stat`, of all threads. The name, in parentheses, may hold blanks.
fn cpu_ms(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |nth: usize| fields.get(nth)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) * MS_PER_TICK)
}

fn machine() -> Outcome<Reading<String>> {
    let stat = std::fs::read_to_string("/proc/stat").map_err(text)?;
    machine_ms(&stat)
        .map(Reading::now)
        .ok_or_else(|| "/proc/stat is not as proc(5) says".to_owned())
}

/// `cpu user nice system idle iowait irq softirq steal …`, summed over the processors.
fn machine_ms(stat: &str) -> Option<BTreeMap<String, f64>> {
    let ticks: Vec<f64> = stat
        .strip_prefix("cpu ")?
        .lines()
        .next()?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    let busy = (user + nice + system + irq + softirq) * MS_PER_TICK;
    Some(BTreeMap::from([
        ("busy".to_owned(), busy),
        ("steal".to_owned(), steal * MS_PER_TICK),
    ]))
}

fn watch(system: &System) -> Reading<String> {
    let (versions, events) = system.ends.counted();
    let count = |count: u64| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    Reading::now(BTreeMap::from([
        ("versions".to_owned(), count(versions)),
        ("events".to_owned(), count(events)),
    ]))
}

fn memory(processes: &BTreeMap<String, Identity>) -> BTreeMap<String, f64> {
    let share = |(part, process): (&String, &Identity)| {
        let kib = u32::try_from(process.memory_kib()?).ok()?;
        Some((part.clone(), f64::from(kib) / 1024.0))
    };
    processes.iter().filter_map(share).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_a_process_and_of_the_machine_are_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 9 0 12345 1 2";
        assert_eq!(cpu_ms(stat), Some(1750.0));
        assert_eq!(cpu_ms("42 (x) S 1"), None);
        let machine = machine_ms("cpu  100 1 50 9999 77 2 3 4 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n").unwrap();
        assert_eq!((machine["busy"], machine["steal"]), (1560.0, 40.0));
        assert_eq!(machine_ms("intr 1"), None);
    }

    #[test]
    fn what_was_added_is_divided_by_the_payments_that_ended_meanwhile() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let paid = |ms| Payment {
            asked: start,
            accepted: start,
            ended: at(ms),
            compensated: false,
            declined: false,
        };
        let payments = [paid(5), paid(10), paid(15), paid(20)];
        let reading = |ms, puts, deletes| Reading {
            at: at(ms),
            counts: BTreeMap::from([("PUT", puts), ("DELETE", deletes)]),
        };
        let each = reading(20, 16.0, 3.0).each_since(&reading(10, 6.0, 3.0), &payments);
        assert_eq!(
            each,
            BTreeMap::from([("PUT", 5.0)]),
            "ten for two; nothing is not listed"
        );
    }
}
