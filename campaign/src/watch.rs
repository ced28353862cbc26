//! What is watched while faults happen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;

use crate::clock::{Millis, show};
use crate::ends::Open;
use crate::load::Load;
use crate::nemesis::Nemesis;
use crate::out::thousands;
use crate::report::Memory;
use crate::scene::Scene;
use crate::system::resident;

/// Before this, processes still grow to what they need.
const WARM: Millis = 30_000;

/// Who watches.
pub(crate) struct Watch {
    scene: Arc<Scene>,
    load: Arc<Load>,
    nemesis: Arc<Nemesis>,
    /// Most requests that waited at the doors.
    pub(crate) waiting_most: u64,
    /// The memory of each process.
    pub(crate) memory: BTreeMap<String, Memory>,
}

// === impl Watch ===

impl Watch {
    /// Nothing was seen yet.
    pub(crate) fn new(scene: &Arc<Scene>, load: &Arc<Load>, nemesis: &Arc<Nemesis>) -> Self {
        Self {
            scene: Arc::clone(scene),
            load: Arc::clone(load),
            nemesis: Arc::clone(nemesis),
            waiting_most: 0,
            memory: BTreeMap::new(),
        }
    }

    /// Counts and shows, until it is dropped.
    pub(crate) async fn look_on(&mut self) {
        let mut open = Open::default();
        let mut tick = interval(Duration::from_millis(500));
        for round in 0_u64.. {
            tick.tick().await;
            open.look(&self.scene.book, &self.scene.recorder);
            self.load.see_open(open.count());
            if round.is_multiple_of(10) {
                // A part that is down has no memory, and a database that is busy is read the next time.
                if let Ok(waiting) = self.scene.tables.open_requests().await {
                    self.waiting_most = self.waiting_most.max(waiting);
                }
                self.remember();
            }
            self.show(&open);
        }
    }

    fn remember(&mut self) {
        let warm = self.scene.clock.now() >= WARM;
        let own = resident(std::process::id()).map(|own| ("(this campaign)".to_owned(), own));
        for (part, now) in self.scene.system.memory().into_iter().chain(own) {
            let seen = self.memory.entry(part).or_default();
            if seen.begin == 0 || !warm {
                seen.begin = now;
            }
            seen.end = now;
            seen.most = seen.most.max(now);
        }
    }

    fn show(&self, open: &Open) {
        let (faults, last) = self.nemesis.so_far();
        let last = last
            .map(|fault| format!(", last: {}", fault.line()))
            .unwrap_or_default();
        self.scene.screen.live(&format!(
            "{} {} accepted, {} ended, {} open; {faults} faults{last}",
            show(self.scene.clock.now()),
            thousands(self.scene.book.count().accepted),
            thousands(open.ended()),
            thousands(open.count()),
        ));
    }
}
