//! The only writer of a payment's record.

use kube::ResourceExt as _;
use kube::api::PostParams;
use saga::Saga;
use seedwork::Fault;

use crate::crd::{ENGINE_VERSION, PaymentSaga};
use crate::fault;
use crate::resource::{Payment, Unfit, status};
use crate::resources::Resources;

/// Whom the API server names as the writer, in managed fields and events.
pub const NAME: &str = "saga-operator";

/// A payment as the API server holds it, or as far ahead of that as the engine allows. There is no other way to make one
/// than to read it there or to have written it there, and no command is published without one: the intent to move money
/// is durable before anyone acts on it, and what follows from a recorded intent can be had again by asking again.
#[derive(Debug, Clone)]
pub struct Recorded {
    payment: Payment,
    object: PaymentSaga,
}

// === impl Recorded ===

impl Recorded {
    /// A resource as it was read. Not from a cache when a reply is ignored because of it, duplicates apart.
    ///
    /// # Errors
    /// [`Fault::Rejected`] when it is no payment; [`Fault::Unavailable`] when it is one of a newer operator's, which is
    /// at work beside this one or will be again.
    pub fn read(mut object: PaymentSaga) -> Result<Self, Fault> {
        // They are the API server's own: a write that says nothing of them leaves them as they are.
        object.metadata.managed_fields = None;
        let payment = Payment::try_from_resource(&object).map_err(|unfit| match unfit {
            Unfit::Newer(_) => Fault::unavailable("failed to follow a payment", unfit),
            Unfit::Name | Unfit::Fields(_) | Unfit::Politica(_) => Fault::Rejected(vec![unfit.to_string()]),
        })?;
        Ok(Self { payment, object })
    }

    /// The payment.
    pub fn payment(&self) -> &Payment {
        &self.payment
    }

    /// The resource.
    pub fn object(&self) -> &PaymentSaga {
        &self.object
    }

    /// The identity of this very resource, which another one of the same name does not have.
    pub fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Where the payment stands; a resource that was never given a policy stands nowhere.
    pub fn saga(&self) -> Option<&Saga> {
        self.payment.saga.as_ref()
    }

    /// The number of the value where it stands; 0 for none.
    pub fn secuencia(&self) -> u64 {
        self.saga().map_or(0, |saga| saga.secuencia)
    }

    /// Whether it stands further along than the API server knows.
    pub fn is_ahead(&self) -> bool {
        let written = self.object.status.as_ref().map_or(1, |status| status.secuencia);
        self.secuencia() > written
    }

    /// The same payment standing at `saga`, if that may wait for its write.
    pub fn run_ahead(&self, saga: &Saga) -> Option<Self> {
        // An older operator, which takes part while a release is rolled out, would not undo what it cannot see.
        let status = self.object.status.as_ref();
        let ours = status.is_some_and(|status| status.engine_version == ENGINE_VERSION);
        (ours && saga::may_wait(self.saga()?, saga)).then(|| self.standing_at(saga))
    }

    /// The same resource, standing where `held` does if that is further along.
    #[must_use]
    pub fn with(self, held: &Self) -> Self {
        match held.saga() {
            Some(saga) if held.uid() == self.uid() && saga.secuencia > self.secuencia() => self.standing_at(saga),
            Some(_) | None => self,
        }
    }

    /// The same payment where it stands, on the resource of `other` if that records more of the way there.
    #[must_use]
    pub fn on_the_ground_of(self, other: &Self) -> Self {
        let newer = self.uid() == other.uid() && self.recorded() < other.recorded();
        match self.saga() {
            Some(saga) if newer && other.recorded() <= saga.secuencia => other.standing_at(saga),
            Some(_) | None => self,
        }
    }

    /// The number that the resource records; 0 before its first.
    fn recorded(&self) -> u64 {
        self.object.status.as_ref().map_or(0, |status| status.secuencia)
    }

    fn standing_at(&self, saga: &Saga) -> Self {
        let mut ahead = self.clone();
        ahead.payment.saga = Some(saga.clone());
        ahead
    }

    /// Writes `saga` over what was read; [`Fault::Conflict`] if somebody else wrote since: read again, decide again.
    pub async fn write(&self, api: &Resources, saga: &Saga, now: jiff::Timestamp) -> Result<Self, Fault> {
        let mut object = self.object.clone();
        object.status = Some(status(&self.object, saga, now));
        // The resourceVersion that was read travels in the object: this is the compare of compare-and-swap.
        let written = api
            .replace_status(&object.name_any(), &by_the_operator(), &object)
            .await
            .map_err(fault::kube("record a transition"))?;
        Self::read(written)
    }

    /// Creates the resource; [`Fault::Conflict`] if there is one of that name.
    pub async fn create(api: &Resources, object: &PaymentSaga) -> Result<Self, Fault> {
        let created = api
            .create(&by_the_operator(), object)
            .await
            .map_err(fault::kube("create a PaymentSaga"))?;
        Self::read(created)
    }

    /// Writes everything but the status over what was read.
    pub async fn replace(&self, api: &Resources, object: &PaymentSaga) -> Result<Self, Fault> {
        let written = api
            .replace(&object.name_any(), &by_the_operator(), object)
            .await
            .map_err(fault::kube("write a PaymentSaga"))?;
        Self::read(written)
    }
}

/// A write in the operator's name, which the API server keeps with what it wrote.
fn by_the_operator() -> PostParams {
    PostParams {
        field_manager: Some(NAME.to_owned()),
        ..PostParams::default()
    }
}
