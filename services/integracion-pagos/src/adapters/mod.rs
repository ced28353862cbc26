//! Everything that touches the outside: gateways, the bus, HTTP, SQL.

pub mod conciliacion;
pub mod contracargos;
pub mod http;
pub mod inbox;
pub mod participante;
pub mod pasarela;
pub mod read_model;
pub mod webhook;
