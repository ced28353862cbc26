//! What Stripe's objects say, in our words. What decides nothing is an unknown outcome.

use seedwork::{Fault, IdCorrelacion, Reason};

use super::importe;
use super::juicio::declive;
use super::wire::{Devolucion, Intento, Ligado, METADATA_CLAVE, METADATA_ID};
use crate::adapters::pasarela::Respuesta;
use crate::domain::conciliacion::{Cuenta, Partida};
use crate::domain::{Cobro, IdAutorizacion, IdCargo, IdReembolso};

/// The payment whose identity an intent carries.
pub(super) fn identidad(intento: &Intento) -> Option<IdCorrelacion> {
    IdCorrelacion::parse(intento.metadata.get(METADATA_ID)?.as_str()).ok()
}

/// Whether an intent is of this payment.
pub(super) fn es_de(intento: &Intento, id: &IdCorrelacion) -> bool {
    intento
        .metadata
        .get(METADATA_ID)
        .is_some_and(|known| known == id.as_str())
}

fn incierto<T>(status: &str) -> Respuesta<T> {
    let mensaje = format!("El pago está en estado {status} en Stripe");
    Respuesta::Incierto(Reason::new("EstadoIndefinido", mensaje))
}

/// What cannot be read.
pub(super) fn ilegible<T>() -> Respuesta<T> {
    Respuesta::Incierto(Reason::new(
        "RespuestaIlegible",
        "La pasarela contestó algo que no se puede leer",
    ))
}

/// Whether an intent is a promise.
pub(super) fn leer_promesa(intento: &Intento) -> Respuesta<IdAutorizacion> {
    match intento.status.as_str() {
        // Also one whose money was taken since: the promise was made.
        "requires_capture" | "succeeded" => {
            IdAutorizacion::parse(intento.id.as_str()).map_or_else(|_| ilegible(), Respuesta::Hecho)
        }
        "requires_payment_method" => {
            Respuesta::Rechazado(declive(&intento.last_payment_error.clone().unwrap_or_default()))
        }
        "canceled" => Respuesta::Rechazado(anulada()),
        status => incierto(status),
    }
}

/// What was taken from an intent.
pub(super) fn leer_cobro(intento: &Intento, autorizacion: &IdAutorizacion) -> Respuesta<Cobro> {
    match intento.status.as_str() {
        "succeeded" => {
            let dinero = importe::desde(intento.amount_received, &intento.currency);
            let cargo = intento
                .latest_charge
                .as_ref()
                .map(Ligado::id)
                .and_then(|id| IdCargo::parse(id).ok());
            match (dinero, cargo) {
                (Some(dinero), Some(cargo)) => Respuesta::Hecho(Cobro {
                    autorizacion: autorizacion.clone(),
                    cargo,
                    dinero,
                }),
                (None, _) | (_, None) => ilegible(),
            }
        }
        "canceled" => Respuesta::Rechazado(anulada()),
        status => incierto(status),
    }
}

/// Whether an intent was given back.
pub(super) fn leer_anulacion(intento: &Intento) -> Respuesta<()> {
    match intento.status.as_str() {
        "canceled" => Respuesta::Hecho(()),
        "succeeded" => Respuesta::Rechazado(Reason::new("AutorizacionCapturada", "El dinero ya se cobró en Stripe")),
        status => incierto(status),
    }
}

/// Whether a refund was made.
pub(super) fn leer_devolucion(devolucion: &Devolucion) -> Respuesta<IdReembolso> {
    match devolucion.status.as_deref() {
        _ if es_hecha(devolucion) => {
            IdReembolso::parse(devolucion.id.as_str()).map_or_else(|_| ilegible(), Respuesta::Hecho)
        }
        Some("failed" | "canceled") => {
            Respuesta::Rechazado(Reason::new("ReembolsoImposible", "Stripe no pudo devolver el dinero"))
        }
        Some(_) | None => incierto(devolucion.status.as_deref().unwrap_or("desconocido")),
    }
}

/// What the refunds of a charge say of ours, which was to give back `monto`, all that was taken. `None`: nothing.
pub(super) fn leer_devoluciones(made: &[Devolucion], clave: &str, monto: i64) -> Option<Respuesta<IdReembolso>> {
    let ours = |devolucion: &&Devolucion| {
        let metadata = devolucion.metadata.as_ref();
        metadata
            .and_then(|metadata| metadata.get(METADATA_CLAVE))
            .is_some_and(|known| known == clave)
    };
    if let Some(ours) = made.iter().find(ours) {
        return Some(leer_devolucion(ours));
    }
    // By hand, and all of it: ours can no longer be done, and the client has the money.
    let by_hand = || made.iter().filter(|devolucion| es_hecha(devolucion));
    let devuelto = by_hand().fold(0, |sum: i64, devolucion| sum.saturating_add(devolucion.amount));
    by_hand().next_back().filter(|_| devuelto >= monto).map(leer_devolucion)
}

/// Pending: accepted, and on its way. One that fails later comes as a webhook.
fn es_hecha(devolucion: &Devolucion) -> bool {
    matches!(devolucion.status.as_deref(), Some("succeeded" | "pending"))
}

fn anulada() -> Reason {
    Reason::new("AutorizacionAnulada", "La autorización ya no vale en Stripe")
}

/// What an intent says about the money of its payment.
pub(super) fn cuenta(intento: &Intento) -> Result<Cuenta, Fault> {
    let strange = || {
        Fault::bug(
            "failed to read a payment intent",
            format!("{} holds a strange amount", intento.id),
        )
    };
    let referencia = intento.metadata.get(METADATA_ID).cloned().unwrap_or_default();
    let mut cuenta = Cuenta::vacia(referencia, intento.created.saturating_mul(1_000));
    match intento.status.as_str() {
        "requires_capture" => cuenta.promesas_abiertas = 1,
        "succeeded" => {
            let (minor, moneda) = importe::minor(intento.amount_received, &intento.currency).ok_or_else(strange)?;
            let id = intento.latest_charge.as_ref().map_or(intento.id.as_str(), Ligado::id);
            cuenta.cargos.push(Partida::new(id, minor, moneda));
            if let Some(Ligado::Cargo(cargo)) = &intento.latest_charge {
                let (devuelto, _) = importe::minor(cargo.amount_refunded, &intento.currency).ok_or_else(strange)?;
                cuenta.devuelto = devuelto;
                cuenta.contracargada = cargo.disputed;
            }
        }
        // Declined, given back, or not decided: no money.
        _ => {}
    }
    Ok(cuenta)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::adapters::pasarela::stripe::wire::Lista;

    #[test]
    fn a_refund_without_metadata_hides_ours_from_nobody() {
        for by_hand in [
            json!({"id": "re_1", "amount": 2_400, "status": "succeeded", "metadata": null}),
            json!({"id": "re_1", "amount": 2_400, "status": "succeeded"}),
        ] {
            let ours = json!({"id": "re_2", "amount": 2_400, "status": "succeeded", "metadata": {"clave": "k"}});
            let made = json!({"data": [by_hand, ours], "has_more": false});
            let made: Lista<Devolucion> = serde_json::from_value(made).unwrap();
            let found = leer_devoluciones(&made.data, "k", 2_400);
            assert!(
                matches!(&found, Some(Respuesta::Hecho(id)) if id.as_str() == "re_2"),
                "{found:?}"
            );
        }
    }
}
