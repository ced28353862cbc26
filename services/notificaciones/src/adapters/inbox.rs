//! What arrives: the operator's commands.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::{App, Fault, Message};
use seedwork_runtime::participant::Participation;
use seedwork_runtime::{Delivery, Inbox};

use super::notificador::Notificador;

/// The inbox of this service.
pub struct Buzon(pub Arc<Participation<Notificador>>);

// === impl Buzon ===

#[async_trait]
impl Inbox for Buzon {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        let Delivery { message, source: _ } = delivery;
        match message {
            Message::Comando(comando) if comando.action.participant() == App::Notificaciones => {
                self.0.receive(comando).await
            }
            Message::Comando(_)
            | Message::Respuesta(_)
            | Message::SolicitarPago(_)
            | Message::SolicitudRechazada { .. }
            | Message::SagaActualizada(_)
            | Message::FinalRecibido { .. }
            | Message::ContracargoRecibido(_)
            | Message::ContracargoAtendido { .. } => Err(Fault::Rejected(vec![format!(
                "notificaciones does not handle {}",
                message.event_type()
            )])),
        }
    }
}
