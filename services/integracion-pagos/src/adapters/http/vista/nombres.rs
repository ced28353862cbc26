//! The names that a member of the document may have: the domain's own lists, so that the two cannot differ.

use seedwork::MedioPago;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::adapters::webhook::NombreAviso;
use crate::domain::conciliacion::Diferencia;
use crate::domain::{Discrepancia, EstadoVisible, NombrePasarela, Operacion};

fn one_of<const N: usize>(meaning: &str, nombres: [&'static str; N]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(meaning))
        .enum_values(Some(nombres))
        .build()
}

pub(super) fn estados() -> Object {
    one_of("Where it stands", EstadoVisible::ALL.map(EstadoVisible::as_str))
}

pub(super) fn discrepancias() -> Object {
    one_of(
        "What does not fit together",
        Discrepancia::ALL.map(Discrepancia::as_str),
    )
}

pub(super) fn medios() -> Object {
    one_of("With what the client pays", MedioPago::ALL.map(MedioPago::as_str))
}

pub(super) fn pasarelas() -> Object {
    one_of(
        "Where the money is taken",
        NombrePasarela::ALL.map(NombrePasarela::as_str),
    )
}

pub(super) fn operaciones() -> Object {
    one_of("What was asked of the gateway", Operacion::ALL.map(Operacion::as_str))
}

pub(super) fn resultados() -> Object {
    one_of("What was said last", ["HECHO", "RECHAZADO", "INCIERTO"])
}

pub(super) fn avisos() -> Object {
    one_of("Its name", NombreAviso::ALL.map(NombreAviso::as_str))
}

pub(super) fn conciliaciones() -> Object {
    one_of("Whether it has ended, and how", ["EN_CURSO", "TERMINADA", "FALLIDA"])
}

pub(super) fn diferencias() -> Object {
    one_of("Its name", Diferencia::ALL.map(Diferencia::as_str))
}

pub(super) fn monto() -> Object {
    number("What was asked for, with all the decimals of the currency")
}

pub(super) fn monto_cobrado() -> Object {
    number("What the gateway took, with all the decimals of the currency")
}

/// A JSON number without a format: exact as text, which no float is.
fn number(meaning: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .description(Some(meaning))
        .build()
}
