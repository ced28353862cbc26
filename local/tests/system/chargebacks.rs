//! The client's bank takes the money back: of a running payment, of a completed one, of one that has left.

use checker::Accepted;
use kube::api::DynamicObject;
use seedwork::IdCorrelacion;
use seedwork::contrato::App;
use serde_json::{Value, json};

use crate::resources::{ends, factura, gone, phase, row, saldo, step, warning};
use crate::system::{Outcome, System, ensure, text};
use crate::{Check, check};

pub(crate) fn checks() -> Vec<Check> {
    vec![
        check!(
            "a chargeback reverses a completed payment, once, and one that names none reverses nothing",
            completed
        ),
        check!(
            "a chargeback reverses a payment that is still running, and nothing is refunded too",
            running
        ),
        check!(
            "a chargeback makes the resource of an archived payment again and reverses it",
            archived
        ),
    ]
}

const CLOSED: &str = "SELECT CASE atendido WHEN 1 THEN 'closed' ELSE 'open' END FROM contracargos WHERE id = $1";

/// Posts the gateway's webhook.
async fn webhook(system: &System, body: &Value) -> Outcome<(u16, Value)> {
    let path = "/pagos/simular-evento-de-compensacion";
    system.post(App::IntegracionPagos, path, body, None).await
}

/// The bank takes the money of a payment back, and the gateway says so.
async fn charge_back(system: &System, id: &IdCorrelacion) -> Outcome {
    let (_, known) = system
        .world
        .get(&system.world.pasarela(&format!("/referencias/{id}")))
        .await
        .map_err(text)?;
    let cargo = known["cargos"][0]["id"]
        .as_str()
        .ok_or_else(|| format!("nothing was captured: {known}"))?;
    let url = system.world.pasarela("/contracargos");
    let key = format!("contracargo-{id}");
    let (status, answer) = system
        .world
        .post(&url, &json!({ "cargo": cargo }), Some(&key))
        .await
        .map_err(text)?;
    ensure(status == 201, || format!("the gateway answers {status} {answer}"))?;
    let (status, answer) = webhook(system, &json!({"idCorrelacion": id, "motivo": "Fraude"})).await?;
    ensure(
        status == 200 && answer["mensaje"] == "Evento de compensación emitido",
        || format!("{status} {answer}"),
    )
}

/// Reversed, told, acknowledged; and the money went once: with the bank.
async fn reversed(system: &System, payment: &Accepted, resource: &DynamicObject) -> Outcome {
    let id = &payment.id;
    ends(system, id, "Compensated", Some("Contracargo")).await?;
    factura(system, id, "CANCELADO").await?;
    row(system, App::IntegracionPagos, CLOSED, id, "closed").await?;
    warning(system, resource, "Contracargo").await?;
    let saldo = saldo(system, id).await?;
    let once = saldo.capturas == 1 && saldo.contracargado == payment.minor && saldo.reembolsado == 0;
    ensure(once, || format!("the ledger has {saldo:?}"))?;
    let (_, pago) = system.get(App::IntegracionPagos, &format!("/pagos/{id}")).await?;
    let shown = pago["estado"] == "CONTRACARGADO" && pago["contracargo"] == "Fraude" && pago["discrepancia"].is_null();
    ensure(shown, || format!("the payment is shown as {pago}"))?;
    let told = system.world.notificaciones(id).await.map_err(text)?;
    ensure(told.contains(&"ALERTA-REVERSION".to_owned()), || {
        format!("the client was told {told:?}")
    })
}

async fn completed(system: &mut System) -> Outcome {
    let other = system.pagar("24.00").await?;
    let payment = system.pagar("24.00").await?;
    let id = &payment.id;
    phase(system, &other.id, "Completed").await?;
    let before = phase(system, id, "Completed").await?;
    for nameless in [json!({}), json!({"motivo": "Fraude"})] {
        let (status, answer) = webhook(system, &nameless).await?;
        ensure(status == 200, || {
            format!("a chargeback without a payment is answered {status} {answer}")
        })?;
    }
    charge_back(system, id).await?;
    let after = phase(system, id, "Compensated").await?;
    ensure(before.metadata.uid == after.metadata.uid, || {
        "the resource was made again".to_owned()
    })?;
    reversed(system, &payment, &after).await?;
    // The same again changes nothing.
    charge_back(system, id).await?;
    ends(system, id, "Compensated", Some("Contracargo")).await?;
    ends(system, &other.id, "Completed", None).await?;
    factura(system, &other.id, "CONFIRMADO").await?;
    let (_, unknown) = webhook(system, &json!({"idCorrelacion": "no-hay-tal-pago"})).await?;
    ensure(unknown["status"] == 404, || {
        format!("a chargeback on no payment is answered {unknown}")
    })
}

async fn running(system: &mut System) -> Outcome {
    // The message provider takes its time with this address: the money is taken, the payment is at its last step.
    let lento = system
        .world
        .cliente("Leo", "lento@example.com", "lento")
        .await
        .map_err(text)?;
    let payment = system.world.pagar(&lento, "24.00").await.map_err(text)?;
    let id = &payment.id;
    let before = step(system, id, 4, "Issued").await?;
    ensure(before.data["status"]["phase"] == "Running", || {
        format!("it is {}", before.data["status"])
    })?;
    charge_back(system, id).await?;
    reversed(system, &payment, &before).await
}

async fn archived(system: &mut System) -> Outcome {
    let payment = system.pagar("24.00").await?;
    let id = &payment.id;
    let before = phase(system, id, "Completed").await?;
    gone(system, id).await?;
    charge_back(system, id).await?;
    let after = phase(system, id, "Compensated").await?;
    ensure(before.metadata.uid != after.metadata.uid, || {
        "the resource had not left".to_owned()
    })?;
    let started = |object: &DynamicObject| object.data["status"]["startTime"].clone();
    ensure(started(&before) == started(&after), || {
        format!("it began {} and {}", started(&before), started(&after))
    })?;
    reversed(system, &payment, &after).await?;
    gone(system, id).await?;
    // What the archive holds now is the second end.
    crate::resources::apply(system, id, &crate::resources::spec(system, "24.00")).await?;
    let restored = phase(system, id, "Compensated").await?;
    let reason = &restored.data["status"]["reason"];
    ensure(reason == "Contracargo", || format!("the archive says {reason}"))
}
