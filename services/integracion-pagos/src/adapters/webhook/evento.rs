//! What Stripe tells, as far as it concerns us.

use seedwork::Moneda;
use serde::Deserialize;

use crate::adapters::pasarela::stripe::importe;
use crate::adapters::pasarela::stripe::wire::{METADATA_CLAVE, METADATA_ID, Metadata};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evento {
    /// Its id: the same event, told again, has the same.
    pub(crate) id: String,
    /// Its type, as Stripe names it.
    pub(crate) tipo: String,
    /// What it tells us.
    pub(crate) noticia: Noticia,
}

/// What an event tells us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Noticia {
    /// The client's bank took money back: so much, in minor units of a currency, where the event says it.
    Contracargo {
        de: Ligas,
        motivo: String,
        monto: Option<(i64, Moneda)>,
    },
    /// A dispute ended in our favour: the money came back.
    ContracargoGanado { de: Ligas },
    /// Money was given back: by us, or by hand.
    Devolucion { de: Ligas, todo: bool },
    /// A refund that was accepted did not arrive: its id, and the key that a refund of ours carries.
    DevolucionFallida {
        de: Ligas,
        reembolso: Option<String>,
        clave: Option<String>,
    },
    /// Not for us.
    Nada,
}

/// How an event names a payment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ligas {
    /// Our own id, which metadata carries.
    pub(crate) id: Option<String>,
    /// The payment intent.
    pub(crate) intento: Option<String>,
    /// The charge.
    pub(crate) cargo: Option<String>,
}

#[derive(Deserialize)]
struct EventoWire {
    id: String,
    #[serde(rename = "type")]
    tipo: String,
    data: DatosWire,
}

#[derive(Deserialize)]
struct DatosWire {
    object: ObjetoWire,
}

/// A dispute, a charge or a refund: what we read of any of them.
#[derive(Deserialize)]
struct ObjetoWire {
    id: Option<String>,
    object: Option<String>,
    charge: Option<LigaWire>,
    payment_intent: Option<LigaWire>,
    #[serde(default)]
    metadata: Option<Metadata>,
    reason: Option<String>,
    status: Option<String>,
    captured: Option<bool>,
    refunded: Option<bool>,
    amount: Option<i64>,
    currency: Option<String>,
}

/// An id, or the object in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum LigaWire {
    Id(String),
    Objeto { id: String },
}

/// The longest reason that is kept, in characters.
const MOTIVO_MAX: usize = 200;

// === impl Evento ===

impl Evento {
    /// Reads an event.
    ///
    /// # Errors
    /// A sentence, when it is none.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let EventoWire {
            id,
            tipo,
            data: DatosWire { object },
        } = serde_json::from_slice(body).map_err(|_| "el cuerpo debe ser un evento de Stripe".to_owned())?;
        if id.is_empty() || id.len() > 255 {
            return Err("id debe tener de 1 a 255 caracteres".to_owned());
        }
        let noticia = object.noticia(&tipo);
        Ok(Self { id, tipo, noticia })
    }
}

// === impl Noticia ===

impl Noticia {
    /// The payment that it is about; `None` when it is not for us.
    pub(crate) fn ligas(&self) -> Option<&Ligas> {
        match self {
            Self::Contracargo { de, .. }
            | Self::ContracargoGanado { de }
            | Self::Devolucion { de, .. }
            | Self::DevolucionFallida { de, .. } => Some(de),
            Self::Nada => None,
        }
    }
}

// === impl ObjetoWire ===

impl ObjetoWire {
    fn noticia(self, tipo: &str) -> Noticia {
        let Self {
            id,
            object,
            charge,
            payment_intent,
            metadata,
            reason,
            status,
            captured,
            refunded,
            amount,
            currency,
        } = self;
        let mut metadata = metadata.unwrap_or_default();
        let clave = metadata.remove(METADATA_CLAVE);
        let charge = charge.map(LigaWire::id);
        let (cargo, reembolso) = match object.as_deref() {
            Some("charge") => (id, None),
            Some("refund") => (charge, id),
            Some(_) | None => (charge, None),
        };
        let de = Ligas {
            id: metadata.remove(METADATA_ID),
            intento: payment_intent.map(LigaWire::id),
            cargo,
        };
        let status = status.unwrap_or_default();
        match tipo {
            // An inquiry: no money has moved, and it may never.
            "charge.dispute.created" if status.starts_with("warning_") || status == "prevented" => Noticia::Nada,
            "charge.dispute.created" | "charge.dispute.funds_withdrawn" => {
                let motivo: String = reason
                    .unwrap_or_default()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(MOTIVO_MAX)
                    .collect();
                let motivo = if motivo.is_empty() {
                    "Disputa en Stripe".to_owned()
                } else {
                    format!("Disputa en Stripe: {motivo}")
                };
                let monto = amount
                    .zip(currency)
                    .and_then(|(amount, currency)| importe::minor(amount, &currency));
                Noticia::Contracargo { de, motivo, monto }
            }
            "charge.dispute.funds_reinstated" => Noticia::ContracargoGanado { de },
            // A promise that was given back: no money has moved.
            "charge.refunded" if captured == Some(false) => Noticia::Nada,
            "charge.refunded" => Noticia::Devolucion {
                de,
                todo: refunded == Some(true),
            },
            "refund.failed" => Noticia::DevolucionFallida { de, reembolso, clave },
            _ => Noticia::Nada,
        }
    }
}

// === impl LigaWire ===

impl LigaWire {
    fn id(self) -> String {
        match self {
            Self::Id(id) | Self::Objeto { id } => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn noticia(tipo: &str, object: &Value) -> Noticia {
        let body = json!({"id": "evt_1", "type": tipo, "object": "event", "data": {"object": object}});
        Evento::parse(body.to_string().as_bytes()).unwrap().noticia
    }

    fn ligas(id: Option<&str>, intento: Option<&str>, cargo: Option<&str>) -> Ligas {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ligas {
            id: owned(id),
            intento: owned(intento),
            cargo: owned(cargo),
        }
    }

    #[test]
    fn a_dispute_is_a_chargeback_unless_it_only_asks() {
        let dispute = |status: &str| {
            json!({"id": "dp_1", "object": "dispute", "charge": "ch_1", "payment_intent": "pi_1",
                   "reason": "fraudulent", "status": status, "metadata": {}, "amount": 1_000, "currency": "usd"})
        };
        let de = ligas(None, Some("pi_1"), Some("ch_1"));
        let chargeback = Noticia::Contracargo {
            de,
            motivo: "Disputa en Stripe: fraudulent".to_owned(),
            monto: Some((1_000, Moneda::USD)),
        };
        for tipo in ["charge.dispute.created", "charge.dispute.funds_withdrawn"] {
            assert_eq!(noticia(tipo, &dispute("needs_response")), chargeback, "{tipo}");
        }
        assert_eq!(
            noticia("charge.dispute.created", &dispute("warning_needs_response")),
            Noticia::Nada
        );
        assert_eq!(noticia("charge.dispute.closed", &dispute("lost")), Noticia::Nada);
    }

    #[test]
    fn a_refund_names_its_payment_and_says_whether_it_was_all() {
        let charge = |refunded: bool| {
            json!({"id": "ch_1", "object": "charge", "payment_intent": {"id": "pi_1"}, "refunded": refunded,
                   "metadata": {"idCorrelacion": "p-1"}})
        };
        let de = ligas(Some("p-1"), Some("pi_1"), Some("ch_1"));
        for todo in [true, false] {
            let expected = Noticia::Devolucion { de: de.clone(), todo };
            assert_eq!(noticia("charge.refunded", &charge(todo)), expected);
        }
    }

    #[test]
    fn a_promise_that_is_given_back_is_no_refund() {
        let mut charge = json!({"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "refunded": true});
        for (captured, news) in [(json!(false), false), (json!(true), true), (Value::Null, true)] {
            charge["captured"] = captured;
            assert_eq!(noticia("charge.refunded", &charge) != Noticia::Nada, news, "{charge}");
        }
    }

    #[test]
    fn a_refund_that_failed_names_its_charge_itself_and_the_key_of_ours() {
        let refund =
            |metadata: Value| json!({"id": "re_1", "object": "refund", "charge": "ch_1", "metadata": metadata});
        let ours = json!({"idCorrelacion": "p-1", "clave": "p-1/reembolsar"});
        for (metadata, id, clave) in [(ours, Some("p-1"), Some("p-1/reembolsar")), (Value::Null, None, None)] {
            let expected = Noticia::DevolucionFallida {
                de: ligas(id, None, Some("ch_1")),
                reembolso: Some("re_1".to_owned()),
                clave: clave.map(str::to_owned),
            };
            assert_eq!(noticia("refund.failed", &refund(metadata)), expected);
        }
    }

    #[test]
    fn what_is_not_for_us_is_nothing_and_what_is_no_event_is_refused() {
        for tipo in ["payment_intent.succeeded", "customer.created", "", "novelty"] {
            assert_eq!(noticia(tipo, &json!({"object": "novelty"})), Noticia::Nada, "{tipo}");
        }
        for body in [
            "",
            "[]",
            "{}",
            r#"{"id": "evt_1", "type": "x"}"#,
            r#"{"id": "", "type": "x", "data": {"object": {}}}"#,
        ] {
            assert!(Evento::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
