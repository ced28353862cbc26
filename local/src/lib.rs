//! The whole system as processes of this machine: real etcd, kube-apiserver, Redis, Jaeger and Dapr sidecars beside our
//! own binaries. No Docker, no root, nothing faked.
//!
//! ```text
//! local up ── works out the parts (parts/) ── writes them to the state dir ── starts `local supervise`, which stays
//!    └── follows status.json until every part is ready                             │
//!                                              supervisor/: for each part: wait for needs → start → wait until
//!                                              ready → start again when it dies; SIGTERM stops all, dependents first
//! ```
//!
//! Parts are data ([`part::Part`]), so the supervisor knows nothing of payments and its test runs a toy list. Everything
//! on disk is under one folder per profile ([`layout::Layout`]).

pub mod commands;
pub mod credentials;
pub mod demo;
pub mod error;
pub mod evidence;
pub mod holders;
pub mod http;
pub mod issuer;
pub mod kubernetes;
pub mod layout;
pub mod metrics;
pub mod out;
pub mod part;
pub mod parts;
pub mod ports;
pub mod process;
pub mod ready;
pub mod redis;
pub mod render;
pub mod settings;
pub mod status;
pub mod supervisor;
pub mod table;
pub mod tools;
pub mod wait;
pub mod world;

pub use error::{Error, Result};
