//! The BFF as browsers and daprd reach it: over its router, with an in-memory sidecar and a database of its own.
//!
//! `BFF_TEST_POSTGRES=postgres://…` runs all of it on Postgres instead of SQLite, in a new database per test.

#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod clientes;
mod fuzz;
mod http;
mod limits;
mod mutation;
mod read_model;
mod schema;
mod silence;
mod stream;
mod subscription;
mod support;
mod trace;
