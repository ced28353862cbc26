//! What callers send, as the document shows it. Bodies are read by hand ([`super::campos`]), so that each broken rule gets
//! its own sentence: these shapes are for the document alone.

use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::vista::medios;

/// A client to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) struct ClienteNuevo {
    /// First name
    #[schema(
        min_length = 1,
        max_length = 254,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    nombre: String,
    /// Last names
    #[schema(
        min_length = 1,
        max_length = 254,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    apellidos: String,
    /// Mail address; not unique
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+@[^\s@\x00-\x1F\x7F-\x9F]+$"
    )]
    correo: String,
    /// Kept as Argon2id, never answered
    #[schema(min_length = 4, max_length = 254, format = Password, write_only)]
    contrasena: String,
    /// Sent by the original's clients; ignored, whatever it is: the plan state follows from the invoices
    #[schema(required = false)]
    estado: serde_json::Value,
    /// Sent by the original's clients; ignored, whatever it is: the id is ours
    #[schema(required = false)]
    id_cliente: serde_json::Value,
}

/// What a client is from now on. Its members that callers cannot change may be sent back as they were read; they are
/// ignored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) struct ClienteCambio {
    /// First name
    #[schema(
        min_length = 1,
        max_length = 254,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    nombre: String,
    /// Last names
    #[schema(
        min_length = 1,
        max_length = 254,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    apellidos: String,
    /// Mail address; not unique
    #[schema(
        min_length = 3,
        max_length = 254,
        pattern = r"^[^\s\x00-\x1F\x7F-\x9F]+@[^\s@\x00-\x1F\x7F-\x9F]+$"
    )]
    correo: String,
    /// A new password; the old one stays without it
    #[schema(min_length = 4, max_length = 254, format = Password, write_only)]
    contrasena: Option<String>,
    /// Ignored
    #[schema(required = false)]
    estado: serde_json::Value,
    /// Ignored
    #[schema(required = false)]
    id_cliente: serde_json::Value,
    /// Ignored
    #[schema(required = false)]
    id: serde_json::Value,
    /// Ignored
    #[serde(rename = "estadoPlan")]
    #[schema(required = false)]
    estado_plan: serde_json::Value,
    /// Ignored
    #[schema(required = false)]
    fecha_creacion: serde_json::Value,
    /// Ignored
    #[schema(required = false)]
    fecha_actualizacion: serde_json::Value,
}

/// A payment to make.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) struct PagoNuevo {
    /// With what
    #[schema(schema_with = medios)]
    medio_pago: String,
    /// Who pays; whether there is such a client is found out in step 1
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    id_cliente: String,
    /// Greater than 0, at most 1,000,000, with at most the decimals of the currency
    #[schema(schema_with = monto_pedido)]
    monto: serde_json::Value,
}

/// The members of [`ClienteNuevo`].
pub(super) const CLIENTE_NUEVO: [&str; 6] = ["nombre", "apellidos", "correo", "contrasena", "estado", "id_cliente"];

/// The members of [`ClienteCambio`].
pub(super) const CLIENTE_CAMBIO: [&str; 10] = [
    "nombre",
    "apellidos",
    "correo",
    "contrasena",
    "estado",
    "id_cliente",
    "id",
    "estadoPlan",
    "fecha_creacion",
    "fecha_actualizacion",
];

/// The members of [`PagoNuevo`].
pub(super) const PAGO_NUEVO: [&str; 3] = ["medioPago", "idCliente", "monto"];

/// A hundredth is the least of most currencies, and what the document says of all of them.
fn monto_pedido() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .description(Some("Read exactly, in plain decimals: at most those of the currency"))
        .minimum(Some(0.01))
        .multiple_of(Some(0.01))
        .maximum(Some(1_000_000))
        .build()
}
