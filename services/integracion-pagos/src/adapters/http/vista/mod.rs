//! What callers read.

mod nombres;

use seedwork::{Dinero, Fault};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::adapters::conciliacion::{AvisoVisto, DiferenciaVista, Informe};
use crate::adapters::read_model::{IntentoVisto, PagoVisto};

/// A payment. Members without a value are left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pago)]
pub(super) struct PagoVista {
    /// The gateway's id of the promise
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    autorizacion: String,
    /// What webhooks told of it that a person must look at; only in the answer to `GET /pagos/{id}`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    avisos: Vec<AvisoVista>,
    /// The gateway's id of the charge
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    cargo: String,
    /// The words of a chargeback
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    contracargo: String,
    /// Whether the operator has acknowledged the chargeback; there with `contracargo`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    contracargo_atendido: Option<bool>,
    /// What does not fit together
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false, schema_with = nombres::discrepancias)]
    discrepancia: String,
    /// Where it stands
    #[schema(schema_with = nombres::estados)]
    estado: String,
    #[serde(rename = "fecha_actualizacion")]
    #[schema(format = DateTime)]
    fecha_actualizacion: String,
    #[serde(rename = "fecha_creacion")]
    #[schema(format = DateTime)]
    fecha_creacion: String,
    /// The idCorrelacion
    id: String,
    id_cliente: String,
    /// The calls to the gateway; only in the answer to `GET /pagos/{id}`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    intentos: Vec<IntentoVista>,
    /// With what the client pays
    #[schema(schema_with = nombres::medios)]
    medio_pago: String,
    /// Why it did not simply work: a sentence
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    mensaje: String,
    /// ISO 4217
    moneda: String,
    /// What was asked for, with all the decimals of the currency
    #[schema(schema_with = nombres::monto)]
    monto: Box<RawValue>,
    /// What the gateway took
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, schema_with = nombres::monto_cobrado)]
    monto_cobrado: Option<Box<RawValue>>,
    /// Why it did not simply work: a code
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    motivo: String,
    /// Where the money is taken
    #[schema(schema_with = nombres::pasarelas)]
    pasarela: String,
    /// The gateway's id of the refund
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    reembolso: String,
}

/// The calls of one operation to the gateway. A call whose outcome is unknown is repeated under the same key.
#[derive(Serialize, ToSchema)]
#[schema(as = Intento)]
pub(super) struct IntentoVista {
    /// Why it was not done: a code
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    motivo: String,
    /// What was asked of the gateway
    #[schema(schema_with = nombres::operaciones)]
    operacion: String,
    /// When it was first made
    #[schema(format = DateTime)]
    primero: String,
    /// What was said last
    #[schema(schema_with = nombres::resultados)]
    resultado: String,
    /// When it was last made
    #[schema(format = DateTime)]
    ultimo: String,
    /// How often it was made
    veces: i64,
}

/// What a webhook told that reverses nothing and that a person must look at.
#[derive(Serialize, ToSchema)]
#[schema(as = Aviso)]
pub(super) struct AvisoVista {
    /// The gateway's name of the event
    detalle: String,
    #[schema(format = DateTime)]
    fecha: String,
    /// Its name
    #[schema(schema_with = nombres::avisos)]
    nombre: String,
    /// The payment
    pago: String,
}

/// A comparison of our books with the gateway's.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Conciliacion)]
pub(super) struct InformeVista {
    /// How many accounts of the gateway's were compared
    cuentas: i64,
    /// Payments that moved since then were compared
    #[schema(format = DateTime)]
    desde: String,
    /// Why it failed
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    detalle: String,
    /// How many differences were found
    diferencias: i64,
    #[schema(format = DateTime)]
    empezada: String,
    /// How many were left to the next time, because they moved just now
    en_movimiento: i64,
    /// Whether it has ended, and how
    #[schema(schema_with = nombres::conciliaciones)]
    estado: String,
    id: String,
    /// The differences, one by one (the first thousand); only in the answer to `GET /conciliacion/{id}`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lista: Option<Vec<Diferencia>>,
    /// How many payments of ours were compared
    pagos: i64,
    /// Where the money is taken
    #[schema(schema_with = nombres::pasarelas)]
    pasarela: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    terminada: Option<String>,
}

/// A difference between our books and the gateway's.
#[derive(Serialize, ToSchema)]
pub(super) struct Diferencia {
    /// What we hold
    aqui: String,
    /// Its name
    #[schema(schema_with = nombres::diferencias)]
    nombre: String,
    /// What the gateway holds
    pasarela: String,
    /// The payment's idCorrelacion, if it is one of ours
    referencia: String,
}

/// The last comparisons, newest first, and what webhooks told.
#[derive(Serialize, ToSchema)]
pub(super) struct Conciliaciones {
    pub(super) avisos: Vec<AvisoVista>,
    pub(super) conciliaciones: Vec<InformeVista>,
}

/// The answer of a chargeback's door.
#[derive(Serialize, ToSchema)]
pub(super) struct Emitido {
    /// Evento de compensación emitido
    pub(super) mensaje: &'static str,
}

/// The answer to a webhook.
#[derive(Serialize, ToSchema)]
pub(super) struct Recibido {
    /// It need not be told again
    pub(super) recibido: bool,
}

/// A moment as the wire has it: `2026-11-24T18:00:00Z`.
fn fecha(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// An amount as a JSON number with all its decimals.
fn monto(dinero: Dinero) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(dinero.monto()).map_err(|error| Fault::bug("failed to write an amount", error))
}

// === impl PagoVista ===

impl PagoVista {
    pub(super) fn new(visto: PagoVisto) -> Result<Self, Fault> {
        let PagoVisto {
            id,
            id_cliente,
            medio_pago,
            dinero,
            estado,
            pasarela,
            autorizacion,
            cargo,
            cobrado,
            reembolso,
            motivo,
            mensaje,
            contracargo,
            contracargo_atendido,
            discrepancia,
            creado,
            actualizado,
        } = visto;
        Ok(Self {
            autorizacion,
            avisos: Vec::new(),
            cargo,
            contracargo,
            contracargo_atendido,
            discrepancia,
            estado,
            fecha_actualizacion: fecha(actualizado),
            fecha_creacion: fecha(creado),
            id,
            id_cliente,
            intentos: Vec::new(),
            medio_pago,
            mensaje,
            moneda: dinero.moneda().to_string(),
            monto: monto(dinero)?,
            monto_cobrado: cobrado.map(monto).transpose()?,
            motivo,
            pasarela,
            reembolso,
        })
    }

    /// With what only a look at one payment shows.
    pub(super) fn with_details(self, intentos: Vec<IntentoVisto>, avisos: Vec<AvisoVisto>) -> Self {
        Self {
            intentos: intentos.into_iter().map(IntentoVista::new).collect(),
            avisos: avisos.into_iter().map(AvisoVista::new).collect(),
            ..self
        }
    }
}

// === impl IntentoVista ===

impl IntentoVista {
    fn new(visto: IntentoVisto) -> Self {
        let IntentoVisto {
            operacion,
            veces,
            primero,
            ultimo,
            resultado,
            motivo,
        } = visto;
        Self {
            motivo,
            operacion,
            primero: fecha(primero),
            resultado,
            ultimo: fecha(ultimo),
            veces,
        }
    }
}

// === impl AvisoVista ===

impl AvisoVista {
    pub(super) fn new(visto: AvisoVisto) -> Self {
        let AvisoVisto {
            pago,
            nombre,
            detalle,
            recibido,
        } = visto;
        Self {
            detalle,
            fecha: fecha(recibido),
            nombre,
            pago,
        }
    }
}

// === impl InformeVista ===

impl InformeVista {
    pub(super) fn new(informe: Informe) -> Self {
        let Informe {
            id,
            estado,
            pasarela,
            desde,
            empezada,
            terminada,
            pagos,
            cuentas,
            en_movimiento,
            diferencias,
            detalle,
        } = informe;
        Self {
            cuentas,
            desde: fecha(desde),
            detalle,
            diferencias,
            empezada: fecha(empezada),
            en_movimiento,
            estado,
            id,
            lista: None,
            pagos,
            pasarela,
            terminada: (terminada > 0).then(|| fecha(terminada)),
        }
    }

    /// With its differences, one by one.
    pub(super) fn with_list(self, lista: Vec<DiferenciaVista>) -> Self {
        let lista = lista.into_iter().map(|vista| {
            let DiferenciaVista {
                nombre,
                referencia,
                aqui,
                pasarela,
            } = vista;
            Diferencia {
                aqui,
                nombre,
                pasarela,
                referencia,
            }
        });
        Self {
            lista: Some(lista.collect()),
            ..self
        }
    }
}
