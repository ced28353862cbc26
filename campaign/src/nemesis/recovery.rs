//! One fault at a time, the next only after progress: how long does it take?
//!
//! Progress after a fault at time t is the first version of any payment that can only be there because the part works again:
//! an answer is recorded in it, and the version before it was recorded after t. So the command was sent, carried out and
//! answered after the fault, and the part has a share in that: as participant or its sidecar of what was answered; as
//! operator, its sidecar, broker, API server or etcd of everything; as gateway of what takes money. For a door (BFF, its
//! sidecar) it is the creation of a payment that was first asked for at this door after t.
//! After an orderly restart t is when the old process was gone, and the time is counted from the signal; after a freeze both are
//! when it may go on.

use std::sync::Arc;
use std::time::Duration;

use checker::Door;
use local::status::State;
use local::wait::until;
use nix::sys::signal::Signal;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use seedwork::App;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Kind, Nemesis, Phase};
use crate::Outcome;
use crate::book::Book;
use crate::clock::Millis;
use crate::recorder::News;
use crate::scene::Scene;

/// How long progress is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a process is frozen.
const FROZEN: Duration = Duration::from_secs(3);

/// How long an orderly end may take: kube-apiserver waits up to 60 s for calls that hang.
const LEAVING: Duration = Duration::from_secs(90);

/// How long it took after one fault.
#[derive(Debug, Clone)]
pub(crate) struct Recovery {
    /// The part.
    pub(crate) part: String,
    /// What was done to it.
    pub(crate) kind: Kind,
    /// When.
    pub(crate) at: Millis,
    /// From the signal (the one that ends a freeze) to the first progress; none when there was none in time.
    pub(crate) took: Option<Millis>,
    /// From the signal until the part was ready again, as far as that was seen.
    pub(crate) ready: Option<Millis>,
}

// === impl Nemesis ===

impl Nemesis {
    /// Breaks one part after the other until the time is up, each so long after the progress that followed the one before:
    /// every part is killed in turn, then every part is restarted, killed again, frozen, and so on. Puts how long each took
    /// into `recoveries`; fails when the system does not get well again.
    pub(crate) async fn one_by_one(
        &self,
        seed: u64,
        calm: Duration,
        end: Instant,
        recoveries: &mut Vec<Recovery>,
    ) -> Outcome {
        let mut random = StdRng::seed_from_u64(seed);
        let mut parts = self.scene.system.parts()?;
        // Kills are what the promise is about: every other round is of them.
        for kind in [Kind::Kill, Kind::Restart, Kind::Kill, Kind::Freeze]
            .into_iter()
            .cycle()
        {
            parts.shuffle(&mut random);
            for part in &parts {
                sleep_until((Instant::now() + calm).min(end)).await;
                if Instant::now() >= end {
                    return Ok(());
                }
                self.all_well().await?;
                recoveries.push(self.break_and_wait(part, kind).await?);
            }
        }
        Ok(())
    }

    /// Every part is ready and payments move.
    async fn all_well(&self) -> Outcome {
        self.scene.system.until_ready(PATIENCE).await?;
        let mut news = self.scene.recorder.listen();
        let moving = timeout(PATIENCE, async {
            // Two answers: one might have been on its way.
            for _ in 0..2 {
                next(&mut news, |news| !news.answered().is_empty()).await;
            }
        });
        moving
            .await
            .map_err(|_| format!("no payment moved in {} s", PATIENCE.as_secs()))
    }

    async fn break_and_wait(&self, part: &str, kind: Kind) -> Outcome<Recovery> {
        let Scene {
            clock,
            system,
            recorder,
            book,
            ..
        } = &*self.scene;
        let mut news = recorder.listen();
        let (process, _) = system.process(part).ok_or_else(|| format!("{part} has no process"))?;
        let signal = match kind {
            Kind::Restart => Signal::SIGTERM,
            Kind::Freeze => Signal::SIGSTOP,
            Kind::Kill | Kind::KillAfterWrite | Kind::Partition | Kind::Full => Signal::SIGKILL,
        };
        let mut at = clock.now();
        process.signal(signal);
        let place = self.note(Phase::Recovery, kind, part, "");
        // Until when it still worked, or did not work yet.
        let since = match kind {
            Kind::Restart => {
                let gone = until("the process to end", LEAVING, async || {
                    if process.alive() {
                        Err(format!("process {} runs", process.pid))
                    } else {
                        Ok(())
                    }
                });
                gone.await.map_err(|late| format!("{part}: {late}"))?;
                clock.now()
            }
            Kind::Freeze => {
                sleep(FROZEN).await;
                process.signal(Signal::SIGCONT);
                self.over(place);
                at = clock.now();
                at
            }
            Kind::Kill | Kind::KillAfterWrite | Kind::Partition | Kind::Full => at,
        };
        let progress = async {
            next(&mut news, |news| is_progress(news, part, since, book)).await;
            clock.now()
        };
        let ready = async {
            // A frozen one was never anything else.
            if kind == Kind::Freeze {
                return None;
            }
            let again = until("the part to be ready", PATIENCE, async || match system.process(part) {
                Some((new, State::Ready)) if new != process => Ok(clock.now()),
                _ => Err("not yet".to_owned()),
            });
            again.await.ok()
        };
        let (progress, ready) = tokio::join!(timeout(PATIENCE, progress), ready);
        let took = |now: Millis| now.saturating_sub(at);
        Ok(Recovery {
            part: part.to_owned(),
            kind,
            at,
            took: progress.ok().map(took),
            ready: ready.map(took),
        })
    }
}

fn is_progress(news: &News, part: &str, since: Millis, book: &Book) -> bool {
    if matches!(part, "bff" | "daprd-bff") {
        let asked_there = |payment: crate::book::Payment| payment.door == Door::Bff && payment.asked_at >= since;
        return news.before.is_none() && news.origin == Some(App::Bff) && book.find(&news.id).is_some_and(asked_there);
    }
    news.needed(part) && news.before.as_ref().is_some_and(|before| before.at >= since)
}

async fn next(news: &mut broadcast::Receiver<Arc<News>>, such: impl Fn(&News) -> bool) {
    loop {
        match news.recv().await {
            Ok(news) if such(&news) => return,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            // The recorder lives as long as the campaign.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
