//! Payments as `kubectl` sees them, and what else a check looks at: Events, the ledger, rows of our databases.

use checker::{Accepted, Saldo, saldos};
use futures::TryFutureExt as _;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use local::world::accepted;
use seedwork::IdCorrelacion;
use seedwork::contrato::App;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::system::{NAMESPACE, Outcome, System, ensure, eventually, text};

/// An identity that a person chose.
pub(crate) fn id(words: &str) -> Outcome<IdCorrelacion> {
    IdCorrelacion::parse(words).map_err(text)
}

/// What a person writes to have `monto` paid by the client who can pay.
pub(crate) fn spec(system: &System, monto: &str) -> Value {
    json!({"idCliente": system.cliente, "medioPago": "TarjetaCredito", "monto": monto, "moneda": "USD"})
}

/// The kind of payments.
pub(crate) fn saga_resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("pagos.saludtech.dev", "v1alpha1", "PaymentSaga");
    ApiResource::from_gvk_with_plural(&kind, "paymentsagas")
}

/// The whole resource.
pub(crate) fn resource(name: &str, spec: &Value) -> Outcome<DynamicObject> {
    let (api_version, kind) = ("pagos.saludtech.dev/v1alpha1", "PaymentSaga");
    serde_json::from_value(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}))
        .map_err(text)
}

/// `kubectl apply` of a payment.
pub(crate) async fn apply(system: &System, id: &IdCorrelacion, spec: &Value) -> Outcome<DynamicObject> {
    let name = id.resource_name();
    let object = resource(&name, spec)?;
    let params = PatchParams::apply("a-person");
    let applied = system.sagas().patch(&name, &params, &Patch::Apply(&object)).await;
    applied.map_err(|error| format!("{name} is refused: {error}"))
}

/// `kubectl apply` of a payment that its door would have taken.
pub(crate) async fn pay(system: &System, words: &str, monto: &str) -> Outcome<Accepted> {
    let id = id(words)?;
    apply(system, &id, &spec(system, monto)).await?;
    accepted(id, system.cliente.clone(), monto).map_err(text)
}

/// `kubectl patch --type merge`.
pub(crate) async fn patch(system: &System, id: &IdCorrelacion, patch: Value) -> Result<DynamicObject, kube::Error> {
    let params = PatchParams::default();
    let patch = Patch::Merge(patch);
    system.sagas().patch(&id.resource_name(), &params, &patch).await
}

/// `kubectl annotate`.
pub(crate) async fn annotate(system: &System, id: &IdCorrelacion, key: &str, value: &str) -> Outcome<DynamicObject> {
    let annotations = json!({"metadata": {"annotations": {key: value}}});
    patch(system, id, annotations).map_err(text).await
}

/// `kubectl delete`; answers what is still there then.
pub(crate) async fn delete(system: &System, id: &IdCorrelacion) -> Outcome<Option<DynamicObject>> {
    let name = id.resource_name();
    let deleted = system.sagas().delete(&name, &Default::default()).await;
    Ok(deleted.map_err(text)?.left())
}

/// The sentence with which the API server refuses; anything else is a failure.
pub(crate) fn refusal<T>(what: &str, answer: Result<T, kube::Error>) -> Outcome<String> {
    match answer {
        Ok(_) => Err(format!("{what} is accepted")),
        Err(kube::Error::Api(status)) if status.code == 422 => Ok(status.message.clone()),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// Waits until the status of a resource holds; answers the whole resource as it was then.
pub(crate) async fn seen(
    system: &System,
    id: &IdCorrelacion,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Outcome<DynamicObject> {
    eventually(&format!("{id} to be {what}"), async || {
        let found = system.sagas().get_opt(&id.resource_name()).await.map_err(text)?;
        let object = found.ok_or("there is no such resource")?;
        let status = &object.data["status"];
        ensure(holds(status), || format!("its status is {status}"))?;
        Ok(object)
    })
    .await
}

/// Waits until a step of a payment is in a state.
pub(crate) async fn step(system: &System, id: &IdCorrelacion, number: usize, state: &str) -> Outcome<DynamicObject> {
    let what = format!("at step {number}: {state}");
    seen(system, id, &what, |status| {
        status["steps"][number - 1]["state"] == state
    })
    .await
}

/// Waits until a resource is in a phase.
pub(crate) async fn phase(system: &System, id: &IdCorrelacion, phase: &str) -> Outcome<DynamicObject> {
    seen(system, id, phase, |status| status["phase"] == phase).await
}

/// Waits until a resource has left the API server.
pub(crate) async fn gone(system: &System, id: &IdCorrelacion) -> Outcome {
    eventually(&format!("{id} to leave the API server"), async || {
        let found = system.sagas().get_opt(&id.resource_name()).await.map_err(text)?;
        found.map_or(Ok(()), |object| Err(format!("it is there: {}", object.data["status"])))
    })
    .await
}

/// Waits for a Warning on this very resource; answers what it says.
pub(crate) async fn warning(system: &System, object: &DynamicObject, reason: &str) -> Outcome<String> {
    let events: Api<Event> = Api::namespaced(system.world.kube().clone(), NAMESPACE);
    let name = object.metadata.name.as_deref().unwrap_or_default();
    eventually(&format!("a Warning {reason} on {name}"), async || {
        let found = events.list(&ListParams::default()).await.map_err(text)?.items;
        let of_it = |event: &&Event| {
            let regarding = event.regarding.as_ref();
            let uid = regarding.and_then(|regarding| regarding.uid.as_ref());
            uid == object.metadata.uid.as_ref() && event.type_.as_deref() == Some("Warning")
        };
        let warnings: Vec<&Event> = found.iter().filter(of_it).collect();
        let wanted = warnings.iter().find(|event| event.reason.as_deref() == Some(reason));
        let note = wanted.map(|event| event.note.clone().unwrap_or_default());
        note.ok_or_else(|| {
            let reasons = warnings.iter().filter_map(|event| event.reason.as_deref());
            format!("there is {:?}", reasons.collect::<Vec<_>>())
        })
    })
    .await
}

/// What the gateway's ledger says of a payment.
pub(crate) async fn saldo(system: &System, id: &IdCorrelacion) -> Outcome<Saldo> {
    let movimientos = system.world.movimientos().await.map_err(text)?;
    Ok(saldos(&movimientos).remove(id.as_str()).unwrap_or_default())
}

/// Fails unless the invoice is in this state.
pub(crate) async fn factura(system: &System, id: &IdCorrelacion, expected: &str) -> Outcome {
    let estado = system.world.factura(id).await.map_err(text)?;
    ensure(estado.as_deref() == Some(expected), || {
        format!("the invoice of {id} is {estado:?}, not {expected}")
    })
}

/// Waits until the BFF shows the end of a payment; fails unless it is this one.
pub(crate) async fn ends(system: &System, id: &IdCorrelacion, fase: &str, motivo: Option<&str>) -> Outcome {
    eventually(&format!("the BFF to show {id} {fase}"), async || {
        let pago = system
            .world
            .pago(id)
            .await
            .map_err(text)?
            .ok_or("the BFF does not know it")?;
        let holds = pago.terminado && pago.fase == fase && pago.motivo.as_deref() == motivo;
        ensure(holds, || format!("it shows {} {:?}", pago.fase, pago.motivo))
    })
    .await
}

/// Waits until a row of one of our databases, which nobody outside can see, holds a value.
pub(crate) async fn row(system: &System, app: App, query: &'static str, id: &IdCorrelacion, expected: &str) -> Outcome {
    let url = system.layout.database_url(app.id());
    eventually(&format!("the row of {id} in {app} to be {expected}"), async || {
        let mut database = sqlx::SqliteConnection::connect(&url).await.map_err(text)?;
        let found: Option<String> = sqlx::query_scalar(query)
            .bind(id.as_str())
            .fetch_optional(&mut database)
            .await
            .map_err(text)?;
        database.close().await.map_err(text)?;
        ensure(found.as_deref() == Some(expected), || format!("it is {found:?}"))
    })
    .await
}
