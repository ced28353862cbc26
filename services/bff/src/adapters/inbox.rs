//! What the operator tells us.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::contrato::Message;
use seedwork::{App, EstadoPago, Fault, IdCorrelacion, Reason, SolicitudPago};
use seedwork_runtime::intake::{EstadoSolicitud, Intake, Registro};
use seedwork_runtime::{Delivery, Inbox, Sidecar};

use super::read_model::ReadModel;
use crate::APP;
use crate::domain::Pago;

/// Handles the messages of `inbox-bff`.
pub(crate) struct Desk {
    read_model: ReadModel,
    intake: Arc<Intake>,
    sidecar: Arc<dyn Sidecar>,
}

// === impl Desk ===

impl Desk {
    pub(crate) fn new(read_model: ReadModel, intake: Arc<Intake>, sidecar: Arc<dyn Sidecar>) -> Self {
        Self {
            read_model,
            intake,
            sidecar,
        }
    }

    /// A state. The end is acknowledged every time it is told: the operator repeats it until it hears us.
    async fn updated(&self, estado: EstadoPago) -> Result<(), Fault> {
        let pago = Pago::from(estado);
        match self.asked_here(&pago.id_correlacion).await? {
            // Another door took another payment under the same key, and was first: this is not what became of ours.
            Some(Registro { solicitud, estado }) if solicitud != pago.solicitud => {
                if estado == EstadoSolicitud::Abierta {
                    self.refuse(&pago.id_correlacion, solicitud, &taken()).await?;
                }
                self.read_model.record(&pago).await?;
            }
            Some(_) | None => {
                self.read_model.hear(&pago, &self.intake).await?;
            }
        }
        if !pago.ended {
            return Ok(());
        }
        let received = Message::FinalRecibido {
            id_correlacion: pago.id_correlacion.clone(),
            secuencia: pago.secuencia,
        };
        seedwork_runtime::send(self.sidecar.as_ref(), APP, App::Operator, &received).await
    }

    /// A request that can never become a payment. A saga under the same identity, if one is known, stays as it is.
    async fn refused(&self, id: IdCorrelacion, reason: Reason) -> Result<(), Fault> {
        if let Some(registro) = self.intake.find(&id).await? {
            return self.refuse(&id, registro.solicitud, &reason).await;
        }
        // Not from this door: then we asked because it was silent.
        if self.read_model.find(&id).await?.is_some() {
            tracing::warn!(%id, %reason, "a payment that we know of is refused by the operator");
            return Ok(());
        }
        Err(Fault::NotFound(format!("no request {id} came through this door")))
    }

    /// Shows a request of ours as refused, and then closes it: should that fail, it is asked about and refused again.
    async fn refuse(&self, id: &IdCorrelacion, solicitud: SolicitudPago, reason: &Reason) -> Result<(), Fault> {
        let rechazado = Pago::rechazado(id.clone(), solicitud, reason.para_cliente());
        self.read_model.record(&rechazado).await?;
        self.intake.refused(id, reason).await
    }

    /// The request that came through this door under this identity. One that cannot be read, since a newer version stored it,
    /// keeps no state of its payment out.
    async fn asked_here(&self, id: &IdCorrelacion) -> Result<Option<Registro>, Fault> {
        match self.intake.find(id).await {
            Err(fault @ Fault::Bug { .. }) => {
                tracing::error!(%id, error = fault.chain(), "a stored request cannot be read");
                Ok(None)
            }
            found => found,
        }
    }
}

/// Why a request is refused whose identity is another payment's, in the operator's words.
fn taken() -> Reason {
    Reason::new("IdentidadUsada", "another payment exists under this idCorrelacion")
}

#[async_trait]
impl Inbox for Desk {
    async fn receive(&self, delivery: Delivery) -> Result<(), Fault> {
        match delivery.message {
            Message::SagaActualizada(estado) => self.updated(*estado).await,
            Message::SolicitudRechazada { id_correlacion, reason } => self.refused(id_correlacion, reason).await,
            message @ (Message::Comando(_)
            | Message::Respuesta(_)
            | Message::SolicitarPago(_)
            | Message::FinalRecibido { .. }
            | Message::ContracargoRecibido(_)
            | Message::ContracargoAtendido { .. }) => Err(Fault::Rejected(vec![format!(
                "{} is not for {APP}",
                message.event_type()
            )])),
        }
    }
}
