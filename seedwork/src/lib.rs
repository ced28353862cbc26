//! The shared kernel of the payments platform: what every part must agree on, and nothing that does I/O.
//!
//! ```text
//! ids        IdCorrelacion, IdCliente            who is paying, and which payment
//! dinero     Moneda, Dinero                      integer minor units, parsed exactly
//! solicitud  SolicitudPago                       a request that has passed the door
//! contrato   App, Step, Action, Message          the wire: who sends what to whom, under which CloudEvent type
//! estado     EstadoPago, Phase                   a payment as anyone outside the operator sees it
//! fault      Fault                               one classification of what can go wrong, three edges
//! frases     …::frase                            the rules of requests, as clients read them
//! ```
//!
//! Architecture invariant: this crate names no service crate, and its manifest lists no runtime.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod contrato;
pub mod dinero;
pub mod estado;
pub mod fault;
mod frases;
pub mod ids;
pub mod solicitud;

pub use contrato::{Action, App, Declive, Direction, Message, Outcome, Reason, Step};
pub use dinero::{Dinero, Moneda};
pub use estado::{EstadoPago, PasoVisto, Phase};
pub use fault::Fault;
pub use ids::{IdCliente, IdCorrelacion};
pub use solicitud::{MedioPago, SolicitudPago};
