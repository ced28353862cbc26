//! The operator is gone for minutes, under full load. What the doors take waits in their tables; when it comes back they are
//! worked off, without a storm.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::{Kind, Nemesis, Phase};
use crate::Outcome;
use crate::clock::{Millis, millis};
use crate::scene::Scene;

/// What happened meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Outage {
    /// For how long the operator was gone.
    pub(crate) lasted: Millis,
    /// Payments that the doors took meanwhile.
    pub(crate) accepted: usize,
    /// Most requests that waited in the doors' tables.
    pub(crate) waiting: u64,
    /// From its return until no more requests waited than before.
    pub(crate) worked_off: Option<Millis>,
    /// Most versions of payments written in a second after it.
    pub(crate) writes_per_second: u64,
}

// === impl Nemesis ===

impl Nemesis {
    /// Freezes the operator for so long (the supervisor would start another), then kills it: a new one comes.
    pub(crate) async fn outage(&self, lasts: Duration, patience: Duration) -> Outcome<Outage> {
        let Scene {
            clock,
            book,
            tables,
            recorder,
            ..
        } = &*self.scene;
        let before = tables.open_requests().await?;
        let accepted = book.count().accepted;
        let began = clock.now();
        let operator = self
            .signal("operator", Signal::SIGSTOP)
            .ok_or("the operator has no process")?;
        let place = self.note(
            Phase::Outage,
            Kind::Freeze,
            "operator",
            "gone under full load, then killed",
        );
        sleep(lasts).await;
        let waiting = tables.open_requests().await?;
        let accepted = book.count().accepted - accepted;
        operator.signal(Signal::SIGKILL);
        self.over(place);
        let back = Instant::now();
        let mut writes_per_second = 0;
        let mut worked_off = None;
        let mut written = recorder.written().0;
        while back.elapsed() < patience {
            sleep(Duration::from_secs(1)).await;
            let now = recorder.written().0;
            writes_per_second = writes_per_second.max(now - written);
            written = now;
            // Some are always under way.
            if tables.open_requests().await.is_ok_and(|open| open <= before + 50) {
                worked_off = Some(millis(back.elapsed()));
                break;
            }
        }
        Ok(Outage {
            lasted: clock.now() - began - millis(back.elapsed()),
            accepted,
            waiting,
            worked_off,
            writes_per_second,
        })
    }
}
