//! Messages in: commands of the saga, and what became of the requests taken at this door.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::{Fault, Message};
use seedwork_runtime::intake::Intake;
use seedwork_runtime::participant::Participation;
use seedwork_runtime::{Delivery, Inbox};

use super::facturacion::Facturacion;

/// Hands each message to whom it is for.
pub(crate) struct Desk {
    participation: Arc<Participation<Facturacion>>,
    intake: Arc<Intake>,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(participation: Arc<Participation<Facturacion>>, intake: Arc<Intake>) -> Self {
        Self { participation, intake }
    }
}

#[async_trait]
impl Inbox for Desk {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        let Delivery { message, source: _ } = delivery;
        let event_type = message.event_type();
        match message {
            Message::Comando(comando) if Facturacion::handles(comando.action) => {
                self.participation.receive(comando).await
            }
            Message::SagaActualizada(estado) => self.intake.heard(&estado.id_correlacion, estado.ended).await,
            Message::SolicitudRechazada { id_correlacion, reason } => {
                self.intake.refused(&id_correlacion, &reason).await
            }
            Message::Comando(_)
            | Message::Respuesta(_)
            | Message::SolicitarPago(_)
            | Message::FinalRecibido { .. }
            | Message::ContracargoRecibido(_)
            | Message::ContracargoAtendido { .. } => Err(Fault::Rejected(vec![format!(
                "{event_type} is not for gestion-clientes"
            )])),
        }
    }
}
