//! A store that has no space left: etcd as when its quota is used up, Redis as when its memory is. Both refuse what is to be
//! written and go on answering. No disk is filled for it, which the machine would share.

use std::time::Duration;

use tokio::time::sleep;

use super::{Kind, Nemesis, Phase};
use crate::Outcome;

/// The parts that can be full.
pub(super) const STORES: [&str; 2] = ["etcd", "redis"];

/// How often the store is told that it has space again, until it hears it. etcd would remember that it has none past a restart.
const TRIES: usize = 120;
const PAUSE: Duration = Duration::from_millis(500);

impl Nemesis {
    /// Lets a store take nothing more for a while.
    pub(super) async fn fill(&self, phase: Phase, part: &str, lasts: Duration) {
        // One that does not answer now is broken in another way.
        if self.set_full(part, true).await.is_ok() {
            let place = self.note(phase, Kind::Full, part, "");
            sleep(lasts).await;
            self.over(place);
        }
        // One that is never told is seen: then nothing ends any more.
        for _ in 0..TRIES {
            if self.set_full(part, false).await.is_ok() {
                break;
            }
            sleep(PAUSE).await;
        }
    }

    async fn set_full(&self, part: &str, full: bool) -> Outcome {
        match part {
            "etcd" => self.scene.etcd.set_full(full).await,
            _ => self.scene.redis.set_full(full).await,
        }
    }
}
