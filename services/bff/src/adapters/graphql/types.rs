//! The types of the schema, and the translation into them.

use async_graphql::{InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};
use seedwork::PasoVisto;

use crate::adapters::clientes;
use crate::domain;

/// A point in time: RFC 3339, UTC.
pub(super) struct FechaHora(String);

/// What is paid, by whom and with what.
#[derive(InputObject)]
pub(super) struct RealizarPagoInput {
    /// TarjetaCredito, TarjetaDebito or PSE.
    pub(super) medio_pago: String,
    /// The client who pays.
    pub(super) id_cliente: String,
    /// Greater than 0, with at most the decimals of the currency.
    pub(super) monto: f64,
}

/// What a request to pay is answered with, once it cannot be lost.
#[derive(SimpleObject)]
pub(super) struct ClienteRespuesta {
    pub(super) mensaje: String,
    pub(super) codigo: i32,
    /// The identity of the payment: what to ask and listen for.
    pub(super) id_correlacion: String,
}

/// A client of the business.
#[derive(SimpleObject)]
pub(super) struct Cliente {
    id: String,
    fecha_creacion: FechaHora,
    fecha_actualizacion: FechaHora,
    nombre: String,
    correo: String,
    /// Always empty: passwords are never told. Kept for clients that select it.
    contrasena: String,
    /// PAGADO, ATRASADO or PENDIENTE.
    estado_plan: String,
    /// The same as `id`.
    #[graphql(name = "idDesdeBD")]
    id_desde_bd: String,
}

/// A payment.
#[derive(SimpleObject)]
pub(super) struct Pago {
    id_correlacion: String,
    /// Solicitado, Rechazado, Pending, Running, Compensating, Completed, Compensated or Stalled.
    fase: String,
    /// Grows by one per transition.
    secuencia: u64,
    id_cliente: String,
    monto: f64,
    /// The amount exactly, with all the decimals of its currency.
    monto_texto: String,
    moneda: String,
    medio_pago: String,
    /// How far it got: `2/4`.
    step: String,
    /// Why it did not, or does not yet, complete: a code.
    motivo: Option<String>,
    /// The same as a sentence.
    mensaje: Option<String>,
    pasos: Vec<Paso>,
    inicio: Option<FechaHora>,
    fin: Option<FechaHora>,
    /// The id of its one trace.
    trace_id: Option<String>,
    /// Nothing more happens by itself.
    terminado: bool,
}

/// A step of a payment.
#[derive(SimpleObject)]
pub(super) struct Paso {
    nombre: String,
    estado: String,
    motivo: Option<String>,
    mensaje: Option<String>,
}

/// Payments, the newest first.
#[derive(SimpleObject)]
pub(super) struct PagosPagina {
    pub(super) pagos: Vec<Pago>,
    /// Where the next page begins; null at the end.
    pub(super) cursor: Option<String>,
}

// === impl FechaHora ===

#[Scalar(name = "DateTime")]
impl ScalarType for FechaHora {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        Self::read(text.clone()).ok_or_else(|| InputValueError::custom("debe ser RFC 3339, como 2026-11-24T18:00:00Z"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl FechaHora {
    fn read(text: String) -> Option<Self> {
        chrono::DateTime::parse_from_rfc3339(&text).ok().map(|_| Self(text))
    }

    /// In milliseconds since the Unix epoch.
    pub(super) fn at_ms(&self) -> i64 {
        // Read once already: what is no moment does not get in.
        chrono::DateTime::parse_from_rfc3339(&self.0).map_or(0, |moment| moment.timestamp_millis())
    }
}

// === translation ===

impl TryFrom<clientes::Cliente> for Cliente {
    type Error = clientes::ClientesError;

    fn try_from(cliente: clientes::Cliente) -> Result<Self, Self::Error> {
        let clientes::Cliente {
            id,
            nombre,
            correo,
            estado_plan,
            fecha_creacion,
            fecha_actualizacion,
        } = cliente;
        let date = |text| FechaHora::read(text).ok_or(clientes::ClientesError::Unreadable);
        Ok(Self {
            id_desde_bd: id.clone(),
            id,
            fecha_creacion: date(fecha_creacion)?,
            fecha_actualizacion: date(fecha_actualizacion)?,
            nombre,
            correo,
            contrasena: String::new(),
            estado_plan,
        })
    }
}

impl From<domain::Pago> for Pago {
    fn from(pago: domain::Pago) -> Self {
        let domain::Pago {
            id_correlacion,
            secuencia,
            solicitud,
            fase,
            step,
            reason,
            steps,
            trace_id,
            start_time,
            completion_time,
            ended,
        } = pago;
        let monto_texto = solicitud.dinero.monto();
        let (motivo, mensaje) = reason.map(|reason| (reason.motivo, reason.mensaje)).unzip();
        Self {
            id_correlacion: id_correlacion.into(),
            fase: fase.into(),
            secuencia,
            id_cliente: solicitud.id_cliente.into(),
            // Decimal text of at most ten digits: the double nearest to it prints as the same text.
            monto: monto_texto.parse().unwrap_or_default(),
            monto_texto,
            moneda: solicitud.dinero.moneda().into(),
            medio_pago: solicitud.medio_pago.to_string(),
            step,
            motivo,
            mensaje,
            pasos: steps.into_iter().map(Paso::from).collect(),
            inicio: start_time.and_then(FechaHora::read),
            fin: completion_time.and_then(FechaHora::read),
            trace_id,
            terminado: ended,
        }
    }
}

impl From<PasoVisto> for Paso {
    fn from(paso: PasoVisto) -> Self {
        let PasoVisto { nombre, estado, motivo } = paso;
        let (motivo, mensaje) = motivo.map(|reason| (reason.motivo, reason.mensaje)).unzip();
        Self {
            nombre: nombre.to_string(),
            estado,
            motivo,
            mensaje,
        }
    }
}
