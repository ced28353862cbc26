//! The service through its edges, over the in-memory sidecar; and the message provider's contract, over the double and
//! over the real simulator.

#![allow(clippy::unwrap_used)]

mod arnes;
mod contrato;
mod http;
mod participante;
mod registro;
mod simulador;
