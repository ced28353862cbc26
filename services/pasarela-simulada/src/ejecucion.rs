//! How every call runs: its key is taken, its work and its stored answer are one transaction, and then it is answered
//! the way the outcome table says.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tracing::Instrument;

use crate::{
    idempotencia::{Clave, EnCurso, Turno},
    libro::Libro,
    problema::{Fallo, Problema},
    solicitud::Solicitud,
    telemetry,
};

/// The whole simulator.
#[derive(Debug)]
pub(crate) struct Simulador {
    pub(crate) libro: Libro,
    pub(crate) tiempos: Tiempos,
    /// Rung when a capture was put off, so that its landing is waited for.
    pub(crate) put_off: Notify,
    en_curso: EnCurso,
    stopping: watch::Sender<bool>,
}

/// The three delays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiempos {
    slow: Duration,
    late: Duration,
    pub(crate) timeout: Duration,
}

/// An answer as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Respuesta {
    pub(crate) status: u16,
    pub(crate) cuerpo: Value,
}

/// How the caller of something that was recorded gets its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrega {
    Contestar,
    Lenta,
    Error,
    Callar,
}

/// What the caller of something that was not recorded gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Omision {
    NoDisponible,
    Callar,
}

/// What an operation decided; its changes so far are in the transaction.
#[derive(Debug)]
pub(crate) enum Paso {
    /// Done, or refused for good: store the answer and give it that way.
    Registrar { respuesta: Respuesta, entrega: Entrega },
    /// Nothing was done but counting the call.
    Omitir(Omision),
    /// To be done later.
    Aplazar,
}

/// What the caller sees.
#[derive(Debug)]
pub(crate) enum Contestacion {
    Enviar {
        respuesta: Respuesta,
        repetida: bool,
    },
    /// The connection is held, then closed.
    Callar,
}

// === impl Simulador ===

impl Simulador {
    pub(crate) fn new(libro: Libro, tiempos: Tiempos) -> Self {
        Self {
            libro,
            tiempos,
            put_off: Notify::new(),
            en_curso: EnCurso::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Answers a call. It runs in a task of its own: a caller that hangs up does not stop a gateway half-way.
    pub(crate) async fn ejecutar(
        self: Arc<Self>,
        clave: Clave,
        solicitud: Solicitud,
    ) -> Result<Contestacion, Problema> {
        let texto = solicitud.texto().map_err(Fallo::al_cliente)?;
        let turno = self.en_curso.tomar(clave, &texto)?;
        let work = async move { self.atender(&turno, &solicitud, &texto).await };
        match tokio::spawn(work.in_current_span()).await {
            Ok(contestacion) => contestacion.map_err(Fallo::al_cliente),
            Err(error) => {
                tracing::error!(error = telemetry::cause(&error), "the task of a call died");
                Err(Problema::error_interno())
            }
        }
    }

    async fn atender(&self, turno: &Turno, solicitud: &Solicitud, texto: &str) -> Result<Contestacion, Fallo> {
        let clave = &turno.clave;
        let mut transaction = self.libro.begin().await?;
        if let Some(respuesta) = clave.respuesta(&mut transaction, texto).await? {
            return Ok(Contestacion::Enviar {
                respuesta,
                repetida: true,
            });
        }
        match solicitud.realizar(&mut transaction, &clave.valor).await? {
            Paso::Registrar { respuesta, entrega } => {
                clave.guardar(&mut transaction, texto, &respuesta).await?;
                transaction.commit().await?;
                Ok(self.entregar(respuesta, entrega).await)
            }
            Paso::Omitir(omision) => {
                transaction.commit().await?;
                Ok(match omision {
                    Omision::NoDisponible => Contestacion::from(&Problema::no_disponible()),
                    Omision::Callar => Contestacion::Callar,
                })
            }
            Paso::Aplazar => {
                clave.aplazar(&mut transaction, texto, self.tiempos.late).await?;
                transaction.commit().await?;
                self.put_off.notify_one();
                Ok(Contestacion::Callar)
            }
        }
    }

    async fn entregar(&self, respuesta: Respuesta, entrega: Entrega) -> Contestacion {
        match entrega {
            Entrega::Contestar => Contestacion::Enviar {
                respuesta,
                repetida: false,
            },
            Entrega::Lenta => {
                // The key stays in flight meanwhile, as it would at a gateway that is slow.
                self.esperar(self.tiempos.slow).await;
                Contestacion::Enviar {
                    respuesta,
                    repetida: false,
                }
            }
            Entrega::Error => Contestacion::from(&Problema::error_interno()),
            Entrega::Callar => Contestacion::Callar,
        }
    }

    /// Waits, but not beyond a shutdown.
    pub(crate) async fn esperar(&self, tiempo: Duration) {
        tokio::select! {
            () = tokio::time::sleep(tiempo) => {}
            () = self.stopped() => {}
        }
    }

    /// Resolves once the process is to stop.
    pub(crate) async fn stopped(&self) {
        // The sender lives in `self`, so the channel cannot close before it says so.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

// === impl Tiempos ===

impl Tiempos {
    pub(crate) fn from_millis(slow: u64, late: u64, timeout: u64) -> Self {
        Self {
            slow: Duration::from_millis(slow),
            late: Duration::from_millis(late),
            timeout: Duration::from_millis(timeout),
        }
    }
}

// === impl Paso ===

impl Paso {
    /// A definite refusal: stored under the key like any answer.
    pub(crate) fn rechazar(problema: &Problema) -> Self {
        Self::Registrar {
            respuesta: problema.into(),
            entrega: Entrega::Contestar,
        }
    }
}

// === impl Contestacion ===

impl From<&Problema> for Contestacion {
    fn from(problema: &Problema) -> Self {
        Self::Enviar {
            respuesta: problema.into(),
            repetida: false,
        }
    }
}
