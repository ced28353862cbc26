//! The people: those who ask for payments, and those who meddle with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use checker::{Answer, Door, Request};
use kube::api::DeleteParams;
use operator::crd::{PaymentSaga, PaymentSagaSpec};
use operator::resource::{RESOLVED_BY, RETRY};
use rand::Rng as _;
use saga::StepState;
use seedwork::{Fault, IdCorrelacion, MedioPago, Moneda, Phase, SolicitudPago, Step};
use seedwork_runtime::intake::IdempotencyKey;
use tokio::time::sleep;

use crate::lock;
use crate::model::post;
use crate::world::{Proc, World};

/// What clients did, and what they were told; what others did to payments.
#[derive(Default)]
pub struct Log {
    requests: Mutex<Vec<Request>>,
    unfinished: Mutex<usize>,
    deeds: Mutex<BTreeMap<&'static str, Deed>>,
    /// The resources of the payments that must be undone, whatever becomes of them.
    turned_back: Mutex<BTreeSet<String>>,
}

/// How often people did one kind of thing to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deed {
    /// In all.
    pub tried: usize,
    /// To one that was there: what is not, or has nothing to be taken back, takes nothing.
    pub taken: usize,
}

/// What somebody does to a resource. Whether there was one.
type Act = fn(&Arc<World>, &str) -> bool;

/// Endings of amounts that mean something to the gateway's table (`services/pasarela-simulada`), the plain ones more
/// often.
const ENDINGS: [i64; 24] = [
    0, 0, 0, 0, 0, 0, 10, 10, 1, 2, 3, 4, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 5, 50,
];

/// How often somebody asks again before giving up: for longer than any fault lasts.
const TRIES: usize = 400;

/// How often an undo that has stalled is asked for again, each time after the policy's longest pause, before it should have
/// worked: of one undo the gateway itself may leave four tries without an answer.
const TRIES_AGAIN: u32 = 5;

/// How much longer than that a payment is given: what was slow when faults stopped is still on its way.
const GRACE: Duration = Duration::from_secs(60);

// === impl Log ===

impl Log {
    /// Every try, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.all().clone()
    }

    /// How many people have not got their answer yet.
    pub fn unfinished(&self) -> usize {
        *lock(&self.unfinished)
    }

    /// What people did to payments, by what that was.
    pub fn deeds(&self) -> BTreeMap<&'static str, Deed> {
        lock(&self.deeds).clone()
    }

    fn did(&self, what: &'static str, taken: bool) {
        let mut deeds = lock(&self.deeds);
        let deed = deeds.entry(what).or_default();
        deed.tried += 1;
        deed.taken += usize::from(taken);
    }

    fn turned_back(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.turned_back)
    }

    fn begin(&self, request: Request) -> usize {
        let mut requests = self.all();
        requests.push(request);
        requests.len() - 1
    }

    fn end(&self, place: usize, answer: Answer) {
        if let Some(request) = self.all().get_mut(place) {
            request.answer = answer;
        }
    }

    fn count(&self, change: isize) {
        let mut unfinished = lock(&self.unfinished);
        *unfinished = unfinished.saturating_add_signed(change);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Request>> {
        lock(&self.requests)
    }
}

/// Sends everybody to work.
pub fn begin(world: &Arc<World>) {
    for number in 0..world.plan.payments {
        let solicitud = wish(world);
        let after = world.upto(world.plan.trouble);
        let key = format!("k-{number}");
        let kubectl = world.chance(world.plan.people.kubectl);
        let id: IdCorrelacion = if kubectl {
            IdCorrelacion::parse(format!("hecho-a-mano-{number}"))
                .unwrap_or_else(|error| panic!("a name of the simulation's own: {error}"))
        } else {
            SolicitudPago::keyed_id(solicitud.id_cliente.as_str(), &key)
        };
        world.log.count(1);
        let here = Arc::clone(world);
        let wished = solicitud.clone();
        let its = id.clone();
        tokio::spawn(async move {
            sleep(after).await;
            if kubectl {
                apply(&here, &its, &wished);
            } else {
                ask(&here, &its, &wished, &key).await;
            }
            here.log.count(-1);
        });
        meddle(world, &id, after);
    }
}

/// What somebody wants to pay.
fn wish(world: &Arc<World>) -> SolicitudPago {
    let mut dice = world.dice();
    let ending = ENDINGS[dice.random_range(0..ENDINGS.len())];
    let minor = dice.random_range(2..400) * 100 + ending;
    let client = post::client(if dice.random_bool(0.04) {
        usize::MAX
    } else {
        dice.random_range(0..6)
    });
    let medio = [MedioPago::TarjetaCredito, MedioPago::TarjetaDebito, MedioPago::Pse][dice.random_range(0..3)];
    drop(dice);
    let monto = format!("{}.{:02}", minor / 100, minor % 100);
    SolicitudPago::parse(medio.as_str(), client.as_str(), &monto, Moneda::USD)
        .unwrap_or_else(|errors| panic!("a wish of the simulation's own: {errors:?}"))
}

/// Asks at a door until there is an answer; every try is under the same key. What is asked for is right, and the key is its
/// own: no door has a reason to refuse it, and some time each answers.
async fn ask(world: &Arc<World>, id: &IdCorrelacion, solicitud: &SolicitudPago, key: &str) {
    let (proc, door) = if world.dice().random_bool(0.7) {
        (Proc::Bff, Door::Bff)
    } else {
        (Proc::Clientes, Door::GestionClientes)
    };
    let tries = if world.dice().random_bool(0.1) { 1 } else { TRIES };
    let mut asks = if world.chance(world.plan.people.repeat) { 2 } else { 1 };
    for _ in 0..tries {
        let place = world.log.begin(Request {
            id: Some(id.clone()),
            key: Some(key.to_owned()),
            door,
            solicitud: solicitud.clone(),
            at_ms: seedwork_runtime::simulated::steady_ms(),
            answer: Answer::Lost,
        });
        if let Some(answer) = try_once(world, proc, solicitud, key).await {
            world.note(|| format!("a client is told {answer:?} of {id}"));
            if let Answer::Refused(why) = &answer {
                world.broken(format!("a door refused what is right: {why} ({id})"));
            }
            let refused = matches!(answer, Answer::Refused(_));
            world.log.end(place, answer);
            asks -= 1;
            if asks == 0 || refused {
                return;
            }
        }
        let pause = world.upto(Duration::from_secs(2));
        sleep(pause).await;
    }
    // Some try but once.
    if tries == TRIES {
        world.broken(format!("no door answered {id} in {TRIES} tries"));
    }
}

/// One request; nothing if nothing definite came back.
async fn try_once(world: &Arc<World>, proc: Proc, solicitud: &SolicitudPago, key: &str) -> Option<Answer> {
    let incarnation = world.running(proc)?;
    let intake = Arc::clone(incarnation.intake.as_ref()?);
    let key = IdempotencyKey::parse(solicitud.id_cliente.as_str(), key).ok()?;
    let answer = tokio::select! {
        biased;
        () = incarnation.life().over() => return None,
        answer = intake.accept(solicitud, Some(key)) => answer,
    };
    match answer {
        Ok(id) => Some(Answer::Accepted(id)),
        Err(Fault::Rejected(why)) => Some(Answer::Refused(why.join("; "))),
        Err(fault @ Fault::Conflict(_)) => Some(Answer::Refused(fault.to_string())),
        Err(Fault::NotFound(_) | Fault::Unavailable { .. } | Fault::Bug { .. }) => None,
    }
}

/// Somebody makes the resource by hand.
fn apply(world: &Arc<World>, id: &IdCorrelacion, solicitud: &SolicitudPago) {
    let spec = PaymentSagaSpec {
        id_cliente: solicitud.id_cliente.to_string(),
        medio_pago: solicitud.medio_pago,
        monto: solicitud.dinero.monto(),
        moneda: solicitud.dinero.moneda().to_string(),
        politica: None,
        suspend: false,
        cancel: false,
    };
    let object = PaymentSaga::new(&id.resource_name(), spec);
    world.note(|| format!("somebody applies {id}"));
    let answer = match world.api.create(&object) {
        Ok(_) => Answer::Accepted(id.clone()),
        Err(error) => {
            world.broken(format!("the API server refused what is right: {error} ({id})"));
            Answer::Refused(error.to_string())
        }
    };
    world.log.begin(Request {
        id: Some(id.clone()),
        key: None,
        door: Door::Kubernetes,
        solicitud: solicitud.clone(),
        at_ms: seedwork_runtime::simulated::steady_ms(),
        answer,
    });
}

/// What people do to one payment that is asked for after `after`.
fn meddle(world: &Arc<World>, id: &IdCorrelacion, after: Duration) {
    let people = world.plan.people;
    let name = id.resource_name();
    let soon = |world: &Arc<World>| after + world.upto(Duration::from_secs(20));
    if world.chance(people.cancel) {
        act_at(world, &name, soon(world), "cancels", |world, name| {
            turn_back(world, name, |world, name| {
                edit(world, name, |object| object.spec.cancel = true)
            })
        });
    }
    if world.chance(people.retry) {
        act_at(world, &name, soon(world), "asks for a retry of", |world, name| {
            edit(world, name, |object| {
                let annotations = object.metadata.annotations.get_or_insert_default();
                annotations.insert(RETRY.to_owned(), "now".to_owned());
            })
        });
    }
    if world.chance(people.suspend) {
        let begins = soon(world);
        let ends = begins + world.upto(Duration::from_secs(90));
        act_at(world, &name, begins, "suspends", |world, name| {
            edit(world, name, |object| object.spec.suspend = true)
        });
        act_at(world, &name, ends, "resumes", |world, name| {
            edit(world, name, |object| object.spec.suspend = false)
        });
    }
    if world.chance(people.delete) {
        act_at(world, &name, soon(world), "deletes", |world, name| {
            turn_back(world, name, |world, name| {
                world.api.delete(name, &DeleteParams::default()).is_ok()
            })
        });
    }
    if world.chance(people.chargeback) {
        let at = after + world.upto(Duration::from_secs(90));
        let here = Arc::clone(world);
        let id = id.clone();
        here.log.count(1);
        tokio::spawn(async move {
            sleep(at).await;
            charge_back(&here, &id).await;
            here.log.count(-1);
        });
    }
}

fn act_at(world: &Arc<World>, name: &str, at: Duration, does: &'static str, act: Act) {
    let here = Arc::clone(world);
    let name = name.to_owned();
    tokio::spawn(async move {
        sleep(at).await;
        here.note(|| format!("somebody {does} {name}"));
        let taken = act(&here, &name);
        here.log.did(does, taken);
    });
}

/// Changes a resource. People change what may be changed, so that nobody has a reason to refuse it.
fn edit(world: &World, name: &str, change: impl FnOnce(&mut PaymentSaga)) -> bool {
    match world.api.edit(name, change) {
        Ok(is_there) => is_there,
        Err(error) => {
            world.broken(format!("a person's change of {name} is refused: {error}"));
            false
        }
    }
}

/// What turns a payment back that is under way. One without a status may have ended in an earlier life.
fn turn_back(world: &Arc<World>, name: &str, act: Act) -> bool {
    let object = world.api.get(name);
    let under_way = object.is_some_and(|object| object.status.is_some() && !object.has_ended());
    let taken = act(world, name);
    if taken && under_way {
        world.log.turned_back().insert(name.to_owned());
    }
    taken
}

/// What people turned back was undone in the end: no cancel or delete that was taken is forgotten. What the bank took back is
/// for the checker.
pub fn obeyed(world: &World) {
    let mut last = BTreeMap::new();
    for change in world.api.changes(0) {
        if let (Some(name), Some(status)) = (&change.object.metadata.name, &change.object.status) {
            last.insert(name.clone(), status.phase);
        }
    }
    for name in world.log.turned_back().iter() {
        let phase = last.get(name);
        if phase != Some(&Phase::Compensated) {
            world.broken(format!("{name} was turned back and is {phase:?}"));
        }
    }
}

/// The bank takes the money back if it was taken, and its webhook comes until it is answered.
async fn charge_back(world: &Arc<World>, id: &IdCorrelacion) {
    let taken = world.bank.take_back(id);
    world.log.did("has the bank take back", taken);
    if !taken {
        return;
    }
    world.note(|| format!("the bank takes {id} back"));
    for _ in 0..TRIES {
        let contracargos = world.running(Proc::Pagos).and_then(|incarnation| {
            let contracargos = Arc::clone(incarnation.contracargos.as_ref()?);
            Some((incarnation, contracargos))
        });
        if let Some((incarnation, contracargos)) = contracargos {
            let answer = tokio::select! {
                biased;
                () = incarnation.life().over() => None,
                answer = contracargos.recibir(id, "fraude") => Some(answer),
            };
            if let Some(Ok(())) = answer {
                return;
            }
        }
        let pause = world.upto(Duration::from_secs(2));
        sleep(pause).await;
    }
    world.broken(format!("nobody took the chargeback of {id}"));
}

/// People look at what is stalled. What nobody can undo they settle by hand, at any time. All else is to heal once nothing
/// fails any more, and that it does not is a broken law; only the hasty settle it before, and only while faults happen. What
/// is left suspended then goes on.
pub fn settle(world: &Arc<World>) {
    let (objects, _) = world.api.list();
    for object in objects {
        let name = object.metadata.name.clone().unwrap_or_default();
        if object.spec.suspend && world.is_calm() {
            edit(world, &name, |object| object.spec.suspend = false);
        }
        let stalled = object.status.as_ref().filter(|status| status.phase == Phase::Stalled);
        let Some(status) = stalled else { continue };
        let annotations = object.metadata.annotations.as_ref();
        let said = annotations.and_then(|all| all.get(RESOLVED_BY));
        if said.is_some() && said != status.resolved_by.as_ref() {
            continue; // that word was not heard yet
        }
        if !needs_a_person(&object) {
            if has_had_its_time(world, &object) {
                world.broken(format!("{name} needs a person though nothing fails any more"));
            } else if !world.chance(world.plan.people.hasty) {
                continue;
            }
        }
        let by = format!("ana: settled at the gateway, {}", status.secuencia);
        world.note(|| format!("somebody settles {name}"));
        let taken = edit(world, &name, |object| {
            let annotations = object.metadata.annotations.get_or_insert_default();
            annotations.insert(RESOLVED_BY.to_owned(), by);
        });
        world.log.did("settles", taken);
    }
}

/// Whether nobody can undo it but by hand: the gateway refuses the refund for good, as it does for amounts that end so.
fn needs_a_person(object: &PaymentSaga) -> bool {
    let mut steps = object.status.iter().flat_map(|status| &status.steps);
    let refused = steps.any(|step| {
        step.name == Step::RealizarPago
            && step.state == StepState::UndoFailing
            && step.reason.as_deref() == Some("ReembolsoImposible")
    });
    refused && object.spec.monto.ends_with(".21")
}

/// Whether nothing has failed for so long that what had stalled by then should have healed.
fn has_had_its_time(world: &World, object: &PaymentSaga) -> bool {
    let Some(politica) = &object.spec.politica else {
        return false;
    };
    let seconds = politica.stall_after_seconds + TRIES_AGAIN * politica.undo.max_seconds;
    let time = Duration::from_secs(seconds.into()) + GRACE;
    world.calm_for().is_some_and(|calm| calm > time)
}
