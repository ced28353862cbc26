//! The policy of a payment: its steps and how long each may take. Copied into the resource when it starts, so an
//! upgrade never changes a payment in flight.

use std::time::Duration;

use schemars::JsonSchema;
use seedwork::Step;
use serde::{Deserialize, Serialize};

/// Steps, deadlines, back-offs, and what to do without an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Politica {
    /// The steps, in the order they are done; they are undone in the opposite one.
    pub pasos: Vec<PoliticaPaso>,
    /// How often a command without an answer is published again.
    pub reenvio: Backoff,
    /// How often an undo that answers with a failure is tried again. Once the payment shows as Stalled: every
    /// `maxSeconds`.
    pub undo: Backoff,
    /// After this many seconds an undo that is not answered, or keeps failing, shows as Stalled.
    pub stall_after_seconds: u32,
    /// After this many seconds without an answer the payment ends without the client having been told of its reversal.
    pub aviso_deadline_seconds: u32,
}

/// The policy of one step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoliticaPaso {
    /// Which step.
    pub nombre: Step,
    /// After this many seconds without an answer the outcome counts as unknown.
    pub deadline_seconds: u32,
    /// What a refusal or a passed deadline leads to.
    pub on_exhausted: OnExhausted,
}

/// What a refused or unanswered step leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnExhausted {
    /// Everything that was issued is undone.
    Compensate,
    /// The payment goes on without the step.
    Continue,
}

/// Seconds between two tries: doubled after each, up to a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// After the first try.
    pub first_seconds: u32,
    /// At most.
    pub max_seconds: u32,
}

/// Why a policy cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoliticaError {
    /// There is nothing to do.
    #[error("pasos must name at least one step")]
    NoSteps,
    /// Each step presupposes all the ones before it, so only trailing steps can be left out.
    #[error("pasos[{position}] must be {expected}, not {found}")]
    OutOfOrder {
        /// Index into `pasos`.
        position: usize,
        /// The step that belongs there.
        expected: Step,
        /// The step that stands there.
        found: Step,
    },
    /// There are more steps than exist.
    #[error("pasos must name no step twice")]
    Repeated,
    /// Only a payment whose client was not told is still a payment.
    #[error("onExhausted: Continue is for CrearNotificacion only, not for {0}")]
    ContinueNotAllowed(Step),
    /// A deadline of nothing would undo every payment.
    #[error("{0} must be at least one second")]
    NoTime(&'static str),
    /// A back-off that does not wait is a hot loop.
    #[error("{0}: firstSeconds must be at least 1 and at most maxSeconds")]
    BadBackoff(&'static str),
}

// === impl Politica ===

impl Politica {
    /// All four steps with the usual times: 60 s a step, 120 s for the gateway, undone without end.
    pub fn standard(notificacion: OnExhausted) -> Self {
        let pasos = Step::ALL.map(|nombre| PoliticaPaso {
            on_exhausted: match nombre {
                Step::CrearFacturacion | Step::RealizarPago | Step::ConfirmarFacturacion => OnExhausted::Compensate,
                Step::CrearNotificacion => notificacion,
            },
            ..PoliticaPaso::standard(nombre)
        });
        Self {
            pasos: pasos.to_vec(),
            reenvio: Backoff {
                first_seconds: 1,
                max_seconds: 15,
            },
            undo: Backoff {
                first_seconds: 1,
                max_seconds: 300,
            },
            stall_after_seconds: 600,
            aviso_deadline_seconds: 60,
        }
    }

    /// Whether a payment can follow it; the first rule that it breaks otherwise.
    pub fn check(&self) -> Result<(), PoliticaError> {
        let Self {
            pasos,
            reenvio,
            undo,
            stall_after_seconds,
            aviso_deadline_seconds,
        } = self;
        if pasos.is_empty() {
            return Err(PoliticaError::NoSteps);
        }
        for (position, paso) in pasos.iter().enumerate() {
            let PoliticaPaso {
                nombre,
                deadline_seconds,
                on_exhausted,
            } = paso;
            let expected = *Step::ALL.get(position).ok_or(PoliticaError::Repeated)?;
            if *nombre != expected {
                return Err(PoliticaError::OutOfOrder {
                    position,
                    expected,
                    found: *nombre,
                });
            }
            if *deadline_seconds == 0 {
                return Err(PoliticaError::NoTime("deadlineSeconds"));
            }
            match (on_exhausted, nombre) {
                (OnExhausted::Compensate, _) | (OnExhausted::Continue, Step::CrearNotificacion) => {}
                (OnExhausted::Continue, Step::CrearFacturacion | Step::RealizarPago | Step::ConfirmarFacturacion) => {
                    return Err(PoliticaError::ContinueNotAllowed(*nombre));
                }
            }
        }
        for (name, backoff) in [("reenvio", reenvio), ("undo", undo)] {
            if backoff.first_seconds == 0 || backoff.first_seconds > backoff.max_seconds {
                return Err(PoliticaError::BadBackoff(name));
            }
        }
        for (name, seconds) in [
            ("stallAfterSeconds", stall_after_seconds),
            ("avisoDeadlineSeconds", aviso_deadline_seconds),
        ] {
            if *seconds == 0 {
                return Err(PoliticaError::NoTime(name));
            }
        }
        Ok(())
    }

    /// The policy of a step; the usual one for a step that it does not name.
    pub fn paso(&self, nombre: Step) -> PoliticaPaso {
        self.pasos
            .iter()
            .find(|paso| paso.nombre == nombre)
            .cloned()
            .unwrap_or(PoliticaPaso::standard(nombre))
    }
}

// === impl PoliticaPaso ===

impl PoliticaPaso {
    fn standard(nombre: Step) -> Self {
        let deadline_seconds = match nombre {
            Step::RealizarPago => 120,
            Step::CrearFacturacion | Step::ConfirmarFacturacion | Step::CrearNotificacion => 60,
        };
        Self {
            nombre,
            deadline_seconds,
            on_exhausted: OnExhausted::Compensate,
        }
    }
}

// === impl Backoff ===

impl Backoff {
    /// How long to wait after this many tries.
    pub fn after(self, tries: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(32);
        let seconds = u64::from(self.first_seconds) << doublings;
        Duration::from_secs(seconds.min(self.max_seconds.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_policy_can_be_followed() {
        for notificacion in [OnExhausted::Compensate, OnExhausted::Continue] {
            assert_eq!(Politica::standard(notificacion).check(), Ok(()));
        }
    }

    #[test]
    fn a_policy_that_no_payment_can_follow_is_refused_with_its_rule() {
        let broken = |break_it: fn(&mut Politica)| {
            let mut politica = Politica::standard(OnExhausted::Compensate);
            break_it(&mut politica);
            politica.check().unwrap_err()
        };
        assert_eq!(broken(|p| p.pasos.clear()), PoliticaError::NoSteps);
        assert_eq!(broken(|p| p.pasos.extend_from_within(3..)), PoliticaError::Repeated);
        let swapped = PoliticaError::OutOfOrder {
            position: 0,
            expected: Step::CrearFacturacion,
            found: Step::RealizarPago,
        };
        assert_eq!(broken(|p| p.pasos.swap(0, 1)), swapped);
        assert_eq!(
            broken(|p| p.pasos[1].on_exhausted = OnExhausted::Continue),
            PoliticaError::ContinueNotAllowed(Step::RealizarPago)
        );
        assert_eq!(
            broken(|p| p.pasos[2].deadline_seconds = 0),
            PoliticaError::NoTime("deadlineSeconds")
        );
        assert_eq!(
            broken(|p| p.stall_after_seconds = 0),
            PoliticaError::NoTime("stallAfterSeconds")
        );
        assert_eq!(
            broken(|p| p.aviso_deadline_seconds = 0),
            PoliticaError::NoTime("avisoDeadlineSeconds")
        );
        assert_eq!(
            broken(|p| p.reenvio.first_seconds = 0),
            PoliticaError::BadBackoff("reenvio")
        );
        assert_eq!(broken(|p| p.undo.max_seconds = 0), PoliticaError::BadBackoff("undo"));
    }

    #[test]
    fn trailing_steps_can_be_left_out() {
        let mut politica = Politica::standard(OnExhausted::Continue);
        politica.pasos.pop();
        assert_eq!(politica.check(), Ok(()));
    }

    #[test]
    fn a_backoff_doubles_up_to_its_cap_and_never_overflows() {
        let backoff = Backoff {
            first_seconds: 1,
            max_seconds: 15,
        };
        let seconds: Vec<u64> = [1, 2, 3, 4, 5, 6, u32::MAX]
            .map(|tries| backoff.after(tries).as_secs())
            .to_vec();
        assert_eq!(seconds, [1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(
            Backoff {
                first_seconds: u32::MAX,
                max_seconds: u32::MAX
            }
            .after(u32::MAX)
            .as_secs(),
            4_294_967_295
        );
    }
}
