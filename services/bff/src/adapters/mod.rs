//! Translation between the outside and the payments that we know of.

pub(crate) mod clientes;
pub(crate) mod eventos;
pub(crate) mod graphql;
pub(crate) mod http;
pub(crate) mod inbox;
pub(crate) mod limits;
mod numbers;
pub(crate) mod quien;
pub(crate) mod read_model;
pub(crate) mod silence;
pub(crate) mod tail;
