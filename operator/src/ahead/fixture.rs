//! Payments at the places that the tests are about.

use saga::{Applied, OnExhausted, Politica, Saga};
use seedwork::contrato::Respuesta;
use seedwork::{Action, App, IdCorrelacion, MedioPago, Moneda, Outcome, SolicitudPago, Step};

use crate::record::Recorded;
use crate::resource;

/// A payment whose first step is issued.
pub(super) fn payment(name: &str) -> Recorded {
    let id = IdCorrelacion::parse(name).unwrap();
    let solicitud = SolicitudPago::parse(MedioPago::Pse.as_str(), "c-1", "24.00", Moneda::USD).unwrap();
    let politica = Politica::standard(OnExhausted::Continue);
    let mut object = resource::new_resource(&id, &solicitud, politica, App::Bff, None);
    object.metadata.uid = Some(name.to_owned());
    Recorded::read(object).unwrap()
}

/// The same, suspended by a person.
pub(super) fn suspended(payment: &Recorded) -> Recorded {
    let mut object = payment.object().clone();
    object.spec.suspend = true;
    Recorded::read(object).unwrap()
}

/// The payment with the record that money is asked for.
pub(super) fn second(first: &Recorded) -> Recorded {
    recorded(first, &after(first, Step::CrearFacturacion))
}

/// Where a payment stands once this step is done.
pub(super) fn after(before: &Recorded, step: Step) -> Saga {
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

/// The payment with the record of where it stands.
pub(super) fn recorded(before: &Recorded, saga: &Saga) -> Recorded {
    let mut object = before.object().clone();
    object.status = Some(resource::status(&object, saga, jiff::Timestamp::UNIX_EPOCH));
    Recorded::read(object).unwrap()
}
