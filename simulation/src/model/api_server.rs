//! The API server, for one kind of resource: versions, compare-and-swap, finalizers, the status apart from the rest, and
//! the rules of the definition. Every change is kept: watches read on from where they are, and the judge reads it all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, PostParams};
use kube::core::Status;
use operator::crd::PaymentSaga;
use operator::resource::Payment;
use saga::StepState;
use seedwork::{Direction, Step};
use tokio::sync::Notify;

use crate::life::Life;
use crate::lock;
use crate::world::Part;

/// The API server.
#[derive(Default)]
pub struct ApiServer {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Arc<PaymentSaga>>,
    version: u64,
    changes: Vec<Change>,
    /// For each name, the steps that were ever recorded as issued, and as being undone.
    issued: BTreeMap<String, BTreeSet<(Step, Direction)>>,
    /// The names of those that ended, once or more often.
    ended: BTreeSet<String>,
    /// How many calls are still on their way, whose callers wait no more.
    under_way: usize,
}

/// Something that became of a resource.
#[derive(Debug, Clone)]
pub struct Change {
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The resource from then on, or as it was when it went.
    pub object: Arc<PaymentSaga>,
    /// Whether it went.
    pub gone: bool,
}

/// The namespace of the payments.
pub const NAMESPACE: &str = "pagos";

/// The way of one process to it.
pub struct Client(pub Arc<Life>);

fn refused(code: u16, reason: &str, message: String) -> kube::Error {
    let status = Status {
        code,
        reason: reason.to_owned(),
        message,
        ..Status::default()
    };
    kube::Error::Api(status.boxed())
}

fn invalid(why: &str) -> kube::Error {
    refused(422, "Invalid", why.to_owned())
}

fn not_found(name: &str) -> kube::Error {
    refused(404, "NotFound", format!("there is no {name}"))
}

fn silent(why: String) -> kube::Error {
    kube::Error::Service(why.into())
}

/// In whole seconds, as it is written down.
fn now() -> Time {
    Time(Timestamp::from_second(seedwork_runtime::now_ms() / 1000).unwrap_or_default())
}

fn name_of(object: &PaymentSaga) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

// === impl ApiServer ===

impl ApiServer {
    /// A resource as it is.
    pub fn get(&self, name: &str) -> Option<Arc<PaymentSaga>> {
        self.inner().objects.get(name).cloned()
    }

    /// Every resource as it is, and how many changes led here.
    pub fn list(&self) -> (Vec<Arc<PaymentSaga>>, usize) {
        let inner = self.inner();
        (inner.objects.values().cloned().collect(), inner.changes.len())
    }

    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.inner().objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The changes after the first `seen`.
    pub fn changes(&self, seen: usize) -> Vec<Change> {
        self.inner().changes.get(seen..).unwrap_or_default().to_vec()
    }

    /// Whether a step was ever recorded as issued in this direction.
    pub fn ever_issued(&self, name: &str, step: Step, direction: Direction) -> bool {
        let inner = self.inner();
        inner
            .issued
            .get(name)
            .is_some_and(|steps| steps.contains(&(step, direction)))
    }

    /// The names of those that ended at some time.
    pub fn ended(&self) -> BTreeSet<String> {
        self.inner().ended.clone()
    }

    /// How many calls are still on their way.
    pub fn under_way(&self) -> usize {
        self.inner().under_way
    }

    /// How many changes there were.
    pub fn writes(&self) -> usize {
        self.inner().changes.len()
    }

    /// Returns once there is a change after the first `seen`.
    pub async fn changed(&self, seen: usize) {
        loop {
            let changed = self.changed.notified();
            if self.writes() > seen {
                return;
            }
            changed.await;
        }
    }

    /// A person's hand: reads and writes everything but the status, as kubectl does. Whether there is such a one; what the
    /// rules refuse, a person sees refused.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut PaymentSaga)) -> kube::Result<bool> {
        let Some(object) = self.get(name) else { return Ok(false) };
        let mut object = PaymentSaga::clone(&object);
        edit(&mut object);
        self.replace(&object).map(|_| true)
    }

    /// Makes a resource.
    pub fn create(&self, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let mut object = object.clone();
        object.status = None;
        let mut inner = self.inner();
        if inner.objects.contains_key(name_of(&object)) {
            let message = format!("{} exists", name_of(&object));
            return Err(refused(409, "AlreadyExists", message));
        }
        if let Err(unfit) = Payment::try_from_resource(&object) {
            return Err(invalid(&unfit.to_string()));
        }
        object.metadata.namespace = Some(NAMESPACE.to_owned());
        object.metadata.uid = Some(format!("uid-{}", inner.version + 1));
        object.metadata.generation = Some(1);
        object.metadata.creation_timestamp = Some(now());
        object.metadata.deletion_timestamp = None;
        Ok(self.store(&mut inner, object))
    }

    /// Writes everything but the status.
    pub fn replace(&self, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let mut inner = self.inner();
        let before = current(&inner, object)?;
        let mut after = object.clone();
        after.status.clone_from(&before.status);
        after.metadata.generation = before.metadata.generation;
        after
            .metadata
            .creation_timestamp
            .clone_from(&before.metadata.creation_timestamp);
        after
            .metadata
            .deletion_timestamp
            .clone_from(&before.metadata.deletion_timestamp);
        if let Some(broken) = broken_by_spec(&before, &after) {
            return Err(invalid(broken));
        }
        let finalizers = |object: &PaymentSaga| object.metadata.finalizers.clone().unwrap_or_default();
        let deleting = after.metadata.deletion_timestamp.is_some();
        if deleting && finalizers(&after).iter().any(|one| !finalizers(&before).contains(one)) {
            return Err(invalid("no new finalizers can be added if the object is being deleted"));
        }
        if after == *before {
            return Ok(after);
        }
        if after.spec != before.spec {
            after.metadata.generation = before.metadata.generation.map(|generation| generation + 1);
        }
        if deleting && finalizers(&after).is_empty() {
            return Ok(self.remove(&mut inner, after));
        }
        Ok(self.store(&mut inner, after))
    }

    /// Writes the status.
    pub fn replace_status(&self, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let mut inner = self.inner();
        let before = current(&inner, object)?;
        let after = PaymentSaga {
            metadata: before.metadata.clone(),
            spec: before.spec.clone(),
            status: object.status.clone(),
        };
        if let Some(broken) = broken_by_status(&before, &after) {
            return Err(invalid(broken));
        }
        if after == *before {
            return Ok(after);
        }
        Ok(self.store(&mut inner, after))
    }

    /// Asks for a resource to go. Answers it as it is now if something holds it; `None` once it is gone.
    pub fn delete(&self, name: &str, params: &DeleteParams) -> kube::Result<Option<PaymentSaga>> {
        let mut inner = self.inner();
        let Some(object) = inner.objects.get(name).cloned() else {
            return Err(not_found(name));
        };
        if let Some(preconditions) = &params.preconditions {
            let fits = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
            let metadata = &object.metadata;
            if !fits(&preconditions.uid, &metadata.uid)
                || !fits(&preconditions.resource_version, &metadata.resource_version)
            {
                return Err(refused(409, "Conflict", format!("{name} is another one by now")));
            }
        }
        let mut object = PaymentSaga::clone(&object);
        if object.metadata.finalizers.as_ref().is_none_or(Vec::is_empty) {
            self.remove(&mut inner, object);
            return Ok(None);
        }
        if object.metadata.deletion_timestamp.is_none() {
            object.metadata.deletion_timestamp = Some(now());
            object.metadata.generation = object.metadata.generation.map(|generation| generation + 1);
            object = self.store(&mut inner, object);
        }
        Ok(Some(object))
    }

    fn store(&self, inner: &mut Inner, mut object: PaymentSaga) -> PaymentSaga {
        inner.version += 1;
        object.metadata.resource_version = Some(inner.version.to_string());
        let stored = Arc::new(object.clone());
        if object.has_ended() {
            inner.ended.insert(name_of(&object).to_owned());
        }
        for step in object.status.iter().flat_map(|status| &status.steps) {
            let issued: &[Direction] = match step.state {
                StepState::Pending => &[],
                StepState::Issued | StepState::Done | StepState::Refused | StepState::Expired => &[Direction::Do],
                StepState::Undoing | StepState::UndoFailing | StepState::Undone | StepState::Resolved => {
                    &[Direction::Do, Direction::Undo]
                }
            };
            let known = inner.issued.entry(name_of(&object).to_owned()).or_default();
            known.extend(issued.iter().map(|direction| (step.name, *direction)));
        }
        inner.objects.insert(name_of(&object).to_owned(), Arc::clone(&stored));
        self.change(inner, stored, false);
        object
    }

    fn remove(&self, inner: &mut Inner, mut object: PaymentSaga) -> PaymentSaga {
        inner.version += 1;
        object.metadata.resource_version = Some(inner.version.to_string());
        inner.objects.remove(name_of(&object));
        self.change(inner, Arc::new(object.clone()), true);
        object
    }

    fn change(&self, inner: &mut Inner, object: Arc<PaymentSaga>, gone: bool) {
        let at_ms = seedwork_runtime::simulated::steady_ms();
        inner.changes.push(Change { at_ms, object, gone });
        self.changed.notify_waiters();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

/// What a write replaces; every write must name it.
fn current(inner: &Inner, object: &PaymentSaga) -> kube::Result<Arc<PaymentSaga>> {
    let name = name_of(object);
    let Some(before) = inner.objects.get(name) else {
        return Err(not_found(name));
    };
    if object.metadata.resource_version.is_none() {
        return Err(invalid("resourceVersion must be specified for an update"));
    }
    if object.metadata.uid.is_some() && object.metadata.uid != before.metadata.uid
        || object.metadata.resource_version != before.metadata.resource_version
    {
        return Err(refused(409, "Conflict", format!("{name} was changed by someone else")));
    }
    Ok(Arc::clone(before))
}

/// The rules of the definition's spec (`operator/src/crd.rs`).
fn broken_by_spec(before: &PaymentSaga, after: &PaymentSaga) -> Option<&'static str> {
    let (old, new) = (&before.spec, &after.spec);
    if (&old.id_cliente, old.medio_pago, &old.monto, &old.moneda)
        != (&new.id_cliente, new.medio_pago, &new.monto, &new.moneda)
    {
        return Some("a payment cannot be changed");
    }
    if old.politica.is_some() && old.politica != new.politica {
        return Some("politica is fixed once the payment has started");
    }
    (old.cancel && !new.cancel).then_some("cancel never goes back")
}

/// The rules of the definition's status.
fn broken_by_status(before: &PaymentSaga, after: &PaymentSaga) -> Option<&'static str> {
    let new = after.status.as_ref()?;
    let old = before.status.as_ref()?;
    if !saga::allowed(Some(old.phase), new.phase) {
        return Some("the phase moves only as the engine's table allows");
    }
    (new.secuencia < old.secuencia).then_some("secuencia never goes back")
}

// === impl Client ===

impl Client {
    async fn call<T>(
        &self,
        doing: &'static str,
        name: &str,
        call: impl FnOnce(&ApiServer) -> kube::Result<T> + Send + 'static,
    ) -> kube::Result<T> {
        let Self(life) = self;
        life.before(Part::ApiServer).await.map_err(silent)?;
        let world = life.world();
        if let Some(late) = world.arrives_late() {
            let (world, proc, name) = (Arc::clone(world), life.proc(), name.to_owned());
            world.api.inner().under_way += 1;
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                world.api.inner().under_way -= 1;
                let done = call(&world.api).is_ok();
                world.note(|| format!("{proc}'s late {doing} of {name} arrives: {done}"));
            });
            return Err(silent("Api did not take it in time".to_owned()));
        }
        let done = call(&world.api);
        if let Err(kube::Error::Api(status)) = &done {
            world.note(|| {
                format!(
                    "{} may not {doing} {name}: {} {}",
                    life.proc(),
                    status.code,
                    status.message
                )
            });
            if status.code == 422 {
                world.broken(format!(
                    "{name}: the API server refused our own write: {}",
                    status.message
                ));
            }
        } else if doing != "read" {
            world.note(|| format!("{} did {doing} {name}", life.proc()));
        }
        // A read whose answer is lost is a read that failed.
        life.answered(Part::ApiServer).await.map_err(silent)?;
        done
    }
}

#[async_trait]
impl operator::resources::ApiServer for Client {
    async fn get_opt(&self, name: &str) -> kube::Result<Option<PaymentSaga>> {
        let wanted = name.to_owned();
        let get = move |api: &ApiServer| Ok(api.get(&wanted).map(|object| PaymentSaga::clone(&object)));
        self.call("read", name, get).await
    }

    async fn create(&self, _: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let own = object.clone();
        self.call("create", name_of(object), move |api| api.create(&own)).await
    }

    async fn replace(&self, name: &str, _: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let own = object.clone();
        self.call("replace", name, move |api| api.replace(&own)).await
    }

    async fn replace_status(&self, name: &str, _: &PostParams, object: &PaymentSaga) -> kube::Result<PaymentSaga> {
        let own = object.clone();
        let record = move |api: &ApiServer| api.replace_status(&own);
        let done = self.call("record", name, record).await;
        if let Ok(written) = &done
            && let Some(status) = &written.status
        {
            let line = || format!("  {name} is {} {} at {}", status.secuencia, status.phase, status.step);
            self.0.world().note(line);
        }
        done
    }

    async fn delete(&self, name: &str, params: &DeleteParams) -> kube::Result<Option<PaymentSaga>> {
        let (wanted, params) = (name.to_owned(), params.clone());
        let delete = move |api: &ApiServer| api.delete(&wanted, &params);
        self.call("delete", name, delete).await
    }
}
