//! The gateway and the client's bank: the double that passes the gateway's contract suite and plays the table of
//! outcomes by the amount, with faults around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use integracion_pagos::adapters::pasarela::{Pagina, Pasarela, PasarelaMemoria, Respuesta};
use integracion_pagos::domain::{Cobro, IdAutorizacion, IdCargo, IdReembolso, NombrePasarela, Operacion};
use seedwork::{Dinero, Fault, IdCorrelacion, MedioPago, Reason};

use crate::life::Life;
use crate::world::Port;

/// The gateway's books, and what the bank took back.
#[derive(Default)]
pub struct Bank {
    gateway: PasarelaMemoria,
    taken_back: Mutex<BTreeMap<IdCorrelacion, i64>>,
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

    /// What the bank took back of a payment, in minor units.
    pub fn taken_back(&self, id: &IdCorrelacion) -> Option<i64> {
        let taken = self.taken_back.lock().unwrap_or_else(PoisonError::into_inner);
        taken.get(id).copied()
    }

    /// The client's bank takes a payment back: what was captured and is not refunded. Whether there was anything.
    pub fn take_back(&self, id: &IdCorrelacion) -> bool {
        let held: i64 = self
            .movements(id)
            .iter()
            .map(|(operation, minor)| match operation {
                Operacion::Capturar => *minor,
                Operacion::Reembolsar => -*minor,
                Operacion::Autorizar | Operacion::Anular => 0,
            })
            .sum();
        let mut taken = self.taken_back.lock().unwrap_or_else(PoisonError::into_inner);
        if held > 0 && !taken.contains_key(id) {
            taken.insert(id.clone(), held);
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
        if let Err(why) = life.before(Port::Gateway).await {
            return silent(why);
        }
        let said = call.await;
        life.world()
            .note(|| format!("the gateway answers {said:?} to {operation} of {id}"));
        crate::laws::paid(life.world(), id);
        if let Respuesta::Rechazado(reason) = &said {
            crate::laws::refused(life.world(), id, operation, &reason.motivo);
        }
        match life.answered(Port::Gateway).await {
            Ok(()) => said,
            Err(why) => silent(why),
        }
    }
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
        let gateway = &self.0.world().bank.gateway;
        self.call(id, Operacion::Capturar, gateway.capturar(id, autorizacion, dinero))
            .await
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
