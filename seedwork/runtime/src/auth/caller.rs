//! Who asks, and what that lets them do.

use std::time::Duration;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use seedwork::{App, Fault, IdCliente};

use crate::problem::Problem;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody was asked: `AUTH=none`.
    Anyone,
    /// A client, for itself.
    Cliente {
        /// Which.
        id: IdCliente,
        /// When the token ends.
        until: Deadline,
    },
    /// One of us, for every client.
    Operador {
        /// Who, as the issuer says.
        subject: String,
        /// When the token ends.
        until: Deadline,
    },
    /// Another application of the platform, by service invocation.
    App(App),
}

/// When a token ends, the leeway included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Milliseconds since the Unix epoch.
    at_ms: i64,
}

// === impl Caller ===

impl Caller {
    /// Whether what is asked may be done for this client.
    pub fn may_act_for(&self, id: &IdCliente) -> bool {
        match self {
            Self::Anyone | Self::Operador { .. } | Self::App(_) => true,
            Self::Cliente { id: own, .. } => own == id,
        }
    }

    /// For reads of what belongs to `id`: what is not the caller's is not there. `what` is the sentence of the 404, the
    /// same as for a thing that does not exist.
    pub fn owns(&self, id: &IdCliente, what: &str) -> Result<(), Fault> {
        if self.may_act_for(id) {
            return Ok(());
        }
        Err(Fault::NotFound(what.to_owned()))
    }

    /// For writes that name a client: 403 for anyone else's.
    pub fn require(&self, id: &IdCliente) -> Result<(), Problem> {
        if self.may_act_for(id) {
            return Ok(());
        }
        let sentence = "idCliente debe ser el del cliente al que se le dio el token";
        Err(Problem::of(StatusCode::FORBIDDEN, sentence))
    }

    /// The one client whose things this caller sees; `None` sees all.
    pub fn only(&self) -> Option<&IdCliente> {
        match self {
            Self::Anyone | Self::Operador { .. } | Self::App(_) => None,
            Self::Cliente { id, .. } => Some(id),
        }
    }

    /// Within what an `Idempotency-Key` is unique: who asks; where nobody is asked, whom it is for. The line break
    /// keeps an operator's or an application's apart from every `idCliente`, which can hold none.
    pub fn scope(&self, id: &IdCliente) -> String {
        match self {
            Self::Anyone => id.as_str().to_owned(),
            Self::Cliente { id: own, .. } => own.as_str().to_owned(),
            Self::Operador { subject, .. } => format!("operador\n{subject}"),
            Self::App(app) => format!("app\n{app}"),
        }
    }

    /// Completes when the token ends; never for a caller without one. What streams to a caller ends with it.
    pub async fn expired(&self) {
        match self {
            Self::Cliente { until, .. } | Self::Operador { until, .. } => until.reached().await,
            Self::Anyone | Self::App(_) => std::future::pending().await,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        judged(parts)?.ok_or_else(super::nobody)
    }
}

/// For paths that may be asked without a token; one that is shown must hold.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        judged(parts)
    }
}

/// What the layer found out; without it, nobody asks.
fn judged(parts: &Parts) -> Result<Option<Caller>, Problem> {
    let judged = parts.extensions.get();
    judged.map_or(Ok(None), |super::Judged(found)| found.clone())
}

// === impl Deadline ===

impl Deadline {
    /// The longest that is slept without a look at the clock: a machine that was suspended, or a clock that was set,
    /// must not keep a stream open.
    const LOOK: Duration = Duration::from_secs(30);

    /// A moment, in milliseconds since the Unix epoch.
    pub fn at_ms(at_ms: i64) -> Self {
        Self { at_ms }
    }

    /// Whether it has come.
    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// How long until then; zero once it has come.
    pub fn remaining(self) -> Duration {
        let left = self.at_ms.saturating_sub(crate::now_ms());
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Completes when it comes.
    pub async fn reached(self) {
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return;
            }
            tokio::time::sleep(remaining.min(Self::LOOK)).await;
        }
    }
}
