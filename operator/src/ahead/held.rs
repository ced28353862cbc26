//! Where each running payment stands, and on which record.
//!
//! What is further along stays, whatever is read later, and comes to stand on a newer record: the next write compares with that
//! one. All of it is about one resource, known by its uid; another one of the same name begins anew.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga::Saga;
use seedwork::IdCorrelacion;
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};
use tokio::time::Instant;

use super::catch_up::BEHIND;
use super::load::Load;
use crate::record::Recorded;

/// What was kept this recently may not be in the cache yet.
const LATELY: Duration = Duration::from_secs(60);

/// What is held.
#[derive(Debug, Default)]
pub struct Held {
    // In an order of its own, so that a simulation plays the same world twice.
    by_id: Mutex<BTreeMap<IdCorrelacion, Holding>>,
    /// Something went ahead of its record, or is to be told if it stays.
    pub(super) ahead: Notify,
    /// What answers have shown. Where both are locked, the payments come first.
    pub(super) load: Mutex<Load>,
}

/// A payment that is held.
#[derive(Debug)]
pub(super) struct Holding {
    pub(super) payment: Recorded,
    /// Since when it stands there.
    pub(super) since: Instant,
    /// When its write is due, if one is.
    pub(super) due: Option<Instant>,
    /// From when on the BFF is to be told of where it stands, if it stands there still. Forgotten with the replica: then the
    /// BFF hears of it when it asks, when the command is sent again, or at what comes next.
    pub(super) untold: Option<Instant>,
    /// Held by who writes it.
    turn: Arc<AsyncMutex<()>>,
}

// === impl Held ===

impl Held {
    /// Keeps where a payment stands; one that has ended is let go. Of what is kept further along, a newer record becomes
    /// the ground.
    pub fn keep(&self, payment: &Recorded) {
        let mut by_id = self.lock();
        let id = &payment.payment().id;
        if let Some(known) = by_id.get_mut(id).filter(|known| known.payment.uid() == payment.uid())
            && known.payment.secuencia() > payment.secuencia()
        {
            known.payment = known.payment.clone().on_the_ground_of(payment);
            return;
        }
        let known = by_id.get(id).filter(|known| known.payment.uid() == payment.uid());
        if payment.saga().is_none_or(Saga::ended) {
            by_id.remove(id);
            return;
        }
        let now = Instant::now();
        let due = payment
            .is_ahead()
            .then(|| known.and_then(|known| known.due).unwrap_or(now + BEHIND));
        let same = known.filter(|known| known.payment.secuencia() == payment.secuencia());
        // While it is suspended nobody is asked for an answer: what it waits for begins when it goes on.
        let asked = same.filter(|known| !known.is_suspended());
        let holding = Holding {
            payment: payment.clone(),
            since: asked.map_or(now, |known| known.since),
            due,
            untold: same.and_then(|known| known.untold),
            turn: known.map(|known| Arc::clone(&known.turn)).unwrap_or_default(),
        };
        by_id.insert(id.clone(), holding);
        if due.is_some() {
            self.ahead.notify_one();
        }
    }

    /// Where a payment stands, if it is held.
    pub fn find(&self, id: &IdCorrelacion) -> Option<Recorded> {
        self.lock().get(id).map(|holding| holding.payment.clone())
    }

    /// Forgets a payment: its resource is gone, or another's to follow.
    pub fn let_go(&self, id: &IdCorrelacion) {
        self.lock().remove(id);
    }

    /// The turn to write a payment: two writes of ours at a time would be one lost race and one read more.
    pub(crate) async fn turn(&self, id: &IdCorrelacion) -> Option<OwnedMutexGuard<()>> {
        let turn = self.lock().get(id).map(|holding| Arc::clone(&holding.turn))?;
        Some(turn.lock_owned().await)
    }

    /// Forgets the payments whose resources are gone.
    pub(crate) fn retain(&self, present: &HashSet<String>) {
        // One that was kept lately may not be in the cache yet, and what went ahead is nowhere else.
        self.lock().retain(|_, holding| {
            present.contains(holding.payment.uid()) || holding.due.is_some() || holding.since.elapsed() < LATELY
        });
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<IdCorrelacion, Holding>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Holding ===

impl Holding {
    pub(super) fn is_suspended(&self) -> bool {
        self.payment.payment().controls.suspend
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ahead::fixture::{payment, second};

    #[tokio::test(start_paused = true)]
    async fn what_is_further_along_is_kept() {
        let held = Held::default();
        let first = payment("p-1");
        held.keep(&second(&first));
        held.keep(&first);
        assert_eq!(held.find(&first.payment().id).unwrap().secuencia(), 2);
        held.retain(&HashSet::from(["p-1".to_owned()]));
        assert!(held.find(&first.payment().id).is_some());
        held.retain(&HashSet::new());
        assert!(
            held.find(&first.payment().id).is_some(),
            "it may not be in the cache yet"
        );
        tokio::time::advance(LATELY).await;
        held.retain(&HashSet::new());
        assert!(held.find(&first.payment().id).is_none());
    }
}
