//! The judge is judged: of a run without fault it says nothing, and each wrong that is planted in one it calls by its
//! name.

#![allow(missing_docs, clippy::unwrap_used)]

mod blind;
mod good;
mod payment;
mod planted;
mod resources;
mod run;
mod secrets;
