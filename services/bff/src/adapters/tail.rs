//! Follows the table of events. One task per process reads it by number and hands each event to everybody here, so
//! every replica streams what every replica stored.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use seedwork::Fault;
use tokio::sync::Notify;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::eventos::{Evento, Eventos, Interest};
use crate::Pace;

/// The task and those who listen to it.
pub(crate) struct Tail {
    eventos: Eventos,
    sender: Sender<Live>,
    stop: CancellationToken,
    pace: Pace,
}

/// What the task hands to everybody.
#[derive(Debug, Clone)]
enum Live {
    /// The next event.
    Evento(Arc<Evento>),
    /// What comes next does not follow what came before.
    Gap,
}

/// What a follower gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Followed {
    /// The next event.
    Evento(Arc<Evento>),
    /// Events between the last and the next are not kept any more. What follows comes after `ultimo`.
    Reset {
        /// The number to go on from.
        ultimo: i64,
    },
}

/// One reader of the events, at its own pace.
struct Follower {
    tail: Arc<Tail>,
    live: Receiver<Live>,
    interest: Interest,
    /// Everything up to this number was delivered, is pending, or is not for this reader.
    last: i64,
    pending: VecDeque<Arc<Evento>>,
    /// The live events alone would leave a gap: read the table first.
    behind: bool,
}

/// How many events a reader may lag behind before it reads the table again.
const BUFFER: usize = 1024;

/// How many events are read at once.
const PAGE: u16 = 200;

// === impl Tail ===

impl Tail {
    /// Starts to follow the table from its end. `changed` wakes it before the next poll is due; `stop` ends every
    /// follower.
    pub(crate) async fn start(
        eventos: Eventos,
        changed: Arc<Notify>,
        pace: Pace,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, Fault> {
        let last = eventos.extent().await?.newest;
        let (sender, _) = broadcast::channel(BUFFER);
        let tail = Arc::new(Self {
            eventos,
            sender,
            stop,
            pace,
        });
        tokio::spawn(Arc::clone(&tail).read(last, changed));
        tokio::spawn(Arc::clone(&tail).prune());
        Ok(tail)
    }

    /// Follows the events that match: from the one numbered `after` on, or from now. Answers what number that is after,
    /// too: who follows from there later has missed nothing.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        after: Option<i64>,
        interest: Interest,
    ) -> Result<(i64, impl Stream<Item = Followed> + Send + use<>), Fault> {
        // Subscribed before the table is read, so that nothing falls in between.
        let live = self.sender.subscribe();
        let (last, behind) = match after {
            Some(number) => (number, true),
            None => (self.eventos.extent().await?.newest, false),
        };
        let follower = Follower {
            tail: Arc::clone(self),
            live,
            interest,
            last,
            pending: VecDeque::new(),
            behind,
        };
        let stopped = self.stop.clone().cancelled_owned();
        let stream = futures::stream::unfold(follower, |mut follower| async {
            let followed = follower.next().await?;
            Some((followed, follower))
        });
        Ok((last, stream.take_until(stopped)))
    }

    async fn read(self: Arc<Self>, mut last: i64, changed: Arc<Notify>) {
        loop {
            match self.read_on(last).await {
                Ok(read) if read == last => {
                    // Either an event was stored here or it is time to look; which one does not matter.
                    let _ = tokio::time::timeout(self.pace.poll, changed.notified()).await;
                }
                Ok(read) => last = read,
                Err(fault) => {
                    tracing::warn!(error = fault.chain(), "unable to read events now");
                    tokio::time::sleep(self.pace.poll).await;
                }
            }
        }
    }

    /// Hands on what comes after `last`, and answers up to where that is.
    ///
    /// Numbers have no gaps, and the last one is kept the longest: it is read once more, so that what is missing shows without
    /// a second question at each look.
    async fn read_on(&self, last: i64) -> Result<i64, Fault> {
        let page = self
            .eventos
            .after(last.saturating_sub(1), &Interest::default(), PAGE)
            .await?;
        let Some(first) = page.first().map(|evento| evento.numero) else {
            return self.go_back(last).await;
        };
        if first > last.saturating_add(1) {
            tracing::warn!(last, first, "events were pruned before they were read here");
            self.hand_on(Live::Gap);
        }
        let mut read = last;
        for evento in page.into_iter().filter(|evento| evento.numero > last) {
            read = evento.numero;
            self.hand_on(Live::Evento(evento));
        }
        Ok(read)
    }

    /// Not even the last event is there. Either none is kept, or an older copy of the database has taken the place of the one
    /// that was read: then its numbers are given out again.
    async fn go_back(&self, last: i64) -> Result<i64, Fault> {
        let newest = self.eventos.extent().await?.newest;
        if newest >= last {
            return Ok(last);
        }
        tracing::warn!(last, newest, "the database is older than what was read from it");
        self.hand_on(Live::Gap);
        Ok(newest)
    }

    fn hand_on(&self, live: Live) {
        // Nobody listening is no failure.
        let _ = self.sender.send(live);
    }

    async fn prune(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.pace.prune).await;
            match self.eventos.prune(self.pace.keep_events).await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "events pruned"),
                Err(fault) => tracing::warn!(error = fault.chain(), "unable to prune events now"),
            }
        }
    }
}

// === impl Follower ===

impl Follower {
    /// The next event; `None` once the process stops. May be dropped while waiting without losing one.
    async fn next(&mut self) -> Option<Followed> {
        loop {
            if let Some(evento) = self.pending.pop_front() {
                return Some(Followed::Evento(evento));
            }
            if self.behind {
                match self.catch_up().await {
                    Ok(None) => continue,
                    Ok(Some(reset)) => return Some(reset),
                    Err(fault) => {
                        tracing::warn!(error = fault.chain(), "unable to read events for a stream now");
                        tokio::time::sleep(self.tail.pace.poll).await;
                        continue;
                    }
                }
            }
            match self.live.recv().await {
                Ok(Live::Evento(evento)) if evento.numero <= self.last => {}
                Ok(Live::Evento(evento)) => {
                    self.last = evento.numero;
                    if self.interest.is_in(&evento) {
                        return Some(Followed::Evento(evento));
                    }
                }
                // The table says whether this reader misses anything.
                Ok(Live::Gap) | Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Reads the next page of the table, or finds that there is nothing to go on from.
    async fn catch_up(&mut self) -> Result<Option<Followed>, Fault> {
        let page = self.tail.eventos.after(self.last, &self.interest, PAGE).await?;
        // Looked at after the page was read: what a replica pruned before that is missing in it, and it shows here.
        let extent = self.tail.eventos.extent().await?;
        if !extent.resumes_from(self.last) {
            self.last = extent.newest;
            self.behind = false;
            return Ok(Some(Followed::Reset { ultimo: extent.newest }));
        }
        // A page that is not full holds all there was; what is stored since comes live.
        self.behind = page.len() == usize::from(PAGE);
        if let Some(evento) = page.last() {
            self.last = evento.numero;
        }
        self.pending.extend(page);
        Ok(None)
    }
}
