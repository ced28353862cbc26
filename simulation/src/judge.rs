//! What a world left behind, for the checker; and what only a simulation can see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checker::{
    Bound, Evidence, Factura, Histories, Importe, Level, Mensaje, Movimiento, Notificacion, Pago, Seen, TipoMovimiento,
    Verdict, Version, Writes,
};
use gestion_clientes::domain::factura;
use integracion_pagos::domain::Operacion;
use operator::crd::PaymentSaga;
use operator::resource::Payment;
use saga::CauseKind;
use seedwork::{App, Dinero, IdCliente, IdCorrelacion, Moneda, Phase};
use seedwork_runtime::participant::Documento;

use crate::model::api_server::Change;
use crate::model::post::CLIENTS;
use crate::plan::Spell;
use crate::sql::Value;
use crate::world::{Part, World};

/// The counters around a while without requests.
pub struct Quiet {
    /// Changes of resources and published messages, before and after it.
    pub before: [u64; 2],
    /// The same after it.
    pub after: [u64; 2],
    /// How long it was.
    pub during: Duration,
}

/// The verdict of a world that has come to rest.
pub fn judge(world: &World, calm_ms: i64, bound: Duration, quiet: Option<&Quiet>) -> Verdict {
    let changes = world.api.changes(0);
    for change in &changes {
        late(world, change);
    }
    deadlines(world, &changes);
    rows(world);
    let withdrawn = withdrawn(&changes);
    let mut requests = world.log.requests();
    requests.retain(|request| request.id.as_ref().is_none_or(|id| !withdrawn.contains(id)));
    let mut histories = histories(&changes);
    histories.retain(|id| !withdrawn.contains(id));
    let evidence = Evidence {
        requests,
        sagas: Some(screens(world)),
        histories: Some(histories),
        archivo: Some(archive(world)),
        movimientos: Some(ledger(world)),
        effects: Some(world.effects.all()),
        facturas: Some(invoices(world)),
        planes: Some(plans(world)),
        pagos: Some(payments(world)),
        notificaciones: Some(notices(world)),
        mensajes: Some(messages(world)),
        contracargos: asked(world)
            .into_iter()
            .filter(|id| world.bank.taken_back(id).is_some())
            .collect(),
        bound: Some(Bound {
            since_ms: calm_ms,
            within_ms: i64::try_from(bound.as_millis()).unwrap_or(i64::MAX),
        }),
        scan: None,
        idle: quiet.map(|quiet| {
            let what = ["changes of paymentsagas", "messages"];
            let counters = what.into_iter().zip(quiet.before.into_iter().zip(quiet.after));
            let write = |(what, (before, after))| Writes {
                what: format!("{what} in {} s", quiet.during.as_secs()),
                before,
                after,
            };
            counters.map(write).collect()
        }),
        baseline: quiet.map(|_| {
            vec![Level {
                what: "resources in the API server".to_owned(),
                before: 0,
                after: u64::try_from(world.api.len()).unwrap_or(u64::MAX),
                allowed: 0,
            }]
        }),
    };
    checker::judge(&evidence)
}

fn id(text: &str) -> IdCorrelacion {
    IdCorrelacion::parse(text).unwrap_or_else(|error| panic!("a row names {text:?}: {error}"))
}

fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::Text(text)) => text,
        Some(Value::Null | Value::Number(_)) | None => "",
    }
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Number(number)) => *number,
        Some(Value::Null | Value::Text(_)) | None => 0,
    }
}

/// Every payment that anybody asked for, answered or not.
fn asked(world: &World) -> BTreeSet<IdCorrelacion> {
    world
        .log
        .requests()
        .into_iter()
        .filter_map(|request| request.id)
        .collect()
}

/// Resources that somebody applied and deleted before an operator came to them: nothing was begun, nothing held them.
fn withdrawn(changes: &[Change]) -> BTreeSet<IdCorrelacion> {
    let name = |change: &Change| IdCorrelacion::from_resource_name(change.object.metadata.name.as_deref()?);
    let began: BTreeSet<_> = changes
        .iter()
        .filter(|change| has_begun(&change.object))
        .filter_map(name)
        .collect();
    let gone = changes.iter().filter(|change| change.gone).filter_map(name);
    gone.filter(|id| !began.contains(id)).collect()
}

/// Whether an operator has come to it.
fn has_begun(object: &PaymentSaga) -> bool {
    object.status.is_some() || object.spec.politica.is_some()
}

fn histories(changes: &[Change]) -> Histories {
    let alive = changes.iter().filter(|change| !change.gone);
    alive
        .filter_map(|change| version(&change.object, change.at_ms))
        .collect()
}

/// As the checker wants a resource, without the way through JSON.
fn version(object: &PaymentSaga, at_ms: i64) -> Option<Version> {
    let mut payment = Payment::try_from_resource(object).ok()?;
    if let Some(saga) = &mut payment.saga {
        // The record keeps it of the cause and not of the steps: two words for one reason would look like two reasons.
        let steps = saga.pasos.iter_mut().filter_map(|paso| paso.motivo.as_mut());
        for reason in steps.chain(saga.cause.as_mut().map(|cause| &mut cause.reason)) {
            reason.declive = None;
        }
    }
    let status = object.status.as_ref();
    Some(Version {
        id: payment.id,
        uid: object.metadata.uid.clone().unwrap_or_default(),
        solicitud: payment.solicitud,
        saga: payment.saga,
        phase: status.map(|status| status.phase),
        reason: status.and_then(|status| status.reason.clone()),
        at_ms,
    })
}

fn screens(world: &World) -> BTreeMap<IdCorrelacion, Seen> {
    let rows = world
        .bases
        .bff
        .look("SELECT id_correlacion, fase, ended, monto, moneda FROM pagos");
    let seen = rows.iter().filter_map(|row| {
        let fase = text(row.get(1));
        let phase = Phase::ALL.into_iter().find(|phase| phase.as_str() == fase)?;
        let (monto, moneda) = (text(row.get(3)), text(row.get(4)));
        let dinero = Moneda::parse(moneda).and_then(|moneda| Dinero::parse(monto, moneda));
        let seen = Seen {
            phase,
            ended: number(row.get(2)) == 1,
            importe: dinero
                .unwrap_or_else(|error| panic!("a row says monto {monto} {moneda}, which {error}"))
                .into(),
        };
        Some((id(text(row.first())), seen))
    });
    seen.collect()
}

fn archive(world: &World) -> BTreeMap<IdCorrelacion, Version> {
    let rows = world.bases.operator.look("SELECT id_correlacion, recurso FROM archivo");
    let read = rows.iter().filter_map(|row| {
        let object: PaymentSaga = serde_json::from_str(text(row.get(1))).ok()?;
        Some((id(text(row.first())), version(&object, 0)?))
    });
    read.collect()
}

fn ledger(world: &World) -> Vec<Movimiento> {
    let mut ledger = Vec::new();
    for id in world.bank.payments() {
        let movements = world.bank.movements(&id).into_iter();
        let moved = movements.map(|(operation, monto)| match operation {
            Operacion::Autorizar => (TipoMovimiento::Autorizacion, monto),
            Operacion::Capturar => (TipoMovimiento::Captura, monto),
            Operacion::Anular => (TipoMovimiento::Anulacion, monto),
            Operacion::Reembolsar => (TipoMovimiento::Reembolso, monto),
        });
        let mut lines: Vec<_> = moved.collect();
        if let Some((place, monto)) = world.bank.taken_back(&id) {
            lines.insert(place, (TipoMovimiento::Contracargo, monto));
        }
        ledger.extend(lines.into_iter().map(|(tipo, monto)| Movimiento {
            tipo,
            referencia: id.to_string(),
            clave: format!("{id}/{tipo:?}"),
            monto,
            moneda: Moneda::USD,
        }));
    }
    ledger
}

fn invoices(world: &World) -> BTreeMap<IdCorrelacion, Factura> {
    let rows = world
        .bases
        .clientes
        .look("SELECT id, estado, monto, version FROM facturas");
    let mut invoices = BTreeMap::new();
    let mut versions = BTreeMap::new();
    for row in &rows {
        let id = id(text(row.first()));
        versions.insert(id.clone(), number(row.get(3)));
        let factura = Factura {
            estado: text(row.get(1)).to_owned(),
            importe: Some(usd(number(row.get(2)))),
        };
        invoices.insert(id, factura);
    }
    // A read model that has come to rest says what the documents say.
    for (key, document) in world.stores.all(App::GestionClientes, "factura:") {
        let Ok(documento) = serde_json::from_slice::<Documento<factura::Factura>>(&document) else {
            world.broken(format!("the document of the invoice {key} cannot be read"));
            continue;
        };
        let shown = invoices.get(&id(&key)).map(|factura| factura.estado.as_str());
        let is = documento.agregado.as_ref().map(|factura| factura.estado.as_str());
        if shown != is {
            world.broken(format!("the invoice {key} is {is:?} and is shown as {shown:?}"));
        }
    }
    invoices
}

fn usd(minor: i64) -> Importe {
    Importe {
        minor,
        moneda: Moneda::USD,
    }
}

fn plans(world: &World) -> BTreeMap<IdCliente, String> {
    let rows = world
        .bases
        .clientes
        .look("SELECT DISTINCT id_cliente FROM facturas WHERE estado = 'CONFIRMADO'");
    let paid: BTreeSet<&str> = rows.iter().map(|row| text(row.first())).collect();
    let plan = |(client, _): &(&str, &str)| {
        let plan = if paid.contains(client) { "PAGADO" } else { "PENDIENTE" };
        (
            IdCliente::parse(*client).unwrap_or_else(|error| panic!("{client}: {error}")),
            plan.to_owned(),
        )
    };
    CLIENTS.iter().map(plan).collect()
}

fn payments(world: &World) -> BTreeMap<IdCorrelacion, Pago> {
    let rows = world.bases.pagos.look("SELECT id, estado, monto, cobrado FROM pagos");
    let read = rows.iter().map(|row| {
        let cobrado = number(row.get(3));
        let pago = Pago {
            estado: text(row.get(1)).to_owned(),
            importe: usd(number(row.get(2))),
            cobrado: (cobrado > 0).then(|| usd(cobrado)),
        };
        (id(text(row.first())), pago)
    });
    read.collect()
}

fn notices(world: &World) -> BTreeMap<IdCorrelacion, Vec<Notificacion>> {
    let rows = world
        .bases
        .notificaciones
        .look("SELECT id_correlacion, tipo, estado FROM notificaciones");
    let mut notices: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in &rows {
        notices.entry(id(text(row.first()))).or_default().push(Notificacion {
            tipo: text(row.get(1)).to_owned(),
            estado: text(row.get(2)).to_owned(),
        });
    }
    notices
}

fn messages(world: &World) -> Vec<Mensaje> {
    let delivered = world.post.delivered().into_iter();
    let read = delivered.map(|mensaje| Mensaje {
        referencia: mensaje.referencia,
        clave: mensaje.clave,
    });
    read.collect()
}

/// A resource goes only when its end is in the archive: only such a payment can still be asked about.
fn late(world: &World, change: &Change) {
    if !change.gone {
        return;
    }
    let name = change.object.metadata.name.clone().unwrap_or_default();
    if has_begun(&change.object) && !change.object.has_ended() {
        world.broken(format!("{name} went before it had ended"));
    }
}

/// A step that is given up had its whole deadline, with the suspensions taken out.
fn deadlines(world: &World, changes: &[Change]) {
    #[derive(Clone, Copy)]
    struct Clock {
        secuencia: u64,
        since_ms: i64,
        suspended_ms: i64,
        suspended_since: Option<i64>,
        given_up: bool,
    }
    // One that ran ahead of its record stood there for as long already as its operator stood still, or had no API
    // server, before writing it down.
    let plan = &world.plan;
    let frozen = plan.freezes.iter().map(Spell::lasts);
    let outages = plan.outages.iter().filter(|outage| outage.of == Part::ApiServer);
    let still: Duration = frozen.chain(outages.map(Spell::lasts)).sum();
    let slow = plan.watch_lag + plan.longest_pause * 2 + still;
    let slow = slow.as_millis() + 3_000;
    let tolerance = i64::try_from(slow).unwrap_or(i64::MAX);
    let mut clocks: BTreeMap<&str, Clock> = BTreeMap::new();
    let mut restored = BTreeSet::new();
    for Change { at_ms, object, gone } in changes {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        if *gone {
            clocks.remove(name);
            restored.insert(name);
            continue;
        }
        let secuencia = object.status.as_ref().map_or(0, |status| status.secuencia);
        let cause = object.status.as_ref().and_then(|status| status.cause.as_ref());
        let expired = cause.filter(|cause| cause.kind == CauseKind::Expired);
        let clock = clocks.entry(name).or_insert(Clock {
            secuencia,
            since_ms: *at_ms,
            suspended_ms: 0,
            suspended_since: None,
            given_up: expired.is_some(),
        });
        if let Some(since) = clock.suspended_since.take() {
            clock.suspended_ms += at_ms - since;
        }
        if expired.is_some() && !clock.given_up {
            clock.given_up = true;
            let ran = at_ms - clock.since_ms - clock.suspended_ms;
            let deadline = i64::from(plan.deadline_seconds) * 1_000;
            // One that comes back was given up in its earlier life.
            if ran + tolerance < deadline && !restored.contains(name) {
                world.broken(format!("{name} was given up after {ran} ms, and had {deadline}"));
            }
        }
        if secuencia != clock.secuencia {
            clock.secuencia = secuencia;
            clock.since_ms = *at_ms;
            clock.suspended_ms = 0;
        }
        clock.suspended_since = object.spec.suspend.then_some(*at_ms);
    }
}

/// What the tables say at rest: requests are closed, ends are confirmed, chargebacks are known.
fn rows(world: &World) {
    for (what, rows) in world.bases.undone() {
        if let Some(first) = rows.first() {
            world.broken(format!("{} {what}: {}…", rows.len(), text(first.first())));
        }
    }
    // Events are numbered without a gap, and those of one payment only go forward.
    let bff = &world.bases.bff;
    let events = bff.look("SELECT numero, id_correlacion, datos FROM eventos ORDER BY numero");
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for (place, row) in events.iter().enumerate() {
        let number = number(row.first());
        if usize::try_from(number).ok() != Some(place + 1) {
            world.broken(format!("event {} has the number {number}", place + 1));
        }
        let secuencia = secuencia_in(text(row.get(2)));
        let before = last.insert(text(row.get(1)), secuencia);
        if before.is_some_and(|before| before >= secuencia) {
            world.broken(format!("the events of {} go back to {secuencia}", text(row.get(1))));
        }
    }
}

/// The number in the JSON of an event, which is not worth reading all of it.
fn secuencia_in(event: &str) -> i64 {
    let Some((_, rest)) = event.split_once("\"secuencia\":") else {
        return -1;
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(-1)
}

/// What a row says at any time: a request is closed only when its payment has ended.
pub fn closed_early(world: &World) {
    let closed = "SELECT id_correlacion FROM solicitudes WHERE estado = 'cerrada'";
    let doors = [&world.bases.bff, &world.bases.clientes];
    let closed: BTreeSet<String> = doors
        .iter()
        .flat_map(|base| base.look(closed))
        .map(|row| format!("pago-{}", text(row.first())))
        .collect();
    let ended = world.api.ended();
    for name in closed {
        if !ended.contains(&name) {
            world.broken(format!("the request of {name} is closed and its payment never ended"));
        }
    }
}
