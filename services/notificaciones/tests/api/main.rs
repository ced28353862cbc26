//! The service through its edges, over the in-memory sidecar; and the message provider's contract, over the double and
//! over the real simulator; and mail, at a real mail server.

#![allow(clippy::unwrap_used)]

mod acceso;
mod arnes;
mod contrato;
mod correo;
mod entregas;
mod fuzz;
mod http;
mod mailpit;
mod participante;
mod registro;
mod simulador;
mod start;
