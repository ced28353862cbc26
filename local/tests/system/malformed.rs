//! A resource that slips past the API server's rules: left alone in sight, and nobody else is stopped by it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use seedwork::contrato::App;
use serde_json::{Value, json};

use crate::resources::{apply, delete, gone, id, resource, saldo, spec, warning};
use crate::system::{Outcome, System, all_end_well, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![check!(
        "a resource that cannot be followed or read stops nobody else",
        malformed
    )]
}

/// A payment whose policy no engine can follow: its steps are out of order.
pub(crate) fn impossible(system: &System) -> Value {
    let paso = |nombre| json!({"nombre": nombre, "deadlineSeconds": 60, "onExhausted": "Compensate"});
    let backoff = json!({"firstSeconds": 1, "maxSeconds": 15});
    let mut spec = spec(system, "24.00");
    spec["politica"] = json!({
        "pasos": [paso("RealizarPago"), paso("CrearFacturacion")],
        "reenvio": backoff, "undo": backoff, "stallAfterSeconds": 60, "avisoDeadlineSeconds": 5,
    });
    spec
}

async fn malformed(system: &mut System) -> Outcome {
    // What was there before this check may have been counted, too.
    let counted = async || {
        let (_, page) = system.get(App::Operator, "/metrics").await?;
        let mut lines = page.as_str().unwrap_or_default().lines();
        let count = lines.find_map(|line| line.strip_prefix("operator_resources_left_alone_total "));
        count.map_or(Ok(0), |count| count.parse::<u64>().map_err(text))
    };
    let before = counted().await?;
    let out_of_order = id("sin-orden")?;
    let impossible = apply(system, &out_of_order, &impossible(system)).await?;
    let note = warning(system, &impossible, "EspecificacionInvalida").await?;
    ensure(note.contains("pasos[0] must be CrearFacturacion"), || {
        format!("the event says {note}")
    })?;
    ensure(counted().await? > before, || {
        "the operator's metrics don't count it".to_owned()
    })?;
    let payment = system.pagar("24.00").await?;
    all_end_well(system, &[payment]).await?;

    let unreadable = id("0-ilegible")?;
    let mut spec = spec(system, "24.00");
    spec["medioPago"] = json!("Trueque");
    let made = relaxed(system, &resource(&unreadable.resource_name(), &spec)?).await;
    let made = made.map_err(|error| format!("the rules cannot be relaxed for a moment: {error}"))?;
    warning(system, &made, "EspecificacionInvalida").await?;
    let payment = system.pagar("24.00").await?;
    all_end_well(system, &[payment]).await?;
    // An operator that starts while it is there, and the first that is listed, starts all the same.
    let first = system
        .sagas()
        .list(&ListParams::default().limit(1))
        .await
        .map_err(text)?;
    let first = first.items.into_iter().next().and_then(|object| object.metadata.name);
    ensure(first == made.metadata.name, || format!("the first is {first:?}"))?;
    system.kill("operator")?;
    let payment = system.pagar("24.00").await?;
    all_end_well(system, &[payment]).await?;
    system.until_ready().await?;
    for id in [&out_of_order, &unreadable] {
        delete(system, id).await?;
        gone(system, id).await?;
        let saldo = saldo(system, id).await?;
        ensure(saldo.autorizaciones == 0, || format!("the ledger has {saldo:?}"))?;
    }
    Ok(())
}

/// Creates an object that the types cannot read: while the list of means of payment has one more.
async fn relaxed(system: &System, object: &DynamicObject) -> Outcome<DynamicObject> {
    let enforce = async |means: &[&str]| {
        let definitions: Api<CustomResourceDefinition> = Api::all(system.world.kube().clone());
        let name = "paymentsagas.pagos.saludtech.dev";
        let mut definition = serde_json::to_value(definitions.get(name).await.map_err(text)?).map_err(text)?;
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/medioPago/enum";
        *definition.pointer_mut(path).ok_or("medioPago has no list")? = json!(means);
        let definition = serde_json::from_value(definition).map_err(text)?;
        definitions
            .replace(name, &PostParams::default(), &definition)
            .await
            .map(drop)
            .map_err(text)
    };
    enforce(&["TarjetaCredito", "TarjetaDebito", "PSE", "Trueque"]).await?;
    let created = eventually("the API server to be less strict", async || {
        system
            .sagas()
            .create(&PostParams::default(), object)
            .await
            .map_err(text)
    });
    let created = created.await;
    enforce(&["TarjetaCredito", "TarjetaDebito", "PSE"]).await?;
    created
}
