//! The books of that Stripe: what a call does to them, and what it is answered.

use std::collections::{BTreeMap, HashMap, HashSet};

use integracion_pagos::domain::Operacion;
use serde_json::{Value, json};

/// When every intent was made, in seconds since the epoch.
const CREATED: u64 = 1_600_000_000;

#[derive(Default)]
pub(super) struct Libro {
    /// By key: what was asked, and the stored answer.
    contestadas: HashMap<String, (String, u16, Value)>,
    en_curso: HashSet<String>,
    veces: HashMap<(Operacion, String), u32>,
    pub(super) intentos: BTreeMap<String, Intento>,
    reembolsos: Vec<Reembolso>,
    pub(super) movimientos: Vec<(String, Operacion, i64)>,
    pub(super) ids: u32,
    /// The next call of this operation is answered 500, stored; done before that, or not.
    pub(super) averia: Option<(Operacion, bool)>,
    pub(super) pedidas: u32,
}

#[derive(Clone)]
pub(super) struct Intento {
    pub(super) referencia: String,
    pub(super) amount: i64,
    pub(super) status: &'static str,
    pub(super) received: i64,
    pub(super) refunded: i64,
    pub(super) cargo: String,
}

pub(super) struct Reembolso {
    id: String,
    cargo: String,
    amount: i64,
    metadata: BTreeMap<String, String>,
}

/// What becomes of a call.
enum Efecto {
    Contestar,
    /// Done and stored, and never answered.
    Callar,
    /// Done, and answered 500, which is stored.
    Fallar,
    /// Not done, not stored, not answered.
    Perder,
    /// Not done, not stored, answered 503.
    NoDisponible,
    /// Never answered; done when it is asked for again.
    Aplazar,
}

/// A form, or a query.
pub(super) type Campos = BTreeMap<String, String>;

fn error(tipo: &str, code: &str, decline_code: &str, param: &str) -> Value {
    let some = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({"error": {"type": tipo, "code": some(code), "decline_code": some(decline_code), "param": some(param),
                     "message": format!("{tipo} {code} {decline_code}")}})
}

const INVALID: &str = "invalid_request_error";

// === impl Libro ===

impl Libro {
    /// A POST: its status, its body, and whether it is a replay; `None` when it is never answered.
    pub(super) fn call(
        &mut self,
        path: &[&str],
        key: &str,
        asked: &str,
        campos: &Campos,
    ) -> Option<(u16, Value, bool)> {
        self.pedidas += 1;
        let operacion = match path {
            ["v1", "payment_intents"] => Operacion::Autorizar,
            ["v1", "payment_intents", _, "capture"] => Operacion::Capturar,
            ["v1", "payment_intents", _, "cancel"] => Operacion::Anular,
            ["v1", "refunds"] => Operacion::Reembolsar,
            _ => return Some((404, error(INVALID, "resource_missing", "", ""), false)),
        };
        if self.en_curso.contains(key) {
            self.en_curso.remove(key);
            let (status, body) = self.perform(operacion, path, campos);
            self.contestadas
                .insert(key.to_owned(), (asked.to_owned(), status, body));
            return Some((409, error("idempotency_error", "idempotency_key_in_use", "", ""), false));
        }
        if let Some((before, status, body)) = self.contestadas.get(key) {
            return Some(if before == asked {
                (*status, body.clone(), true)
            } else {
                (400, error("idempotency_error", "", "", ""), false)
            });
        }
        let (referencia, minor) = self.subject(path, campos);
        let times = self.veces.entry((operacion, referencia)).or_default();
        *times += 1;
        let effect = effect(minor % 100, operacion, *times);
        if let Some((_, done)) = self.averia.take_if(|(broken, _)| *broken == operacion) {
            if done {
                self.perform(operacion, path, campos);
            }
            return Some(self.store(key, asked, 500, error("api_error", "", "", "")));
        }
        match effect {
            Efecto::Perder => None,
            Efecto::NoDisponible => Some((503, error("api_error", "", "", ""), false)),
            Efecto::Aplazar => {
                self.en_curso.insert(key.to_owned());
                None
            }
            Efecto::Contestar => {
                let (status, body) = self.perform(operacion, path, campos);
                Some(self.store(key, asked, status, body))
            }
            Efecto::Callar => {
                let (status, body) = self.perform(operacion, path, campos);
                self.store(key, asked, status, body);
                None
            }
            Efecto::Fallar => {
                self.perform(operacion, path, campos);
                Some(self.store(key, asked, 500, error("api_error", "", "", "")))
            }
        }
    }

    fn store(&mut self, key: &str, asked: &str, status: u16, body: Value) -> (u16, Value, bool) {
        self.contestadas
            .insert(key.to_owned(), (asked.to_owned(), status, body.clone()));
        (status, body, false)
    }

    /// The payment that a call is about, and the amount that was authorised.
    fn subject(&self, path: &[&str], campos: &Campos) -> (String, i64) {
        let of = |intento: Option<&Intento>| intento.map(|intento| (intento.referencia.clone(), intento.amount));
        let found = match path {
            ["v1", "payment_intents"] => Some((campos["metadata[idCorrelacion]"].clone(), number(campos, "amount"))),
            ["v1", "payment_intents", id, _] => of(self.intentos.get(*id)),
            _ => of(self.intentos.values().find(|intento| intento.cargo == campos["charge"])),
        };
        found.unwrap_or_default()
    }

    fn perform(&mut self, operacion: Operacion, path: &[&str], campos: &Campos) -> (u16, Value) {
        self.ids += 1;
        let number_of_it = self.ids;
        let state = || (400, error(INVALID, "payment_intent_unexpected_state", "", ""));
        match (operacion, path) {
            (Operacion::Autorizar, _) => self.authorise(number_of_it, campos),
            (Operacion::Capturar, [.., id, _]) => {
                let Some(intento) = self.intentos.get_mut(*id) else {
                    return (404, error(INVALID, "resource_missing", "", "intent"));
                };
                let asked = number(campos, "amount_to_capture");
                if intento.status != "requires_capture" {
                    return state();
                }
                if asked > intento.amount {
                    return (400, error(INVALID, "amount_too_large", "", "amount_to_capture"));
                }
                let short = if intento.amount % 100 == 18 { 100 } else { 0 };
                intento.received = asked - short;
                intento.status = "succeeded";
                let moved = (intento.referencia.clone(), operacion, intento.received);
                self.movimientos.push(moved);
                (200, self.intent(id, false))
            }
            (Operacion::Anular, [.., id, _]) => {
                let Some(intento) = self.intentos.get_mut(*id) else {
                    return (404, error(INVALID, "resource_missing", "", "intent"));
                };
                if intento.status != "requires_capture" {
                    return state();
                }
                intento.status = "canceled";
                let moved = (intento.referencia.clone(), operacion, intento.amount);
                self.movimientos.push(moved);
                (200, self.intent(id, false))
            }
            (Operacion::Reembolsar, _) => self.refund(number_of_it, campos),
            (Operacion::Capturar | Operacion::Anular, _) => panic!("no such path: {path:?}"),
        }
    }

    fn authorise(&mut self, number_of_it: u32, campos: &Campos) -> (u16, Value) {
        let expected = [
            ("capture_method", "manual"),
            ("confirm", "true"),
            ("off_session", "true"),
            ("payment_method_types[0]", "card"),
            ("currency", "usd"),
        ];
        for (name, value) in expected {
            assert_eq!(campos[name], value, "{name}");
        }
        let amount = number(campos, "amount");
        let referencia = campos["metadata[idCorrelacion]"].clone();
        let id = format!("pi_{number_of_it}");
        let decline = match amount % 100 {
            1 => Some(("card_declined", "insufficient_funds")),
            2 => Some(("card_declined", "generic_decline")),
            3 => Some(("expired_card", "")),
            4 => Some(("card_declined", "stolen_card")),
            _ => None,
        };
        let status = if decline.is_some() {
            "requires_payment_method"
        } else {
            "requires_capture"
        };
        let intento = Intento {
            referencia: referencia.clone(),
            amount,
            status,
            received: 0,
            refunded: 0,
            cargo: format!("ch_{number_of_it}"),
        };
        self.intentos.insert(id.clone(), intento);
        match decline {
            Some((code, decline_code)) => (402, error("card_error", code, decline_code, "")),
            None => {
                self.movimientos.push((referencia, Operacion::Autorizar, amount));
                (200, self.intent(&id, false))
            }
        }
    }

    fn refund(&mut self, number_of_it: u32, campos: &Campos) -> (u16, Value) {
        let cargo = campos["charge"].clone();
        let Some(intento) = self.intentos.values_mut().find(|intento| intento.cargo == cargo) else {
            return (400, error(INVALID, "resource_missing", "", "charge"));
        };
        let amount = number(campos, "amount");
        if intento.amount % 100 == 21 {
            return (400, error(INVALID, "refund_disputed_payment", "", ""));
        }
        if amount > intento.received - intento.refunded {
            let code = if intento.refunded == intento.received {
                "charge_already_refunded"
            } else {
                ""
            };
            return (400, error(INVALID, code, "", "amount"));
        }
        intento.refunded += amount;
        let moved = (intento.referencia.clone(), Operacion::Reembolsar, amount);
        self.movimientos.push(moved);
        let text = |name: &str| campos.get(&format!("metadata[{name}]")).cloned().unwrap_or_default();
        let metadata = BTreeMap::from([
            ("idCorrelacion".to_owned(), text("idCorrelacion")),
            ("clave".to_owned(), text("clave")),
        ]);
        let reembolso = Reembolso {
            id: format!("re_{number_of_it}"),
            cargo,
            amount,
            metadata,
        };
        let body = reembolso.json();
        self.reembolsos.push(reembolso);
        (200, body)
    }

    /// All that was taken from a payment is given back by hand, without our metadata.
    pub(super) fn refund_by_hand(&mut self, referencia: &str) {
        self.ids += 1;
        let mut intentos = self.intentos.values_mut();
        let intento = intentos.find(|intento| intento.referencia == referencia).unwrap();
        intento.refunded = intento.received;
        self.reembolsos.push(Reembolso {
            id: format!("re_{}", self.ids),
            cargo: intento.cargo.clone(),
            amount: intento.received,
            metadata: BTreeMap::new(),
        });
    }

    /// A GET.
    pub(super) fn look(&self, path: &[&str], query: &Campos) -> (u16, Value) {
        match path {
            ["v1", "payment_intents", "search"] => {
                let found = self.intentos.iter().filter(|(_, intento)| {
                    query["query"] == format!("metadata[\"idCorrelacion\"]:\"{}\"", intento.referencia)
                });
                // The index of a search lags behind: it shows the state of long ago.
                let stale = found.map(|(id, _)| {
                    let mut intent = self.intent(id, false);
                    intent["status"] = "requires_confirmation".into();
                    intent
                });
                (200, json!({"data": stale.collect::<Vec<_>>(), "has_more": false}))
            }
            ["v1", "payment_intents", id] if self.intentos.contains_key(*id) => (200, self.intent(id, false)),
            ["v1", "payment_intents"] => {
                let expand = query.get("expand[]").is_some_and(|what| what == "data.latest_charge");
                let since: u64 = query["created[gte]"].parse().unwrap();
                let after = query.get("starting_after").map_or("", String::as_str);
                let mut rest = self
                    .intentos
                    .keys()
                    .filter(|id| id.as_str() > after && since <= CREATED);
                // Three a page, so that turning pages is exercised.
                let page: Vec<_> = rest.by_ref().take(3).map(|id| self.intent(id, expand)).collect();
                (200, json!({"data": page, "has_more": rest.next().is_some()}))
            }
            ["v1", "refunds"] => {
                let of = self
                    .reembolsos
                    .iter()
                    .filter(|reembolso| reembolso.cargo == query["charge"]);
                (
                    200,
                    json!({"data": of.map(Reembolso::json).collect::<Vec<_>>(), "has_more": false}),
                )
            }
            _ => (404, error(INVALID, "resource_missing", "", "")),
        }
    }

    fn intent(&self, id: &str, expand: bool) -> Value {
        let Intento {
            referencia,
            amount,
            status,
            received,
            refunded,
            cargo,
        } = &self.intentos[id];
        let charge = match expand {
            true => json!({"id": cargo, "object": "charge", "amount_refunded": refunded, "disputed": false}),
            false => json!(cargo),
        };
        json!({
            "id": id, "object": "payment_intent", "status": status, "amount": amount, "amount_received": received,
            "currency": "usd", "created": CREATED, "metadata": {"idCorrelacion": referencia},
            "latest_charge": charge, "last_payment_error": null,
        })
    }
}

impl Reembolso {
    fn json(&self) -> Value {
        let Self {
            id,
            cargo,
            amount,
            metadata,
        } = self;
        json!({"id": id, "object": "refund", "charge": cargo, "amount": amount, "status": "succeeded",
               "metadata": metadata})
    }
}

fn number(campos: &Campos, name: &str) -> i64 {
    campos[name].parse().unwrap()
}

/// The outcome table of the simulator: what becomes of the call that is made for the `times`-th time (from 1).
fn effect(ending: i64, operacion: Operacion, times: u32) -> Efecto {
    let once = |efecto| if times == 1 { efecto } else { Efecto::Contestar };
    let twice = |efecto| if times <= 2 { efecto } else { Efecto::Contestar };
    match (ending, operacion) {
        (11, Operacion::Autorizar) => once(Efecto::Perder),
        (12, Operacion::Capturar) | (14, Operacion::Autorizar) | (19, Operacion::Reembolsar) => once(Efecto::Callar),
        (13, Operacion::Capturar) => once(Efecto::Fallar),
        (16, _) => twice(Efecto::NoDisponible),
        (20, Operacion::Capturar) => twice(Efecto::Perder),
        (17, Operacion::Capturar) => once(Efecto::Aplazar),
        (_, _) => Efecto::Contestar,
    }
}
