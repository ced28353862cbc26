//! Executes what has passed: measured, within the caller's rate, its numbers as they were written.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response};

use super::Esquema;
use super::document::{self, Operation, TooMuch};
use super::error::{self, Code, coded};
use crate::adapters::numbers;

/// The schema behind its guards.
#[derive(Clone)]
pub(crate) struct Executor {
    schema: Esquema,
    introspection: bool,
}

/// A request that may be executed.
pub(crate) struct Judged {
    request: Request,
    /// `None`: its document has no such operation, which the executor explains.
    pub(crate) operation: Option<Operation>,
}

// === impl Executor ===

impl Executor {
    pub(crate) fn new(schema: Esquema, introspection: bool) -> Self {
        Self { schema, introspection }
    }

    /// The schema definition language, where it may be asked for.
    pub(crate) fn sdl(&self) -> Option<String> {
        self.introspection.then(|| self.schema.sdl())
    }

    /// Judges a request; a refusal is the answer to it.
    pub(crate) fn judge(&self, mut request: Request) -> Result<Judged, Box<Response>> {
        if let Some(number) = numbers::first_inexact(&request.query) {
            return Err(Box::new(inexact(number)));
        }
        let name = request.operation_name.clone();
        // The document is lent by the request as a whole.
        let variables = std::mem::take(&mut request.variables);
        let document = match request.parsed_query() {
            Ok(document) => document,
            Err(error) => return Err(Box::new(coded(Response::from_errors(vec![error]), Code::Parse))),
        };
        let measured = document::measure(document, self.introspection);
        if let Err(cause) = measured.and_then(|()| document::weigh(document, name.as_deref(), &variables)) {
            let code = match cause {
                TooMuch::Selections | TooMuch::Aliases | TooMuch::SameField | TooMuch::Values => Code::TooLarge,
                TooMuch::Introspection => Code::Introspection,
            };
            return Err(Box::new(error::answer(code, cause.to_string())));
        }
        let operation = document::operation(document, name.as_deref());
        request.variables = variables;
        Ok(Judged { request, operation })
    }

    /// Executes a query or a mutation.
    pub(crate) async fn execute(&self, judged: Judged) -> Response {
        coded(self.schema.execute(judged.request).await, Code::Validation)
    }

    /// The schema, for what streams.
    pub(crate) fn schema(&self) -> &Esquema {
        &self.schema
    }
}

// === impl Judged ===

impl Judged {
    pub(crate) fn kind(&self) -> Option<OperationType> {
        self.operation.map(|operation| operation.kind)
    }

    /// How many changes it asks for.
    pub(crate) fn changes(&self) -> Option<u32> {
        let operation = self.operation?;
        (operation.kind == OperationType::Mutation).then_some(operation.fields)
    }

    pub(crate) fn into_request(self) -> Request {
        self.request
    }
}

/// The answer to a request with a number that would be read as another one.
pub(crate) fn inexact(number: &str) -> Response {
    // Numbers may be as long as a request.
    let shown: String = number.chars().take(40).collect();
    error::answer(
        Code::Input,
        format!("el número {shown} tiene más cifras de las que se pueden leer con exactitud (15)"),
    )
}
