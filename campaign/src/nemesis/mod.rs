//! What is broken, when, and the record of it.

mod full;
mod outage;
mod recovery;
mod storm;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use local::process::Identity;
use nix::sys::signal::Signal;
use serde::Serialize;
use tokio::time::sleep;

use crate::clock::{Millis, millis};
use crate::proxy::Mode;
use crate::scene::Scene;
use crate::{Outcome, about, text};

pub(crate) use self::outage::Outage;
pub(crate) use self::recovery::Recovery;

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// SIGKILL.
    Kill,
    /// SIGKILL, the moment a chosen write of a payment is seen.
    KillAfterWrite,
    /// SIGSTOP, and SIGCONT later.
    Freeze,
    /// SIGTERM.
    Restart,
    /// A wire is cut or bad, and mended later.
    Partition,
    /// A store has no space left, and has some again later.
    Full,
}

/// Which phase of the campaign a fault belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Many at a time.
    Storm,
    /// One at a time.
    Recovery,
    /// The operator is gone for long.
    Outage,
}

/// One fault.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    /// When it began.
    pub(crate) at: Millis,
    /// How long it lasted; 0 for a signal.
    pub(crate) lasted: Millis,
    /// In which phase.
    pub(crate) phase: Phase,
    /// What kind.
    pub(crate) kind: Kind,
    /// The part or the wire.
    pub(crate) target: String,
    /// More about it.
    pub(crate) detail: String,
}

#[cfg(test)]
impl Fault {
    /// Some fault of this kind.
    pub(crate) fn of(kind: Kind) -> Self {
        Self {
            at: 0,
            lasted: 0,
            phase: Phase::Storm,
            kind,
            target: "redis".to_owned(),
            detail: String::new(),
        }
    }
}

/// Who breaks things.
pub(crate) struct Nemesis {
    scene: Arc<Scene>,
    inner: Mutex<Inner>,
}

struct Inner {
    faults: Vec<Fault>,
    file: File,
    /// Parts and wires that are broken now.
    broken: BTreeSet<String>,
}

/// A part or wire that nobody else breaks until this is dropped.
struct Claim {
    nemesis: Arc<Nemesis>,
    target: String,
}

// === impl Kind ===

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 6] = [
        Self::Kill,
        Self::KillAfterWrite,
        Self::Freeze,
        Self::Restart,
        Self::Partition,
        Self::Full,
    ];

    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::KillAfterWrite => "kill -9 after a write",
            Self::Freeze => "freeze",
            Self::Restart => "restart",
            Self::Partition => "partition",
            Self::Full => "full",
        }
    }
}

// === impl Fault ===

impl Fault {
    /// As a line of a story.
    pub(crate) fn line(&self) -> String {
        let lasted = if self.lasted > 0 {
            format!(" for {:.1} s", Duration::from_millis(self.lasted).as_secs_f64())
        } else {
            String::new()
        };
        let detail = if self.detail.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.detail)
        };
        format!("{} {}{lasted}{detail}", self.kind.name(), self.target)
    }
}

// === impl Nemesis ===

impl Nemesis {
    /// Nothing is broken yet; what will be is written to a file.
    pub(crate) fn new(scene: Arc<Scene>) -> Outcome<Arc<Self>> {
        let file = scene.folder.join("faults.jsonl");
        let inner = Inner {
            faults: Vec::new(),
            file: File::create(&file).map_err(about(&file))?,
            broken: BTreeSet::new(),
        };
        Ok(Arc::new(Self {
            scene,
            inner: Mutex::new(inner),
        }))
    }

    /// All faults so far.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.lock().faults.clone()
    }

    /// How many there were, and the last one.
    pub(crate) fn so_far(&self) -> (usize, Option<Fault>) {
        let inner = self.lock();
        (inner.faults.len(), inner.faults.last().cloned())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part or a wire, unless somebody has it.
    fn claim(self: &Arc<Self>, target: &str) -> Option<Claim> {
        let free = self.lock().broken.insert(target.to_owned());
        free.then(|| Claim {
            nemesis: Arc::clone(self),
            target: target.to_owned(),
        })
    }

    /// Notes a fault that begins now. Answers its place.
    fn note(&self, phase: Phase, kind: Kind, target: &str, detail: impl Into<String>) -> usize {
        let fault = Fault {
            at: self.scene.clock.now(),
            lasted: 0,
            phase,
            kind,
            target: target.to_owned(),
            detail: detail.into(),
        };
        let mut inner = self.lock();
        inner.write(&fault);
        inner.faults.push(fault);
        inner.faults.len() - 1
    }

    /// Notes that a fault is over.
    fn over(&self, place: usize) {
        let now = self.scene.clock.now();
        let mut inner = self.lock();
        if let Some(fault) = inner.faults.get_mut(place) {
            fault.lasted = now.saturating_sub(fault.at);
            let fault = fault.clone();
            inner.write(&fault);
        }
    }

    /// Sends a signal to a part. `None`: it has no process now, whether the supervisor has seen that or not.
    fn signal(&self, part: &str, signal: Signal) -> Option<Identity> {
        let (process, _) = self.scene.system.process(part).filter(|(process, _)| process.alive())?;
        process.signal(signal);
        Some(process)
    }

    /// Stops a part for a while.
    async fn freeze(&self, phase: Phase, part: &str, lasts: Duration) {
        let Some(process) = self.signal(part, Signal::SIGSTOP) else {
            return;
        };
        let place = self.note(phase, Kind::Freeze, part, "");
        sleep(lasts).await;
        process.signal(Signal::SIGCONT);
        self.over(place);
    }

    /// Cuts a wire for a while.
    async fn cut(&self, phase: Phase, wire: &str, mode: Mode, lasts: Duration) {
        let detail = match mode {
            Mode::Open => String::new(),
            Mode::Refused => "refused".to_owned(),
            Mode::Silent => "silent".to_owned(),
            Mode::Deaf => "answers lost".to_owned(),
            Mode::Slow(by) => format!("{} ms late", millis(by)),
        };
        let place = self.note(phase, Kind::Partition, wire, detail);
        self.scene.system.wires.set(wire, mode);
        sleep(lasts).await;
        self.scene.system.wires.set(wire, Mode::Open);
        self.over(place);
    }
}

// === impl Inner ===

impl Inner {
    fn write(&mut self, fault: &Fault) {
        // For a person to read beside the logs; the record that counts is in memory.
        let line = serde_json::to_string(fault).map_err(text);
        line.and_then(|line| writeln!(self.file, "{line}").map_err(text)).ok();
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.nemesis.lock().broken.remove(&self.target);
    }
}
