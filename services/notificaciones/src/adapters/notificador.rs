//! The participant: notifications as a step of a payment.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::contrato::Comando;
use seedwork::{Action, Fault, IdCorrelacion, Outcome, Reason, Step};
use seedwork_runtime::Sidecar;
use seedwork_runtime::participant::{Move, Participant};

use super::clientes::{self, Consulta};
use super::mensajeria::{Entrega, Mensajeria};
use super::read_model::ReadModel;
use crate::domain::estado::medios_rechazados;
use crate::domain::{Avisos, Cual, Estado, Medio, Notificacion, Veredicto};

/// Tells clients what became of their payments.
pub struct Notificador {
    sidecar: Arc<dyn Sidecar>,
    mensajeria: Arc<dyn Mensajeria>,
    read_model: ReadModel,
}

/// How much longer than a delivery may take its turn lasts, in milliseconds: until what came of it is recorded.
const MARGEN_MS: i64 = 5_000;

// === impl Notificador ===

impl Notificador {
    /// A participant that asks for addresses through `sidecar` and delivers by `mensajeria`.
    pub fn new(sidecar: Arc<dyn Sidecar>, mensajeria: Arc<dyn Mensajeria>, read_model: ReadModel) -> Self {
        Self {
            sidecar,
            mensajeria,
            read_model,
        }
    }

    /// One step towards the delivery of this notification.
    async fn avisar(&self, avisos: Avisos, cual: Cual, comando: &Comando) -> Result<Move<Avisos>, Fault> {
        let Some(notificacion) = avisos.de(cual).cloned() else {
            return Ok(self.preparar(avisos, cual, comando).await);
        };
        let Some(mensaje) = notificacion.mensaje(Some(&comando.id_correlacion)) else {
            return Ok(terminada(avisos, &notificacion));
        };
        let (id, ahora) = (notificacion.id, seedwork_runtime::now_ms());
        let hasta = self.turno_ms(mensaje.medio).map(|ms| ahora.saturating_add(ms));
        // The operator asks again before a slow server has answered, and may reach another replica.
        if let Some(hasta) = hasta
            && !self.read_model.tomar_turno(&id, ahora, hasta).await?
        {
            let reason = Reason::new("EnCurso", "otro intento la está entregando");
            return Ok(Move::Unsettled(reason));
        }
        let veredicto = match self.mensajeria.entregar(&mensaje).await {
            Entrega::Entregado => Veredicto::Entregado,
            Entrega::Rechazado(reason) => Veredicto::Rechazado(reason),
            Entrega::Incierto(reason) => {
                if let Some(hasta) = hasta {
                    self.read_model.soltar_turno(&id, hasta).await?;
                }
                return Ok(Move::Unsettled(reason));
            }
        };
        let notificacion = notificacion
            .tras(veredicto, seedwork_runtime::now_text())
            .map_err(|error| Fault::bug("failed to record an answer of the message provider", error))?;
        let avisos = avisos.con(cual, notificacion.clone());
        Ok(match notificacion.estado {
            // The next medium is recorded before it is called.
            Estado::Preparada { .. } => Move::Checkpoint(avisos),
            Estado::Registrada { .. }
            | Estado::Aceptada { .. }
            | Estado::Entregada { .. }
            | Estado::Rechazada { .. } => terminada(avisos, &notificacion),
        })
    }

    /// For how long a delivery by this medium is to be ours alone, in milliseconds; `None` where that does not matter.
    fn turno_ms(&self, medio: Medio) -> Option<i64> {
        let turno = self.mensajeria.turno(medio)?;
        let turno = i64::try_from(turno.as_millis()).unwrap_or(i64::MAX);
        Some(turno.saturating_add(MARGEN_MS))
    }

    async fn preparar(&self, avisos: Avisos, cual: Cual, comando: &Comando) -> Move<Avisos> {
        let cliente = &comando.solicitud.id_cliente;
        match clientes::correo_de(self.sidecar.as_ref(), cliente).await {
            Consulta::Correo(correo) => {
                let ahora = seedwork_runtime::now_text();
                let pago = &comando.id_correlacion;
                let texto = cual.texto(comando);
                let nueva = Notificacion::preparar(pago, cual.tipo(), cliente.clone(), correo, texto, ahora);
                Move::Checkpoint(avisos.con(cual, nueva))
            }
            Consulta::Inexistente => {
                let outcome = Outcome::Refused(Reason::new("ClienteInexistente", "el cliente no existe"));
                Move::End {
                    aggregate: Some(avisos).filter(|avisos| *avisos != Avisos::default()),
                    outcome,
                }
            }
            Consulta::Incierta(reason) => Move::Unsettled(reason),
        }
    }
}

/// The end of a command whose notification needs no more calls.
fn terminada(avisos: Avisos, notificacion: &Notificacion) -> Move<Avisos> {
    let outcome = match &notificacion.estado {
        // A refused notice becomes a failed one in the reply: only a step can be refused.
        Estado::Rechazada { intentos } => Outcome::Refused(medios_rechazados(intentos)),
        Estado::Registrada { .. } | Estado::Aceptada { .. } | Estado::Preparada { .. } | Estado::Entregada { .. } => {
            Outcome::Done
        }
    };
    Move::End {
        aggregate: Some(avisos),
        outcome,
    }
}

#[async_trait]
impl Participant for Notificador {
    type Aggregate = Avisos;
    type Notes = ();
    const DOCUMENT: &'static str = "notificaciones";
    const FIRST: Step = Step::CrearNotificacion;
    const CALLS_OUTSIDE: bool = true;

    async fn advance(&self, aggregate: Option<&Avisos>, comando: &Comando, (): &mut ()) -> Result<Move<Avisos>, Fault> {
        let avisos = aggregate.cloned().unwrap_or_default();
        match comando.action {
            Action::Do(Step::CrearNotificacion) => self.avisar(avisos, Cual::Alerta, comando).await,
            Action::AvisarReversion => self.avisar(avisos, Cual::Reversion, comando).await,
            // What was said cannot be unsaid: the tombstone, which is recorded by now, is the whole undo.
            Action::Undo(Step::CrearNotificacion) => Ok(Move::End {
                aggregate: aggregate.cloned(),
                outcome: Outcome::Done,
            }),
            Action::Do(Step::CrearFacturacion | Step::RealizarPago | Step::ConfirmarFacturacion)
            | Action::Undo(Step::CrearFacturacion | Step::RealizarPago | Step::ConfirmarFacturacion) => {
                let command = comando.action.command_type();
                Err(Fault::Rejected(vec![format!(
                    "notificaciones does not handle {command}"
                )]))
            }
        }
    }

    /// A medium that knows no key gives each delivery a turn, which is taken at the row.
    fn minds_repeats(&self) -> bool {
        Medio::ALL
            .into_iter()
            .any(|medio| self.mensajeria.turno(medio).is_some())
    }

    async fn project(&self, id: &IdCorrelacion, aggregate: &Avisos, version: u64, (): &()) -> Result<(), Fault> {
        for notificacion in aggregate.todas() {
            self.read_model.proyectar(id, notificacion, version).await?;
        }
        Ok(())
    }
}
