//! The GraphQL edge of a fault: what a client reads, in `errors`. Every error has a code for programs in
//! `extensions.code` beside the sentence for people; neither tells what is inside.

use async_graphql::{Context, Error, ErrorExtensions as _, Response, ServerError};
use seedwork::Fault;
use seedwork_runtime::intake::KeyInUse;

use crate::adapters::clientes::ClientesError;
use crate::adapters::limits::Excess;

/// What kind of thing went wrong. The names are a promise to programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The text is no GraphQL.
    Parse,
    /// It asks for what the schema does not have.
    Validation,
    /// It asks for too much at once.
    TooLarge,
    /// The schema may not be asked for here.
    Introspection,
    /// An argument breaks a rule.
    Input,
    /// Who asks may not do this for that client.
    Forbidden,
    /// A mutation came where it can carry no key.
    ByPost,
    /// Another service does not accept the token that we do.
    Unauthenticated,
    /// It does not exist.
    NotFound,
    /// The key was used with another request.
    KeyReused,
    /// Another request under the key is being answered.
    KeyInUse,
    /// Too many requests, or streams.
    Limited,
    /// Events are missing.
    Reset,
    /// A part of the system does not answer.
    Unavailable,
    /// Ours to mend.
    Internal,
}

// === impl Code ===

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "GRAPHQL_PARSE_FAILED",
            Self::Validation => "GRAPHQL_VALIDATION_FAILED",
            Self::TooLarge => "QUERY_TOO_LARGE",
            Self::Introspection => "INTROSPECTION_DISABLED",
            Self::Input => "BAD_USER_INPUT",
            Self::Forbidden => "FORBIDDEN",
            Self::ByPost => "MUTATION_BY_POST",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::NotFound => "NOT_FOUND",
            Self::KeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::KeyInUse => "IDEMPOTENCY_KEY_IN_USE",
            Self::Limited => "RATE_LIMITED",
            Self::Reset => "STREAM_RESET",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// An error with its code.
pub(super) fn error(code: Code, sentence: impl Into<String>) -> Error {
    Error::new(sentence).extend_with(|_, extensions| extensions.set("code", code.as_str()))
}

/// The key's first request is being answered: when to come back, in seconds, stands in `extensions.retryAfter`.
pub(super) fn in_use(in_use: KeyInUse) -> Error {
    error(Code::KeyInUse, in_use.to_string())
        .extend_with(|_, extensions| extensions.set("retryAfter", KeyInUse::RETRY_AFTER))
}

/// An answer that is this error and nothing else.
pub(crate) fn answer(code: Code, sentence: impl Into<String>) -> Response {
    let mut error = ServerError::new(sentence, None);
    error.extensions.get_or_insert_default().set("code", code.as_str());
    Response::from_errors(vec![error])
}

/// The answer to a mutation on a socket.
pub(crate) fn by_post() -> Response {
    answer(
        Code::ByPost,
        "envíe las mutaciones por POST: en un WebSocket no llevan Idempotency-Key, y repetir una sería pagar dos veces",
    )
}

/// An answer that says it was too much.
pub(crate) fn excess(excess: Excess) -> Response {
    answer(Code::Limited, excess.to_string())
}

/// Gives a code to errors that have none: those of the library, which finds out what is wrong with the request itself.
pub(crate) fn coded(mut response: Response, code: Code) -> Response {
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", code.as_str());
        }
    }
    response
}

/// One error per sentence: the first is the field's own, the rest are added to the answer beside it.
pub(super) fn rejected(ctx: &Context<'_>, sentences: Vec<String>) -> Error {
    let mut errors = sentences.into_iter().map(|sentence| error(Code::Input, sentence));
    let first = errors
        .next()
        .unwrap_or_else(|| error(Code::Input, "la solicitud no es válida"));
    for other in errors {
        ctx.add_error(ctx.set_error_path(other.into_server_error(ctx.item.pos)));
    }
    first
}

/// A fault as an error. What is ours to know stays in the log.
pub(super) fn fault(ctx: &Context<'_>, fault: Fault) -> Error {
    match fault {
        Fault::Rejected(sentences) => rejected(ctx, sentences),
        Fault::NotFound(_) => error(Code::NotFound, "no existe"),
        Fault::Conflict(_) => error(Code::KeyReused, "Idempotency-Key ya se usó con otra petición"),
        Fault::Unavailable { .. } => {
            tracing::warn!(error = fault.chain(), "a part we depend on does not answer");
            error(Code::Unavailable, "una parte del sistema no responde; intente de nuevo")
        }
        Fault::Bug { .. } => {
            tracing::error!(error = fault.chain(), "a bug");
            internal()
        }
    }
}

/// Something is wrong on our side.
pub(super) fn internal() -> Error {
    error(Code::Internal, "algo falla de nuestro lado")
}

/// Why gestión-clientes could not be asked, as an error. (`?` alone would do, and lose the code.)
pub(super) fn clientes(cause: ClientesError) -> Error {
    let code = match &cause {
        ClientesError::Unavailable => Code::Unavailable,
        ClientesError::Unreadable => Code::Internal,
        ClientesError::BadRequest => Code::Input,
        ClientesError::Refused => Code::Unauthenticated,
    };
    error(code, cause.to_string())
}
