//! Gathers what the judge is told, and tells the story of each payment that broke a promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use checker::{Bound, Check, Evidence, Level, Scanner, Verdict, Writes, judge};
use local::layout;
use seedwork::IdCorrelacion;

use crate::book::Payment;
use crate::clock::{Millis, show};
use crate::etcd::Size;
use crate::load::Load;
use crate::nemesis::Fault;
use crate::recorder::{Entry, Version};
use crate::redis::Stream;
use crate::scene::Scene;
use crate::system::{System, chained};
use crate::tables::Tables;
use crate::{Outcome, text};

/// Everything that was gathered after the run, beside what the tables hold.
#[derive(Default)]
pub(crate) struct Gathered {
    /// When the last fault was over.
    pub(crate) calm_since: Millis,
    /// How long after that everything must have ended.
    pub(crate) within: Millis,
    /// What was written while nothing was asked for.
    pub(crate) idle: Vec<Writes>,
    /// Resources that are still in etcd.
    pub(crate) keys: u64,
    /// How large etcd is.
    pub(crate) etcd: Size,
    /// The broker's streams.
    pub(crate) streams: Vec<Stream>,
}

/// etcd may be as large as this.
const ETCD_AT_MOST: u64 = 200 * 1024 * 1024;
/// The broker trims a stream to about ten thousand messages, by whole blocks.
const STREAM_AT_MOST: u64 = 11_000;

/// Judges the run.
pub(crate) async fn verdict(scene: &Scene, load: &Load, gathered: &Gathered) -> Outcome<(Verdict, Vec<String>)> {
    let Scene {
        system,
        tables,
        recorder,
        book,
        ..
    } = scene;
    let mut more = Vec::new();
    let mut scanner = scanner(system)?;
    for part in system.parts()? {
        let log = layout::log_file(system.layout.state(), &part);
        if let Err(why) = scan(&mut scanner, &format!("log of {part}"), &log) {
            more.push(format!("the log of {part} was not searched: {why}"));
        }
    }
    let archivo = tables.archive(|resource| scanner.read("archive", resource)).await?;
    let mut planes = BTreeMap::new();
    for payer in load.known_payers() {
        match system.world.plan(payer).await.map_err(chained) {
            Ok(Some(plan)) => {
                planes.insert(payer.clone(), plan);
            }
            Ok(None) => more.push(format!("nobody says what plan client {payer} has")),
            Err(why) => more.push(format!("nobody says what plan client {payer} has: {why}")),
        }
    }
    let histories = recorder.take_histories();
    let (beyond, gaps) = (histories.beyond(), recorder.gaps());
    if beyond > 0 && gaps.is_empty() {
        more.push(format!(
            "{beyond} writes are too far from the one before to be compared with the engine"
        ));
    }
    more.extend(gaps.into_iter().map(|gap| format!("versions may be missing: {gap}")));
    let signed = |millis: Millis| i64::try_from(millis).unwrap_or(i64::MAX);
    let evidence = Evidence {
        requests: book.tries(),
        sagas: Some(tables.screens().await?),
        histories: Some(histories),
        archivo: Some(archivo),
        movimientos: Some(tables.movimientos().await?),
        effects: None,
        facturas: Some(tables.facturas().await?),
        planes: Some(planes),
        pagos: Some(tables.pagos().await?),
        notificaciones: Some(tables.notificaciones().await?),
        mensajes: Some(tables.mensajes().await?),
        contracargos: book.contracargos(),
        bound: Some(Bound {
            since_ms: signed(gathered.calm_since),
            within_ms: signed(gathered.within),
        }),
        scan: Some(scanner.finish()),
        idle: Some(gathered.idle.clone()),
        baseline: Some(baseline(tables, gathered).await?),
    };
    let verdict = judge(&evidence);
    more.extend(book.all_wrong());
    // A verdict that judged nothing of one of these is worth nothing. That participants act once and in order is judged in the
    // simulation, which sees each act.
    let demanded = Check::ALL.into_iter().filter(|check| *check != Check::Effects);
    more.extend(verdict.demands(&Vec::from_iter(demanded)).err());
    if !verdict.money_conserved() {
        more.push(format!(
            "the gateway holds {}, the sagas say {}",
            verdict.held, verdict.owed
        ));
    }
    Ok((verdict, more))
}

async fn baseline(tables: &Tables, gathered: &Gathered) -> Outcome<Vec<Level>> {
    let none_left = |what: &str, after: u64| Level {
        what: what.to_owned(),
        before: 0,
        after,
        allowed: 0,
    };
    let mut levels = vec![none_left("resources in etcd", gathered.keys)];
    for (what, left) in tables.left().await {
        levels.push(none_left(what, left?));
    }
    levels.push(Level {
        allowed: ETCD_AT_MOST,
        ..none_left("bytes of etcd in use", gathered.etcd.in_use)
    });
    for stream in &gathered.streams {
        let app = &stream.app;
        levels.push(none_left(
            &format!("messages to {app} that are not acknowledged"),
            stream.pending,
        ));
        levels.push(Level {
            allowed: STREAM_AT_MOST,
            ..none_left(&format!("messages in the stream of {app}"), stream.length)
        });
    }
    Ok(levels)
}

/// The passwords of this system: they may stand nowhere.
fn scanner(system: &System) -> Outcome<Scanner> {
    Ok(Scanner::new([
        ("the broker's password", system.credential("redis-password")?),
        ("the sidecars' token", system.credential("dapr-api-token")?),
        ("the applications' token", system.credential("app-api-token")?),
        ("the password of the clients", local::world::CONTRASENA.to_owned()),
    ]))
}

/// Reads a log piece by piece.
fn scan(scanner: &mut Scanner, what: &str, path: &Path) -> Outcome {
    let file = File::open(path).map_err(text)?;
    let mut lines = BufReader::new(file);
    let mut piece = Vec::new();
    loop {
        let read = lines.read_until(b'\n', &mut piece).map_err(text)?;
        if read == 0 || piece.len() > 256 * 1024 {
            scanner.read(what, &String::from_utf8_lossy(&piece));
            piece.clear();
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Ten sentences of each kind at most, and how many more there are.
pub(crate) fn some_of_each(sentences: &[String]) -> Vec<String> {
    const OF_EACH: usize = 10;
    let kind = |sentence: &str| -> String {
        // What differs from one to the next has a digit in it.
        let words = sentence.split_whitespace();
        words
            .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut some = Vec::new();
    for sentence in sentences {
        let so_far = count.entry(kind(sentence)).or_default();
        *so_far += 1;
        if *so_far <= OF_EACH {
            some.push(sentence.clone());
        }
    }
    let more = count.into_iter().filter(|(_, count)| *count > OF_EACH);
    some.extend(more.map(|(kind, count)| format!("… {} more: {kind}", count - OF_EACH)));
    some
}

/// All that is known of the payments that a sentence names: what was asked, each version, the faults around.
pub(crate) fn stories(sentences: &[String], scene: &Scene, faults: &[Fault]) -> String {
    let mut told = BTreeSet::new();
    let mut text = String::new();
    for sentence in sentences {
        let words = sentence.split(|c: char| c.is_whitespace() || c == ':' || c == ',');
        for id in words.filter_map(|word| IdCorrelacion::parse(word).ok()) {
            if let Some(payment) = scene.book.find(&id)
                && told.insert(id)
                && told.len() <= 20
            {
                text.push_str(&story(payment, scene, faults));
            }
        }
    }
    text
}

fn story(payment: Payment, scene: &Scene, faults: &[Fault]) -> String {
    let Payment { id, door, tries, .. } = payment;
    let mut lines = vec![(payment.asked_at, format!("asked for at {door:?}, {tries} tries in all"))];
    lines.extend(payment.accepted_at.map(|at| (at, "accepted".to_owned())));
    lines.extend(payment.deeds);
    for entry in scene.recorder.story(&id) {
        lines.push(match entry {
            Entry::Written(version) => (version.at, written(&version)),
            Entry::Left { at } => (at, "left the API server".to_owned()),
        });
    }
    let from = lines.iter().map(|(at, _)| *at).min().unwrap_or(0).saturating_sub(5_000);
    let to = lines.iter().map(|(at, _)| *at).max().unwrap_or(0) + 1_000;
    let near = faults
        .iter()
        .filter(|fault| fault.at + fault.lasted >= from && fault.at <= to);
    lines.extend(near.map(|fault| (fault.at, format!("    fault: {}", fault.line()))));
    lines.sort_by_key(|(at, _)| *at);
    let mut text = format!("\nthe story of {id}\n");
    for (at, line) in lines {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {:>9}  {line}", show(at));
    }
    text
}

fn written(version: &Version) -> String {
    let phase = version.phase.map_or("no status yet", |phase| phase.as_str());
    let steps: Vec<String> = version.steps.iter().map(|step| format!("{step:?}")).collect();
    let reason = version
        .reason
        .as_deref()
        .map(|reason| format!(" {reason}"))
        .unwrap_or_default();
    let asked = match (version.cancel, version.deleting) {
        (false, false) => "",
        (true, false) => " (cancel)",
        (false, true) => " (deleting)",
        (true, true) => " (cancel, deleting)",
    };
    format!(
        "nr. {} {phase}{reason} [{}] aviso {:?}{asked}, resourceVersion {}",
        version.secuencia,
        steps.join(" "),
        version.aviso,
        version.revision
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_violations_of_one_kind_do_not_hide_another() {
        let mut sentences: Vec<String> = (0..30).map(|id| format!("id-{id} has not ended: Running")).collect();
        sentences.push("id-7 was charged 2 times".to_owned());
        let some = some_of_each(&sentences);
        assert_eq!(some.len(), 12);
        assert_eq!(some[10], "id-7 was charged 2 times");
        assert_eq!(some[11], "… 20 more: has not ended: Running");
    }
}
