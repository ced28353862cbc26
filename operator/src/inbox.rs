//! The operator's inbox.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::{Fault, Message};
use seedwork_runtime::{Delivery, Inbox};

use crate::shell::Shell;
use crate::{replies, requests};

/// Routes each message to what handles it.
pub struct OperatorInbox(pub Arc<Shell>);

#[async_trait]
impl Inbox for OperatorInbox {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        let shell = self.0.as_ref();
        match delivery.message {
            Message::Respuesta(respuesta) => replies::respuesta(shell, &respuesta).await,
            Message::SolicitarPago(solicitar) => requests::solicitar(shell, solicitar).await,
            Message::FinalRecibido {
                id_correlacion,
                secuencia,
            } => {
                shell.archive.confirmed(id_correlacion, secuencia);
                Ok(())
            }
            Message::ContracargoRecibido(contracargo) => replies::contracargo(shell, &contracargo).await,
            message @ (Message::Comando(_)
            | Message::SolicitudRechazada { .. }
            | Message::SagaActualizada(_)
            | Message::ContracargoAtendido { .. }) => Err(Fault::Rejected(vec![format!(
                "{} is not for the operator",
                message.event_type()
            )])),
        }
    }
}
