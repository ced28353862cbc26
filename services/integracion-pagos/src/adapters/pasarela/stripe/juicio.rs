//! What an answer of Stripe's that is not 2xx means.
//!
//! A refusal must be definite: not done, and never to be done under this key. So it is a list of what is allowed, and
//! everything else is an unknown outcome. Two kinds of answer never change under their key and are looked into: a 5xx
//! that Stripe has stored and replays, and an intent whose state ruled the call out.

use seedwork::{Declive, Reason};

use super::wire::Detalle;
use crate::domain::Operacion;

/// What to make of an answer that is not 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Veredicto {
    /// Definitely not done, and this call will never do it.
    Rechazado(Reason),
    /// Nobody knows; the same call again, under the same key, finds out.
    Incierto(Reason),
    /// The same call again would say the same: look at what Stripe holds. What is found there is proof, what is not
    /// is none.
    Mirar(Reason),
}

/// Parameters whose refusal is about the payment, not about a state that may change.
const DE_LA_SOLICITUD: [&str; 5] = [
    "amount",
    "currency",
    "payment_method",
    "payment_method_types",
    "customer",
];

/// Judges. `repetida` says that Stripe replayed the stored answer of an earlier call.
pub(super) fn juzgar(operacion: Operacion, status: u16, detalle: &Detalle, repetida: bool) -> Veredicto {
    let code = detalle.code();
    let desconocido = || Reason::new(nombre_del_error(status, code), mensaje(status, detalle));
    match (status, detalle.tipo.as_str()) {
        (402, "card_error") => Veredicto::Rechazado(declive(detalle)),
        (400, "invalid_request_error") => match codigo_definido(operacion, detalle) {
            Some(codigo) => Veredicto::Rechazado(Reason::new(codigo, mensaje(status, detalle))),
            None if ["payment_intent_unexpected_state", "charge_already_refunded"].contains(&code) => {
                Veredicto::Mirar(desconocido())
            }
            None => Veredicto::Incierto(desconocido()),
        },
        // The first call had another body (the means of payment was changed in between): it was made, or is being.
        (400, "idempotency_error") if operacion == Operacion::Autorizar => Veredicto::Mirar(desconocido()),
        (500.., _) if repetida => Veredicto::Mirar(desconocido()),
        _ => Veredicto::Incierto(desconocido()),
    }
}

/// Our name for a 400 that is a definite refusal of this call.
fn codigo_definido(operacion: Operacion, detalle: &Detalle) -> Option<&'static str> {
    let (code, param) = (detalle.code(), detalle.param());
    match operacion {
        Operacion::Autorizar => {
            let about_it = DE_LA_SOLICITUD
                .iter()
                .any(|known| param == *known || param.strip_prefix(known).is_some_and(|rest| rest.starts_with('[')));
            about_it.then_some("SolicitudInvalida")
        }
        Operacion::Capturar => match code {
            "charge_expired_for_capture" => Some("AutorizacionVencida"),
            "amount_too_large" => Some("CapturaExcedida"),
            _ => None,
        },
        Operacion::Anular => None,
        Operacion::Reembolsar => match code {
            // By us or by hand: the refunds say.
            "charge_already_refunded" => None,
            "charge_disputed" | "refund_disputed_payment" => Some("ReembolsoImposible"),
            _ if param == "amount" => Some("ReembolsoExcedido"),
            _ => None,
        },
    }
}

/// A decline of the bank's in our words.
pub(super) fn declive(detalle: &Detalle) -> Reason {
    let codigo = match (detalle.decline_code.as_deref().unwrap_or_default(), detalle.code()) {
        ("insufficient_funds", _) => "FondosInsuficientes",
        ("lost_card" | "stolen_card" | "pickup_card", _) => "TarjetaRobada",
        (_, "expired_card") | ("expired_card", _) => "TarjetaVencida",
        (_, "authentication_required") | ("authentication_required", _) => "AutenticacionRequerida",
        _ => "TarjetaRechazada",
    };
    Reason::new(codigo, mensaje(402, detalle)).with_declive(clase(detalle, codigo))
}

/// Whether it may be tried again: Stripe's advice, where there is one; else what its code can only mean.
fn clase(detalle: &Detalle, codigo: &str) -> Option<Declive> {
    match detalle.advice_code.as_deref().unwrap_or_default() {
        "try_again_later" => Some(Declive::Suave),
        // The client has to do something first: the same again would be declined again.
        "do_not_try_again" | "confirm_card_data" => Some(Declive::Duro),
        _ => match codigo {
            "FondosInsuficientes" => Some(Declive::Suave),
            "TarjetaRobada" | "TarjetaVencida" | "AutenticacionRequerida" => Some(Declive::Duro),
            _ => None,
        },
    }
}

/// Our name for an answer that decides nothing.
fn nombre_del_error(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (_, "idempotency_key_in_use" | "lock_timeout") | (409, _) => "ClaveEnCurso",
        (401 | 403, _) => "PasarelaSinPermiso",
        (429, _) => "PasarelaSaturada",
        (400, _) => "SolicitudNoEntendida",
        _ => "PasarelaNoDisponible",
    }
}

fn mensaje(status: u16, detalle: &Detalle) -> String {
    match &detalle.message {
        Some(message) if !message.is_empty() => message.clone(),
        Some(_) | None => format!("La pasarela contestó con el código {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detalle(tipo: &str, code: &str, param: &str) -> Detalle {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Detalle {
            tipo: tipo.to_owned(),
            code: some(code),
            param: some(param),
            ..Detalle::default()
        }
    }

    const INVALID: &str = "invalid_request_error";

    #[test]
    fn only_what_is_known_to_be_definite_is_a_refusal() {
        use Operacion::{Anular, Autorizar, Capturar, Reembolsar};
        for (operacion, status, tipo, code, param, codigo) in [
            (Autorizar, 402, "card_error", "card_declined", "", "TarjetaRechazada"),
            (Capturar, 402, "card_error", "card_declined", "", "TarjetaRechazada"),
            (
                Autorizar,
                400,
                INVALID,
                "amount_too_small",
                "amount",
                "SolicitudInvalida",
            ),
            (
                Autorizar,
                400,
                INVALID,
                "resource_missing",
                "payment_method",
                "SolicitudInvalida",
            ),
            (
                Autorizar,
                400,
                INVALID,
                "",
                "payment_method_types[0]",
                "SolicitudInvalida",
            ),
            (
                Capturar,
                400,
                INVALID,
                "amount_too_large",
                "amount_to_capture",
                "CapturaExcedida",
            ),
            (
                Capturar,
                400,
                INVALID,
                "charge_expired_for_capture",
                "",
                "AutorizacionVencida",
            ),
            (Reembolsar, 400, INVALID, "", "amount", "ReembolsoExcedido"),
            (
                Reembolsar,
                400,
                INVALID,
                "refund_disputed_payment",
                "",
                "ReembolsoImposible",
            ),
        ] {
            let verdict = juzgar(operacion, status, &detalle(tipo, code, param), false);
            assert!(
                matches!(&verdict, Veredicto::Rechazado(reason) if reason.motivo == codigo),
                "{operacion} {status} {code} {param}: {verdict:?}"
            );
        }
        for operacion in Operacion::ALL {
            for (status, tipo, code) in [
                (400, INVALID, ""),
                (400, INVALID, "parameter_unknown"),
                (401, INVALID, ""),
                (403, INVALID, "amount_too_large"),
                (404, INVALID, "resource_missing"),
                (409, "idempotency_error", "idempotency_key_in_use"),
                (409, INVALID, "lock_timeout"),
                (429, INVALID, "lock_timeout"),
                (429, INVALID, "rate_limit"),
                (500, "api_error", ""),
                (503, "card_error", "card_declined"),
                (402, INVALID, ""),
                (302, "card_error", ""),
            ] {
                let verdict = juzgar(operacion, status, &detalle(tipo, code, ""), false);
                assert!(
                    matches!(verdict, Veredicto::Incierto(_)),
                    "{operacion} {status} {code}: {verdict:?}"
                );
            }
        }
        let changed = detalle("idempotency_error", "", "amount");
        assert!(matches!(juzgar(Anular, 400, &changed, false), Veredicto::Incierto(_)));
        assert!(matches!(
            juzgar(Reembolsar, 400, &changed, false),
            Veredicto::Incierto(_)
        ));
    }

    #[test]
    fn an_answer_that_a_repeat_would_not_change_is_looked_into() {
        let error = detalle("api_error", "", "");
        let state = detalle(INVALID, "payment_intent_unexpected_state", "");
        for operacion in Operacion::ALL {
            assert!(
                matches!(juzgar(operacion, 500, &error, true), Veredicto::Mirar(_)),
                "{operacion}"
            );
            assert!(
                matches!(juzgar(operacion, 400, &state, false), Veredicto::Mirar(_)),
                "{operacion}"
            );
        }
        for (operacion, detalle) in [
            (Operacion::Autorizar, detalle("idempotency_error", "", "")),
            (
                Operacion::Reembolsar,
                detalle(INVALID, "charge_already_refunded", "amount"),
            ),
        ] {
            let verdict = juzgar(operacion, 400, &detalle, false);
            assert!(matches!(verdict, Veredicto::Mirar(_)), "{operacion}: {verdict:?}");
        }
    }

    #[test]
    fn a_decline_keeps_its_reason() {
        for (decline_code, codigo) in [
            ("insufficient_funds", "FondosInsuficientes"),
            ("stolen_card", "TarjetaRobada"),
            ("lost_card", "TarjetaRobada"),
            ("generic_decline", "TarjetaRechazada"),
            ("authentication_required", "AutenticacionRequerida"),
        ] {
            let declined = Detalle {
                decline_code: Some(decline_code.to_owned()),
                ..detalle("card_error", "card_declined", "")
            };
            assert_eq!(declive(&declined).motivo, codigo);
        }
        assert_eq!(
            declive(&detalle("card_error", "expired_card", "")).motivo,
            "TarjetaVencida"
        );
    }

    #[test]
    fn the_advice_says_whether_a_decline_may_be_tried_again() {
        use Declive::{Duro, Suave};
        for (decline_code, advice_code, clase) in [
            ("generic_decline", "try_again_later", Some(Suave)),
            ("generic_decline", "do_not_try_again", Some(Duro)),
            ("generic_decline", "confirm_card_data", Some(Duro)),
            ("generic_decline", "", None),
            ("generic_decline", "something_new", None),
            ("insufficient_funds", "", Some(Suave)),
            ("insufficient_funds", "do_not_try_again", Some(Duro)),
            ("stolen_card", "", Some(Duro)),
        ] {
            let declined = Detalle {
                decline_code: Some(decline_code.to_owned()),
                advice_code: Some(advice_code.to_owned()),
                ..detalle("card_error", "card_declined", "")
            };
            assert_eq!(declive(&declined).declive, clase, "{decline_code} {advice_code}");
        }
    }
}
