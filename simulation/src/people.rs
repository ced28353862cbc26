//! The people: those who ask for payments, and those who meddle with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use checker::{Answer, Door, Request};
use kube::api::DeleteParams;
use operator::crd::{PaymentSaga, PaymentSagaSpec};
use operator::resource::{RESOLVED_BY, RETRY};
use rand::Rng as _;
use seedwork::{Fault, IdCorrelacion, MedioPago, Moneda, Phase, SolicitudPago};
use seedwork_runtime::intake::IdempotencyKey;
use tokio::time::sleep;

use crate::model::post;
use crate::world::{Proc, World};

/// What clients did, and what they were told.
#[derive(Default)]
pub struct Log {
    requests: Mutex<Vec<Request>>,
    unfinished: Mutex<usize>,
}

/// Endings of amounts that mean something to the gateway's table (`services/pasarela-simulada`), the plain ones more
/// often.
const ENDINGS: [i64; 24] = [
    0, 0, 0, 0, 0, 0, 10, 10, 1, 2, 3, 4, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 5, 50,
];

/// How often somebody asks again before giving up.
const TRIES: usize = 400;

// === impl Log ===

impl Log {
    /// Every try, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.all().clone()
    }

    /// How many people have not got their answer yet.
    pub fn unfinished(&self) -> usize {
        *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The payments that were accepted.
    pub fn accepted(&self) -> BTreeMap<IdCorrelacion, SolicitudPago> {
        let requests = self.all();
        let yes = requests.iter().filter_map(|request| match &request.answer {
            Answer::Accepted(id) => Some((id.clone(), request.solicitud.clone())),
            Answer::Refused(_) | Answer::Lost => None,
        });
        yes.collect()
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
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        *unfinished = unfinished.saturating_add_signed(change);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Asks at a door until there is an answer; every try is under the same key.
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
        Err(error) => Answer::Refused(error.to_string()),
    };
    let place = world.log.begin(Request {
        id: Some(id.clone()),
        key: None,
        door: Door::Kubernetes,
        solicitud: solicitud.clone(),
        at_ms: seedwork_runtime::simulated::steady_ms(),
        answer: Answer::Lost,
    });
    world.log.end(place, answer);
}

/// What people do to one payment that is asked for after `after`.
fn meddle(world: &Arc<World>, id: &IdCorrelacion, after: Duration) {
    let people = world.plan.people;
    let name = id.resource_name();
    let soon = |world: &Arc<World>| after + world.upto(Duration::from_secs(20));
    if world.chance(people.cancel) {
        edit_at(world, &name, soon(world), "cancels", |object| object.spec.cancel = true);
    }
    if world.chance(people.retry) {
        edit_at(world, &name, soon(world), "asks for a retry of", |object| {
            let annotations = object.metadata.annotations.get_or_insert_default();
            annotations.insert(RETRY.to_owned(), "now".to_owned());
        });
    }
    if world.chance(people.suspend) {
        let begins = soon(world);
        let ends = begins + world.upto(Duration::from_secs(90));
        edit_at(world, &name, begins, "suspends", |object| object.spec.suspend = true);
        edit_at(world, &name, ends, "resumes", |object| object.spec.suspend = false);
    }
    if world.chance(people.delete) {
        let at = soon(world);
        let here = Arc::clone(world);
        let name = name.clone();
        tokio::spawn(async move {
            sleep(at).await;
            here.note(|| format!("somebody deletes {name}"));
            // Perhaps it is not there.
            let _ = here.api.delete(&name, &DeleteParams::default());
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

fn edit_at(world: &Arc<World>, name: &str, at: Duration, does: &'static str, edit: fn(&mut PaymentSaga)) {
    let here = Arc::clone(world);
    let name = name.to_owned();
    tokio::spawn(async move {
        sleep(at).await;
        here.note(|| format!("somebody {does} {name}"));
        here.api.edit(&name, edit);
    });
}

/// The bank takes the money back if it was taken, and its webhook comes until it is answered.
async fn charge_back(world: &Arc<World>, id: &IdCorrelacion) {
    if !world.bank.take_back(id) {
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

/// A person settles by hand what is stalled, and whatever is left suspended goes on.
pub fn settle(world: &Arc<World>) {
    let (objects, _) = world.api.list();
    for object in objects {
        let name = object.metadata.name.clone().unwrap_or_default();
        if object.spec.suspend {
            world.api.edit(&name, |object| object.spec.suspend = false);
        }
        if object
            .status
            .as_ref()
            .is_some_and(|status| status.phase == Phase::Stalled)
        {
            let annotated = object
                .metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(RESOLVED_BY));
            let by = format!("ana: settled at the gateway, {}", annotated.map_or(0, String::len));
            world.note(|| format!("somebody settles {name}"));
            world.api.edit(&name, |object| {
                let annotations = object.metadata.annotations.get_or_insert_default();
                annotations.insert(RESOLVED_BY.to_owned(), by);
            });
        }
    }
}
