//! The in-memory double: a provider made of maps, with the refusal table of the simulated one and faults that the test
//! plants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use seedwork::Reason;

use super::{Entrega, Mensajeria};
use crate::domain::{Medio, Mensaje};

/// A message provider for tests.
#[derive(Default)]
pub struct MensajeriaEnMemoria {
    estado: Mutex<Libro>,
}

#[derive(Default)]
struct Libro {
    respuestas: BTreeMap<String, (Mensaje, Entrega)>,
    entregados: Vec<Mensaje>,
    llamadas: Vec<String>,
    rechazados: BTreeSet<&'static str>,
    caidas: u32,
    calladas: u32,
}

/// The longest address, in characters.
const DESTINO_MAXIMO: usize = 320;

// === impl MensajeriaEnMemoria ===

impl MensajeriaEnMemoria {
    /// Refuses every message by `medio` from now on.
    pub fn rechazar(&self, medio: Medio) {
        self.libro().rechazados.insert(medio.as_str());
    }

    /// The next `count` calls do nothing and get no answer.
    pub fn caer(&self, count: u32) {
        self.libro().caidas = count;
    }

    /// The next `count` calls do their work and get no answer.
    pub fn callar(&self, count: u32) {
        self.libro().calladas = count;
    }

    /// The key of every call, in order, whatever came of it.
    pub fn llamadas(&self) -> Vec<String> {
        self.libro().llamadas.clone()
    }

    /// What was delivered, in order.
    pub fn entregados(&self) -> Vec<Mensaje> {
        self.libro().entregados.clone()
    }

    fn libro(&self) -> MutexGuard<'_, Libro> {
        self.estado.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mensajeria for MensajeriaEnMemoria {
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega {
        self.libro().entregar(mensaje)
    }
}

// === impl Libro ===

impl Libro {
    fn entregar(&mut self, mensaje: &Mensaje) -> Entrega {
        self.llamadas.push(mensaje.clave.clone());
        if self.caidas > 0 {
            self.caidas -= 1;
            return incierto("no respondió");
        }
        if let Some((first, respuesta)) = self.respuestas.get(&mensaje.clave) {
            return if first == mensaje {
                respuesta.clone()
            } else {
                incierto("respondió HTTP 422")
            };
        }
        let respuesta = self.decidir(mensaje);
        self.respuestas
            .insert(mensaje.clave.clone(), (mensaje.clone(), respuesta.clone()));
        if respuesta == Entrega::Entregado {
            self.entregados.push(mensaje.clone());
            // The simulated provider is slow here: the first caller gives up, a repeat is answered.
            if mensaje.destino.contains("lento") {
                return incierto("no respondió a tiempo");
            }
        }
        if self.calladas > 0 {
            self.calladas -= 1;
            return incierto("no respondió a tiempo");
        }
        respuesta
    }

    fn decidir(&self, mensaje: &Mensaje) -> Entrega {
        let Mensaje {
            id: _,
            clave: _,
            referencia: _,
            medio,
            destino,
            asunto: _,
            texto: _,
        } = mensaje;
        let largo = destino.chars().count();
        if !(1..=DESTINO_MAXIMO).contains(&largo) {
            return Entrega::Rechazado(Reason::new(
                "SolicitudInvalida",
                "destino: debe ser un texto de 1 a 320 caracteres",
            ));
        }
        let local = destino.rsplit_once('@').map_or(destino.as_str(), |(local, _)| local);
        let by_table = destino.contains("rechaza-todo") || local.ends_with("+rechaza") || local.ends_with("000");
        if by_table || self.rechazados.contains(medio.as_str()) {
            let mensaje = format!("El destino {destino} no recibe mensajes por {medio}");
            return Entrega::Rechazado(Reason::new("MedioRechazado", mensaje));
        }
        Entrega::Entregado
    }
}

fn incierto(como: &str) -> Entrega {
    Entrega::Incierto(Reason::new(
        "MensajeriaNoDisponible",
        format!("el proveedor de mensajes {como}"),
    ))
}
