//! The bodies of `/v1` as the OpenAPI document shows them. What is asked for and answered in them is for the GraphQL
//! schema to say.

#![allow(dead_code, reason = "documented, never made")]

use utoipa::ToSchema;

/// A GraphQL operation.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", examples(json!({
    "query": "mutation($pago: RealizarPagoInput!) { realizarPago(pago: $pago) { mensaje codigo idCorrelacion } }",
    "variables": {"pago": {"medioPago": "TarjetaCredito", "idCliente": "abcd-1234", "monto": 24.10}},
})))]
pub(super) struct Operacion {
    /// The document.
    #[schema(min_length = 1)]
    query: String,
    /// The values of its variables.
    #[schema(value_type = Option<Object>)]
    variables: Option<serde_json::Value>,
    /// Which of its operations, if it has several: a text; anything else names none.
    #[schema(required = false)]
    operation_name: serde_json::Value,
    /// Not used, whatever it is; clients send it.
    #[schema(required = false)]
    extensions: serde_json::Value,
}

/// The answer to a GraphQL operation.
#[derive(ToSchema)]
pub(super) struct Respuesta {
    /// What was asked for; null if nothing of it can be told.
    #[schema(value_type = Option<Object>)]
    data: Option<serde_json::Value>,
    /// What went wrong.
    errors: Option<Vec<ErrorGraphql>>,
}

/// An error of a GraphQL operation.
#[derive(ToSchema)]
pub(super) struct ErrorGraphql {
    /// A sentence for people.
    message: String,
    /// Where in the document.
    #[schema(value_type = Option<Vec<Object>>)]
    locations: Option<Vec<serde_json::Value>>,
    /// Of which field.
    #[schema(value_type = Option<Vec<String>>)]
    path: Option<Vec<String>>,
    /// What programs go by.
    extensions: Extensiones,
}

/// What programs go by.
#[derive(ToSchema)]
pub(super) struct Extensiones {
    /// A stable name.
    #[schema(value_type = String, examples("BAD_USER_INPUT", "FORBIDDEN", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_USE", "UNAVAILABLE"))]
    code: String,
}

/// One event of a stream, as its lines say it.
#[derive(ToSchema)]
pub(super) struct Suceso {
    /// Its number: `Last-Event-ID` goes on from it.
    id: Option<String>,
    /// What it is: `NuevoEvento`, or `Reinicio` where events are no longer there.
    event: Option<String>,
    /// A JSON document.
    data: Option<String>,
}
