//! Timed jobs: each runs in one replica at a time, behind a leader document.

use std::time::Duration;

use seedwork::Fault;
use seedwork_runtime::leader::Leader;
use tokio::time::Instant;

use super::ahora;
use crate::domain::instante::Instante;

/// How often a replica says that it still leads, or looks whether it may.
const LOOK: Duration = Duration::from_secs(30);

/// How long whoever leads keeps the job after it last said so: a few looks may fail.
pub(crate) const LEASE: Duration = Duration::from_secs(120);

/// How long after a failure it is tried again, if its own time does not come sooner.
const AGAIN: Duration = Duration::from_secs(300);

/// Runs `job` at once and then every `cada`, while this replica leads; for the life of the process. Whoever takes the
/// lead over starts at once too, so a job does no harm when it runs more often.
pub(crate) async fn run<F>(leader: Leader, name: &'static str, cada: Duration, job: impl Fn(Instante) -> F)
where
    F: Future<Output = Result<usize, Fault>>,
{
    let mut due = Instant::now();
    loop {
        if leader.try_lead().await && Instant::now() >= due {
            due = Instant::now() + cada;
            match job(ahora()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(job = name, count, "a timed job did its work"),
                Err(fault) => {
                    due = Instant::now() + AGAIN.min(cada);
                    tracing::warn!(
                        job = name,
                        error = fault.chain(),
                        "a timed job could not end; it goes on in some minutes"
                    );
                }
            }
        }
        tokio::time::sleep(LOOK.min(cada)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use seedwork_runtime::sidecar::MemorySidecar;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_that_could_not_end_does_not_wait_for_its_next_day() {
        let leader = Leader::new(Arc::new(MemorySidecar::default()), "test", LEASE);
        let count = Arc::new(AtomicUsize::new(0));
        let day = Duration::from_secs(86_400);
        let job = Arc::clone(&count);
        tokio::spawn(run(leader, "test", day, move |_| {
            let first = job.fetch_add(1, Ordering::SeqCst) == 0;
            let failed = || Fault::unavailable("try", "planted by the test");
            std::future::ready(if first { Err(failed()) } else { Ok(1) })
        }));
        for (wait, expected) in [(60, 1), (270, 2), (3_600, 2)] {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            assert_eq!(count.load(Ordering::SeqCst), expected, "{wait} s on");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_replicas_one_works_and_at_its_times() {
        let sidecar = Arc::new(MemorySidecar::default());
        let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
        let hour = Duration::from_secs(3_600);
        for count in &counts {
            let (leader, count) = (Leader::new(sidecar.clone(), "test", LEASE), Arc::clone(count));
            tokio::spawn(run(leader, "test", hour, move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                std::future::ready(Ok(1))
            }));
        }
        let did = || counts.each_ref().map(|count| count.load(Ordering::SeqCst));
        tokio::time::sleep(hour - Duration::from_secs(1)).await;
        assert_eq!(did().iter().sum::<usize>(), 1, "at once, in one replica");
        tokio::time::sleep(hour).await;
        let mut after = did();
        after.sort_unstable();
        assert_eq!(after, [0, 2], "and an hour later in the same one");
    }
}
