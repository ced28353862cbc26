//! The GraphQL schema of the original, and its additions.

mod document;
mod error;
mod executor;
#[cfg(test)]
mod fuzz;
mod mutation;
mod query;
mod subscription;
mod types;

use std::sync::Arc;

use async_graphql::{Context, Result, Schema};
use seedwork::Moneda;
use seedwork_runtime::intake::Intake;

use super::clientes::Clientes;
use super::quien::Quien;
use super::read_model::ReadModel;
use super::tail::Tail;

pub(crate) use error::{Code, by_post, coded, excess};
pub(crate) use executor::{Executor, inexact};
pub(crate) use mutation::IdempotencyHeader;

/// The schema with what it reads from.
pub(crate) type Esquema = Schema<query::Query, mutation::Mutation, subscription::Subscription>;

/// What the resolvers read from and write to.
pub(crate) struct Sources {
    pub(crate) intake: Arc<Intake>,
    pub(crate) read_model: ReadModel,
    pub(crate) clientes: Clientes,
    pub(crate) tail: Arc<Tail>,
    pub(crate) moneda: Moneda,
}

/// How deep a query may nest. Our own types are four deep; this is what the standard introspection query of the
/// tools (fifteen deep) needs and little more, since introspection is the one thing here that nests without end.
const DEPTH: usize = 16;

/// How many fields a query may ask for, fragments counted where they are spread. How long its lists may be is weighed apart
/// ([`document::weigh`]).
const COMPLEXITY: usize = 500;

/// The schema over `sources`; `introspection`: it may be asked for.
pub(crate) fn schema(sources: Sources, introspection: bool) -> Esquema {
    let builder = Schema::build(query::Query, mutation::Mutation, subscription::Subscription)
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        .data(sources);
    if introspection {
        builder.finish()
    } else {
        builder.disable_introspection().finish()
    }
}

/// What the resolvers read from and write to.
fn sources<'c>(ctx: &Context<'c>) -> Result<&'c Sources> {
    ctx.data().map_err(|_| error::internal())
}

/// Who asks. Without one nothing is told: a request that came past the doors is a bug.
fn quien<'c>(ctx: &Context<'c>) -> Result<&'c Quien> {
    ctx.data().map_err(|_| error::internal())
}

/// The schema definition language of the schema.
pub(crate) fn sdl() -> String {
    Schema::build(query::Query, mutation::Mutation, subscription::Subscription)
        .finish()
        .sdl()
}
