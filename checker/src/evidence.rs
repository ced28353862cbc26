//! Everything a verdict is made of.

use std::collections::{BTreeMap, BTreeSet};

use seedwork::{Action, IdCliente, IdCorrelacion, Phase, SolicitudPago};
use serde::{Deserialize, Serialize};

use crate::history::Histories;
use crate::importe::Importe;
use crate::ledger::Movimiento;
use crate::secrets::Scan;
use crate::version::Version;

/// What was gathered of a run that has come to rest. `None` is "nobody looked" and is not judged; an empty collection is
/// "there is nothing" and is.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The clients' own log: one line for each try.
    pub requests: Vec<Request>,
    /// The payments as a client sees them in the end (the BFF).
    pub sagas: Option<BTreeMap<IdCorrelacion, Seen>>,
    /// What became of every resource, version by version.
    pub histories: Option<Histories>,
    /// The archived resources.
    pub archivo: Option<BTreeMap<IdCorrelacion, Version>>,
    /// The gateway's ledger, in its order.
    pub movimientos: Option<Vec<Movimiento>>,
    /// What participants changed, in the order in which they did: for the gateway's part [`Evidence::movimientos`] is
    /// enough. A repeat that changed nothing and a tombstone are no effects.
    pub effects: Option<Vec<Effect>>,
    /// The invoices that exist, by payment.
    pub facturas: Option<BTreeMap<IdCorrelacion, Factura>>,
    /// The plan of each client that exists (`PENDIENTE`, `PAGADO`, `ATRASADO`). Only clients all of whose payments are
    /// in [`Evidence::requests`]: the plan is derived from them.
    pub planes: Option<BTreeMap<IdCliente, String>>,
    /// The payments that integración-pagos knows.
    pub pagos: Option<BTreeMap<IdCorrelacion, Pago>>,
    /// The notifications about each payment.
    pub notificaciones: Option<BTreeMap<IdCorrelacion, Vec<Notificacion>>>,
    /// What the message provider delivered, by its own ledger.
    pub mensajes: Option<Vec<Mensaje>>,
    /// Payments whose money the bank took back, and of which it told: at rest none of them is completed.
    pub contracargos: BTreeSet<IdCorrelacion>,
    /// By when everything must have ended. Needs the times of [`Request`] and [`Version`], on one clock.
    pub bound: Option<Bound>,
    /// What a search for secrets found.
    pub scan: Option<Scan>,
    /// Counters around a while in which nothing was asked for.
    pub idle: Option<Vec<Writes>>,
    /// Rows, keys and queues before the run and after it.
    pub baseline: Option<Vec<Level>>,
}

/// One try to have a payment made, in the words of who tried. It is written before the request is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Which payment it must become, where that is known beforehand: the name of an applied resource, or
    /// [`SolicitudPago::keyed_id`] of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<IdCorrelacion>,
    /// Its `Idempotency-Key`; tries of one client under one key are one payment. Without one every try is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it was asked for.
    pub door: Door,
    /// What was asked for.
    pub solicitud: SolicitudPago,
    /// When, in milliseconds on the log's own clock; 0 where no [`Bound`] is judged.
    #[serde(default)]
    pub at_ms: i64,
    /// What came back.
    pub answer: Answer,
}

/// A way to ask for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Door {
    /// `realizarPago` at the BFF.
    Bff,
    /// `POST /facturacion/realizar-pago` at gestión-clientes, or its `-comando`.
    GestionClientes,
    /// A `PaymentSaga` that a person applied.
    Kubernetes,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Yes: this payment.
    Accepted(IdCorrelacion),
    /// Definitely no (a 4xx other than 429, a GraphQL error): there must be no payment.
    Refused(String),
    /// Nothing, or nothing definite (a broken connection, a timeout, a 5xx): there may be one payment.
    Lost,
}

/// A payment that a door said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its identity.
    pub id: IdCorrelacion,
    /// Who pays.
    pub id_cliente: IdCliente,
    /// How much, in minor units.
    pub minor: i64,
}

/// A saga as a client saw it in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its phase.
    pub phase: Phase,
    /// Whether it has ended.
    pub ended: bool,
    /// How much it is about.
    pub importe: Importe,
}

/// A change that a participant made outside of its own book-keeping: an invoice issued, confirmed or cancelled, money
/// moved, a message delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// For which payment.
    pub id: IdCorrelacion,
    /// By which command.
    pub action: Action,
    /// How much, where it is about an amount.
    pub importe: Option<Importe>,
}

/// An invoice, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factura {
    /// `PAGO_ENVIADO`, `CONFIRMADO` or `CANCELADO`.
    pub estado: String,
    /// How much is owed; `None` where it was not looked at.
    pub importe: Option<Importe>,
}

/// A payment, as the row of integración-pagos has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pago {
    /// `EN_PROCESO`, `CONFIRMADO`, `RECHAZADO`, `ANULADO`, `REEMBOLSADO` or `CONTRACARGADO`.
    pub estado: String,
    /// How much was asked for.
    pub importe: Importe,
    /// How much it says was taken.
    pub cobrado: Option<Importe>,
}

/// A notification about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notificacion {
    /// `ALERTA` or `ALERTA-REVERSION`.
    pub tipo: String,
    /// `PREPARADA`, `ENTREGADA` or `RECHAZADA`.
    pub estado: String,
}

/// A message, as the provider's ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mensaje {
    /// What it is about, as its sender named it: a payment, or a notification that is about none.
    pub referencia: String,
    /// The idempotency key it was delivered under.
    pub clave: String,
}

/// How long a payment may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// When the last disturbance ended: no payment is late before `since_ms + within_ms`.
    pub since_ms: i64,
    /// How long after that, or after it was asked for, a payment may take; milliseconds.
    pub within_ms: i64,
}

/// A counter of writes (of `paymentsagas`, of Events, of a table), read twice while nothing was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writes {
    /// What was counted, and for how long.
    pub what: String,
    /// The first reading.
    pub before: u64,
    /// The second.
    pub after: u64,
}

/// Something that grows in a run and must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// What was counted: rows, keys, messages, bytes.
    pub what: String,
    /// Before the run.
    pub before: u64,
    /// After it.
    pub after: u64,
    /// How much more than before is right (a row for each payment, say).
    pub allowed: u64,
}

// === impl Evidence ===

impl Evidence {
    /// Without what is known of payments that are not in the clients' log: others may pay at the same time. Then
    /// nothing is said of strangers: not that nobody asked for them.
    #[must_use]
    pub fn of_accepted_only(mut self) -> Self {
        let accepted = self.requests.iter().filter_map(|request| match &request.answer {
            Answer::Accepted(id) => Some(id.clone()),
            Answer::Refused(_) | Answer::Lost => request.id.clone(),
        });
        let own: BTreeSet<IdCorrelacion> = accepted.collect();
        let names: BTreeSet<&str> = own.iter().map(IdCorrelacion::as_str).collect();
        if let Some(movimientos) = &mut self.movimientos {
            movimientos.retain(|line| names.contains(line.referencia.as_str()));
        }
        if let Some(mensajes) = &mut self.mensajes {
            mensajes.retain(|mensaje| names.contains(mensaje.referencia.as_str()));
        }
        if let Some(effects) = &mut self.effects {
            effects.retain(|effect| own.contains(&effect.id));
        }
        if let Some(histories) = &mut self.histories {
            histories.retain(|id| own.contains(id));
        }
        keep(&own, &mut self.sagas);
        keep(&own, &mut self.archivo);
        keep(&own, &mut self.facturas);
        keep(&own, &mut self.pagos);
        keep(&own, &mut self.notificaciones);
        self
    }
}

fn keep<T>(own: &BTreeSet<IdCorrelacion>, all: &mut Option<BTreeMap<IdCorrelacion, T>>) {
    if let Some(all) = all {
        all.retain(|id, _| own.contains(id));
    }
}

// === impl Mensaje ===

impl Mensaje {
    /// The kind of notification about a payment that it delivers, by its key: `<payment>/<kind>/<medium>`. `None` for one
    /// that was made by hand (`<notification>/<medium>`): it is about no payment, unless its reference is one's. Any other
    /// key is a kind nobody knows.
    pub(crate) fn tipo(&self) -> Option<&str> {
        let rest = self.clave.strip_prefix(&self.referencia);
        match rest.and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => rest.split_once('/').map(|(tipo, _)| tipo),
            None => Some(&self.clave),
        }
    }
}

// === impl Request ===

impl Request {
    /// A request that was answered with yes, under a key if it had one.
    pub fn accepted(id: IdCorrelacion, door: Door, solicitud: SolicitudPago, key: Option<String>) -> Self {
        Self {
            id: None,
            key,
            door,
            solicitud,
            at_ms: 0,
            answer: Answer::Accepted(id),
        }
    }
}
