//! What callers read.

use serde::Serialize;

use crate::adapters::read_model::Fila;
use crate::domain::{Estado, Notificacion};

/// A notification. The members of the original; where it stands, if it is for delivery
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Notificacion)]
pub(super) struct Vista {
    #[schema(format = DateTime)]
    fecha_actualizacion: String,
    #[schema(format = DateTime)]
    fecha_creacion: String,
    id: String,
    /// The medium it stands on: the one named, to call, that delivered, or tried last
    medio: String,
    tipo: String,
    valor: String,
    /// The payment it tells of, if it tells of one
    #[serde(rename = "idCorrelacion", skip_serializing_if = "Option::is_none")]
    id_correlacion: Option<String>,
    /// Whom it is for, if it is for delivery
    #[serde(rename = "idCliente", skip_serializing_if = "Option::is_none")]
    id_cliente: Option<String>,
    /// ACEPTADA, PREPARADA, ENTREGADA or RECHAZADA, if it is for delivery
    #[serde(skip_serializing_if = "Option::is_none")]
    estado: Option<String>,
}

/// Accepted; the headers say what became of it
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Aceptada {}

// === impl Vista ===

impl From<Fila> for Vista {
    fn from(fila: Fila) -> Self {
        let Fila {
            id,
            id_correlacion,
            id_cliente,
            tipo,
            medio,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = fila;
        // A row of before clients were noted has no idCliente and is for delivery all the same.
        let for_delivery = id_correlacion.is_some() || id_cliente.is_some();
        Self {
            fecha_actualizacion,
            fecha_creacion,
            id,
            medio,
            tipo,
            valor,
            id_correlacion,
            id_cliente,
            estado: for_delivery.then_some(estado),
        }
    }
}

impl From<Notificacion> for Vista {
    fn from(notificacion: Notificacion) -> Self {
        let Notificacion {
            id,
            tipo,
            id_cliente,
            valor,
            estado,
            fecha_creacion,
            fecha_actualizacion,
        } = notificacion;
        let name = match &estado {
            Estado::Registrada { .. } => None,
            Estado::Aceptada { .. }
            | Estado::Preparada { .. }
            | Estado::Entregada { .. }
            | Estado::Rechazada { .. } => Some(estado.as_str().to_owned()),
        };
        Self {
            fecha_actualizacion,
            fecha_creacion,
            id: id.to_string(),
            medio: estado.medio().to_string(),
            tipo: tipo.into(),
            valor,
            id_correlacion: None,
            id_cliente: id_cliente.map(Into::into),
            estado: name,
        }
    }
}
