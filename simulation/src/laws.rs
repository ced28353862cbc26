//! Laws that are looked at while things happen. What can be seen afterwards is the checker's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use checker::Effect;
use integracion_pagos::domain::Operacion;
use seedwork::{Action, App, Direction, IdCorrelacion, Step};
use seedwork_runtime::sidecar::Event;

use crate::lock;
use crate::world::{Proc, World};

/// What participants changed, in the order in which they did.
#[derive(Default)]
pub struct Effects(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    effects: Vec<Effect>,
    invoices: BTreeMap<String, Invoice>,
    told: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Invoice {
    Issued,
    Confirmed,
    Cancelled,
}

// === impl Effects ===

impl Effects {
    /// Every one so far.
    pub fn all(&self) -> Vec<Effect> {
        self.seen().effects.clone()
    }

    /// An application wrote a document. An invoice that changes its state is an effect.
    pub fn written(&self, app: App, key: &str, value: &[u8]) {
        let Some(id) = key.strip_prefix("factura:").filter(|_| app == App::GestionClientes) else {
            return;
        };
        let text = std::str::from_utf8(value).unwrap_or_default();
        let Some(now) = invoice_in(text) else {
            // A tombstone stands alone. An invoice in other words than these would be an effect that nobody sees.
            assert!(
                text.contains("\"agregado\":null"),
                "no state of an invoice is known in {text}"
            );
            return;
        };
        let mut seen = self.seen();
        let before = seen.invoices.insert(id.to_owned(), now);
        let action = match (before, now) {
            // What no invoice does (coming back, beginning as paid or cancelled) the checker takes for what it would have
            // to be.
            (None, Invoice::Issued) | (Some(Invoice::Cancelled), Invoice::Issued | Invoice::Confirmed) => {
                Action::Do(Step::CrearFacturacion)
            }
            (None | Some(Invoice::Issued), Invoice::Confirmed) => Action::Do(Step::ConfirmarFacturacion),
            (Some(Invoice::Confirmed), Invoice::Issued) => Action::Undo(Step::ConfirmarFacturacion),
            (None | Some(Invoice::Issued | Invoice::Confirmed), Invoice::Cancelled) => {
                Action::Undo(Step::CrearFacturacion)
            }
            (Some(Invoice::Issued), Invoice::Issued)
            | (Some(Invoice::Confirmed), Invoice::Confirmed)
            | (Some(Invoice::Cancelled), Invoice::Cancelled) => return,
        };
        seen.push(id, action);
    }

    /// The provider says that it has taken a message. That it is paid may be on its way while it is undone, and
    /// cannot be unsaid; that it was undone is the last thing.
    pub fn told(&self, key: &str) {
        let Some((id, _)) = key.split_once("/ALERTA-REVERSION/") else {
            return;
        };
        let mut seen = self.seen();
        if seen.told.insert(key.to_owned()) {
            seen.push(id, Action::AvisarReversion);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.0)
    }
}

/// The state of the invoice in a document, which is not worth reading all of it.
fn invoice_in(document: &str) -> Option<Invoice> {
    let is = [
        ("\"estado\":\"PAGO_ENVIADO\"", Invoice::Issued),
        ("\"estado\":{\"CONFIRMADO\"", Invoice::Confirmed),
        ("\"estado\":\"CANCELADO\"", Invoice::Cancelled),
    ];
    let found = is.into_iter().find(|(words, _)| document.contains(words));
    found.map(|(_, invoice)| invoice)
}

// === impl Seen ===

impl Seen {
    fn push(&mut self, id: &str, action: Action) {
        let id = IdCorrelacion::parse(id).unwrap_or_else(|error| panic!("a document of {id}: {error}"));
        self.effects.push(Effect {
            id,
            action,
            importe: None,
        });
    }
}

/// A command was published: was it recorded that it is issued? The step that moves money is always recorded first, and
/// so is every undo; the create is the record of the first step.
pub fn published(world: &World, proc: Proc, event: &Event) {
    if proc.app() != App::Operator {
        return;
    }
    let Some(action) = Action::all().find(|action| action.command_type() == event.event_type) else {
        return;
    };
    let (step, direction) = match action {
        Action::Do(step @ Step::RealizarPago) => (step, Direction::Do),
        Action::Undo(step) => (step, Direction::Undo),
        Action::Do(_) | Action::AvisarReversion => return,
    };
    if !world
        .api
        .ever_issued(&format!("pago-{}", event.subject), step, direction)
    {
        world.broken(format!(
            "{} of {} was published and never recorded",
            event.event_type, event.subject
        ));
    }
}

/// What the gateway refuses because of what was done before: our own record must have ruled it out.
const RULED_OUT: [&str; 4] = [
    "AutorizacionAnulada",
    "AutorizacionCapturada",
    "CapturaExcedida",
    "ReembolsoExcedido",
];

/// The gateway refused a call.
pub fn refused(world: &World, id: &IdCorrelacion, operation: Operacion, code: &str) {
    if RULED_OUT.contains(&code) {
        world.broken(format!(
            "{id}: the gateway was asked to {operation} and had to say {code}"
        ));
    }
}

/// The gateway was called: at most one capture, nothing returned that was not taken, nothing taken once it was let go.
pub fn paid(world: &World, id: &IdCorrelacion) {
    let (mut captures, mut held, mut let_go) = (0, 0, false);
    for (operation, minor) in world.bank.movements(id) {
        match operation {
            Operacion::Autorizar => {}
            Operacion::Capturar => {
                captures += 1;
                held += minor;
                if let_go {
                    world.broken(format!("{id}: money was taken after it was let go or given back"));
                }
            }
            Operacion::Anular => let_go = true,
            Operacion::Reembolsar => {
                held -= minor;
                let_go = true;
            }
        }
    }
    if captures > 1 {
        world.broken(format!("{id} was charged {captures} times"));
    }
    if held < 0 {
        world.broken(format!("{id}: more was given back than was taken"));
    }
}

#[cfg(test)]
mod tests {
    use gestion_clientes::domain::factura::{self, Factura};
    use gestion_clientes::domain::instante::Instante;
    use seedwork::{MedioPago, Moneda, SolicitudPago};
    use seedwork_runtime::participant::Documento;

    use super::*;

    #[test]
    fn an_invoice_is_read_in_the_words_of_its_service() {
        let written = |agregado: Option<Factura>| {
            let documento = Documento {
                agregado,
                ..Documento::default()
            };
            serde_json::to_string(&documento).unwrap()
        };
        let id = IdCorrelacion::parse("hecho-a-mano-1").unwrap();
        let solicitud = SolicitudPago::parse(MedioPago::Pse.as_str(), "c-1", "24.00", Moneda::USD).unwrap();
        let now = Instante::from_ms(1);
        let issued = factura::crear(&id, &solicitud, true, None, now).unwrap();
        let confirmed = factura::confirmar(Some(&issued), &id, now).unwrap();
        let cancelled = factura::revertir(confirmed.clone(), None, now);
        let read = [issued, confirmed, cancelled].map(|factura| invoice_in(&written(Some(factura))));
        let states = [Invoice::Issued, Invoice::Confirmed, Invoice::Cancelled];
        assert_eq!(read, states.map(Some));
        let nothing = written(None);
        assert!(
            invoice_in(&nothing).is_none() && nothing.contains("\"agregado\":null"),
            "{nothing}"
        );
    }
}
