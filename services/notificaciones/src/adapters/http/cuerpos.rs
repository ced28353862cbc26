//! What callers send, as the document shows it. Bodies are read by hand ([`super::entrada`]), so that each broken rule
//! gets its own sentence: these shapes are for the document alone.

use seedwork::{Dinero, Moneda};
use utoipa::Number;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, Object, ObjectBuilder, OneOf, OneOfBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// A notification as callers ask for it: for a client or kept, in their own words, or about an invoice
#[derive(serde::Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = NuevaNotificacion)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) enum NuevaEntrada {
    Aviso(AvisoEntrada),
    Apunte(ApunteEntrada),
    Recordatorio(RecordatorioEntrada),
}

/// A notification for a client, in the caller's own words
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NuevoAviso)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) struct AvisoEntrada {
    /// What it is about: ALERTA, RECORDATORIO or any other text
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    tipo: String,
    medio: MedioEntrada,
    /// What it says; it may have lines
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$"
    )]
    valor: String,
    /// Whom it is to be delivered to
    #[serde(rename = "idCliente")]
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    id_cliente: String,
    /// An invoice makes it a reminder
    #[schema(schema_with = none, required = false)]
    factura: (),
}

/// A notification for nobody, which is kept; as in the original it may be empty
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NuevoApunte)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) struct ApunteEntrada {
    /// What it is about: ALERTA, RECORDATORIO or any other text; empty unless told
    #[schema(max_length = 64, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$")]
    tipo: Option<String>,
    medio: MedioEntrada,
    /// What it says; it may have lines, and is empty unless told
    #[schema(max_length = 4000, pattern = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$")]
    valor: Option<String>,
    /// With a client it is for delivery
    #[serde(rename = "idCliente")]
    #[schema(schema_with = none, required = false)]
    id_cliente: (),
    /// An invoice makes it a reminder
    #[schema(schema_with = none, required = false)]
    factura: (),
}

/// A reminder of an invoice
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NuevoRecordatorio)]
#[expect(dead_code, reason = "the shape in the document; the body is read by hand")]
pub(super) struct RecordatorioEntrada {
    /// RECORDATORIO, in capitals or not
    #[schema(pattern = "^[Rr][Ee][Cc][Oo][Rr][Dd][Aa][Tt][Oo][Rr][Ii][Oo]$")]
    tipo: String,
    medio: MedioEntrada,
    /// What it says before it tells of the invoice
    #[schema(max_length = 4000, pattern = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$")]
    valor: Option<String>,
    /// Whom it is to be delivered to; without one it is kept
    #[serde(rename = "idCliente")]
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$"
    )]
    id_cliente: Option<String>,
    factura: FacturaEntrada,
}

/// A medium
#[derive(serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Medio)]
pub(super) enum MedioEntrada {
    Correo,
    Sms,
    Push,
}

/// The invoice that a reminder is about.
#[derive(serde::Deserialize)]
pub(super) struct FacturaEntrada {}

fn none() -> Object {
    ObjectBuilder::new().schema_type(Type::Null).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// An invoice in one of the currencies that have so many decimals.
fn factura(decimals: u32) -> Object {
    let id = text()
        .description(Some("Its number, as the client knows it"))
        .min_length(Some(1))
        .max_length(Some(64))
        .pattern(Some(
            r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$",
        ));
    let codes = Moneda::all().filter(|moneda| moneda.decimals() == decimals);
    let moneda = text()
        .description(Some("ISO 4217"))
        .enum_values(Some(codes.map(|moneda| moneda.to_string())));
    let vence = text()
        .description(Some("Its due date"))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
        .examples(["2026-12-31"]);
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("id", id)
        .property("monto", Schema::OneOf(monto(decimals)))
        .property("moneda", moneda)
        .property("vence", vence)
        .required("id")
        .required("monto")
        .required("moneda")
        .required("vence")
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
        .build()
}

/// A number, or its text.
fn monto(decimals: u32) -> OneOf {
    let (least, pattern) = match decimals {
        0 => (Number::Int(1), "^(1000000|[1-9][0-9]{0,5})$"),
        3 => (
            Number::Float(0.001),
            "^(1000000([.]0{1,3})?|[1-9][0-9]{0,5}([.][0-9]{1,3})?|0[.]([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$",
        ),
        _ => (
            Number::Float(0.01),
            "^(1000000([.]0{1,2})?|[1-9][0-9]{0,5}([.][0-9]{1,2})?|0[.]([1-9][0-9]?|0[1-9]))$",
        ),
    };
    let number = ObjectBuilder::new()
        .schema_type(Type::Number)
        .minimum(Some(least.clone()))
        .maximum(Some(Dinero::MAX_UNITS))
        .multiple_of(Some(least));
    OneOfBuilder::new()
        .description(Some("At most the decimals of the currency"))
        .item(number)
        .item(text().pattern(Some(pattern)))
        .build()
}

// === impl FacturaEntrada ===

impl PartialSchema for FacturaEntrada {
    fn schema() -> RefOr<Schema> {
        let by_decimals = OneOfBuilder::new()
            .description(Some(
                "The invoice that a reminder is about; its words are added to `valor`",
            ))
            .item(factura(2))
            .item(factura(0))
            .item(factura(3));
        RefOr::T(Schema::OneOf(by_decimals.build()))
    }
}

impl ToSchema for FacturaEntrada {
    fn name() -> std::borrow::Cow<'static, str> {
        "Factura".into()
    }
}
