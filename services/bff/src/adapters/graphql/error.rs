//! The GraphQL edge of a fault: what a client reads, in `errors`.

use async_graphql::{Context, Error, ErrorExtensions as _};
use seedwork::Fault;

use crate::adapters::clientes::ClientesError;

/// An error with a stable code for programs beside the sentence for people.
pub(super) fn error(codigo: &'static str, sentence: impl Into<String>) -> Error {
    Error::new(sentence).extend_with(|_, extensions| extensions.set("codigo", codigo))
}

/// One error per sentence: the first is the field's own, the rest are added to the answer beside it.
pub(super) fn rejected(ctx: &Context<'_>, sentences: Vec<String>) -> Error {
    let mut errors = sentences
        .into_iter()
        .map(|sentence| error("SolicitudInvalida", sentence));
    let first = errors
        .next()
        .unwrap_or_else(|| error("SolicitudInvalida", "la solicitud no es válida"));
    for other in errors {
        ctx.add_error(ctx.set_error_path(other.into_server_error(ctx.item.pos)));
    }
    first
}

/// A fault as an error. What is ours to know stays in the log.
pub(super) fn fault(ctx: &Context<'_>, fault: Fault) -> Error {
    match fault {
        Fault::Rejected(sentences) => rejected(ctx, sentences),
        Fault::NotFound(_) => error("NoExiste", "no existe"),
        Fault::Conflict(_) => error("Conflicto", "la Idempotency-Key ya se usó con otra solicitud"),
        Fault::Unavailable { .. } => {
            tracing::warn!(error = fault.chain(), "a part we depend on does not answer");
            error("NoDisponible", "una parte del sistema no responde; intente de nuevo")
        }
        Fault::Bug { .. } => {
            tracing::error!(error = fault.chain(), "a bug");
            error("ErrorInterno", "algo falla de nuestro lado")
        }
    }
}

/// Why gestión-clientes could not be asked, as an error. (`?` alone would do, and lose the code.)
pub(super) fn clientes(cause: ClientesError) -> Error {
    let codigo = match &cause {
        ClientesError::Unavailable => "NoDisponible",
        ClientesError::Unreadable => "ErrorInterno",
        ClientesError::BadRequest => "SolicitudInvalida",
    };
    error(codigo, cause.to_string())
}
