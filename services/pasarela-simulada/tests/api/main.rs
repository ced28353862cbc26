//! The simulator as its clients see it: the real app on a free port with a ledger of its own.

#![allow(clippy::unwrap_used)]

mod app;
mod contracargos;
mod durabilidad;
mod entrada;
mod idempotencia;
mod libro;
mod mensajes;
mod resultados;
