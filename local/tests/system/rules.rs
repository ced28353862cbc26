//! The resource at the API server's own hands: its rules, its conditions and fields, and what the operator may not do.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::resources::{pay, phase, refusal, resource, saga_resource, seen, spec};
use crate::system::{NAMESPACE, Outcome, System, all_end_well, ensure, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "the API server itself refuses what can be no payment, with a sentence",
            refused
        ),
        check!(
            "the API server refuses a status that the engine would not write",
            refused_status
        ),
        check!("the operator may do what its Role says and nothing else", role),
        check!("kubectl wait and field selectors work on payments", conditions),
    ]
}

async fn refused(system: &mut System) -> Outcome {
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let with = |field: &str, value: Value| {
        let mut spec = spec(system, "24.00");
        spec[field] = value;
        spec
    };
    let good = resource("pago-bueno", &with("monto", json!("24.10")))?;
    system
        .sagas()
        .create(&dry, &good)
        .await
        .map_err(|error| format!("a good payment is refused: {error}"))?;
    let too_long = format!("pago-{}", "x".repeat(59));
    let long_client = "x".repeat(129);
    for (name, field, value, sentence) in [
        (
            "factura-1",
            "monto",
            json!("24.00"),
            "metadata.name must be pago- and the idCorrelacion",
        ),
        ("pago-", "monto", json!("24.00"), "must"),
        (
            "pago-a.b",
            "monto",
            json!("24.00"),
            "metadata.name must be pago- and the idCorrelacion",
        ),
        (
            &too_long,
            "monto",
            json!("24.00"),
            "metadata.name must be pago- and the idCorrelacion",
        ),
        ("pago-malo", "monto", json!("0"), "monto must be greater than 0"),
        ("pago-malo", "monto", json!("0.00"), "monto must be greater than 0"),
        (
            "pago-malo",
            "monto",
            json!("24.105"),
            "monto must have no more decimals than its currency",
        ),
        ("pago-malo", "monto", json!("-5"), "monto must be greater than 0"),
        (
            "pago-malo",
            "monto",
            json!("1000000.01"),
            "monto must be at most 1000000",
        ),
        ("pago-malo", "monto", json!("24,00"), "spec.monto"),
        ("pago-malo", "monto", json!(24), "spec.monto"),
        (
            "pago-malo",
            "medioPago",
            json!("Efectivo"),
            "supported values: \"TarjetaCredito\"",
        ),
        ("pago-malo", "moneda", json!("XXX"), "spec.moneda: Unsupported value"),
        (
            "pago-malo",
            "idCliente",
            json!("   "),
            "idCliente must be 1 to 128 printable characters",
        ),
        (
            "pago-malo",
            "idCliente",
            json!("a\nb"),
            "idCliente must be 1 to 128 printable characters",
        ),
        ("pago-malo", "idCliente", json!(""), "spec.idCliente"),
        ("pago-malo", "idCliente", json!(long_client), "spec.idCliente: Too long"),
        ("pago-malo", "idCliente", Value::Null, "spec.idCliente: Required value"),
    ] {
        let what = format!("{name} with {field} {value}");
        let object = resource(name, &with(field, value))?;
        let said = refusal(&what, system.sagas().create(&dry, &object).await)?;
        ensure(said.contains(sentence), || format!("{what}: {said}"))?;
    }
    // What it is does not change once it is there.
    let payment = pay(system, "no-cambia", "24.00").await?;
    for (field, value) in [
        ("monto", json!("25.00")),
        ("idCliente", json!("otro")),
        ("medioPago", json!("PSE")),
        ("moneda", json!("EUR")),
    ] {
        let patch = json!({"spec": {field: value}});
        let answer = crate::resources::patch(system, &payment.id, patch).await;
        let said = refusal(field, answer)?;
        ensure(said.contains("a payment cannot be changed: make another one"), || {
            format!("{field}: {said}")
        })?;
    }
    phase(system, &payment.id, "Completed").await?;
    for politica in [json!({"stallAfterSeconds": 1}), Value::Null] {
        let patch = json!({"spec": {"politica": politica}});
        let said = refusal("politica", crate::resources::patch(system, &payment.id, patch).await)?;
        ensure(said.contains("politica is fixed once the payment has started"), || said)?;
    }
    all_end_well(system, &[payment]).await
}

async fn refused_status(system: &mut System) -> Outcome {
    let completed = pay(system, "fase-completada", "24.00").await?;
    let compensated = pay(system, "fase-compensada", "24.01").await?;
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let write = async |name: &str, status: Value| {
        let patch = Patch::Merge(json!({ "status": status }));
        system.sagas().patch_status(name, &params, &patch).await
    };
    for (payment, from, to) in [
        (&completed, "Completed", "Running"),
        (&completed, "Completed", "Compensated"),
        (&completed, "Completed", "Stalled"),
        (&compensated, "Compensated", "Completed"),
        (&compensated, "Compensated", "Compensating"),
    ] {
        let name = payment.id.resource_name();
        phase(system, &payment.id, from).await?;
        let said = refusal(&format!("{from} → {to}"), write(&name, json!({"phase": to})).await)?;
        ensure(
            said.contains("the phase moves only as the engine's table allows"),
            || said,
        )?;
        write(&name, json!({"phase": from}))
            .await
            .map_err(|error| format!("staying {from} is refused: {error}"))?;
    }
    phase(system, &completed.id, "Completed").await?;
    let name = completed.id.resource_name();
    let said = refusal("secuencia 0", write(&name, json!({"secuencia": 0})).await)?;
    ensure(said.contains("secuencia never goes back"), || said)?;
    let moved = write(&name, json!({"phase": "Compensating"})).await;
    moved
        .map(drop)
        .map_err(|error| format!("Completed → Compensating, which a chargeback makes, is refused: {error}"))
}

async fn role(system: &mut System) -> Outcome {
    let operator = local::kubernetes::client(&system.layout.operator_kubeconfig())
        .await
        .map_err(text)?;
    let own: Api<DynamicObject> = Api::namespaced_with(operator.clone(), NAMESPACE, &saga_resource());
    own.list(&ListParams::default())
        .await
        .map_err(|error| format!("it may not list its own: {error}"))?;
    let forbidden = |what: &str, answer: Result<(), kube::Error>| match answer {
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
        Ok(()) => Err(format!("it may {what}")),
        Err(error) => Err(format!("{what}: {error}")),
    };
    let list = ListParams::default();
    for namespace in [NAMESPACE, "default", "kube-system"] {
        let secrets: Api<Secret> = Api::namespaced(operator.clone(), namespace);
        forbidden(
            &format!("read secrets in {namespace}"),
            secrets.list(&list).await.map(drop),
        )?;
    }
    let elsewhere: Api<DynamicObject> = Api::namespaced_with(operator.clone(), "default", &saga_resource());
    forbidden(
        "list payments in another namespace",
        elsewhere.list(&list).await.map(drop),
    )?;
    let everywhere: Api<DynamicObject> = Api::all_with(operator.clone(), &saga_resource());
    forbidden("list payments everywhere", everywhere.list(&list).await.map(drop))?;
    let definitions: Api<CustomResourceDefinition> = Api::all(operator);
    forbidden("read definitions", definitions.list(&list).await.map(drop))
}

async fn conditions(system: &mut System) -> Outcome {
    let payment = pay(system, "esperado", "24.00").await?;
    let undone = pay(system, "esperado-en-vano", "24.01").await?;
    for (payment, holds) in [(&payment, "Completed"), (&undone, "Compensated")] {
        let object = phase(system, &payment.id, holds).await?;
        let generation = json!(object.metadata.generation);
        let status = &object.data["status"];
        ensure(status["observedGeneration"] == generation, || {
            format!("generation {generation}, status {status}")
        })?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = conditions
            .iter()
            .map(|found| (&found["type"], &found["status"], &found["observedGeneration"]))
            .collect();
        let yes = json!("True");
        let expected = [json!(holds), json!("Ready")];
        ensure(
            found == expected.each_ref().map(|type_| (type_, &yes, &generation)),
            || format!("{holds}: the conditions are {conditions:?}"),
        )?;
    }
    // Too late to suspend it; still it is seen that somebody tried, or whoever waits for it would wait for ever.
    let patch = json!({"spec": {"suspend": true}});
    let patched = crate::resources::patch(system, &payment.id, patch)
        .await
        .map_err(text)?;
    let generation = json!(patched.metadata.generation);
    let secuencia = &patched.data["status"]["secuencia"];
    seen(system, &payment.id, "seen after the change", |status| {
        let condition = &status["conditions"][0];
        status["observedGeneration"] == generation
            && condition["type"] == "Completed"
            && condition["observedGeneration"] == generation
            && &status["secuencia"] == secuencia
    })
    .await?;
    let found = async |fields: &str| {
        let list = system
            .sagas()
            .list(&ListParams::default().fields(fields))
            .await
            .map_err(text)?;
        let names: Vec<String> = list
            .items
            .into_iter()
            .filter_map(|object| object.metadata.name)
            .collect();
        Ok::<_, String>(names)
    };
    let (one, other) = (payment.id.resource_name(), undone.id.resource_name());
    let of_phase = found("status.phase=Compensated").await?;
    ensure(of_phase.contains(&other) && !of_phase.contains(&one), || {
        format!("Compensated: {of_phase:?}")
    })?;
    let of_client = found(&format!("spec.idCliente={}", system.cliente)).await?;
    ensure(of_client.contains(&other), || format!("of the client: {of_client:?}"))?;
    let of_nobody = found("spec.idCliente=nadie").await?;
    ensure(of_nobody.is_empty(), || format!("of nobody: {of_nobody:?}"))
}
