//! What went ahead of its record is written soon after. Nothing depends on that but what people see, so it may wait for the steps
//! that follow at once: one write shows them all, and the end of a quick payment makes it needless.
//!
//! It is a compare-and-swap like any other. Who loses it reads again, and writes only what is further along still.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::ResourceExt as _;
use seedwork::{App, Fault};
use tokio::time::Instant;

use super::held::Held;
use crate::record::Recorded;
use crate::shell::{Shell, now};

/// How far people's view may be behind. A look comes every quarter of it, so the write begins before 250 ms are over.
pub(crate) const BEHIND: Duration = Duration::from_millis(180);
const LOOK: Duration = Duration::from_millis(45);

/// After a write that the API server did not take.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes what went ahead of its record, soon after, and tells where payments stay.
pub async fn catch_up(shell: Arc<Shell>) {
    loop {
        if !shell.held.is_behind() {
            shell.held.ahead.notified().await;
        }
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        // Not waited for: a broker that does not answer holds up no write.
        for payment in shell.held.claim_news(now) {
            let shell = Arc::clone(&shell);
            tokio::spawn(async move { shell.tell(App::Bff, &payment).await });
        }
        let due = shell.held.claim(now);
        join_all(due.iter().map(|payment| write(&shell, payment))).await;
    }
}

async fn write(shell: &Arc<Shell>, payment: &Recorded) {
    match written(shell, payment).await {
        Ok(Some(recorded)) => {
            let shell = Arc::clone(shell);
            tokio::spawn(async move { shell.announce(&recorded).await });
        }
        // It is written by whoever had the turn before, or gone.
        Ok(None) => {}
        Err(fault) => {
            let name = payment.object().name_any();
            tracing::warn!(
                name,
                error = fault.chain(),
                "unable to record progress now; it is tried again"
            );
        }
    }
}

async fn written(shell: &Shell, payment: &Recorded) -> Result<Option<Recorded>, Fault> {
    let id = &payment.payment().id;
    let _turn = shell.held.turn(id).await;
    // Whoever had the turn before may have written it, or more.
    let Some(mut payment) = shell.held.find(id) else {
        return Ok(None);
    };
    // A lost race means: read again, and see whether there is still something to write.
    let mut read_anew = false;
    while payment.is_ahead() {
        let Some(saga) = payment.saga() else { break };
        match payment.write(&shell.api, saga, now()).await {
            Ok(recorded) => {
                shell.held.keep(&recorded);
                return Ok(Some(recorded));
            }
            Err(Fault::Conflict(_) | Fault::NotFound(_)) => {}
            Err(fault) => return Err(fault),
        }
        match shell.read(id).await? {
            Some(read) => {
                shell.held.keep(&read);
                payment = read;
                read_anew = true;
            }
            None => return Ok(None),
        }
    }
    // Another's write, or ours whose answer was lost, and then nobody else tells of it.
    Ok(read_anew.then_some(payment))
}

// === impl Held ===

impl Held {
    /// Whether something is to be written, or perhaps to be told.
    pub(super) fn is_behind(&self) -> bool {
        let by_id = self.lock();
        by_id
            .values()
            .any(|holding| holding.due.is_some() || holding.untold.is_some())
    }

    /// The payments whose write is due; each is given again only after a pause.
    fn claim(&self, now: Instant) -> Vec<Recorded> {
        let mut by_id = self.lock();
        let due = by_id
            .values_mut()
            .filter(|holding| holding.due.is_some_and(|due| due <= now));
        let claimed = due.map(|holding| {
            holding.due = Some(now + PAUSE);
            holding.payment.clone()
        });
        claimed.collect()
    }
}
