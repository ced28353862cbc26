//! The one view of all parts: the parts' futures write it, wait on it, and `status.json` is its copy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::part::{Need, Part};
use crate::process::Identity;
use crate::status::{PartStatus, State, Status};

/// Shared by the parts' futures.
#[derive(Clone)]
pub(super) struct Board {
    status: Arc<watch::Sender<Status>>,
    state: PathBuf,
}

// === impl Board ===

impl Board {
    pub(super) fn new(state: PathBuf, supervisor: Identity, parts: &[Part]) -> Self {
        let parts = parts.iter().map(|part| PartStatus {
            part: part.name.clone(),
            state: State::Waiting,
            process: None,
            restarts: 0,
            since: now(),
            waiting_for: None,
            last_exit: None,
            port: part.ports.first().copied(),
        });
        let status = Status {
            supervisor,
            parts: parts.collect(),
        };
        let board = Self {
            status: Arc::new(watch::Sender::new(status)),
            state,
        };
        board.status.send_modify(|status| board.store(status));
        board
    }

    pub(super) fn started(&self, part: &str, process: Option<Identity>, waiting_for: String) {
        self.change(part, State::Starting, |status| {
            status.process = process;
            status.waiting_for = Some(waiting_for);
        });
    }

    pub(super) fn waiting(&self, part: &str, waiting_for: String) {
        let state = self
            .status
            .borrow()
            .part(part)
            .map_or(State::Waiting, |status| status.state);
        self.change(part, state, |status| status.waiting_for = Some(waiting_for));
    }

    pub(super) fn ready(&self, part: &str) {
        self.change(part, State::Ready, |status| status.waiting_for = None);
    }

    pub(super) fn died(&self, part: &str, how: String) {
        self.change(part, State::BackOff, |status| {
            status.process = None;
            status.restarts += 1;
            status.waiting_for = Some("its turn to be started again".to_owned());
            status.last_exit = Some(how);
        });
    }

    pub(super) fn stopping(&self, part: &str) {
        self.change(part, State::Stopping, |status| status.waiting_for = None);
    }

    pub(super) fn stopped(&self, part: &str, how: Option<String>) {
        self.change(part, State::Stopped, |status| {
            status.process = None;
            status.waiting_for = None;
            status.last_exit = how.or(status.last_exit.take());
        });
    }

    /// Until every need of a part is met.
    pub(super) async fn needs_met(&self, needs: &[Need]) {
        for need in needs {
            self.until(|status| {
                status.part(need.part()).is_none_or(|part| match need {
                    Need::Started(_) => part.process.is_some(),
                    Need::Ready(_) => part.state == State::Ready,
                })
            })
            .await;
        }
    }

    /// Until all of these have stopped.
    pub(super) async fn stopped_all(&self, parts: &[String]) {
        self.until(|status| {
            parts
                .iter()
                .all(|name| status.part(name).is_none_or(|part| part.state == State::Stopped))
        })
        .await;
    }

    async fn until(&self, condition: impl FnMut(&Status) -> bool) {
        // Cannot fail: the sender is in self.
        self.status.subscribe().wait_for(condition).await.ok();
    }

    /// One change, stored before anybody can act on it. A change that changes nothing is not stored.
    fn change(&self, part: &str, state: State, change: impl FnOnce(&mut PartStatus)) {
        self.status.send_if_modified(|status| {
            let Some(current) = status.parts.iter_mut().find(|entry| entry.part == part) else {
                return false;
            };
            let before = current.clone();
            if current.state != state {
                current.state = state;
                current.since = now();
            }
            change(current);
            if *current == before {
                return false;
            }
            self.store(status);
            true
        });
    }

    fn store(&self, status: &Status) {
        if let Err(error) = status.write(&self.state) {
            // The parts go on; whoever reads the file sees that it is old.
            eprintln!("{}", crate::ready::chain(&error));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the supervisor is shell: its times are for people to read"
)]
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
