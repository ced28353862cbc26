//! What callers read.

use seedwork::{Fault, IdCorrelacion, MedioPago, Reason, SolicitudPago};
use seedwork_runtime::problem::Problem;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::adapters::clientes::ClienteVisto;
use crate::adapters::fecha;
use crate::domain::cliente::{Cliente, DatosCliente};
use crate::domain::factura::{Factura, Reintento};
use crate::domain::instante::Instante;

/// What a command answers: nothing, in JSON.
#[derive(Serialize, ToSchema)]
pub(super) struct Aceptado {}

/// A client; names and their order are the original's.
#[derive(Serialize, ToSchema)]
#[schema(as = Cliente)]
pub(super) struct ClienteVista {
    apellidos: String,
    correo: String,
    /// Follows from the client's invoices
    #[serde(rename = "estadoPlan")]
    #[schema(schema_with = estados_plan)]
    estado_plan: &'static str,
    #[schema(format = DateTime)]
    fecha_actualizacion: String,
    #[schema(format = DateTime)]
    fecha_creacion: String,
    id: String,
    nombre: String,
}

/// An accepted payment; names and their order are the original's.
#[derive(Serialize, ToSchema)]
#[schema(as = Pago)]
pub(super) struct PagoVista {
    /// The idCorrelacion
    id: String,
    #[serde(rename = "idCliente")]
    id_cliente: String,
    #[serde(rename = "medioPago")]
    #[schema(schema_with = medios)]
    medio_pago: &'static str,
    #[schema(schema_with = monto_dicho)]
    monto: Box<RawValue>,
}

/// An invoice, or the request for one. Members without a value are left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Factura)]
pub(super) struct FacturaVista {
    /// Where it stands
    #[schema(schema_with = estados_factura)]
    estado: &'static str,
    /// The idCorrelacion
    id: String,
    id_cliente: String,
    /// Which automatic retry it is, from 1; there with `reintentoDe`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    intento: Option<u32>,
    #[schema(schema_with = medios)]
    medio_pago: &'static str,
    /// Why it was refused or cancelled: a sentence
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mensaje: Option<String>,
    /// ISO 4217
    moneda: String,
    #[schema(schema_with = monto_dicho)]
    monto: Box<RawValue>,
    /// Why it was refused or cancelled: a code
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    motivo: Option<String>,
    /// The end of the period that it pays for; there while it is CONFIRMADO
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    periodo_fin: Option<String>,
    /// The payment that was declined first, if this one is an automatic retry of it
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reintento_de: Option<String>,
    /// When the next payment falls due, which is the end of the period; there while it is CONFIRMADO
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    vence: Option<String>,
}

fn one_of<const N: usize>(meaning: &str, names: [&'static str; N]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(meaning))
        .enum_values(Some(names))
        .build()
}

pub(super) fn medios() -> Object {
    one_of("With what the client pays", MedioPago::ALL.map(MedioPago::as_str))
}

fn estados_plan() -> Object {
    one_of(
        "Follows from the client's invoices",
        ["PAGADO", "ATRASADO", "PENDIENTE"],
    )
}

fn estados_factura() -> Object {
    let names = ["SOLICITADO", "PAGO_ENVIADO", "CONFIRMADO", "CANCELADO", "RECHAZADO"];
    one_of("Where it stands", names)
}

fn monto_dicho() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .description(Some("With all the decimals of the currency"))
        .build()
}

/// The amount as a JSON number with all its decimals.
fn monto(solicitud: &SolicitudPago) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(solicitud.dinero.monto()).map_err(|error| Fault::bug("failed to write an amount", error))
}

// === impl ClienteVista ===

impl From<&ClienteVisto> for ClienteVista {
    fn from(visto: &ClienteVisto) -> Self {
        let ClienteVisto {
            cliente,
            version: _,
            estado_plan,
        } = visto.clone();
        let Cliente {
            id,
            datos,
            fecha_creacion,
            fecha_actualizacion,
        } = cliente;
        let DatosCliente {
            nombre,
            apellidos,
            correo,
        } = datos;
        Self {
            apellidos,
            correo,
            estado_plan: estado_plan.as_str(),
            fecha_actualizacion: fecha(fecha_actualizacion),
            fecha_creacion: fecha(fecha_creacion),
            id: id.into(),
            nombre,
        }
    }
}

// === impl PagoVista ===

impl PagoVista {
    pub(super) fn new(id: IdCorrelacion, solicitud: SolicitudPago) -> Result<Self, Problem> {
        Ok(Self {
            id: id.into(),
            monto: monto(&solicitud)?,
            id_cliente: solicitud.id_cliente.into(),
            medio_pago: solicitud.medio_pago.as_str(),
        })
    }
}

// === impl FacturaVista ===

impl FacturaVista {
    pub(super) fn of_factura(factura: &Factura) -> Result<Self, Problem> {
        let reason = factura
            .cancelacion
            .as_ref()
            .map(|cancelacion| cancelacion.reason.clone());
        let (solicitud, estado) = (factura.solicitud(), factura.estado.as_str());
        let vista = Self::of_solicitud(&factura.id, &solicitud, estado, reason, factura.reintento.clone())?;
        Ok(vista.that_falls_due(factura.vence()))
    }

    pub(super) fn of_solicitud(
        id: &IdCorrelacion,
        solicitud: &SolicitudPago,
        estado: &'static str,
        reason: Option<Reason>,
        reintento: Option<Reintento>,
    ) -> Result<Self, Problem> {
        let (motivo, mensaje) = reason
            .map(
                |Reason {
                     motivo,
                     mensaje,
                     declive: _,
                 }| (motivo, mensaje),
            )
            .unzip();
        let (reintento_de, intento) = reintento
            .map(|Reintento { de, intento }| (de.to_string(), intento))
            .unzip();
        Ok(Self {
            estado,
            id: id.to_string(),
            id_cliente: solicitud.id_cliente.to_string(),
            intento,
            medio_pago: solicitud.medio_pago.as_str(),
            mensaje,
            moneda: solicitud.dinero.moneda().to_string(),
            monto: monto(solicitud)?,
            motivo,
            periodo_fin: None,
            reintento_de,
            vence: None,
        })
    }

    fn that_falls_due(self, vence: Option<Instante>) -> Self {
        let vence = vence.map(fecha);
        Self {
            periodo_fin: vence.clone(),
            vence,
            ..self
        }
    }
}
