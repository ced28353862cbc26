//! The gateway and the client's bank: the double that passes the gateway's contract suite and plays the table of
//! outcomes by the amount, with faults around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use integracion_pagos::adapters::pasarela::{Pagina, Pasarela, PasarelaMemoria, Respuesta};
use integracion_pagos::domain::{Cobro, IdAutorizacion, IdCargo, IdReembolso, NombrePasarela, Operacion};
use seedwork::{Dinero, Fault, IdCorrelacion, MedioPago, Reason};

use crate::life::Life;
use crate::lock;
use crate::world::{Part, World};

/// The cents of an amount whose capture is put off (the table of outcomes).
const PUT_OFF: i64 = 17;

/// The longest until a capture that was put off lands by itself.
const LANDS: Duration = Duration::from_secs(30);

/// The gateway's books, and what the bank took back.
#[derive(Default)]
pub struct Bank {
    gateway: PasarelaMemoria,
    /// After how many movements, and how much.
    taken_back: Mutex<BTreeMap<IdCorrelacion, (usize, i64)>>,
}

/// The way of one process to the gateway.
pub struct Till(pub Arc<Life>);

// === impl Bank ===

impl Bank {
    /// Every payment whose money moved at the gateway, asked for or not.
    pub fn payments(&self) -> BTreeSet<IdCorrelacion> {
        self.gateway.referencias()
    }

    /// What happened to a payment's money at the gateway, in order, in minor units.
    pub fn movements(&self, id: &IdCorrelacion) -> Vec<(Operacion, i64)> {
        self.gateway.movimientos(id)
    }

    /// After how many of a payment's movements the bank took it back, and how much, in minor units.
    pub fn taken_back(&self, id: &IdCorrelacion) -> Option<(usize, i64)> {
        let taken = lock(&self.taken_back);
        taken.get(id).copied()
    }

    /// The client's bank takes a payment back: what was captured and is not refunded. Whether there was anything.
    pub fn take_back(&self, id: &IdCorrelacion) -> bool {
        let movements = self.movements(id);
        let held: i64 = movements
            .iter()
            .map(|(operation, minor)| match operation {
                Operacion::Capturar => *minor,
                Operacion::Reembolsar => -*minor,
                Operacion::Autorizar | Operacion::Anular => 0,
            })
            .sum();
        let mut taken = lock(&self.taken_back);
        if held > 0 {
            taken.entry(id.clone()).or_insert((movements.len(), held));
        }
        held > 0
    }
}

impl Till {
    async fn call<T: std::fmt::Debug>(
        &self,
        id: &IdCorrelacion,
        operation: Operacion,
        call: impl Future<Output = Respuesta<T>>,
    ) -> Respuesta<T> {
        let Self(life) = self;
        let silent = |why| Respuesta::Incierto(Reason::new("PasarelaSinRespuesta", why));
        if let Err(why) = life.before(Part::Gateway).await {
            return silent(why);
        }
        let said = call.await;
        life.world()
            .note(|| format!("the gateway answers {said:?} to {operation} of {id}"));
        crate::laws::paid(life.world(), id);
        if let Respuesta::Rechazado(reason) = &said {
            crate::laws::refused(life.world(), id, operation, &reason.motivo);
        }
        match life.answered(Part::Gateway).await {
            Ok(()) => said,
            Err(why) => silent(why),
        }
    }
}

/// It lands at the gateway whether or not anybody asks again: the same call under the same key.
fn land(world: &Arc<World>, id: &IdCorrelacion, autorizacion: &IdAutorizacion, dinero: Dinero) {
    let after = world.upto(LANDS);
    let (world, id, autorizacion) = (Arc::clone(world), id.clone(), autorizacion.clone());
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        // What it says is heard by nobody; what it did is in its books.
        drop(world.bank.gateway.capturar(&id, &autorizacion, dinero).await);
        crate::laws::paid(&world, &id);
    });
}

#[async_trait]
impl Pasarela for Till {
    fn nombre(&self) -> NombrePasarela {
        NombrePasarela::Simulada
    }

    async fn autorizar(&self, id: &IdCorrelacion, medio_pago: MedioPago, dinero: Dinero) -> Respuesta<IdAutorizacion> {
        let gateway = &self.0.world().bank.gateway;
        self.call(id, Operacion::Autorizar, gateway.autorizar(id, medio_pago, dinero))
            .await
    }

    async fn capturar(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion, dinero: Dinero) -> Respuesta<Cobro> {
        let world = self.0.world();
        let call = async {
            let said = world.bank.gateway.capturar(id, autorizacion, dinero).await;
            if matches!(said, Respuesta::Incierto(_)) && dinero.minor() % 100 == PUT_OFF {
                land(world, id, autorizacion, dinero);
            }
            said
        };
        self.call(id, Operacion::Capturar, call).await
    }

    async fn anular(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion) -> Respuesta<()> {
        let gateway = &self.0.world().bank.gateway;
        self.call(id, Operacion::Anular, gateway.anular(id, autorizacion)).await
    }

    async fn reembolsar(&self, id: &IdCorrelacion, cargo: &IdCargo, dinero: Dinero) -> Respuesta<IdReembolso> {
        let gateway = &self.0.world().bank.gateway;
        self.call(id, Operacion::Reembolsar, gateway.reembolsar(id, cargo, dinero))
            .await
    }

    async fn cuentas(&self, desde_ms: i64, cursor: Option<&str>) -> Result<Pagina, Fault> {
        self.0.world().bank.gateway.cuentas(desde_ms, cursor).await
    }
}
