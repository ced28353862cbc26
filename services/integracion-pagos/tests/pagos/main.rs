//! The service from outside: its state machine, its laws, its gateways and its routes. One binary, so that it is linked
//! once.

#![allow(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod acceso;
mod api;
mod banco;
mod conciliacion;
mod contracargos;
mod contrato;
mod fuzz;
mod leyes;
mod servicio;
mod stripe;
mod transiciones;
mod webhook;
