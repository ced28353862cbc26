//! One life of a process, from its start to its death. Everything that a process does to the outside passes here first:
//! these are its await points, and at each of them it may be slow, be refused, or die.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::lock;
use crate::sql::Base;
use crate::world::{Part, Proc, World};

/// A process between two deaths. What a dead one still holds never runs again: its calls wait for ever.
pub struct Life {
    world: Arc<World>,
    proc: Proc,
    dead: AtomicBool,
    died: Notify,
    /// Its connections, whose transactions end with it.
    connections: Mutex<Vec<(Arc<Base>, u64)>>,
}

// === impl Life ===

impl Life {
    /// A life that begins now.
    pub fn new(world: Arc<World>, proc: Proc) -> Arc<Self> {
        Arc::new(Self {
            world,
            proc,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            connections: Mutex::default(),
        })
    }

    /// The world it is in.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Which process.
    pub fn proc(&self) -> Proc {
        self.proc
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Goes on while it is alive, and never after.
    pub async fn alive(&self) {
        if self.is_over() {
            pending::<()>().await;
        }
    }

    /// Returns when it is over.
    pub async fn over(&self) {
        loop {
            let died = self.died.notified();
            if self.is_over() {
                return;
            }
            died.await;
        }
    }

    /// Before a call's effect. Why it fails without one, if it does.
    pub async fn before(&self, part: Part) -> Result<(), String> {
        self.point(part).await;
        match self.world.fails(part) {
            true => Err(format!("{part:?} does not answer")),
            false => Ok(()),
        }
    }

    /// After a call's effect, where the answer may be lost. Why, if it is.
    pub async fn answered(&self, part: Part) -> Result<(), String> {
        self.point(part).await;
        match self.world.loses_answer() {
            true => Err(format!("{part:?} did not answer in time")),
            false => Ok(()),
        }
    }

    /// It has a connection to a database.
    pub(crate) fn uses(&self, base: &Arc<Base>, number: u64) {
        lock(&self.connections).push((Arc::clone(base), number));
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::Relaxed);
        for (base, number) in lock(&self.connections).drain(..) {
            base.abandon(number);
        }
        self.died.notify_waiters();
    }

    async fn point(&self, part: Part) {
        while let Some(left) = self.world.frozen(self.proc) {
            tokio::time::sleep(left).await;
        }
        self.alive().await;
        if self.world.strikes(self.proc) {
            self.world.note(|| format!("{} dies at {part:?}", self.proc));
            self.world.kill(self.proc);
            pending::<()>().await;
        }
        if let Some(pause) = self.world.pause() {
            tokio::time::sleep(pause).await;
            self.alive().await;
        }
    }
}
