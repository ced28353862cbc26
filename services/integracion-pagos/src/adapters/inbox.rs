//! The messages that this service handles.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::{Action, Fault, Message, Step};
use seedwork_runtime::participant::Participation;
use seedwork_runtime::{Delivery, Inbox};

use super::contracargos::Contracargos;
use super::participante::Pagos;

/// Routes messages to what handles them.
pub struct Entrada {
    participation: Arc<Participation<Pagos>>,
    contracargos: Arc<Contracargos>,
}

// === impl Entrada ===

impl Entrada {
    /// An inbox in front of these.
    pub fn new(participation: Arc<Participation<Pagos>>, contracargos: Arc<Contracargos>) -> Self {
        Self {
            participation,
            contracargos,
        }
    }
}

#[async_trait]
impl Inbox for Entrada {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        let Delivery { message, source: _ } = delivery;
        match message {
            Message::Comando(comando)
                if matches!(
                    comando.action,
                    Action::Do(Step::RealizarPago) | Action::Undo(Step::RealizarPago)
                ) =>
            {
                self.participation.receive(comando).await
            }
            Message::ContracargoAtendido { id_correlacion } => self.contracargos.atendido(&id_correlacion).await,
            message @ (Message::Comando(_)
            | Message::Respuesta(_)
            | Message::SolicitarPago(_)
            | Message::SolicitudRechazada { .. }
            | Message::SagaActualizada(_)
            | Message::FinalRecibido { .. }
            | Message::ContracargoRecibido(_)) => Err(Fault::Rejected(vec![format!(
                "{} is not for this service",
                message.event_type()
            )])),
        }
    }
}
