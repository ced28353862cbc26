//! What a caller is told when its call is not done, and what goes wrong inside.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{ejecucion::Respuesta, telemetry};

/// A refusal, in words for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problema {
    pub(crate) status: StatusCode,
    codigo: &'static str,
    mensaje: String,
    suave: Option<bool>,
}

/// Why an operation did not come to an answer of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fallo {
    /// Refused without a trace: nothing is stored under the key.
    #[error("the call was refused")]
    Refusal(Problema),

    #[error("failed to use the ledger")]
    Ledger(#[from] sqlx::Error),

    #[error("failed to encode or decode a stored value")]
    Encoding(#[from] serde_json::Error),

    #[error("the ledger holds {0}, which this version does not know")]
    Unknown(String),
}

// === impl Problema ===

impl Problema {
    fn new(status: StatusCode, codigo: &'static str, mensaje: impl Into<String>) -> Self {
        Self {
            status,
            codigo,
            mensaje: mensaje.into(),
            suave: None,
        }
    }

    /// Bad input: the field and the rule it breaks.
    pub(crate) fn invalido(campo: &str, regla: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "SolicitudInvalida",
            format!("{campo}: {regla}"),
        )
    }

    pub(crate) fn no_encontrado(que: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoEncontrado", format!("No existe {que} {id}"))
    }

    pub(crate) fn ruta_desconocida() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoEncontrado", "No existe esta ruta")
    }

    pub(crate) fn metodo_no_permitido() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MetodoNoPermitido",
            "Esta ruta no admite ese método",
        )
    }

    pub(crate) fn cuerpo_ilegible(status: StatusCode, detalle: &str) -> Self {
        Self::new(
            status,
            "SolicitudInvalida",
            format!("cuerpo: no se pudo leer ({detalle})"),
        )
    }

    /// The same key is being worked on; asking again later gets its answer.
    pub(crate) fn clave_en_curso() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "ClaveEnCurso",
            "Idempotency-Key: otra solicitud con esta clave está en curso",
        )
    }

    /// The key was used for another request.
    pub(crate) fn clave_reutilizada() -> Self {
        let mensaje = "Idempotency-Key: esta clave ya se usó con otra solicitud";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "ClaveReutilizada", mensaje)
    }

    /// A definite no that follows from the state of the payment.
    pub(crate) fn conflicto(codigo: &'static str, mensaje: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, codigo, mensaje)
    }

    pub(crate) fn declive(codigo: &'static str, mensaje: &str, suave: bool) -> Self {
        Self {
            suave: Some(suave),
            ..Self::new(StatusCode::PAYMENT_REQUIRED, codigo, mensaje)
        }
    }

    pub(crate) fn medio_rechazado(mensaje: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "MedioRechazado", mensaje)
    }

    pub(crate) fn no_disponible() -> Self {
        let mensaje = "La pasarela no está disponible; intente de nuevo";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "PasarelaNoDisponible", mensaje)
    }

    pub(crate) fn error_interno() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ErrorInterno",
            "Error interno de la pasarela",
        )
    }

    fn cuerpo(&self) -> Value {
        let Self {
            status,
            codigo,
            mensaje,
            suave,
        } = self;
        let mut error = json!({ "codigo": codigo, "mensaje": mensaje });
        if let Some(suave) = suave {
            error["suave"] = json!(suave);
        }
        json!({ "type": "about:blank", "title": codigo, "status": status.as_u16(), "detail": mensaje, "error": error })
    }
}

impl From<&Problema> for Respuesta {
    fn from(problema: &Problema) -> Self {
        Self {
            status: problema.status.as_u16(),
            cuerpo: problema.cuerpo(),
        }
    }
}

// === impl Fallo ===

impl From<Problema> for Fallo {
    fn from(problema: Problema) -> Self {
        Self::Refusal(problema)
    }
}

impl Fallo {
    /// What the caller is told; what is our own failure is logged here, once, and not told.
    pub(crate) fn al_cliente(self) -> Problema {
        match self {
            Self::Refusal(problema) => problema,
            error @ (Self::Ledger(_) | Self::Encoding(_) | Self::Unknown(_)) => {
                tracing::error!(error = telemetry::cause(&error), "failed to answer a call");
                Problema::error_interno()
            }
        }
    }
}
