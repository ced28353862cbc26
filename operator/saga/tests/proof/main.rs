//! The proof kit: the engine inside a model of everything around it.
//!
//! ```text
//!   model/message       what travels
//!   model/participants  gestion-clientes, integracion-pagos and its gateway, notificaciones: the laws they obey
//!   model/shell         the operator's rules: compare-and-swap, record before publish
//!   model/engine        the real engine, each question asked once
//!   model/world         one state of everything, in 91 bits
//!   model/steps         everything that can happen next
//!   model/laws          what must hold always, at each write, and at the end
//!   model/explore       breadth first over every world; the shortest counterexample
//!   model/simulation    the same on a virtual clock, message by message, with the engine's own timing
//!
//!   exhaustive          every world
//!   scenarios           one fault at each point
//!   people              one word of a person, or of the bank, at each point
//!   walk                many disturbances at random points; SEED=… replays
//! ```

mod exhaustive;
mod model;
mod people;
mod scenarios;
mod walk;
