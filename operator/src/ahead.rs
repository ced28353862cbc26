//! What this replica holds of running payments: the last record it wrote, and how far it has gone from there.
//!
//! Nothing here is needed for correctness: a replica that forgets asks the last recorded step again and comes to the
//! same point. It saves a read at each answer, a write at each answer that [may wait](saga::may_wait), and a message about
//! each place that a payment soon leaves. And it shows how long answers take now, which is what keeps an overload from
//! feeding itself: see [`Held::pace`] and [`Held::room`].

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use kube::ResourceExt as _;
use saga::Saga;
use seedwork::{Action, App, Fault, IdCorrelacion, Step};
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard};
use tokio::time::Instant;

use crate::record::Recorded;
use crate::room::Limit;
use crate::shell::{Shell, now};

/// How far people's view may be behind. A look comes every quarter of it, so the write begins before 250 ms are over.
pub(crate) const BEHIND: Duration = Duration::from_millis(180);
const LOOK: Duration = Duration::from_millis(45);

/// Where a payment stands that goes on by itself is told once it has stood there for so long: whoever watches sees a payment
/// that stays, and one that is quick tells its end alone, which is one message in place of three.
const STAYS: Duration = Duration::from_millis(250);

/// After a write that the API server did not take.
const PAUSE: Duration = Duration::from_secs(1);

/// After a message that the broker did not take.
const TELL_AGAIN: Duration = Duration::from_secs(5);

/// What was kept this recently may not be in the cache yet.
const LATELY: Duration = Duration::from_secs(60);

/// A command is not sent again before this many times what answers take now, up to the most.
const PATIENCE: u32 = 3;
const MOST_PATIENCE: Duration = Duration::from_secs(15);

/// With this many payments under way of which half have waited this long for an answer, another one only makes all of them
/// wait longer, and past their deadlines at last.
const MANY: usize = 32;
const LONG: Duration = Duration::from_secs(5);

/// What is held.
#[derive(Debug, Default)]
pub struct Held {
    // In an order of its own, so that a simulation plays the same world twice.
    by_id: Mutex<BTreeMap<IdCorrelacion, Holding>>,
    /// Something went ahead of its record, or is to be told if it stays.
    ahead: Notify,
    /// What answers take: a moving average over the last few.
    answers_take: Mutex<Duration>,
    /// How many may wait for an answer of ours.
    limit: Mutex<Limit>,
}

/// A payment that is held.
#[derive(Debug)]
struct Holding {
    payment: Recorded,
    /// Since when it stands there.
    since: Instant,
    /// When its write is due, if one is.
    due: Option<Instant>,
    /// From when on the BFF is to be told of where it stands, if it stands there still. Forgotten with the replica: then the
    /// BFF hears of it when it asks, when the command is sent again, or at what comes next.
    untold: Option<Instant>,
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

    /// Where this payment stands is told if it stays there. What has come further meanwhile is told of itself.
    pub fn tell_if_it_stays(&self, payment: &Recorded) {
        self.tell_from(payment, |since| since + STAYS);
    }

    /// The broker did not take what was told of where this payment stands: it is told again in a while, if it is there still.
    pub fn tell_again(&self, payment: &Recorded) {
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

    /// Where a payment stands, if it is held.
    pub fn find(&self, id: &IdCorrelacion) -> Option<Recorded> {
        self.lock().get(id).map(|holding| holding.payment.clone())
    }

    /// Forgets a payment: its resource is gone.
    pub fn let_go(&self, id: &IdCorrelacion) {
        self.lock().remove(id);
    }

    /// The turn to write a payment: two writes of ours at a time would be one lost race and one read more.
    pub async fn turn(&self, id: &IdCorrelacion) -> Option<OwnedMutexGuard<()>> {
        let turn = self.lock().get(id).map(|holding| Arc::clone(&holding.turn))?;
        Some(turn.lock_owned().await)
    }

    /// An answer came that brings this payment on: how long it took is remembered.
    pub fn answered(&self, payment: &Recorded) {
        let by_id = self.lock();
        let Some(asked) = by_id.get(&payment.payment().id) else {
            return;
        };
        if asked.payment.secuencia() == payment.secuencia() && !asked.is_suspended() {
            let took = asked.since.elapsed();
            let mut average = self.answers_take.lock().unwrap_or_else(PoisonError::into_inner);
            *average = (*average * 7 + took) / 8;
            if asked.waits_for_ours() {
                self.limit().answered(took, waiting_for_ours(&by_id));
            }
        }
    }

    /// How long to wait at least before a command is sent again. What is slow because there is much of it gets no
    /// quicker by there being more of it.
    pub fn pace(&self) -> Duration {
        let average = *self.answers_take.lock().unwrap_or_else(PoisonError::into_inner);
        (average * PATIENCE).min(MOST_PATIENCE)
    }

    /// How many more payments may be begun now. What calls nobody outside takes milliseconds: who waits long for it waits in
    /// a queue. What calls outside may take its time, but not all payments for ever.
    pub fn room(&self) -> usize {
        let by_id = self.lock();
        if is_stuck(&by_id) {
            return 0;
        }
        self.limit().places().saturating_sub(waiting_for_ours(&by_id))
    }

    /// Forgets the payments whose resources are gone.
    pub fn retain(&self, present: &HashSet<String>) {
        // One that was kept lately may not be in the cache yet, and what went ahead is nowhere else.
        self.lock().retain(|_, holding| {
            present.contains(holding.payment.uid()) || holding.due.is_some() || holding.since.elapsed() < LATELY
        });
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

    /// The payments that have stayed where nobody was told of; each is given once.
    fn claim_news(&self, now: Instant) -> Vec<Recorded> {
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

    /// Whether something is to be written, or perhaps to be told.
    fn is_behind(&self) -> bool {
        let by_id = self.lock();
        by_id
            .values()
            .any(|holding| holding.due.is_some() || holding.untold.is_some())
    }

    fn limit(&self) -> std::sync::MutexGuard<'_, Limit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<IdCorrelacion, Holding>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many wait for a step that is done without asking anybody outside.
fn waiting_for_ours(by_id: &BTreeMap<IdCorrelacion, Holding>) -> usize {
    by_id.values().filter(|holding| holding.waits_for_ours()).count()
}

/// Whether half of many have waited for long.
fn is_stuck(by_id: &BTreeMap<IdCorrelacion, Holding>) -> bool {
    let waiting = by_id.values().filter(|holding| holding.waits_for().is_some());
    let mut ages: Vec<Duration> = waiting.map(|holding| holding.since.elapsed()).collect();
    if ages.len() < MANY {
        return false;
    }
    let middle = ages.len() / 2;
    *ages.select_nth_unstable(middle).1 > LONG
}

// === impl Holding ===

impl Holding {
    fn is_suspended(&self) -> bool {
        self.payment.payment().controls.suspend
    }

    /// The step whose answer it waits for.
    fn waits_for(&self) -> Option<Step> {
        match self.payment.saga()?.outstanding()? {
            Action::Do(step) if !self.is_suspended() => Some(step),
            Action::Do(_) | Action::Undo(_) | Action::AvisarReversion => None,
        }
    }

    /// Whether it waits for a step that is done without asking anybody outside.
    fn waits_for_ours(&self) -> bool {
        match self.waits_for() {
            Some(Step::CrearFacturacion | Step::ConfirmarFacturacion) => true,
            Some(Step::RealizarPago | Step::CrearNotificacion) | None => false,
        }
    }
}

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

#[cfg(test)]
mod tests {
    use saga::{Applied, OnExhausted, Politica};
    use seedwork::contrato::Respuesta;
    use seedwork::{MedioPago, Moneda, Outcome, SolicitudPago};

    use super::*;
    use crate::resource;

    fn payment(name: &str) -> Recorded {
        let id = IdCorrelacion::parse(name).unwrap();
        let solicitud = SolicitudPago::parse(MedioPago::Pse.as_str(), "c-1", "24.00", Moneda::USD).unwrap();
        let politica = Politica::standard(OnExhausted::Continue);
        let mut object = resource::new_resource(&id, &solicitud, politica, App::Bff, None);
        object.metadata.uid = Some(name.to_owned());
        Recorded::read(object).unwrap()
    }

    fn suspended(payment: &Recorded) -> Recorded {
        let mut object = payment.object().clone();
        object.spec.suspend = true;
        Recorded::read(object).unwrap()
    }

    fn second(first: &Recorded) -> Recorded {
        recorded(first, &after(first, Step::CrearFacturacion))
    }

    /// Where a payment stands once this step is done.
    fn after(before: &Recorded, step: Step) -> Saga {
        let done = Respuesta {
            action: Action::Do(step),
            id_correlacion: before.payment().id.clone(),
            outcome: Outcome::Done,
        };
        let Applied::Changed(saga) = saga::apply(before.saga().unwrap(), &done) else {
            panic!("{step} can be done")
        };
        saga
    }

    fn recorded(before: &Recorded, saga: &Saga) -> Recorded {
        let mut object = before.object().clone();
        object.status = Some(resource::status(&object, saga, jiff::Timestamp::UNIX_EPOCH));
        Recorded::read(object).unwrap()
    }

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

    #[tokio::test(start_paused = true)]
    async fn the_pace_follows_what_answers_take() {
        let held = Held::default();
        assert_eq!(held.pace(), Duration::ZERO);
        for number in 0..50 {
            let payment = payment(&format!("p-{number}"));
            held.keep(&payment);
            tokio::time::advance(Duration::from_secs(2)).await;
            held.answered(&payment);
        }
        let seconds = held.pace().as_secs_f64();
        assert!((5.9..=6.0).contains(&seconds), "three times two seconds, not {seconds}");
        for number in 0..50 {
            let payment = payment(&format!("q-{number}"));
            held.keep(&payment);
            tokio::time::advance(Duration::from_secs(60)).await;
            held.answered(&payment);
        }
        assert_eq!(held.pace(), MOST_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_what_nobody_outside_is_asked_takes_room() {
        let held = Held::default();
        let all = held.room();
        let first = payment("p-1");
        held.keep(&first);
        assert_eq!(held.room(), all - 1);
        held.keep(&suspended(&payment("p-2")));
        assert_eq!(held.room(), all - 1, "whoever is suspended waits for no answer");
        held.keep(&second(&first));
        assert_eq!(held.room(), all, "a gateway may take its time");
        for number in 0..all {
            held.keep(&payment(&format!("q-{number}")));
        }
        assert_eq!(held.room(), 0);
        tokio::time::advance(BEHIND * 2).await;
        for number in 0..all {
            let asked = payment(&format!("q-{number}"));
            held.answered(&asked);
            held.keep(&second(&asked));
        }
        assert_eq!(held.room(), all / 2, "they had waited in a queue");
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_no_room_while_half_of_many_have_waited_for_long() {
        let held = Held::default();
        let outside = |name: &str| second(&payment(name));
        for number in 0..MANY - 1 {
            held.keep(&outside(&format!("p-{number}")));
        }
        tokio::time::advance(LONG * 2).await;
        assert!(held.room() > 0, "few may be slow");
        held.keep(&outside("one-more"));
        assert_eq!(held.room(), 0);
        let paused = Held::default();
        for number in 0..MANY * 2 {
            paused.keep(&suspended(&outside(&format!("p-{number}"))));
        }
        tokio::time::advance(LONG * 2).await;
        assert!(paused.room() > 0, "whoever is suspended waits for no answer");
        for number in 0..MANY * 2 {
            let resumed = outside(&format!("p-{number}"));
            paused.keep(&resumed);
            paused.answered(&resumed);
        }
        assert!(paused.room() > 0, "and when it goes on, it waits from then");
        assert_eq!(paused.pace(), Duration::ZERO);
        for number in 0..MANY * 2 {
            held.keep(&outside(&format!("q-{number}")));
        }
        assert!(held.room() > 0, "most are quick");
    }
}
