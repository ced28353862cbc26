//! The resource at the API server's own hands: its rules, its conditions and fields, what the operator may not do; and
//! what slips past the rules.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use seedwork::contrato::App;
use serde_json::{Value, json};

use crate::resources::{
    apply, ends, factura, gone, id, pay, phase, refusal, resource, row, saga_resource, saldo, seen, spec, warning,
};
use crate::system::{NAMESPACE, Outcome, System, all_end_well, ensure, eventually, text};
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
        check!(
            "a resource that cannot be followed or read stops nobody else",
            malformed
        ),
        check!(
            "the doors of gestion-clientes start a payment and hear of its end",
            doors
        ),
        check!("the operator may do what its Role says and nothing else", role),
        check!("kubectl wait and field selectors work on payments", conditions),
    ]
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
    let patch = json!({"spec": {"politica": {"stallAfterSeconds": 1}}});
    let said = refusal("politica", crate::resources::patch(system, &payment.id, patch).await)?;
    ensure(said.contains("politica is fixed once the payment has started"), || said)?;
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

async fn malformed(system: &mut System) -> Outcome {
    let counted = async || {
        let (_, page) = system
            .world
            .get(&system.world.url(App::Operator, "/metrics"))
            .await
            .map_err(text)?;
        let page = page.as_str().unwrap_or_default().to_owned();
        Ok::<_, String>(
            page.lines()
                .any(|line| line.starts_with("operator_resources_left_alone_total")),
        )
    };
    let out_of_order = id("sin-orden")?;
    let impossible = apply(system, &out_of_order, &impossible(system)).await?;
    let note = warning(system, &impossible, "EspecificacionInvalida").await?;
    ensure(note.contains("pasos[0] must be CrearFacturacion"), || {
        format!("the event says {note}")
    })?;
    ensure(counted().await?, || "the operator's metrics don't count it".to_owned())?;
    let payment = system.pagar("24.00").await?;
    all_end_well(system, &[payment]).await?;

    let unreadable = id("ilegible")?;
    let mut spec = spec(system, "24.00");
    spec["medioPago"] = json!("Trueque");
    let made = relaxed(system, &resource(&unreadable.resource_name(), &spec)?).await;
    let made = made.map_err(|error| format!("the rules cannot be relaxed for a moment: {error}"))?;
    warning(system, &made, "EspecificacionInvalida").await?;
    let payment = system.pagar("24.00").await?;
    all_end_well(system, &[payment]).await?;
    // An operator that starts while they are all there is starts all the same.
    eventually("everything else to leave the API server", async || {
        let left = system
            .sagas()
            .list(&ListParams::default())
            .await
            .map_err(text)?
            .items
            .len();
        ensure(left == 2, || format!("{left} are there"))
    })
    .await?;
    system.kill("operator")?;
    let payment = system.pagar("24.00").await?;
    all_end_well(system, &[payment]).await?;
    system.until_ready().await?;
    for id in [&out_of_order, &unreadable] {
        system
            .sagas()
            .delete(&id.resource_name(), &Default::default())
            .await
            .map_err(text)?;
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

async fn doors(system: &mut System) -> Outcome {
    for path in ["/facturacion/realizar-pago", "/facturacion/realizar-pago-comando"] {
        let url = system.world.url(App::GestionClientes, path);
        let body = json!({"medioPago": "PSE", "idCliente": system.cliente, "monto": 24.5});
        let response = system
            .world
            .http()
            .post(&url)
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = response.send().await.map_err(text)?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (location, correlation) = (header("location"), header("x-correlation-id"));
        let answer: Value = serde_json::from_str(&response.text().await.map_err(text)?).map_err(text)?;
        let id = if status == 202 {
            ensure(answer == json!({}), || format!("{path} answers {answer}"))?;
            ensure(location == format!("/facturacion/{correlation}"), || {
                format!("Location is {location}")
            })?;
            correlation
        } else {
            let own = answer["monto"] == 24.5 && answer["medioPago"] == "PSE";
            ensure(status == 200 && own, || format!("{path} answers {status} {answer}"))?;
            answer["id"].as_str().unwrap_or_default().to_owned()
        };
        let payment = crate::resources::id(&id)?;
        ends(system, &payment, "Completed", None).await?;
        row(
            system,
            App::GestionClientes,
            "SELECT estado FROM solicitudes WHERE id_correlacion = $1",
            &payment,
            "cerrada",
        )
        .await?;
        factura(system, &payment, "CONFIRMADO").await?;
        let payment = local::world::accepted(payment, system.cliente.clone(), "24.50").map_err(text)?;
        all_end_well(system, &[payment]).await?;
    }
    Ok(())
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
        for type_ in ["Completed", "Compensated", "Ready", "Stalled"] {
            let condition = conditions.iter().find(|condition| condition["type"] == type_);
            let expected = if type_ == holds || type_ == "Ready" {
                "True"
            } else {
                "False"
            };
            let as_expected =
                condition.is_some_and(|found| found["status"] == expected && found["observedGeneration"] == generation);
            ensure(as_expected, || {
                format!("{holds}: {type_} should be {expected}: {conditions:?}")
            })?;
        }
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
