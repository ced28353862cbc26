//! The system under attack, and all that looks at it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::book::Book;
use crate::clock::{Clock, show};
use crate::etcd::Etcd;
use crate::out::Screen;
use crate::recorder::Recorder;
use crate::redis::Redis;
use crate::system::System;
use crate::tables::Tables;
use crate::{Outcome, about};

/// What everybody in a campaign has to do with.
pub(crate) struct Scene {
    /// The one clock.
    pub(crate) clock: Clock,
    /// The system.
    pub(crate) system: Arc<System>,
    /// Its etcd, past the wires.
    pub(crate) etcd: Etcd,
    /// Its broker, past the wires.
    pub(crate) redis: Redis,
    /// Its databases.
    pub(crate) tables: Tables,
    /// Every version of every payment.
    pub(crate) recorder: Arc<Recorder>,
    /// What clients asked for and were told.
    pub(crate) book: Arc<Book>,
    /// Whoever watches.
    pub(crate) screen: Screen,
    /// Where what happens is written down.
    pub(crate) folder: PathBuf,
}

// === impl Scene ===

impl Scene {
    /// Whatever happens to the payments of this system is recorded from now on.
    pub(crate) async fn open(system: Arc<System>, clock: Clock) -> Outcome<Self> {
        let folder = system.layout.state().join("campaign");
        std::fs::create_dir_all(&folder).map_err(about(&folder))?;
        let etcd = Etcd::new(system.ports.etcd())?;
        let recorder = Recorder::start(etcd.clone(), clock, &folder.join("versions.jsonl")).await?;
        Ok(Self {
            clock,
            etcd,
            redis: Redis {
                port: system.ports.redis(),
                password: system.credential("redis-password")?,
            },
            tables: Tables::open(&system.layout),
            recorder,
            book: Arc::new(Book::new(clock, &folder.join("clients.jsonl"))?),
            screen: Screen::new(),
            folder,
            system,
        })
    }

    /// A line that stays, with the time.
    pub(crate) fn say(&self, line: &str) {
        self.screen.line(&format!("{} {line}", show(self.clock.now())));
    }
}
