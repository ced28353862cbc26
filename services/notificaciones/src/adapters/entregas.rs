//! The delivery of a notification that was made over HTTP for a client: by the same steps as a payment's, each recorded
//! before the next is taken.

use std::sync::Arc;

use seedwork::{Fault, Reason};
use seedwork_runtime::Sidecar;
use seedwork_runtime::sidecar::{Document, load, save};

use super::clientes::{self, Consulta};
use super::mensajeria::{Entrega, Mensajeria};
use super::read_model::ReadModel;
use super::registro::{Documento, Registro};
use crate::domain::{Estado, Notificacion, Veredicto};

/// Delivers notifications made over HTTP.
pub(super) struct Entregas {
    sidecar: Arc<dyn Sidecar>,
    mensajeria: Arc<dyn Mensajeria>,
    read_model: ReadModel,
}

enum Paso {
    /// It goes on as this.
    Siguiente(Notificacion),
    /// Nothing more can be done now, and why.
    Espera(Reason),
    /// It has ended.
    Terminada,
}

/// How many steps are taken at once: the address, three media, the end, and some lost races.
const PASOS: usize = 12;

// === impl Entregas ===

impl Entregas {
    pub(super) fn new(sidecar: Arc<dyn Sidecar>, mensajeria: Arc<dyn Mensajeria>, read_model: ReadModel) -> Self {
        Self {
            sidecar,
            mensajeria,
            read_model,
        }
    }

    /// Takes a notification as far as it gets now; true once it has ended. `vencida`: its time is over, one that is
    /// still under way is given up.
    pub(super) async fn llevar(&self, aceptada: &Notificacion, vencida: bool) -> Result<bool, Fault> {
        let key = Registro::key(&aceptada.id);
        for _ in 0..PASOS {
            let Document { value, expect } = load::<Documento>(self.sidecar.as_ref(), &key).await?;
            let Documento { version, notificacion } = value.unwrap_or_else(|| Documento {
                version: 0,
                notificacion: aceptada.clone(),
            });
            let notificacion = match self.paso(notificacion.clone(), vencida).await? {
                Paso::Siguiente(siguiente) => siguiente,
                Paso::Terminada => {
                    self.read_model.asentar(&notificacion, version).await?;
                    return Ok(true);
                }
                Paso::Espera(reason) => {
                    tracing::info!(id = %aceptada.id, %reason, "a notification is not delivered yet");
                    return Ok(false);
                }
            };
            let documento = Documento {
                version: version + 1,
                notificacion,
            };
            match save(self.sidecar.as_ref(), &key, &documento, expect).await {
                Ok(()) => {
                    let Documento { version, notificacion } = &documento;
                    self.read_model.asentar(notificacion, *version).await?;
                }
                Err(Fault::Conflict(_)) => {} // read again, then decide again
                Err(fault) => return Err(fault),
            }
        }
        Ok(false)
    }

    async fn paso(&self, notificacion: Notificacion, vencida: bool) -> Result<Paso, Fault> {
        let ahora = seedwork_runtime::now_text;
        match &notificacion.estado {
            Estado::Registrada { .. } | Estado::Entregada { .. } | Estado::Rechazada { .. } => {
                return Ok(Paso::Terminada);
            }
            Estado::Aceptada { .. } | Estado::Preparada { .. } if vencida => {
                let motivo = Reason::new("SinRespuesta", "nadie respondió dentro del plazo");
                return Ok(Paso::Siguiente(notificacion.abandonar(motivo, ahora())));
            }
            Estado::Aceptada { .. } | Estado::Preparada { .. } => {}
        }
        if let Some(mensaje) = notificacion.mensaje(None) {
            let veredicto = match self.mensajeria.entregar(&mensaje).await {
                Entrega::Entregado => Veredicto::Entregado,
                Entrega::Rechazado(reason) => Veredicto::Rechazado(reason),
                Entrega::Incierto(reason) => return Ok(Paso::Espera(reason)),
            };
            let siguiente = notificacion.tras(veredicto, ahora());
            let bug = |error| Fault::bug("failed to record an answer of the message provider", error);
            return siguiente.map(Paso::Siguiente).map_err(bug);
        }
        let Some(cliente) = notificacion.id_cliente.as_ref() else {
            return Err(Fault::bug("failed to deliver a notification", "it is for nobody"));
        };
        Ok(match clientes::correo_de(self.sidecar.as_ref(), cliente).await {
            Consulta::Correo(correo) => Paso::Siguiente(notificacion.dirigir(correo, ahora())),
            Consulta::Inexistente => {
                let motivo = Reason::new("ClienteInexistente", "el cliente no existe");
                Paso::Siguiente(notificacion.abandonar(motivo, ahora()))
            }
            Consulta::Incierta(reason) => Paso::Espera(reason),
        })
    }
}
