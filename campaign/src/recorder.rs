//! Every version of every payment: a short form in memory, the whole in a file, and news for whoever waits for one.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use checker::Histories;
use saga::{Aviso, StepState};
use seedwork::{Action, App, IdCorrelacion, Phase, Step};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::clock::{Clock, Millis};
use crate::etcd::{Etcd, SAGAS};
use crate::{Outcome, about, text};

/// News that a slow listener may be behind before it misses some.
const NEWS: usize = 16 * 1024;

/// One version of a payment's resource, short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// When it was seen.
    pub(crate) at: Millis,
    /// Its resourceVersion.
    pub(crate) revision: i64,
    /// Its phase; none before the operator has written any.
    pub(crate) phase: Option<Phase>,
    /// Its number.
    pub(crate) secuencia: u64,
    /// Its steps, in their order; none before it has a policy.
    pub(crate) steps: Vec<StepState>,
    /// Whether the client was told of the reversal.
    pub(crate) aviso: Aviso,
    /// Why it did not complete.
    pub(crate) reason: Option<Arc<str>>,
    /// Whether its end was asked for.
    pub(crate) cancel: bool,
    /// Whether it is being deleted.
    pub(crate) deleting: bool,
}

/// What happened to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It was written.
    Written(Version),
    /// It left the API server.
    Left {
        /// When that was seen.
        at: Millis,
    },
}

/// A version that was just seen.
#[derive(Debug, Clone)]
pub(crate) struct News {
    /// Of which payment.
    pub(crate) id: IdCorrelacion,
    /// The version before it; none at the creation.
    pub(crate) before: Option<Version>,
    /// It.
    pub(crate) now: Version,
    /// Which door asked for the payment.
    pub(crate) origin: Option<App>,
    /// It has left the API server: both versions are the last one.
    pub(crate) left: bool,
}

/// The record.
pub(crate) struct Recorder {
    inner: Mutex<Inner>,
    news: broadcast::Sender<Arc<News>>,
}

#[derive(Default)]
struct Inner {
    sagas: HashMap<IdCorrelacion, Vec<Entry>>,
    /// The same, as the judge wants it.
    histories: Histories,
    /// Written so often in all.
    versions: u64,
    /// The newest revision that was seen.
    revision: i64,
    /// Reasons are few; each text is kept once.
    reasons: HashSet<Arc<str>>,
    /// When something was written last.
    last: Millis,
    /// What could not be recorded: the watch broke in a way that may have lost versions.
    gaps: Vec<String>,
}

// === impl Recorder ===

impl Recorder {
    /// One to which everything after this revision is new.
    pub(crate) fn after(revision: i64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                revision,
                ..Inner::default()
            }),
            news: broadcast::channel(NEWS).0,
        }
    }

    /// Records from now on into this file, for as long as the process lives.
    pub(crate) async fn start(etcd: Etcd, clock: Clock, file: &Path) -> Outcome<Arc<Self>> {
        let (_, revision) = etcd.count(SAGAS).await?;
        let file = File::create(file).map_err(about(file))?;
        let recorder = Arc::new(Self::after(revision));
        let recording = Arc::clone(&recorder);
        tokio::spawn(async move {
            let mut file = BufWriter::new(file);
            loop {
                let from = recording.lock().revision + 1;
                let ended = recording.follow(&etcd, clock, from, &mut file).await;
                if let Err(why) = ended
                    && why.contains("compact")
                {
                    recording.lock().gaps.push(why);
                    // What was compacted is gone; go on with what is there.
                    if let Ok((_, newest)) = etcd.count(SAGAS).await {
                        recording.lock().revision = newest;
                    }
                }
                // etcd is one of those that are killed.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Ok(recorder)
    }

    async fn follow(&self, etcd: &Etcd, clock: Clock, from: i64, file: &mut BufWriter<File>) -> Outcome {
        let mut changes = etcd.watch(SAGAS, from).await?;
        loop {
            for change in changes.next(SAGAS).await? {
                let at = clock.now();
                let Some(id) = IdCorrelacion::from_resource_name(&change.key) else {
                    continue;
                };
                // One that cannot be recorded is said to be missing; the others are not lost by it.
                if let Err(why) = self.record(at, change.revision, &id, change.value.as_deref(), file) {
                    let mut inner = self.lock();
                    inner.revision = inner.revision.max(change.revision);
                    inner.gaps.push(format!("revision {} of {id}: {why}", change.revision));
                }
            }
            file.flush().map_err(text)?;
        }
    }

    fn record(
        &self,
        at: Millis,
        revision: i64,
        id: &IdCorrelacion,
        value: Option<&[u8]>,
        file: &mut BufWriter<File>,
    ) -> Outcome {
        let whole: Option<Value> = value.map(serde_json::from_slice).transpose().map_err(text)?;
        write(file, at, revision, id, whole.as_ref())?;
        self.add(at, revision, id.clone(), whole.as_ref())
    }

    /// Takes a version, or that there is none any more.
    pub(crate) fn add(&self, at: Millis, revision: i64, id: IdCorrelacion, whole: Option<&Value>) -> Outcome {
        let mut inner = self.lock();
        inner.revision = inner.revision.max(revision);
        inner.last = at;
        let Some(whole) = whole else {
            let entries = inner.sagas.entry(id.clone()).or_default();
            let last = last(entries).cloned();
            entries.push(Entry::Left { at });
            drop(inner);
            if let Some(last) = last {
                self.tell(News {
                    id,
                    before: Some(last.clone()),
                    now: last,
                    origin: None,
                    left: true,
                });
            }
            return Ok(());
        };
        let mut version = checker::Version::deserialize(whole).map_err(text)?;
        version.at_ms = i64::try_from(at).unwrap_or(i64::MAX);
        let origin = whole["metadata"]["annotations"]["pagos.saludtech.dev/origen"].as_str();
        let origin = origin.and_then(App::from_id);
        let now = short(at, revision, whole, &version, &mut inner.reasons);
        inner.histories.see(version);
        inner.versions += 1;
        let entries = inner.sagas.entry(id.clone()).or_default();
        let before = match entries.last() {
            Some(Entry::Written(before)) => Some(before.clone()),
            Some(Entry::Left { .. }) | None => None,
        };
        entries.push(Entry::Written(now.clone()));
        drop(inner);
        self.tell(News {
            id,
            before,
            now,
            origin,
            left: false,
        });
        Ok(())
    }

    fn tell(&self, news: News) {
        // Nobody listens most of the time.
        self.news.send(Arc::new(news)).ok();
    }

    /// What the judge makes of the versions so far; they are not here any more after that.
    pub(crate) fn take_histories(&self) -> Histories {
        std::mem::take(&mut self.lock().histories)
    }

    /// What comes from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<News>> {
        self.news.subscribe()
    }

    /// How many versions there were, and when something was written last.
    pub(crate) fn written(&self) -> (u64, Millis) {
        let inner = self.lock();
        (inner.versions, inner.last)
    }

    /// Versions that may be missing.
    pub(crate) fn gaps(&self) -> Vec<String> {
        self.lock().gaps.clone()
    }

    /// The last version of a payment, whether it is still there or not.
    pub(crate) fn last(&self, id: &IdCorrelacion) -> Option<Version> {
        last(self.lock().sagas.get(id)?).cloned()
    }

    /// When a payment had ended for the first time.
    pub(crate) fn ended_at(&self, id: &IdCorrelacion) -> Option<Millis> {
        let inner = self.lock();
        inner.sagas.get(id)?.iter().find_map(|entry| match entry {
            Entry::Written(version) if matches!(version.phase, Some(Phase::Completed | Phase::Compensated)) => {
                Some(version.at)
            }
            Entry::Written(_) | Entry::Left { .. } => None,
        })
    }

    /// All that happened to a payment.
    pub(crate) fn story(&self, id: &IdCorrelacion) -> Vec<Entry> {
        self.lock().sagas.get(id).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn last(entries: &[Entry]) -> Option<&Version> {
    entries.iter().rev().find_map(|entry| match entry {
        Entry::Written(version) => Some(version),
        Entry::Left { .. } => None,
    })
}

fn short(
    at: Millis,
    revision: i64,
    whole: &Value,
    version: &checker::Version,
    reasons: &mut HashSet<Arc<str>>,
) -> Version {
    let mut reason_of = |reason: &str| match reasons.get(reason) {
        Some(known) => Arc::clone(known),
        None => {
            let new: Arc<str> = reason.into();
            reasons.insert(Arc::clone(&new));
            new
        }
    };
    Version {
        at,
        revision,
        phase: version.phase,
        secuencia: version.saga.as_ref().map_or(0, |saga| saga.secuencia),
        steps: version
            .saga
            .iter()
            .flat_map(|saga| saga.pasos.iter().map(|paso| paso.estado))
            .collect(),
        aviso: version.saga.as_ref().map_or(Aviso::NotNeeded, |saga| saga.aviso),
        reason: version.reason.as_deref().map(&mut reason_of),
        cancel: whole["spec"]["cancel"] == true,
        deleting: whole["metadata"]["deletionTimestamp"].is_string(),
    }
}

/// The whole version as a line. Who wrote which field says nothing here and is half of it.
fn write(file: &mut BufWriter<File>, at: Millis, revision: i64, id: &IdCorrelacion, whole: Option<&Value>) -> Outcome {
    let mut object = whole.cloned().unwrap_or(Value::Null);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
    }
    let line = json!({"at": at, "revision": revision, "id": id, "object": object});
    writeln!(file, "{line}").map_err(text)
}

// === impl Version ===

impl Version {
    /// Whether it says how the payment is to be carried out.
    pub(crate) fn has_policy(&self) -> bool {
        !self.steps.is_empty()
    }
}

// === impl News ===

impl News {
    /// The actions that were answered between the version before and this one.
    pub(crate) fn answered(&self) -> Vec<Action> {
        let Some(before) = &self.before else { return Vec::new() };
        let mut answered = Vec::new();
        for (place, step) in Step::ALL.into_iter().enumerate() {
            let state = |version: &Version| version.steps.get(place).copied().unwrap_or(StepState::Pending);
            let (was, is) = (state(before), state(&self.now));
            if was == is {
                continue;
            }
            match is {
                StepState::Done | StepState::Refused => answered.push(Action::Do(step)),
                // A refusal leads straight to the undo; an expiry and a cancel do as well, and answer nothing.
                StepState::Undone => answered.push(Action::Undo(step)),
                StepState::Pending
                | StepState::Issued
                | StepState::Expired
                | StepState::Undoing
                | StepState::UndoFailing
                | StepState::Resolved => {}
            }
        }
        if before.aviso != Aviso::Done && self.now.aviso == Aviso::Done {
            answered.push(Action::AvisarReversion);
        }
        answered
    }

    /// Whether a part had to work between the version before and this one: it has a share in what was answered.
    pub(crate) fn needed(&self, part: &str) -> bool {
        let answered = self.answered();
        if answered.is_empty() {
            return false;
        }
        let by = |app: App| answered.iter().any(|action| action.participant() == app);
        let app = part.strip_prefix("daprd-").unwrap_or(part);
        match App::from_id(app) {
            Some(app @ (App::GestionClientes | App::IntegracionPagos | App::Notificaciones)) => by(app),
            // A door: nothing is answered by it.
            Some(App::Bff) => false,
            None if part == local::tools::PASARELA => answered.contains(&Action::Do(Step::RealizarPago)),
            // Every command goes out and every answer comes in through the operator, its sidecar, the broker, the API
            // server and etcd. Nothing goes through the traces, so anything will do: the report leaves them out.
            Some(App::Operator) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use saga::Politica;

    use super::*;

    fn object(secuencia: u64, phase: &str, states: [&str; 4]) -> Value {
        let politica = Politica::standard(saga::OnExhausted::Compensate);
        let steps: Vec<Value> = Step::ALL
            .iter()
            .zip(states)
            .map(|(step, state)| json!({"name": step, "state": state}))
            .collect();
        json!({
            "metadata": {"name": "pago-p-1", "uid": "u", "annotations": {"pagos.saludtech.dev/origen": "bff"}},
            "spec": {"idCliente": "c-1", "medioPago": "PSE", "monto": "24.00", "moneda": "USD", "politica": politica},
            "status": {"phase": phase, "secuencia": secuencia, "steps": steps, "aviso": "NotNeeded"},
        })
    }

    fn recorder() -> Recorder {
        Recorder::after(0)
    }

    #[test]
    fn news_tell_what_was_answered_and_who_had_to_work() {
        let recorder = recorder();
        let mut news = recorder.listen();
        let id = IdCorrelacion::parse("p-1").unwrap();
        let versions = [
            ("Running", ["Issued", "Pending", "Pending", "Pending"]),
            ("Running", ["Done", "Issued", "Pending", "Pending"]),
            ("Running", ["Done", "Done", "Issued", "Pending"]),
        ];
        for (revision, (phase, states)) in (1..).zip(versions) {
            let number = u64::try_from(revision).unwrap();
            let version = object(number, phase, states);
            recorder.add(10, revision, id.clone(), Some(&version)).unwrap();
        }
        let mut next = || news.try_recv().unwrap();
        let (first, second, third) = (next(), next(), next());
        assert_eq!((first.before.is_none(), first.origin), (true, Some(App::Bff)));
        assert_eq!(first.answered(), []);
        assert_eq!(second.answered(), [Action::Do(Step::CrearFacturacion)]);
        assert!(second.needed("gestion-clientes") && second.needed("redis") && !second.needed("integracion-pagos"));
        assert!(third.needed("daprd-integracion-pagos") && third.needed("pasarela-simulada") && !third.needed("bff"));
        assert_eq!(recorder.written().0, 3);
    }

    #[test]
    fn one_that_cannot_be_read_is_no_version() {
        let recorder = recorder();
        let id = IdCorrelacion::parse("p-1").unwrap();
        let mut file = BufWriter::new(tempfile::tempfile().unwrap());
        let no_payment = json!({"metadata": {"name": "pago-p-1"}}).to_string();
        for value in ["{", &no_payment] {
            let refused = recorder.record(10, 7, &id, Some(value.as_bytes()), &mut file);
            assert!(refused.is_err(), "{value}");
        }
        assert_eq!(recorder.written().0, 0);
    }

    #[test]
    fn one_that_left_is_still_known_and_that_it_left_is_news() {
        let recorder = recorder();
        let mut news = recorder.listen();
        let id = IdCorrelacion::parse("p-1").unwrap();
        let completed = object(5, "Completed", ["Done"; 4]);
        recorder.add(10, 5, id.clone(), Some(&completed)).unwrap();
        recorder.add(20, 6, id.clone(), None).unwrap();
        assert_eq!(recorder.last(&id).unwrap().phase, Some(Phase::Completed));
        assert_eq!(recorder.story(&id).len(), 2);
        assert!(!news.try_recv().unwrap().left);
        let gone = news.try_recv().unwrap();
        assert!(gone.left && gone.answered().is_empty() && !gone.needed("operator"));
    }
}
