//! The models of what the handlers talk to.

pub mod api_server;
pub mod bank;
pub mod broker;
pub mod post;
pub mod sidecar;
pub mod store;
