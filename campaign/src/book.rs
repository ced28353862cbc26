//! What the clients asked for and what they were told: the book that the verdict is read against. Each try is in the file
//! before it is sent.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use checker::{Answer, Door, Request};
use seedwork::{IdCorrelacion, SolicitudPago};
use serde::Serialize;

use crate::clock::{Clock, Millis};
use crate::{Outcome, about, text};

/// A payment that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    /// Its identity, known before it is asked for: it follows from the key.
    pub(crate) id: IdCorrelacion,
    /// When it was first asked for.
    pub(crate) asked_at: Millis,
    /// When a door said yes.
    pub(crate) accepted_at: Option<Millis>,
    /// Where it was asked for first.
    pub(crate) door: Door,
    /// How often it was asked for.
    pub(crate) tries: u32,
    /// A person held it for a while: how long it took says nothing.
    pub(crate) held: bool,
    /// What else its client, its bank or a person did: for the story.
    pub(crate) deeds: Vec<(Millis, String)>,
}

/// The book.
pub(crate) struct Book {
    clock: Clock,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    tries: Vec<Request>,
    payments: Vec<Payment>,
    by_id: HashMap<IdCorrelacion, usize>,
    contracargos: BTreeSet<IdCorrelacion>,
    accepted: usize,
    /// Answers that were no and should have been yes, or the other way round.
    wrong: Vec<String>,
    /// Requests, cancels and so on that are under way.
    busy: usize,
    broken: Option<String>,
}

/// How the book stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    /// Payments asked for.
    pub(crate) asked: usize,
    /// Payments that a door said yes to.
    pub(crate) accepted: usize,
    /// Requests sent, repeats among them.
    pub(crate) tries: usize,
    /// Clients and others that are not done yet.
    pub(crate) busy: usize,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    n: usize,
    #[serde(flatten)]
    request: &'a Request,
}

/// Somebody is at work until this is dropped.
pub(crate) struct Busy<'a>(&'a Book);

// === impl Book ===

impl Book {
    /// An empty one, written to this file.
    pub(crate) fn new(clock: Clock, file: &Path) -> Outcome<Self> {
        let file = File::create(file).map_err(about(file))?;
        Ok(Self {
            clock,
            inner: Mutex::new(Inner {
                file,
                tries: Vec::new(),
                payments: Vec::new(),
                by_id: HashMap::new(),
                contracargos: BTreeSet::new(),
                accepted: 0,
                wrong: Vec::new(),
                busy: 0,
                broken: None,
            }),
        })
    }

    /// A request is about to be sent. Answers its number.
    pub(crate) fn asks(&self, id: &IdCorrelacion, key: &str, door: Door, solicitud: &SolicitudPago) -> usize {
        let at = self.clock.now();
        let mut inner = self.lock();
        let request = Request {
            id: Some(id.clone()),
            // An applied resource has a name and no key.
            key: (door != Door::Kubernetes).then(|| key.to_owned()),
            door,
            solicitud: solicitud.clone(),
            at_ms: i64::try_from(at).unwrap_or(i64::MAX),
            answer: Answer::Lost,
        };
        let number = inner.tries.len();
        inner.write(number, &request);
        inner.tries.push(request);
        match inner.payment(id) {
            Some(payment) => payment.tries += 1,
            None => {
                let place = inner.payments.len();
                inner.by_id.insert(id.clone(), place);
                inner.payments.push(Payment {
                    id: id.clone(),
                    asked_at: at,
                    accepted_at: None,
                    door,
                    tries: 1,
                    held: false,
                    deeds: Vec::new(),
                });
            }
        }
        number
    }

    /// What came back.
    pub(crate) fn told(&self, number: usize, answer: Answer) {
        let at = self.clock.now();
        let mut inner = self.lock();
        let Some(request) = inner.tries.get_mut(number) else {
            return;
        };
        request.answer = answer;
        let request = request.clone();
        inner.write(number, &request);
        let Some(place) = request.id.as_ref().and_then(|id| inner.by_id.get(id)).copied() else {
            return;
        };
        match &request.answer {
            Answer::Accepted(id) => {
                if request.id.as_ref() != Some(id) {
                    let expected = &inner.payments[place].id;
                    let wrong = format!("the key of payment {expected} was answered with payment {id}");
                    inner.wrong.push(wrong);
                }
                if inner.payments[place].accepted_at.is_none() {
                    inner.payments[place].accepted_at = Some(at);
                    inner.accepted += 1;
                }
            }
            Answer::Refused(why) => {
                let wrong = format!("{}: a door refused what is right: {why}", inner.payments[place].id);
                inner.wrong.push(wrong);
            }
            Answer::Lost => {}
        }
    }

    /// Something that must not happen happened at a door.
    pub(crate) fn wrong(&self, what: String) {
        self.lock().wrong.push(what);
    }

    /// All of that.
    pub(crate) fn all_wrong(&self) -> Vec<String> {
        let inner = self.lock();
        inner.wrong.iter().cloned().chain(inner.broken.clone()).collect()
    }

    /// Something else was done to a payment.
    pub(crate) fn deed(&self, id: &IdCorrelacion, what: impl Into<String>) {
        let at = self.clock.now();
        let mut inner = self.lock();
        if let Some(payment) = inner.payment(id) {
            payment.deeds.push((at, what.into()));
        }
    }

    /// Everything that was done to any.
    pub(crate) fn deeds(&self) -> BTreeSet<String> {
        let inner = self.lock();
        let deeds = inner.payments.iter().flat_map(|payment| &payment.deeds);
        deeds.map(|(_, what)| what.clone()).collect()
    }

    /// A person holds a payment, or did.
    pub(crate) fn holds(&self, id: &IdCorrelacion) {
        if let Some(payment) = self.lock().payment(id) {
            payment.held = true;
        }
    }

    /// The bank is about to take the money of a payment back.
    pub(crate) fn charges_back(&self, id: &IdCorrelacion) {
        self.lock().contracargos.insert(id.clone());
    }

    /// The payments whose money the bank took back.
    pub(crate) fn contracargos(&self) -> BTreeSet<IdCorrelacion> {
        self.lock().contracargos.clone()
    }

    /// Somebody is at work.
    pub(crate) fn busy(&self) -> Busy<'_> {
        self.lock().busy += 1;
        Busy(self)
    }

    /// How it stands.
    pub(crate) fn count(&self) -> Count {
        let inner = self.lock();
        Count {
            asked: inner.payments.len(),
            accepted: inner.accepted,
            tries: inner.tries.len(),
            busy: inner.busy,
        }
    }

    /// The payments from this place on, in the order in which they were asked for.
    pub(crate) fn since(&self, place: usize) -> Vec<Payment> {
        self.lock().payments.get(place..).unwrap_or_default().to_vec()
    }

    /// One payment.
    pub(crate) fn find(&self, id: &IdCorrelacion) -> Option<Payment> {
        self.lock().payment(id).cloned()
    }

    /// Every try, for the verdict.
    pub(crate) fn tries(&self) -> Vec<Request> {
        self.lock().tries.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    fn payment(&mut self, id: &IdCorrelacion) -> Option<&mut Payment> {
        let place = *self.by_id.get(id)?;
        self.payments.get_mut(place)
    }

    fn write(&mut self, n: usize, request: &Request) {
        let line = serde_json::to_string(&Line { n, request }).map_err(text);
        // No buffer: the line is the kernel's before the request is sent.
        let written = line.and_then(|line| writeln!(self.file, "{line}").map_err(text));
        if let Err(why) = written {
            self.broken = Some(format!("the clients' log could not be written: {why}"));
        }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use seedwork::Moneda;

    use super::*;

    #[test]
    fn a_try_is_in_the_file_before_its_answer_and_a_repeat_is_the_same_payment() {
        let folder = std::env::temp_dir().join(format!("campaign-book-{}", std::process::id()));
        let book = Book::new(Clock::start(), &folder).unwrap();
        let solicitud = SolicitudPago::parse("PSE", "c-1", "24", Moneda::USD).unwrap();
        let id = SolicitudPago::keyed_id("c-1", "k");
        let first = book.asks(&id, "k", Door::Bff, &solicitud);
        let lines = || std::fs::read_to_string(&folder).unwrap().lines().count();
        assert_eq!(lines(), 1);
        book.told(first, Answer::Lost);
        let second = book.asks(&id, "k", Door::Bff, &solicitud);
        book.told(second, Answer::Accepted(id.clone()));
        assert_eq!(lines(), 4);
        let count = book.count();
        assert_eq!((count.asked, count.accepted, count.tries), (1, 1, 2));
        assert_eq!(book.all_wrong(), Vec::<String>::new());
        assert!(book.deeds().is_empty());
        book.deed(&id, "cancelled");
        assert_eq!(book.deeds(), BTreeSet::from(["cancelled".to_owned()]));
        let third = book.asks(&id, "k", Door::Bff, &solicitud);
        book.told(third, Answer::Accepted(SolicitudPago::keyed_id("c-1", "other")));
        assert_eq!(book.all_wrong().len(), 1);
        std::fs::remove_file(folder).unwrap();
    }
}
