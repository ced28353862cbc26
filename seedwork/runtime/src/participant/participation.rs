//! The shell around the laws: read, decide, write conditionally, project, reply.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seedwork::contrato::{Comando, Respuesta};
use seedwork::{Action, App, Fault, IdCorrelacion, Message, Outcome, Reason};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::documento::{Documento, Standing};
use super::{Move, Participant};
use crate::sidecar::{Document, Expect, Sidecar, load, save};

/// A participant at work.
pub struct Participation<P> {
    participant: P,
    app: App,
    sidecar: Arc<dyn Sidecar>,
    in_flight: Mutex<HashSet<(IdCorrelacion, Action)>>,
    slots: Semaphore,
    tasks: TaskTracker,
    /// The read model did not take what it was last told.
    unseen: AtomicBool,
}

/// How long a process that is asked to stop gives [`Participation::settle`]. A pod has 30 s: 3 for the chart's `preStop`, 15 for
/// the requests under way ([`serve::run`](crate::serve::run)), these 5, and 5 for the last spans.
///
/// What is relied on is the sidecar, which saves and publishes what a command comes to. In Kubernetes it is asked to stop when the
/// pod is, a `preStop` before us, and takes calls for the chart's `dapr.io/block-shutdown-duration` (5 s) from then on. So two of
/// these seconds are sure, where no request held us up before; what comes later is left as by a crash: it is not recorded, and the
/// operator asks again.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many commands of one process may be calling outside at once; the rest wait in memory, and the operator asks
/// again for what a crash forgets.
pub(super) const SLOTS: usize = 64;

/// How many commands may be accepted and unfinished; past that, deliveries are retried.
const BACKLOG: usize = 2_000;

/// How long the outside may take before what is recorded is shown meanwhile: most answer sooner, and then the end alone is shown.
pub(super) const AT_ONCE: Duration = Duration::from_millis(250);

/// How often a command may lose a race against another write of its document before it is left to the next delivery.
const RACES: usize = 16;

/// What one run of a command knows from one reading of its document to the next.
struct SoFar<A, N> {
    /// The version that the read model was brought up to; 0 for none.
    shown: u64,
    /// What was decided and is not recorded, and on which aggregate.
    decided: Option<(Option<A>, Move<A>)>,
    /// What is to be shown with the record.
    notes: N,
}

/// A call to the outside does not fail because it is not seen.
fn unless_shown(shown: Result<(), Fault>) {
    if let Err(fault) = shown {
        tracing::warn!(
            error = fault.chain(),
            "unable to show what is under way; its end is shown, or the next try"
        );
    }
}

struct Flight<'a, P>(&'a Participation<P>, (IdCorrelacion, Action));

impl<P> Drop for Flight<'_, P> {
    fn drop(&mut self) {
        self.0
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.1);
    }
}

// === impl Participation ===

impl<P: Participant> Participation<P> {
    /// Puts a participant to work for `app`.
    pub fn new(participant: P, app: App, sidecar: Arc<dyn Sidecar>) -> Arc<Self> {
        let slots = Semaphore::new(SLOTS);
        Arc::new(Self {
            participant,
            app,
            sidecar,
            in_flight: Mutex::default(),
            slots,
            tasks: TaskTracker::new(),
            unseen: AtomicBool::new(false),
        })
    }

    /// The participant.
    pub fn participant(&self) -> &P {
        &self.participant
    }

    /// The key of a payment's document.
    pub fn key(id: &IdCorrelacion) -> String {
        format!("{}:{id}", P::DOCUMENT)
    }

    /// Reads a payment's document.
    pub async fn document(&self, id: &IdCorrelacion) -> Result<Document<Documento<P::Aggregate>>, Fault> {
        load(self.sidecar.as_ref(), &Self::key(id)).await
    }

    /// Handles a command as its delivery asks: returns when the delivery may be acknowledged.
    pub async fn receive(self: &Arc<Self>, comando: Comando) -> Result<(), Fault> {
        if !P::CALLS_OUTSIDE {
            return self.run(&comando).await;
        }
        if self.slots.is_closed() {
            return Err(Fault::unavailable(
                "accept another command",
                "the process is about to end",
            ));
        }
        {
            let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            if in_flight.len() >= BACKLOG {
                return Err(Fault::unavailable("accept another command", "too many are under way"));
            }
            if !in_flight.insert((comando.id_correlacion.clone(), comando.action)) {
                return Ok(()); // the same command is being worked on
            }
        }
        let this = Arc::clone(self);
        let work = async move {
            let _flight = Flight(&this, (comando.id_correlacion.clone(), comando.action));
            // Closed: the process is about to end, and what was begun now would be cut off.
            let Ok(_slot) = this.slots.acquire().await else {
                return;
            };
            if let Err(fault) = this.run(&comando).await {
                let command = comando.action.command_type();
                tracing::warn!(command, error = fault.chain(), "a command is left to its next delivery");
            }
        };
        self.tasks.spawn(work.in_current_span());
        Ok(())
    }

    /// Waits, for `patience` at most, until the commands under way have ended; for a process that ends in order, once nothing is
    /// delivered to it any more. They were acknowledged, so the broker forgets them, and what one has done outside before it was
    /// cut off may be done twice. What waits for a slot is not begun: the operator asks for it again.
    pub async fn settle(&self, patience: Duration) {
        self.slots.close();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            let (commands, seconds) = (self.tasks.len(), patience.as_secs());
            tracing::warn!(commands, seconds, "commands are still under way; they are left");
        }
    }

    /// Works on a command until it has ended or nothing more can be done now.
    pub async fn run(&self, comando: &Comando) -> Result<(), Fault> {
        let key = Self::key(&comando.id_correlacion);
        let mut so_far = SoFar {
            shown: 0,
            decided: None,
            notes: P::Notes::default(),
        };
        let mut document = if comando.action == Action::Do(P::FIRST) {
            Document {
                value: None,
                expect: Expect::Absent,
            }
        } else {
            self.document(&comando.id_correlacion).await?
        };
        for _ in 0..RACES {
            let Document { value, expect } = document;
            let documento: Documento<P::Aggregate> = value.unwrap_or_default();
            let next = match documento.standing(comando.action) {
                Standing::Answered(outcome) => {
                    // The reply may be a repeat because the first one failed on the way to the read model.
                    self.project(comando, &documento, &mut so_far.notes).await?;
                    return self.reply(comando, outcome).await;
                }
                Standing::NeedsTombstone if documento.agregado.is_none() => {
                    // Nothing was ever begun: tombstone and end are one write.
                    let outcome = Outcome::Done;
                    (
                        documento
                            .with_tombstone(comando.action)
                            .with_end(comando.action, None, &outcome),
                        Some(outcome),
                    )
                }
                Standing::NeedsTombstone => (documento.with_tombstone(comando.action), None),
                Standing::Open => match self.decide(comando, &documento, &mut so_far).await? {
                    Move::End { aggregate, outcome } => {
                        let outcome = Respuesta::new(comando, outcome).outcome;
                        (documento.with_end(comando.action, aggregate, &outcome), Some(outcome))
                    }
                    Move::Checkpoint(aggregate) => (documento.with_checkpoint(aggregate), None),
                    Move::Unsettled(reason) => return self.unsettled(comando, reason).await,
                },
            };
            let (documento, outcome) = next;
            match save(self.sidecar.as_ref(), &key, &documento, expect).await {
                Ok(()) => {}
                // Read again, then decide again.
                Err(Fault::Conflict(_)) => {
                    document = self.document(&comando.id_correlacion).await?;
                    continue;
                }
                Err(fault) => return Err(fault),
            }
            if let Some(outcome) = outcome {
                self.project(comando, &documento, &mut so_far.notes).await?;
                return self.reply(comando, outcome).await;
            }
            so_far.decided = None;
            document = self.go_on(comando, &documento, &mut so_far).await?;
        }
        Err(Fault::Conflict(format!("{key} changes faster than it can be read")))
    }

    /// Reads what was just written for the version that it has now and, where the next move calls the outside, asks for that
    /// meanwhile. Whether somebody wrote in between is for the write that follows to find out: it may as well happen after a read.
    async fn go_on(
        &self,
        comando: &Comando,
        written: &Documento<P::Aggregate>,
        so_far: &mut SoFar<P::Aggregate, P::Notes>,
    ) -> Result<Document<Documento<P::Aggregate>>, Fault> {
        let read = || self.document(&comando.id_correlacion);
        if !P::CALLS_OUTSIDE {
            self.project(comando, written, &mut so_far.notes).await?;
            return read().await;
        }
        if self.participant.minds_repeats() {
            return read().await;
        }
        let (document, decided) = tokio::join!(read(), self.decide(comando, written, so_far));
        decided?;
        match document {
            Ok(document) => Ok(document),
            // What the outside has said is not thrown away for one read that failed.
            Err(_) => read().await,
        }
    }

    /// The next move for a command that is open.
    ///
    /// Where that calls the outside, whose answer may be given once, what was decided on this very aggregate, while it was read
    /// or before its write lost the race to another command, is not decided again. An aggregate that has changed is decided on
    /// anew; and of a step whose tombstone was written meanwhile the command is open no more.
    async fn decide(
        &self,
        comando: &Comando,
        documento: &Documento<P::Aggregate>,
        so_far: &mut SoFar<P::Aggregate, P::Notes>,
    ) -> Result<Move<P::Aggregate>, Fault> {
        let SoFar { shown, decided, notes } = so_far;
        let on = &documento.agregado;
        if !P::CALLS_OUTSIDE {
            return self.participant.advance(on.as_ref(), comando, notes).await;
        }
        if let Some((before, decided)) = decided
            && before == on
        {
            return Ok(decided.clone());
        }
        let next = self.ask(comando, documento, shown, notes).await?;
        if let Move::Unsettled(_) = &next {
            unless_shown(self.project(comando, documento, notes).await);
        }
        *decided = Some((on.clone(), next.clone()));
        Ok(next)
    }

    /// Asks for a move that may call the outside. What is recorded is shown meanwhile if that takes long; before it where repeats
    /// matter, and while the read model takes nothing: its outage is none of the outside's business, and costs no money.
    async fn ask(
        &self,
        comando: &Comando,
        documento: &Documento<P::Aggregate>,
        shown: &mut u64,
        notes: &mut P::Notes,
    ) -> Result<Move<P::Aggregate>, Fault> {
        if self.participant.minds_repeats() || self.unseen.load(Ordering::Relaxed) {
            self.show(comando, documento, shown).await?;
        }
        let mut advance = self.participant.advance(documento.agregado.as_ref(), comando, notes);
        match tokio::time::timeout(AT_ONCE, &mut advance).await {
            Ok(next) => next,
            Err(_) => {
                let showing = async {
                    unless_shown(self.show(comando, documento, shown).await);
                    std::future::pending().await
                };
                tokio::select! {
                    biased;
                    // Not held up by a database that says nothing.
                    next = advance => next,
                    next = showing => next,
                }
            }
        }
    }

    /// Brings the read model up to what is recorded and stays so for a while, whoever recorded it: they may have died since.
    async fn show(&self, comando: &Comando, documento: &Documento<P::Aggregate>, shown: &mut u64) -> Result<(), Fault> {
        if documento.version > *shown {
            self.project(comando, documento, &mut P::Notes::default()).await?;
            *shown = documento.version;
        }
        Ok(())
    }

    async fn project(
        &self,
        comando: &Comando,
        documento: &Documento<P::Aggregate>,
        notes: &mut P::Notes,
    ) -> Result<(), Fault> {
        let Some(agregado) = &documento.agregado else {
            return Ok(());
        };
        let id = &comando.id_correlacion;
        let projected = self.participant.project(id, agregado, documento.version, notes).await;
        self.unseen.store(projected.is_err(), Ordering::Relaxed);
        projected?;
        *notes = P::Notes::default();
        Ok(())
    }

    async fn unsettled(&self, comando: &Comando, reason: Reason) -> Result<(), Fault> {
        let command = comando.action.command_type();
        tracing::warn!(command, %reason, "no definite outcome yet");
        match comando.action {
            Action::Do(_) => Ok(()),
            Action::Undo(_) | Action::AvisarReversion => self.reply(comando, Outcome::Failed(reason)).await,
        }
    }

    async fn reply(&self, comando: &Comando, outcome: Outcome) -> Result<(), Fault> {
        let message = Message::Respuesta(Respuesta::new(comando, outcome));
        crate::send(self.sidecar.as_ref(), self.app, App::Operator, &message).await
    }
}
