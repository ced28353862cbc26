//! The only writer of a payment's record.

use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use saga::Saga;
use seedwork::Fault;

use crate::crd::PaymentSaga;
use crate::fault;
use crate::resource::{Payment, status};

/// A payment exactly as the API server holds it. There is no other way to make one than to read it there or to have
/// written it there, and no command is published without one: the intent is durable before anyone acts on it.
#[derive(Debug, Clone)]
pub struct Recorded {
    payment: Payment,
    object: PaymentSaga,
}

// === impl Recorded ===

impl Recorded {
    /// A resource as it was read. Not from a cache when a reply is judged on it.
    pub fn read(object: PaymentSaga) -> Result<Self, Fault> {
        let payment = Payment::try_from_resource(&object).map_err(|unfit| Fault::Rejected(vec![unfit.to_string()]))?;
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

    /// What is recorded; a resource that was never given a policy records nothing.
    pub fn saga(&self) -> Option<&Saga> {
        self.payment.saga.as_ref()
    }

    /// Writes `saga` over what was read; [`Fault::Conflict`] if somebody else wrote since: read again, decide again.
    pub async fn write(&self, api: &Api<PaymentSaga>, saga: &Saga, now: jiff::Timestamp) -> Result<Self, Fault> {
        let mut object = self.object.clone();
        object.status = Some(status(&self.object, saga, now));
        // The resourceVersion that was read travels in the object: this is the compare of compare-and-swap.
        let written = api
            .replace_status(&object.name_any(), &PostParams::default(), &object)
            .await
            .map_err(fault::kube("record a transition"))?;
        Self::read(written)
    }

    /// Creates the resource; [`Fault::Conflict`] if there is one of that name.
    pub async fn create(api: &Api<PaymentSaga>, object: &PaymentSaga) -> Result<Self, Fault> {
        let created = api
            .create(&PostParams::default(), object)
            .await
            .map_err(fault::kube("create a PaymentSaga"))?;
        Self::read(created)
    }

    /// Writes everything but the status over what was read.
    pub async fn replace(&self, api: &Api<PaymentSaga>, object: &PaymentSaga) -> Result<Self, Fault> {
        let written = api
            .replace(&object.name_any(), &PostParams::default(), object)
            .await
            .map_err(fault::kube("write a PaymentSaga"))?;
        Self::read(written)
    }
}
