//! The doors, each asked once.

use checker::{Answer, Door};
use kube::api::{DynamicObject, PostParams};
use seedwork::{App, IdCorrelacion, SolicitudPago};
use serde_json::{Value, json};

use super::{Deed, Load, Order};

/// Asks once. Whatever is not definite is [`Answer::Lost`].
pub(super) async fn ask(load: &Load, order: &Order, door: Door, solicitud: &SolicitudPago) -> Answer {
    match door {
        Door::Bff => bff(load, order, solicitud).await,
        Door::GestionClientes => gestion_clientes(load, order, solicitud).await,
        Door::Kubernetes => kubernetes(load, order, solicitud).await,
    }
}

/// An amount as a JSON number, every digit as it is.
fn amount(solicitud: &SolicitudPago) -> Value {
    serde_json::from_str(&solicitud.dinero.monto()).unwrap_or(Value::Null)
}

async fn bff(load: &Load, order: &Order, solicitud: &SolicitudPago) -> Answer {
    let query = "mutation($pago: RealizarPagoInput!) { realizarPago(pago: $pago) { mensaje codigo idCorrelacion } }";
    let pago =
        json!({"medioPago": solicitud.medio_pago, "idCliente": solicitud.id_cliente, "monto": amount(solicitud)});
    let body = json!({"query": query, "variables": {"pago": pago}});
    let url = load.world.url(App::Bff, "/v1");
    let Ok((status, answer)) = load.world.post(&url, &body, Some(&order.key)).await else {
        return Answer::Lost;
    };
    if let Some(id) = answer["data"]["realizarPago"]["idCorrelacion"].as_str() {
        return accepted(id);
    }
    let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
    match code {
        "BAD_USER_INPUT" | "FORBIDDEN" | "IDEMPOTENCY_KEY_REUSED" => Answer::Refused(answer.to_string()),
        _ => no(status, &answer),
    }
}

async fn gestion_clientes(load: &Load, order: &Order, solicitud: &SolicitudPago) -> Answer {
    let body =
        json!({"medioPago": solicitud.medio_pago, "idCliente": solicitud.id_cliente, "monto": amount(solicitud)});
    let path = if order.comando {
        "/facturacion/realizar-pago-comando"
    } else {
        "/facturacion/realizar-pago"
    };
    let url = load.world.url(App::GestionClientes, path);
    let request = load.world.http().post(&url).header("idempotency-key", &order.key);
    let request = request
        .header("content-type", "application/json")
        .body(body.to_string());
    let Ok(response) = request.send().await else {
        return Answer::Lost;
    };
    let status = response.status().as_u16();
    let header = response.headers().get("x-correlation-id").cloned();
    // Another request under this key is being answered: not now is not no.
    if response.headers().contains_key("retry-after") {
        return Answer::Lost;
    }
    let Ok(content) = response.text().await else {
        return Answer::Lost;
    };
    let answer: Value = serde_json::from_str(&content).unwrap_or(Value::String(content));
    match (
        status,
        header.as_ref().and_then(|id| id.to_str().ok()),
        answer["id"].as_str(),
    ) {
        (202, Some(id), _) | (200, _, Some(id)) => accepted(id),
        _ => no(status, &answer),
    }
}

/// As `kubectl apply` of a file: a second time it is there already.
async fn kubernetes(load: &Load, order: &Order, solicitud: &SolicitudPago) -> Answer {
    let object = json!({
        "apiVersion": "pagos.saludtech.dev/v1alpha1",
        "kind": "PaymentSaga",
        "metadata": {"name": order.id.resource_name()},
        "spec": {
            "idCliente": solicitud.id_cliente,
            "medioPago": solicitud.medio_pago,
            "monto": solicitud.dinero.monto(),
            "moneda": solicitud.dinero.moneda(),
            "suspend": order.deed == Deed::Hold,
        },
    });
    let Ok(object) = serde_json::from_value::<DynamicObject>(object) else {
        return Answer::Refused("the resource cannot be written down".to_owned());
    };
    match load.sagas.create(&PostParams::default(), &object).await {
        Ok(_) => Answer::Accepted(order.id.clone()),
        Err(kube::Error::Api(refusal)) => match refusal.code {
            409 if refusal.reason == "AlreadyExists" => Answer::Accepted(order.id.clone()),
            400 | 422 => Answer::Refused(refusal.message.clone()),
            _ => Answer::Lost,
        },
        Err(_) => Answer::Lost,
    }
}

fn accepted(id: &str) -> Answer {
    match IdCorrelacion::parse(id) {
        Ok(id) => Answer::Accepted(id),
        Err(error) => Answer::Refused(format!("the answer's idCorrelacion {id} {error}")),
    }
}

fn no(status: u16, answer: &Value) -> Answer {
    match status {
        400..=428 | 430..=499 => Answer::Refused(format!("{status} {answer}")),
        _ => Answer::Lost,
    }
}
