//! The business of clients and invoices. Synchronous and pure: clock and ids are arguments.

pub mod cliente;
pub mod factura;
pub mod instante;
pub mod plan;
pub mod recordatorio;
pub mod reintento;
