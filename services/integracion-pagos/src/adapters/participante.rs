//! The participant of the saga: drives the state machine, one move at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use seedwork::contrato::Comando;
use seedwork::{Action, Direction, Fault, IdCorrelacion, Outcome, Reason, Step};
use seedwork_runtime::participant::{Move, Participant};

use super::pasarela::{Pasarela, llamar};
use super::read_model::{Intento, ReadModel};
use crate::domain::{Contestacion, Instante, Llamada, Movimiento, Pago};

/// A wall clock, in milliseconds since the epoch. Keys and rows outlive the process, so a monotonic one won't do.
pub type Reloj = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Takes money and gives it back.
pub struct Pagos {
    pasarela: Arc<dyn Pasarela>,
    read_model: ReadModel,
    vigencia_ms: i64,
    reloj: Reloj,
}

// === impl Pagos ===

impl Pagos {
    /// A participant that calls `pasarela`, whose idempotency keys live for `vigencia`.
    pub fn new(pasarela: Arc<dyn Pasarela>, read_model: ReadModel, vigencia: Duration, reloj: Reloj) -> Self {
        let vigencia_ms = i64::try_from(vigencia.as_millis()).unwrap_or(i64::MAX);
        Self {
            pasarela,
            read_model,
            vigencia_ms,
            reloj,
        }
    }

    /// What people may see of the payments.
    pub fn read_model(&self) -> &ReadModel {
        &self.read_model
    }

    /// The gateway.
    pub(crate) fn pasarela(&self) -> &dyn Pasarela {
        self.pasarela.as_ref()
    }

    pub(crate) fn ahora_ms(&self) -> i64 {
        (self.reloj)()
    }

    /// Now, and how long the gateway's keys live.
    pub(crate) fn instante(&self) -> Instante {
        Instante {
            ahora_ms: self.ahora_ms(),
            vigencia_ms: self.vigencia_ms,
        }
    }

    fn decidir(
        &self,
        pago: &Pago,
        sentido: Direction,
        contestacion: Option<Contestacion>,
    ) -> Result<Movimiento, Fault> {
        pago.avanzar(sentido, contestacion, self.instante())
            .map_err(|error| Fault::bug(format!("failed to decide about {}", pago.id_correlacion), error))
    }

    async fn llamar(&self, pago: &Pago, llamada: &Llamada, intentos: &mut Vec<Intento>) -> Contestacion {
        // A payment that began at another gateway: ours would not know its keys.
        if pago.pasarela != self.pasarela.nombre() {
            let mensaje = format!("El pago se inició en la pasarela {}", pago.pasarela.as_str());
            return Contestacion::Incierta(Reason::new("PasarelaDistinta", mensaje));
        }
        let contestacion = llamar(self.pasarela.as_ref(), &pago.id_correlacion, llamada).await;
        intentos.push(Intento {
            operacion: llamada.operacion(),
            contestacion: contestacion.clone(),
            cuando_ms: self.ahora_ms(),
        });
        contestacion
    }
}

#[async_trait]
impl Participant for Pagos {
    type Aggregate = Pago;
    type Notes = Vec<Intento>;
    const DOCUMENT: &'static str = "pago";
    const FIRST: Step = Step::RealizarPago;
    const CALLS_OUTSIDE: bool = true;

    async fn advance(
        &self,
        aggregate: Option<&Pago>,
        comando: &Comando,
        intentos: &mut Vec<Intento>,
    ) -> Result<Move<Pago>, Fault> {
        let sentido = match comando.action {
            Action::Do(Step::RealizarPago) => Direction::Do,
            Action::Undo(Step::RealizarPago) => Direction::Undo,
            Action::Do(_) | Action::Undo(_) | Action::AvisarReversion => {
                return Err(Fault::Rejected(vec![format!(
                    "{} is not ours",
                    comando.action.command_type()
                )]));
            }
        };
        let Some(pago) = aggregate else {
            return Ok(match sentido {
                Direction::Do => {
                    let Comando {
                        action: _,
                        id_correlacion,
                        solicitud,
                        reason: _,
                    } = comando;
                    let nombre = self.pasarela.nombre();
                    Move::Checkpoint(Pago::preparado(
                        id_correlacion.clone(),
                        solicitud,
                        nombre,
                        self.ahora_ms(),
                    ))
                }
                Direction::Undo => Move::End {
                    aggregate: None,
                    outcome: Outcome::Done,
                },
            });
        };
        let movimiento = match self.decidir(pago, sentido, None)? {
            Movimiento::Llamar(llamada) => {
                let contestacion = self.llamar(pago, &llamada, intentos).await;
                self.decidir(pago, sentido, Some(contestacion))?
            }
            movimiento @ (Movimiento::Registrar(_) | Movimiento::Terminar(..) | Movimiento::Esperar(_)) => movimiento,
        };
        match movimiento {
            Movimiento::Registrar(pago) => Ok(Move::Checkpoint(pago)),
            Movimiento::Esperar(motivo) => Ok(Move::Unsettled(motivo)),
            Movimiento::Terminar(pago, outcome) => {
                advertir(&pago);
                Ok(Move::End {
                    aggregate: Some(pago),
                    outcome,
                })
            }
            Movimiento::Llamar(llamada) => {
                let operacion = llamada.operacion();
                Err(Fault::bug(
                    format!("failed to {operacion} {}", pago.id_correlacion),
                    "an answer led to a call",
                ))
            }
        }
    }

    async fn project(
        &self,
        _: &IdCorrelacion,
        pago: &Pago,
        version: u64,
        intentos: &Vec<Intento>,
    ) -> Result<(), Fault> {
        self.read_model.project(pago, version, intentos).await
    }
}

/// Says so when two accounts of a payment's money don't fit together.
pub(crate) fn advertir(pago: &Pago) {
    if let Some(discrepancia) = pago.discrepancia() {
        tracing::warn!(id = %pago.id_correlacion, %discrepancia, "a person must compare this payment with the gateway");
    }
}
