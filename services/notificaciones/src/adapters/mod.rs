//! The outside: Dapr, SQL, HTTP, the message provider.

pub mod clientes;
mod entregas;
pub mod http;
pub mod inbox;
pub mod mensajeria;
pub mod notificador;
pub mod read_model;
pub mod registro;
