//! Where a payment that goes on by itself stays is told: whoever watches sees one that stays, and one that is quick tells its end
//! alone, which is one message in place of three.
//!
//! What is not written yet is told once it is: nobody is to hear first of a place that only this replica knows.

use std::time::Duration;

use tokio::time::Instant;

use super::held::{Held, Holding};
use crate::record::Recorded;

/// Where a payment stands is told once it has stood there for so long.
const STAYS: Duration = Duration::from_millis(250);

/// After a message that the broker did not take.
const TELL_AGAIN: Duration = Duration::from_secs(5);

// === impl Held ===

impl Held {
    /// Where this payment stands is told if it stays there. What has come further meanwhile is told of itself.
    pub(crate) fn tell_if_it_stays(&self, payment: &Recorded) {
        self.tell_from(payment, |since| since + STAYS);
    }

    /// The broker did not take what was told of where this payment stands: it is told again in a while, if it is there still.
    pub(crate) fn tell_again(&self, payment: &Recorded) {
        let later = Instant::now() + TELL_AGAIN;
        self.tell_from(payment, |_| later);
    }

    /// Where this payment stands is to be told from a moment on, which follows from since when it stands there.
    fn tell_from(&self, payment: &Recorded, moment: impl FnOnce(Instant) -> Instant) {
        let mut by_id = self.lock();
        let here = |known: &&mut Holding| {
            known.payment.uid() == payment.uid() && known.payment.secuencia() == payment.secuencia()
        };
        if let Some(known) = by_id.get_mut(&payment.payment().id).filter(here) {
            known.untold = Some(moment(known.since));
            self.ahead.notify_one();
        }
    }

    /// The payments that have stayed where nobody was told of; each is given once.
    pub(super) fn claim_news(&self, now: Instant) -> Vec<Recorded> {
        let mut by_id = self.lock();
        let stayed = by_id
            .values_mut()
            .filter(|holding| holding.untold.is_some_and(|from| from <= now) && !holding.payment.is_ahead());
        let claimed = stayed.map(|holding| {
            holding.untold = None;
            holding.payment.clone()
        });
        claimed.collect()
    }
}

#[cfg(test)]
mod tests {
    use seedwork::Step;

    use super::*;
    use crate::ahead::fixture::{after, payment, recorded, second};

    /// The numbers of the states that are to be told now.
    fn news(held: &Held) -> Vec<u64> {
        let claimed = held.claim_news(Instant::now());
        claimed.iter().map(Recorded::secuencia).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_payment_stays_is_told_once_and_what_it_has_left_is_not() {
        let held = Held::default();
        let second = second(&payment("p-1"));
        held.keep(&second);
        held.tell_if_it_stays(&second);
        assert!(news(&held).is_empty() && held.is_behind());
        tokio::time::advance(STAYS / 2).await;
        // It goes on, ahead of its record: nobody is told before that is written, and of what it left not at all.
        let third = after(&second, Step::RealizarPago);
        let ahead = second.run_ahead(&third).unwrap();
        held.keep(&ahead);
        held.tell_if_it_stays(&second);
        tokio::time::advance(STAYS).await;
        assert!(news(&held).is_empty());
        let third = recorded(&ahead, &third);
        held.keep(&third);
        assert!(news(&held).is_empty(), "whoever wrote it says whether it is news");
        held.tell_if_it_stays(&third);
        held.keep(&third);
        assert_eq!(news(&held), [3_u64], "since it went there, not since that was written");
        assert!(news(&held).is_empty() && !held.is_behind());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_broker_did_not_take_is_told_again_in_a_while_if_the_payment_is_there_still() {
        let held = Held::default();
        let second = second(&payment("p-1"));
        held.keep(&second);
        held.tell_again(&second);
        assert!(news(&held).is_empty() && held.is_behind(), "not at once");
        tokio::time::advance(TELL_AGAIN).await;
        assert_eq!(news(&held), [2_u64]);
        held.tell_again(&second);
        held.keep(&second.run_ahead(&after(&second, Step::RealizarPago)).unwrap());
        tokio::time::advance(TELL_AGAIN).await;
        assert!(news(&held).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_but_its_end_is_told_of_a_payment_that_has_ended() {
        let held = Held::default();
        let second = second(&payment("p-1"));
        held.keep(&second);
        held.tell_if_it_stays(&second);
        let steps = [Step::RealizarPago, Step::ConfirmarFacturacion, Step::CrearNotificacion];
        let ended = steps
            .into_iter()
            .fold(second.clone(), |before, step| recorded(&before, &after(&before, step)));
        held.keep(&ended);
        held.tell_if_it_stays(&second);
        tokio::time::advance(STAYS).await;
        assert!(news(&held).is_empty() && !held.is_behind());
    }
}
