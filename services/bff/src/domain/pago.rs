//! A payment as its client sees it, from the request on.

use std::fmt;

use seedwork::{EstadoPago, IdCorrelacion, PasoVisto, Phase, Reason, SolicitudPago, Step};
use serde::{Deserialize, Serialize};

/// Where a payment stands. The saga's own phases, and what its door knows before and instead of a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Fase {
    /// The request is durable; no saga has been heard of yet.
    Solicitado,
    /// The request can never become a payment.
    Rechazado,
    /// The saga says.
    Saga(Phase),
}

/// Why a text names no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no phase")]
pub(crate) struct UnknownFase(String);

/// A payment. Its JSON is that of [`EstadoPago`], so a reader of one reads the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pago {
    pub(crate) id_correlacion: IdCorrelacion,
    /// Grows by one per transition; 0 before the saga's first.
    pub(crate) secuencia: u64,
    pub(crate) solicitud: SolicitudPago,
    #[serde(rename = "phase")]
    pub(crate) fase: Fase,
    pub(crate) step: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Reason>,
    pub(crate) steps: Vec<PasoVisto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completion_time: Option<String>,
    /// Nothing more happens by itself.
    pub(crate) ended: bool,
}

// === impl Fase ===

impl Fase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Solicitado => "Solicitado",
            Self::Rechazado => "Rechazado",
            Self::Saga(phase) => phase.as_str(),
        }
    }

    /// The phases that a stored payment can have: those one can ask for.
    pub(crate) fn stored() -> impl Iterator<Item = Self> {
        Phase::ALL.into_iter().map(Self::Saga).chain([Self::Rechazado])
    }
}

impl fmt::Display for Fase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Fase {
    type Error = UnknownFase;
    fn try_from(text: String) -> Result<Self, UnknownFase> {
        Self::stored()
            .chain([Self::Solicitado])
            .find(|fase| fase.as_str() == text)
            .ok_or(UnknownFase(text))
    }
}

impl From<Fase> for String {
    fn from(fase: Fase) -> Self {
        fase.as_str().to_owned()
    }
}

// === impl Pago ===

impl Pago {
    /// A request that is durable and of which no more is known.
    pub(crate) fn solicitado(id_correlacion: IdCorrelacion, solicitud: SolicitudPago) -> Self {
        Self {
            id_correlacion,
            secuencia: 0,
            solicitud,
            fase: Fase::Solicitado,
            step: format!("0/{}", Step::ALL.len()),
            reason: None,
            steps: Vec::new(),
            trace_id: None,
            start_time: None,
            completion_time: None,
            ended: false,
        }
    }

    /// A request that the operator refused for ever. Any state of a saga supersedes it.
    pub(crate) fn rechazado(id_correlacion: IdCorrelacion, solicitud: SolicitudPago, reason: Reason) -> Self {
        Self {
            fase: Fase::Rechazado,
            reason: Some(reason),
            ended: true,
            ..Self::solicitado(id_correlacion, solicitud)
        }
    }
}

impl From<EstadoPago> for Pago {
    fn from(estado: EstadoPago) -> Self {
        let EstadoPago {
            id_correlacion,
            secuencia,
            solicitud,
            phase,
            step,
            reason,
            steps,
            trace_id,
            start_time,
            completion_time,
            ended,
        } = estado;
        Self {
            id_correlacion,
            secuencia,
            solicitud,
            fase: Fase::Saga(phase),
            step,
            reason,
            steps,
            trace_id,
            start_time: Some(start_time),
            completion_time,
            ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solicitud() -> SolicitudPago {
        SolicitudPago::parse("PSE", "c-1", "24.1", seedwork::Moneda::USD).unwrap()
    }

    #[test]
    fn the_json_of_a_payment_is_the_json_of_its_message() {
        let reason = Reason::new("PagoFallido", "no hay fondos");
        let paso = |nombre, motivo| PasoVisto {
            nombre,
            estado: "Done".to_owned(),
            motivo,
        };
        let estado = EstadoPago {
            id_correlacion: IdCorrelacion::parse("p-1").unwrap(),
            secuencia: 7,
            solicitud: solicitud(),
            phase: Phase::Compensating,
            step: "2/4".to_owned(),
            reason: Some(reason.clone()),
            steps: vec![
                paso(Step::CrearFacturacion, None),
                paso(Step::RealizarPago, Some(reason)),
            ],
            trace_id: Some("a".repeat(32)),
            start_time: "2026-11-24T18:00:00Z".to_owned(),
            completion_time: None,
            ended: false,
        };
        let written = serde_json::to_value(Pago::from(estado.clone())).unwrap();
        assert_eq!(written, serde_json::to_value(&estado).unwrap());
        assert_eq!(serde_json::from_value::<Pago>(written).unwrap(), Pago::from(estado));
    }

    #[test]
    fn a_refused_request_has_ended_and_yields_to_any_saga() {
        let id = IdCorrelacion::parse("p-1").unwrap();
        let pago = Pago::rechazado(id, solicitud(), Reason::new("SolicitudInvalida", "no puede ser"));
        assert!(pago.ended);
        assert_eq!(pago.secuencia, 0);
        assert_eq!(
            serde_json::from_str::<Pago>(&serde_json::to_string(&pago).unwrap()).unwrap(),
            pago
        );
    }

    #[test]
    fn every_phase_is_read_by_its_name_and_no_other() {
        for fase in Fase::stored().chain([Fase::Solicitado]) {
            assert_eq!(Fase::try_from(fase.as_str().to_owned()), Ok(fase));
        }
        assert!(Fase::try_from("running".to_owned()).is_err());
    }
}
