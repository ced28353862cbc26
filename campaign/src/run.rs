//! One campaign from start to end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use checker::{Verdict, Writes};
use local::commands;
use local::out::say;
use local::settings::Profile;
use local::wait::until;
use seedwork::{IdCorrelacion, Phase};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval, sleep};

use crate::args::Args;
use crate::book::Book;
use crate::clock::{Clock, Millis, millis, show};
use crate::etcd::{Etcd, SAGAS};
use crate::load::Load;
use crate::nemesis::{Nemesis, Outage, Recovery, Stores};
use crate::out::{Screen, thousands};
use crate::recorder::Recorder;
use crate::report::{Memory, Plan, Report};
use crate::rest::{Open, Sight};
use crate::system::{System, chained, resident};
use crate::tables::Tables;
use crate::verdict::{self, Gathered};
use crate::{Outcome, redis, text};

/// How long payments flow before the first fault.
const WARM_UP: Duration = Duration::from_secs(5);

/// What is watched while faults happen.
struct Watch {
    open: AtomicUsize,
    ended: AtomicUsize,
    waiting_most: AtomicU64,
    memory: Mutex<BTreeMap<String, Memory>>,
}

/// Answers whether all is well.
pub(crate) async fn run(args: &Args) -> Outcome<bool> {
    let root = args.root.canonicalize().map_err(text)?;
    let clock = Clock::start();
    let seed = args.seed.unwrap_or(clock.wall(0));
    say(format!("SEED={seed}"));
    let [mut interrupted, mut terminated] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let asked_to_end = async {
        match (&mut interrupted, &mut terminated) {
            (Ok(interrupted), Ok(terminated)) => tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            },
            // They cannot be listened to and end us as they always do; the next run ends what is left.
            (Err(_), _) | (_, Err(_)) => std::future::pending().await,
        }
    };
    tokio::pin!(asked_to_end);
    let fresh = tokio::select! {
        fresh = System::fresh(args, &root) => fresh,
        () = &mut asked_to_end => Err("interrupted".to_owned()),
    };
    let system = match fresh {
        Ok(system) => Arc::new(system),
        Err(why) => {
            // Some of it may run, and nobody else ends it.
            if let Err(also) = commands::down(&root, &[Profile::Campaign]).await {
                say(chained(also));
            }
            return Err(why);
        }
    };
    let outcome = tokio::select! {
        outcome = campaign(args, Arc::clone(&system), clock, seed) => outcome,
        () = asked_to_end => Err("interrupted".to_owned()),
    };
    let down = system.down(&root).await;
    let state = system.layout.state();
    match (&outcome, args.keep) {
        (Ok((true, _)), false) => system.layout.wipe().map_err(chained)?,
        (Ok(_) | Err(_), _) => {
            say(format!("the evidence is kept in {}", state.display()));
        }
    }
    let (well, summary) = outcome?;
    down?;
    say(summary);
    Ok(well)
}

async fn campaign(args: &Args, system: Arc<System>, clock: Clock, seed: u64) -> Outcome<(bool, String)> {
    let folder = system.layout.state().join("campaign");
    std::fs::create_dir_all(&folder).map_err(text)?;
    let file = |name: &str| -> PathBuf { folder.join(name) };
    let etcd = Etcd::new(system.ports.etcd())?;
    let recorder = Recorder::start(etcd.clone(), clock, &file("versions.jsonl")).await?;
    let book = Arc::new(Book::new(clock, &file("clients.jsonl"))?);
    let tables = Tables::open(&system.layout);
    let redis_password = read(&system.layout.credentials().join("redis-password"))?;
    let screen = Screen::new();
    let stores = Stores {
        etcd: etcd.clone(),
        redis: system.ports.redis(),
        redis_password: redis_password.clone(),
    };
    let faults = file("faults.jsonl");
    let nemesis = Nemesis::new(Arc::clone(&system), stores, Arc::clone(&recorder), clock, &faults)?;
    let load = Load::prepare(
        system.world.clone(),
        Arc::clone(&book),
        Arc::clone(&recorder),
        args.rate,
        args.most_open,
    )
    .await?;

    let watch = Arc::new(Watch {
        open: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        waiting_most: AtomicU64::new(0),
        memory: Mutex::default(),
    });
    let counted = Arc::clone(&watch);
    let loading = tokio::spawn(Arc::clone(&load).run(seed, move || counted.open.load(Ordering::Relaxed)));
    let all = Duration::from_secs_f64(args.minutes.max(0.0) * 60.0);
    let storm = all.mul_f64(args.storm.clamp(0.0, 1.0));
    let mut plan = Plan {
        storm,
        every: args.every,
        singles: all.saturating_sub(storm),
        calm: Duration::from_secs_f64(args.calm.max(0.0)),
        parts: system.parts()?,
    };
    let faults = break_things(args, &plan, seed, &load, &watch, &nemesis, &book, &tables, &screen);
    let Broken {
        singles,
        recoveries,
        outage,
        wrong: mut more,
    } = tokio::select! {
        faults = faults => faults?,
        () = look_on(&watch, &system, &book, &recorder, &tables, &nemesis, clock, &screen) => return Err("nobody looks on any more".to_owned()),
    };
    plan.singles = singles;
    let faulty = clock.now();
    load.stop();
    more.extend(loading.await.map_err(text).err());
    system.heal();
    let calm_since = clock.now();
    screen.line(&format!(
        "{} the faults are over; waiting for rest, {} s at most",
        show(calm_since),
        args.rest
    ));

    let sight = Sight {
        clock,
        system: &system,
        book: &book,
        recorder: &recorder,
        tables: &tables,
        etcd: &etcd,
        redis_password: &redis_password,
    };
    let rested = match sight.rest(Duration::from_secs(args.rest), &screen).await {
        Ok(()) => Some(clock.now() - calm_since),
        Err(why) => {
            more.push(why);
            None
        }
    };
    // From here on nothing may cost the report of what was done: what cannot be looked at is among what is wrong.
    let idle = match rested {
        Some(_) => look_while_idle(args, seed, &load, &sight, &screen, &mut more).await,
        // What has not come to rest would take nothing and writes.
        None => Vec::new(),
    };
    for part in &plan.parts {
        if let Err(why) = system.answers(part).await {
            more.push(format!("{part} does not answer in the end: {why}"));
        }
    }
    if let Some(plant) = args.plant {
        more.extend(verdict::plant(plant, &system, &tables).await.err());
    }
    let keys = or_wrong(patiently("etcd", async || etcd.count(SAGAS).await).await, &mut more).0;
    let size = or_wrong(patiently("etcd", async || etcd.size().await).await, &mut more);
    let streams = patiently("Redis", async || {
        redis::streams(system.ports.redis(), &redis_password).await
    });
    let gathered = Gathered {
        calm_since,
        within: args.rest * 1000,
        idle,
        keys,
        etcd_in_use: size.in_use,
        streams: or_wrong(streams.await, &mut more),
    };
    screen.line(&format!("{} judging", show(clock.now())));
    let judged = verdict::verdict(&system, &load, &book, &recorder, &tables, &gathered, args.plant).await;
    let (verdict, wrong) = judged.unwrap_or_else(|why| {
        // What the clients were told counts all the same.
        let wrong = [vec![format!("nothing was judged: {why}")], book.all_wrong()].concat();
        (Verdict::default(), wrong)
    });
    more.extend(wrong);
    let memory = watch.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let report = Report {
        command: command(std::env::args().skip(1)),
        machine: machine(),
        seed,
        took: clock.now(),
        faulty,
        rate: args.rate,
        held_back: millis(load.held_back()),
        count: book.count(),
        versions: recorder.written().0,
        plan,
        faults: nemesis.faults(),
        recoveries,
        recovery_open: args.most_open.min(args.recovery_open),
        outage,
        memory,
        ends: ends(&book, &recorder),
        took_to_end: took_to_end(&book, &recorder)
            .into_iter()
            .map(|(took, _)| took)
            .collect(),
        rested,
        idle_seconds: args.idle_seconds(),
        waiting_most: watch.waiting_most.load(Ordering::Relaxed),
        etcd_file: size.file,
        etcd_in_use: gathered.etcd_in_use,
        streams: gathered.streams,
        verdict,
        more,
    };
    finish(args, &report, &book, &recorder, &screen)
}

/// A few payments are held by a person, and nothing may be written while nothing else is asked for. Then they go on and end.
async fn look_while_idle(
    args: &Args,
    seed: u64,
    load: &Load,
    sight: &Sight<'_>,
    screen: &Screen,
    more: &mut Vec<String>,
) -> Vec<Writes> {
    let seconds = args.idle_seconds();
    screen.line(&format!(
        "{} at rest: a few payments are held by a person, and nothing may be written for {seconds} s",
        show(sight.clock.now())
    ));
    let mut held = Vec::new();
    more.extend(load.hold_some(seed, &mut held).await.err());
    more.extend(sight.seen(&held).await.err());
    let idle = sight.idle(Duration::from_secs(seconds)).await;
    let idle = idle.map_err(|why| format!("nobody could look whether anything is written: {why}"));
    let idle = or_wrong(idle, more);
    more.extend(load.resume(&held).await.err());
    more.extend(sight.rest(Duration::from_secs(args.rest), screen).await.err());
    idle
}

fn finish(args: &Args, report: &Report, book: &Book, recorder: &Recorder, screen: &Screen) -> Outcome<(bool, String)> {
    let wrong = report.wrong();
    let some = verdict::some_of_each(&wrong);
    for sentence in &some {
        screen.line(&format!("violation: {sentence}"));
    }
    let stories = verdict::stories(&some, book, recorder, &report.faults);
    if !stories.is_empty() {
        screen.line(&stories);
    }
    // Who waited longest says most about what could be better.
    if let Some((took, id)) = took_to_end(book, recorder).pop() {
        let slowest = format!("{id} took {took} ms, the longest of all");
        let story = verdict::stories(std::slice::from_ref(&slowest), book, recorder, &report.faults);
        screen.line(&format!("{slowest}{story}"));
    }
    screen.line(&report.verdict.coverage());
    if let Some(path) = &args.report {
        std::fs::write(path, report.markdown()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &args.json {
        let json = serde_json::to_string_pretty(&report.json()).map_err(text)?;
        std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok((wrong.is_empty() && report.verdict.stalled == 0, report.summary()))
}

/// What came of breaking things.
#[derive(Default)]
struct Broken {
    /// What was left for one fault at a time when that began.
    singles: Duration,
    recoveries: Vec<Recovery>,
    outage: Option<Outage>,
    /// What did not come back.
    wrong: Vec<String>,
}

/// Storm, one fault at a time, and the long absence of the operator.
#[expect(clippy::too_many_arguments, reason = "it is about everything")]
async fn break_things(
    args: &Args,
    plan: &Plan,
    seed: u64,
    load: &Load,
    watch: &Watch,
    nemesis: &Arc<Nemesis>,
    book: &Book,
    tables: &Tables,
    screen: &Screen,
) -> Outcome<Broken> {
    sleep(WARM_UP).await;
    if book.count().accepted == 0 {
        return Err(format!(
            "no door takes a payment: {}",
            book.all_wrong().first().map_or("no answer", String::as_str)
        ));
    }
    let mut broken = Broken::default();
    screen.line(&format!("storm, {} s", plan.storm.as_secs()));
    let storm = nemesis.storm(seed ^ 1, plan.every, plan.storm).await;
    broken.wrong.extend(storm.err());
    screen.line(&format!("one fault at a time, {} s", plan.singles.as_secs()));
    // How soon a door works again is to be seen, not how many had come before: what the storm left is worked off first.
    let end = Instant::now() + plan.singles;
    load.set_most(args.most_open.min(args.recovery_open));
    while Instant::now() < end && watch.open.load(Ordering::Relaxed) > args.recovery_open {
        sleep(Duration::from_millis(200)).await;
    }
    broken.singles = end.saturating_duration_since(Instant::now());
    let singles = nemesis.one_by_one(seed ^ 2, book, plan.calm, end, &mut broken.recoveries);
    if let Err(why) = singles.await {
        broken.wrong.push(why);
    }
    load.set_most(args.most_open);
    if args.outage > 0 {
        screen.line(&format!("the operator is gone for {} s", args.outage));
        let patience = Duration::from_secs(args.outage.max(120));
        let lasts = Duration::from_secs(args.outage);
        match nemesis.outage(book, tables, lasts, patience).await {
            Ok(outage) => broken.outage = Some(outage),
            Err(why) => broken.wrong.push(why),
        }
    }
    Ok(broken)
}

/// Counts and shows, until it is dropped.
#[expect(clippy::too_many_arguments, reason = "it looks at everything")]
async fn look_on(
    watch: &Watch,
    system: &System,
    book: &Book,
    recorder: &Recorder,
    tables: &Tables,
    nemesis: &Nemesis,
    clock: Clock,
    screen: &Screen,
) {
    let mut open = Open::new();
    let mut tick = interval(Duration::from_millis(500));
    for round in 0_u64.. {
        tick.tick().await;
        open.look(book, recorder);
        watch.open.store(open.open().len(), Ordering::Relaxed);
        watch.ended.store(open.ended(), Ordering::Relaxed);
        if round % 10 == 0 {
            // A part that is down has no memory, and a database that is busy is read the next time.
            if let Ok(waiting) = tables.open_requests().await {
                watch.waiting_most.fetch_max(waiting, Ordering::Relaxed);
            }
            remember(watch, system, clock);
        }
        let (faults, last) = nemesis.so_far();
        let last = last
            .map(|fault| format!(", last: {}", fault.line()))
            .unwrap_or_default();
        let count = book.count();
        screen.live(&format!(
            "{} {} accepted, {} ended, {} open; {faults} faults{last}",
            show(clock.now()),
            thousands(count.accepted),
            thousands(open.ended()),
            thousands(open.open().len()),
        ));
    }
}

fn remember(watch: &Watch, system: &System, clock: Clock) {
    /// Before this, processes still grow to what they need.
    const WARM: u64 = 30_000;
    let mut memory = watch.memory.lock().unwrap_or_else(PoisonError::into_inner);
    let own = resident(std::process::id()).map(|own| ("(this campaign)".to_owned(), own));
    for (part, now) in system.memory().into_iter().chain(own) {
        let seen = memory.entry(part).or_default();
        if seen.begin == 0 || clock.now() < WARM {
            seen.begin = now;
        }
        seen.end = now;
        seen.most = seen.most.max(now);
    }
}

/// How many payments ended how.
fn ends(book: &Book, recorder: &Recorder) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for payment in book.since(0) {
        let end = match recorder.last(&payment.id) {
            Some(version) => {
                let phase = version.phase.map_or("no status", Phase::as_str);
                let reason = version.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
                format!("{phase}{reason}")
            }
            None => "no saga".to_owned(),
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

/// How long each payment took, from the first request to the first version that is an end, sorted. Those that a person held say
/// nothing.
fn took_to_end(book: &Book, recorder: &Recorder) -> Vec<(Millis, IdCorrelacion)> {
    let payments = book.since(0).into_iter().filter(|payment| !payment.held);
    let took = payments.filter_map(|payment| {
        Some((
            recorder.ended_at(&payment.id)?.saturating_sub(payment.asked_at),
            payment.id,
        ))
    });
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    took
}

/// An answer; or nothing, and one more sentence of what is wrong.
fn or_wrong<T: Default>(answer: Outcome<T>, wrong: &mut Vec<String>) -> T {
    answer.unwrap_or_else(|why| {
        wrong.push(why);
        T::default()
    })
}

/// Asks until there is an answer: what was just broken may take a moment.
async fn patiently<T>(whom: &str, ask: impl AsyncFnMut() -> Outcome<T>) -> Outcome<T> {
    until(&format!("{whom} to answer"), Duration::from_secs(30), ask)
        .await
        .map_err(text)
}

/// How it was called, without where things are on this machine.
fn command(words: impl Iterator<Item = String>) -> String {
    const PLACES: [&str; 3] = ["--root", "--report", "--json"];
    let mut told = vec!["campaign".to_owned()];
    let mut place = false;
    for word in words {
        let named = word.split('=').next().is_some_and(|name| PLACES.contains(&name));
        if !named && !place {
            told.push(word.clone());
        }
        place = named && !word.contains('=');
    }
    told.join(" ")
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, model)| model.trim());
    let memory = read("/proc/meminfo");
    let kib: u64 = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or_default();
    format!(
        "{cpus} CPUs ({model}), {} GiB; everything on it, the load and the faults included",
        kib / 1024 / 1024
    )
}

fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use checker::Door;
    use seedwork::{Moneda, SolicitudPago};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payment_that_a_person_held_does_not_tell_how_long_payments_take() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::new(Clock::start(), &folder.path().join("clients.jsonl")).unwrap();
        let recorder = Recorder::after(0);
        let solicitud = SolicitudPago::parse("PSE", "c-1", "24", Moneda::USD).unwrap();
        let [held, other] = ["held", "other"].map(|key| SolicitudPago::keyed_id("c-1", key));
        for (id, ended) in [(&held, 900_000), (&other, 60_000)] {
            book.asks(id, "k", Door::Bff, &solicitud);
            let completed = json!({
                "metadata": {"name": id.resource_name()},
                "spec": {"idCliente": "c-1", "medioPago": "PSE", "monto": "24.00", "moneda": "USD"},
                "status": {"phase": "Completed", "secuencia": 5, "steps": [], "aviso": "NotNeeded"},
            });
            recorder.add(ended, 1, id.clone(), Some(&completed)).unwrap();
        }
        assert_eq!(took_to_end(&book, &recorder).len(), 2);
        book.holds(&held);
        let ids: Vec<_> = took_to_end(&book, &recorder).into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, [other]);
    }

    #[test]
    fn a_report_tells_how_it_was_called_and_not_where() {
        let words = [
            "--minutes",
            "60",
            "--report",
            "/a/b.md",
            "--json=/c",
            "--root",
            "/d",
            "--rate=17",
        ];
        let told = command(words.iter().map(ToString::to_string));
        assert_eq!(told, "campaign --minutes 60 --rate=17");
    }
}
