//! What the BFF knows of a payment. Sync and pure.

mod pago;

pub(crate) use pago::{Fase, Pago};
