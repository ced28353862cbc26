//! Steps 1 and 3 of a payment: the invoice is issued, the invoice is marked paid. One document per payment.

use std::sync::Arc;

use async_trait::async_trait;
use seedwork::contrato::Comando;
use seedwork::{Action, Fault, IdCorrelacion, Outcome, Step};
use seedwork_runtime::Sidecar;
use seedwork_runtime::participant::{Move, Participant};

use super::facturas::Facturas;
use super::reintentos::Enlaces;
use super::{ahora, clientes};
use crate::domain::factura::{self, Factura, Reintento};
use crate::domain::reintento;

/// The participant for `CrearFacturacion` and `ConfirmarFacturacion`.
pub struct Facturacion {
    sidecar: Arc<dyn Sidecar>,
    facturas: Facturas,
    enlaces: Enlaces,
}

// === impl Facturacion ===

impl Facturacion {
    /// The participant: it asks `sidecar` whether a client exists and `enlaces` whether a payment is an automatic
    /// retry, and one too many by now, and keeps `facturas` up to date.
    pub(crate) fn new(sidecar: Arc<dyn Sidecar>, facturas: Facturas, enlaces: Enlaces) -> Self {
        Self {
            sidecar,
            facturas,
            enlaces,
        }
    }

    /// Whether an action is ours to do.
    pub(crate) fn handles(action: Action) -> bool {
        match action {
            Action::Do(step) | Action::Undo(step) => {
                matches!(step, Step::CrearFacturacion | Step::ConfirmarFacturacion)
            }
            Action::AvisarReversion => false,
        }
    }
}

#[async_trait]
impl Participant for Facturacion {
    type Aggregate = Factura;
    type Notes = ();
    const DOCUMENT: &'static str = "factura";
    const FIRST: Step = Step::CrearFacturacion;
    const CALLS_OUTSIDE: bool = false;

    async fn advance(&self, actual: Option<&Factura>, comando: &Comando, (): &mut ()) -> Result<Move<Factura>, Fault> {
        let Comando {
            action,
            id_correlacion: id,
            solicitud,
            reason,
        } = comando;
        let decided = match action {
            Action::Do(Step::CrearFacturacion) => {
                let existe = clientes::exists(self.sidecar.as_ref(), &solicitud.id_cliente).await?;
                let reintento = self.enlaces.of(id).await?;
                // When it was made there was no other; the client may have asked to pay since.
                let ya_pagado = match &reintento {
                    Some(Reintento { de, intento: _ }) => {
                        let id_cliente = &solicitud.id_cliente;
                        self.enlaces.has_paid_or_is_paying(id, de, id_cliente).await?
                    }
                    None => false,
                };
                if ya_pagado {
                    Err(reintento::ya_pagado())
                } else {
                    factura::crear(id, solicitud, existe, reintento, ahora()).map(Some)
                }
            }
            Action::Undo(Step::CrearFacturacion) => {
                let revertir = |factura| factura::revertir(factura, reason.as_ref(), ahora());
                Ok(actual.cloned().map(revertir))
            }
            Action::Do(Step::ConfirmarFacturacion) => factura::confirmar(actual, id, ahora()).map(Some),
            Action::Undo(Step::ConfirmarFacturacion) => Ok(actual.cloned().map(factura::revertir_confirmacion)),
            Action::Do(Step::RealizarPago | Step::CrearNotificacion)
            | Action::Undo(Step::RealizarPago | Step::CrearNotificacion)
            | Action::AvisarReversion => {
                return Err(Fault::Rejected(vec![format!(
                    "{} is not for us",
                    action.command_type()
                )]));
            }
        };
        Ok(match decided {
            Ok(aggregate) => Move::End {
                aggregate,
                outcome: Outcome::Done,
            },
            Err(reason) => Move::End {
                aggregate: actual.cloned(),
                outcome: Outcome::Refused(reason),
            },
        })
    }

    async fn project(&self, _id: &IdCorrelacion, factura: &Factura, version: u64, (): &()) -> Result<(), Fault> {
        self.facturas.project(factura, version).await
    }
}
