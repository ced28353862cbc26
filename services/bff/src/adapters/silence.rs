//! Asks about payments that have gone silent: decision 10, a read model must not fall behind unnoticed.
//!
//! Requests that came through this door are asked about by the intake until they end. This is for the rest (born of
//! `kubectl apply` or of gestión-clientes), and for those that a chargeback set in motion after their end.

use std::sync::Arc;
use std::time::Duration;

use seedwork::contrato::{Message, SolicitarPago};
use seedwork::{App, Fault};
use seedwork_runtime::Sidecar;
use seedwork_runtime::intake::{EstadoSolicitud, Intake};
use tracing::Instrument as _;

use super::read_model::ReadModel;
use crate::APP;
use crate::domain::Pago;

/// Runs for the life of the process.
pub(crate) async fn run(read_model: ReadModel, intake: Arc<Intake>, sidecar: Arc<dyn Sidecar>, look: Duration) {
    loop {
        tokio::time::sleep(look).await;
        let silent = match read_model.claim_silent().await {
            Ok(silent) => silent,
            Err(fault) => {
                tracing::warn!(error = fault.chain(), "unable to look for silent payments now");
                continue;
            }
        };
        for pago in silent {
            let span = tracing::info_span!("ask about a silent payment", id_correlacion = %pago.id_correlacion);
            if let Err(fault) = ask(&intake, sidecar.as_ref(), pago).instrument(span).await {
                tracing::warn!(
                    error = fault.chain(),
                    "unable to ask about a silent payment; it will be asked again"
                );
            }
        }
    }
}

/// The question is the request itself: a known payment is answered with its state.
async fn ask(intake: &Intake, sidecar: &dyn Sidecar, pago: Pago) -> Result<(), Fault> {
    let registro = intake.find(&pago.id_correlacion).await?;
    if registro.is_some_and(|registro| registro.estado == EstadoSolicitud::Abierta) {
        return Ok(()); // the intake asks
    }
    let Pago {
        id_correlacion,
        solicitud,
        ..
    } = pago;
    let question = Message::SolicitarPago(SolicitarPago {
        id_correlacion,
        solicitud,
        origen: APP,
    });
    seedwork_runtime::send(sidecar, APP, App::Operator, &question).await
}
