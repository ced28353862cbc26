//! Gathers what the judge is told, and tells the story of each payment that broke a promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use checker::{Bound, Check, Door, Evidence, Level, Request, Scanner, TipoMovimiento, Verdict, Writes, judge};
use local::layout;
use seedwork::IdCorrelacion;
use serde_json::json;

use crate::args::Plant;
use crate::book::Book;
use crate::clock::{Millis, show};
use crate::load::Load;
use crate::nemesis::Fault;
use crate::recorder::{Entry, Recorder, Version};
use crate::redis::Stream;
use crate::system::{System, chained};
use crate::tables::Tables;
use crate::{Outcome, text};

/// Everything that was gathered after the run, beside what the tables hold.
pub(crate) struct Gathered {
    /// When the last fault was over.
    pub(crate) calm_since: Millis,
    /// How long after that everything must have ended.
    pub(crate) within: Millis,
    /// What was written while nothing was asked for.
    pub(crate) idle: Vec<Writes>,
    /// Resources that are still in etcd.
    pub(crate) keys: u64,
    /// Bytes that etcd has in use.
    pub(crate) etcd_in_use: u64,
    /// The broker's streams.
    pub(crate) streams: Vec<Stream>,
}

/// What all of it must have been judged on, or the verdict is worth nothing.
/// Not [`Check::Effects`]: that participants act once and in order is judged in the simulation, which sees each act.
const DEMANDED: [Check; 17] = [
    Check::Requests,
    Check::Ends,
    Check::Bound,
    Check::History,
    Check::Ledger,
    Check::Money,
    Check::Amounts,
    Check::Invoices,
    Check::Plans,
    Check::Payments,
    Check::Notifications,
    Check::Messages,
    Check::Screens,
    Check::Archive,
    Check::Secrets,
    Check::Idle,
    Check::Baseline,
];

/// etcd may be as large as this.
const ETCD_AT_MOST: u64 = 200 * 1024 * 1024;
/// The broker trims a stream to about ten thousand messages, by whole blocks.
const STREAM_AT_MOST: u64 = 11_000;

/// Judges the run.
pub(crate) async fn verdict(
    system: &System,
    load: &Load,
    book: &Book,
    recorder: &Arc<Recorder>,
    tables: &Tables,
    gathered: &Gathered,
    planted: Option<Plant>,
) -> Outcome<(Verdict, Vec<String>)> {
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
    let evidence = match planted {
        Some(Plant::LostRequest) => with_a_lost_request(evidence),
        Some(Plant::Charge | Plant::SecondCharge) | None => evidence,
    };
    let verdict = judge(&evidence);
    more.extend(book.all_wrong());
    if let Err(why) = verdict.demands(&DEMANDED) {
        more.push(why);
    }
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
    let mut levels = vec![
        none_left("resources in etcd", gathered.keys),
        none_left("open requests at the doors", tables.open_requests().await?),
        none_left("ends that the BFF has not confirmed", tables.unconfirmed_ends().await?),
        none_left(
            "chargebacks that are not acknowledged",
            tables.open_chargebacks().await?,
        ),
        none_left("notifications to settle", tables.pending_notifications().await?),
        Level {
            allowed: ETCD_AT_MOST,
            ..none_left("bytes of etcd in use", gathered.etcd_in_use)
        },
    ];
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
    let file = |name: &str| {
        let path = system.layout.credentials().join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    Ok(Scanner::new([
        ("the broker's password", file("redis-password")?),
        ("the sidecars' token", file("dapr-api-token")?),
        ("the applications' token", file("app-api-token")?),
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

/// Does what must never happen: in the real gateway, by its own doors, or to what was gathered.
pub(crate) async fn plant(plant: Plant, system: &System, tables: &Tables) -> Outcome {
    let referencia = match plant {
        Plant::LostRequest => return Ok(()),
        Plant::Charge => "planted".to_owned(),
        Plant::SecondCharge => {
            let lines = tables.movimientos().await?;
            let mut captures = lines.into_iter().filter(|line| line.tipo == TipoMovimiento::Captura);
            captures.next().ok_or("nothing was ever captured")?.referencia
        }
    };
    let post = async |path: &str, body: serde_json::Value, key: &str| {
        let url = system.world.pasarela(path);
        let (status, answer) = system.world.post(&url, &body, Some(key)).await.map_err(chained)?;
        match (status, answer["id"].as_str()) {
            (201, Some(id)) => Ok(id.to_owned()),
            _ => Err(format!("{path} answers {status} {answer}")),
        }
    };
    let asked = json!({"referencia": referencia, "monto": 500, "moneda": "USD", "medioPago": "PSE"});
    let id = post("/autorizaciones", asked, "planted/a").await?;
    let path = format!("/autorizaciones/{id}/captura");
    post(&path, json!({"monto": 500}), "planted/c").await.map(drop)
}

/// The evidence with a request in it that was accepted and forgotten.
fn with_a_lost_request(mut evidence: Evidence) -> Evidence {
    let solicitud = evidence.requests.first().map(|request| request.solicitud.clone());
    if let (Some(solicitud), Ok(id)) = (solicitud, IdCorrelacion::parse("planted")) {
        let key = Some("planted".to_owned());
        evidence.requests.push(Request::accepted(id, Door::Bff, solicitud, key));
    }
    evidence
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
pub(crate) fn stories(sentences: &[String], book: &Book, recorder: &Recorder, faults: &[Fault]) -> String {
    let mut told = BTreeSet::new();
    let mut text = String::new();
    for sentence in sentences {
        let words = sentence.split(|c: char| c.is_whitespace() || c == ':' || c == ',');
        for id in words.filter_map(|word| IdCorrelacion::parse(word).ok()) {
            if book.find(&id).is_some() && told.insert(id.clone()) && told.len() <= 20 {
                text.push_str(&story(&id, book, recorder, faults));
            }
        }
    }
    text
}

fn story(id: &IdCorrelacion, book: &Book, recorder: &Recorder, faults: &[Fault]) -> String {
    let mut lines: Vec<(Millis, String)> = Vec::new();
    if let Some(payment) = book.find(id) {
        lines.push((
            payment.asked_at,
            format!("asked for at {:?}, {} tries in all", payment.door, payment.tries),
        ));
        lines.extend(payment.accepted_at.map(|at| (at, "accepted".to_owned())));
        lines.extend(payment.deeds);
    }
    for entry in recorder.story(id) {
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
