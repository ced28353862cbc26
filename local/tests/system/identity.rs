//! One identity is one payment: asked for at any door, applied again, asked for twice, asked for differently.

use kube::api::DynamicObject;
use local::world::accepted;
use seedwork::contrato::App;
use seedwork::{IdCorrelacion, SolicitudPago};
use serde_json::{Value, json};

use crate::resources::{annotate, apply, delete, ends, factura, gone, pay, phase, row, saldo, spec, warning};
use crate::system::{Outcome, System, all_end_well, ensure, eventually, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "a payment that has left and is applied again is the payment it was",
            applied_again
        ),
        check!(
            "another payment under a used name is refused in sight, and deleting it undoes nothing",
            used_name
        ),
        check!(
            "another request under a used key is refused at the door that can know",
            used_key
        ),
        check!(
            "another request under a used key is refused by the operator and shown by its door",
            refused_key
        ),
        check!(
            "the doors of gestion-clientes start a payment and hear of its end",
            doors
        ),
    ]
}

async fn applied_again(system: &mut System) -> Outcome {
    let payment = pay(system, "otra-vez", "24.00").await?;
    let id = &payment.id;
    let first = phase(system, id, "Completed").await?;
    let expected = life(&first);
    gone(system, id).await?;
    for suspended in [false, true] {
        let mut same = spec(system, "24.00");
        same["suspend"] = json!(suspended);
        apply(system, id, &same).await?;
        let again = phase(system, id, "Completed").await?;
        ensure(again.metadata.uid != first.metadata.uid, || {
            "it had not left".to_owned()
        })?;
        ensure(life(&again) == expected, || {
            format!("it was {expected} and is {}", life(&again))
        })?;
        gone(system, id).await?;
    }
    let saldo = saldo(system, id).await?;
    ensure(saldo.capturas == 1 && saldo.autorizaciones == 1, || {
        format!("the ledger has {saldo:?}")
    })?;
    all_end_well(system, &[payment]).await
}

/// The status without what belongs to the resource rather than to the payment.
fn life(object: &DynamicObject) -> Value {
    let mut status = object.data["status"].clone();
    if let Some(status) = status.as_object_mut() {
        status.remove("conditions");
        status.remove("observedGeneration");
    }
    status
}

async fn used_name(system: &mut System) -> Outcome {
    let payment = pay(system, "nombre-usado", "24.00").await?;
    let id = &payment.id;
    phase(system, id, "Completed").await?;
    gone(system, id).await?;
    // In every way that a person may try to make it run.
    for (times, extra) in [json!({}), json!({"suspend": true}), json!({"cancel": true})]
        .into_iter()
        .enumerate()
    {
        let mut other = spec(system, "30.00");
        if let (Some(other), Value::Object(extra)) = (other.as_object_mut(), extra) {
            other.extend(extra);
        }
        let refused = apply(system, id, &other).await?;
        warning(system, &refused, "IdentidadUsada").await?;
        annotate(system, id, "example.com/touched", &times.to_string()).await?;
        delete(system, id).await?;
        gone(system, id).await?;
        factura(system, id, "CONFIRMADO").await?;
    }
    ends(system, id, "Completed", None).await?;
    all_end_well(system, &[payment]).await
}

async fn used_key(system: &mut System) -> Outcome {
    let key = "una-clave";
    let id = SolicitudPago::keyed_id(system.cliente.as_str(), key);
    apply(system, &id, &spec(system, "24.00")).await?;
    ends(system, &id, "Completed", None).await?;
    // The BFF knows the payment, and gestion-clientes its invoice.
    let answer = system.world.pagar_with_key(&system.cliente, "30.00", key).await;
    let refused = answer.err().map(|error| error.to_string()).unwrap_or_default();
    ensure(refused.contains("IDEMPOTENCY_KEY_REUSED"), || {
        format!("the BFF takes another request under the key: {refused}")
    })?;
    let (status, answer) = post(system, "30.00", key).await?;
    ensure(status == 422, || {
        format!("gestion-clientes takes another request under the key: {status} {answer}")
    })?;
    // The same request is the same payment at both doors.
    let same = system
        .world
        .pagar_with_key(&system.cliente, "24.00", key)
        .await
        .map_err(text)?;
    let (status, answer) = post(system, "24.00", key).await?;
    ensure(same.id == id && status == 200 && answer["id"] == id.as_str(), || {
        format!("{} and {answer}", same.id)
    })?;
    let request = "SELECT estado FROM solicitudes WHERE id_correlacion = $1";
    row(system, App::Bff, request, &id, "cerrada").await?;
    row(system, App::GestionClientes, request, &id, "cerrada").await?;
    all_end_well(system, &[same]).await
}

async fn post(system: &System, monto: &str, key: &str) -> Outcome<(u16, Value)> {
    let path = "/facturacion/realizar-pago";
    let monto: Value = serde_json::from_str(monto).map_err(text)?;
    let body = json!({"medioPago": "TarjetaCredito", "idCliente": system.cliente, "monto": monto});
    system.post(App::GestionClientes, path, &body, Some(key)).await
}

async fn refused_key(system: &mut System) -> Outcome {
    // Suspended before its first step: gestion-clientes has heard of nothing.
    let key = "clave-suspendida";
    let id = SolicitudPago::keyed_id(system.cliente.as_str(), key);
    let mut first = spec(system, "24.00");
    first["suspend"] = json!(true);
    apply(system, &id, &first).await?;
    let (status, answer) = post(system, "30.00", key).await?;
    ensure(status == 200, || format!("gestion-clientes answers {status} {answer}"))?;
    shown_refused(system, &id).await?;
    crate::resources::patch(system, &id, json!({"spec": {"suspend": false}}))
        .await
        .map_err(text)?;
    let payment = accepted(id, system.cliente.clone(), "24.00").map_err(text)?;
    all_end_well(system, &[payment]).await?;

    // A resource that is no payment occupies the name: the BFF has heard of nothing.
    let key = "clave-ocupada";
    let id = SolicitudPago::keyed_id(system.cliente.as_str(), key);
    apply(system, &id, &crate::malformed::impossible(system)).await?;
    let asked = system
        .world
        .pagar_with_key(&system.cliente, "30.00", key)
        .await
        .map_err(text)?;
    ensure(asked.id == id, || format!("the key stands for {}", asked.id))?;
    ends(system, &id, "Rechazado", Some("IdentidadUsada")).await?;
    delete(system, &id).await?;
    gone(system, &id).await?;
    let saldo = saldo(system, &id).await?;
    ensure(saldo.autorizaciones == 0, || format!("the ledger has {saldo:?}"))
}

async fn shown_refused(system: &System, id: &IdCorrelacion) -> Outcome {
    let path = format!("/facturacion/{id}");
    eventually("gestion-clientes to show the refusal", async || {
        let (_, shown) = system.get(App::GestionClientes, &path).await?;
        let refused = shown["estado"] == "RECHAZADO" && shown["motivo"] == "IdentidadUsada";
        ensure(refused, || format!("it shows {shown}"))
    })
    .await
}

async fn doors(system: &mut System) -> Outcome {
    for path in ["/facturacion/realizar-pago", "/facturacion/realizar-pago-comando"] {
        let url = system.world.url(App::GestionClientes, path);
        let body = json!({"medioPago": "TarjetaCredito", "idCliente": system.cliente, "monto": 24.5});
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
            let own = answer["monto"] == 24.5 && answer["medioPago"] == "TarjetaCredito";
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
