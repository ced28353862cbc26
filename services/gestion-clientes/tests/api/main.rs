//! The whole service through its router: callers and daprd outside, the in-memory sidecar and a fresh SQLite inside.

#![allow(clippy::unwrap_used, reason = "tests")]

mod acceso;
mod cambios;
mod clientes;
mod contrato;
mod crashes;
mod entradas;
mod facturas;
mod fixture;
mod fuzz;
mod leyes;
mod pagos;
mod plan;
mod reconstruccion;
mod recordatorios;
mod reintentos;
mod solicitudes;
