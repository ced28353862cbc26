//! The HTTP edge: routes, and what callers send and read.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use seedwork::{Dinero, Fault, IdCliente, IdCorrelacion};
use seedwork_runtime::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::contracargos::Contracargos;
use super::read_model::{Cursor, PagoVisto, ReadModel};

/// What the routes work with.
#[derive(Clone)]
struct Services {
    read_model: ReadModel,
    contracargos: Arc<Contracargos>,
}

/// A payment as the wire has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PagoVista {
    #[serde(skip_serializing_if = "String::is_empty")]
    autorizacion: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cargo: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    contracargo: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    discrepancia: String,
    estado: String,
    #[serde(rename = "fecha_actualizacion")]
    fecha_actualizacion: String,
    #[serde(rename = "fecha_creacion")]
    fecha_creacion: String,
    id: String,
    id_cliente: String,
    medio_pago: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mensaje: String,
    moneda: String,
    monto: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monto_cobrado: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    motivo: String,
    pasarela: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reembolso: String,
}

/// The query of a list, as it arrives.
#[derive(Default, Deserialize)]
struct Parametros {
    limite: Option<String>,
    cursor: Option<String>,
    #[serde(rename = "idCliente")]
    id_cliente: Option<String>,
}

/// Which part of the list is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Pagina {
    limite: usize,
    cursor: Option<Cursor>,
    id_cliente: Option<IdCliente>,
}

/// A chargeback as the webhook brings it.
#[derive(Debug, PartialEq, Eq)]
struct Aviso {
    id: IdCorrelacion,
    motivo: String,
}

/// What `GET /spec` answers.
const SPEC: &str = include_str!("../../openapi.json");

const LIMITE: usize = 50;
const LIMITE_MAX: usize = 100;

/// The longest `motivo` of a chargeback, in characters.
const MOTIVO_MAX: usize = 256;

/// The words of a chargeback that came without any.
const MOTIVO: &str = "El banco del cliente devolvió el dinero";

/// The routes that callers use.
pub(crate) fn router(read_model: ReadModel, contracargos: Arc<Contracargos>) -> Router {
    Router::new()
        .route("/pagos", get(list))
        .route("/pagos/{id}", get(read))
        .route("/pagos/simular-evento-de-compensacion", post(chargeback))
        .route(
            "/spec",
            get(|| async { ([(header::CONTENT_TYPE, "application/json")], SPEC) }),
        )
        .with_state(Services {
            read_model,
            contracargos,
        })
}

/// `GET /pagos/{id}`
async fn read(State(services): State<Services>, id: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let unknown = || Fault::NotFound("no payment has this id".to_owned());
    // What is no id names no payment.
    let id = id
        .ok()
        .and_then(|Path(id)| IdCorrelacion::parse(id).ok())
        .ok_or_else(unknown)?;
    let visto = services.read_model.find(&id).await?.ok_or_else(unknown)?;
    Ok(axum::Json(PagoVista::new(visto)?).into_response())
}

/// `GET /pagos`: an array, newest first; `X-Next-Cursor` is there while more follows.
async fn list(
    State(services): State<Services>,
    parametros: Result<Query<Parametros>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parametros) = parametros.map_err(|rejection| Problem::rejected(vec![rejection.body_text()]))?;
    let Pagina {
        limite,
        cursor,
        id_cliente,
    } = Pagina::parse(parametros).map_err(Problem::rejected)?;
    // One more than asked for tells whether more follows.
    let rows = i64::try_from(limite).unwrap_or(i64::MAX).saturating_add(1);
    let id_cliente = id_cliente.as_ref().map(IdCliente::as_str);
    let mut found = services.read_model.list(id_cliente, cursor.as_ref(), rows).await?;
    let more = found.len() > limite;
    found.truncate(limite);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| AppendHeaders([("x-next-cursor", last.cursor().to_string())]));
    let body = found.into_iter().map(PagoVista::new).collect::<Result<Vec<_>, _>>()?;
    Ok((next, axum::Json(body)).into_response())
}

/// `POST /pagos/simular-evento-de-compensacion`: plays the gateway's webhook. Without an `idCorrelacion` nothing is
/// reversed, as in the original, which read no body at all; so the content type does not matter either.
async fn chargeback(
    State(services): State<Services>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| Problem::new(rejection.status(), "unreadable body", rejection.body_text()))?;
    if let Some(Aviso { id, motivo }) = Aviso::parse(&body).map_err(Problem::rejected)? {
        services.contracargos.recibir(&id, &motivo).await?;
    }
    Ok((
        StatusCode::OK,
        axum::Json(json!({ "mensaje": "Evento de compensación emitido" })),
    )
        .into_response())
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
    fn new(visto: PagoVisto) -> Result<Self, Fault> {
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
            discrepancia,
            creado,
            actualizado,
        } = visto;
        Ok(Self {
            autorizacion,
            cargo,
            contracargo,
            discrepancia,
            estado,
            fecha_actualizacion: fecha(actualizado),
            fecha_creacion: fecha(creado),
            id,
            id_cliente,
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
}

// === impl Pagina ===

impl Pagina {
    /// Checks the query; every broken rule is reported.
    fn parse(parametros: Parametros) -> Result<Self, Vec<String>> {
        let Parametros {
            limite,
            cursor,
            id_cliente,
        } = parametros;
        let limite = limite
            .map_or(Some(LIMITE), |text| text.parse().ok())
            .filter(|n| (1..=LIMITE_MAX).contains(n));
        let limite = limite.ok_or_else(|| format!("limite must be a number from 1 to {LIMITE_MAX}"));
        let cursor = cursor.map(|text| Cursor::parse(&text).ok_or("cursor must be one that a list has answered"));
        let cursor = cursor.transpose().map_err(str::to_owned);
        let id_cliente = id_cliente
            .map(IdCliente::parse)
            .transpose()
            .map_err(|error| format!("idCliente {error}"));
        match (limite, cursor, id_cliente) {
            (Ok(limite), Ok(cursor), Ok(id_cliente)) => Ok(Self {
                limite,
                cursor,
                id_cliente,
            }),
            (limite, cursor, id_cliente) => Err([limite.err(), cursor.err(), id_cliente.err()]
                .into_iter()
                .flatten()
                .collect()),
        }
    }
}

// === impl Aviso ===

impl Aviso {
    /// Reads the body; `None` when it names no payment.
    fn parse(body: &[u8]) -> Result<Option<Self>, Vec<String>> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| vec![format!("the body must be a JSON object: {error}")])?;
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Err(format!("{name} must be a text"))
            }
        };
        let id = text("idCorrelacion").and_then(|text| {
            text.map(IdCorrelacion::parse)
                .transpose()
                .map_err(|error| format!("idCorrelacion {error}"))
        });
        let motivo = text("motivo").map(|text| text.map_or("", str::trim)).and_then(|text| {
            let fits = text.chars().count() <= MOTIVO_MAX && !text.chars().any(char::is_control);
            let rule = || format!("motivo must be at most {MOTIVO_MAX} printable characters");
            fits.then_some(if text.is_empty() { MOTIVO } else { text })
                .ok_or_else(rule)
        });
        match (id, motivo) {
            (Ok(id), Ok(motivo)) => Ok(id.map(|id| Self {
                id,
                motivo: motivo.to_owned(),
            })),
            (id, motivo) => Err([id.err(), motivo.err()].into_iter().flatten().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pagina(query: &str) -> Result<Pagina, Vec<String>> {
        let uri = format!("/pagos?{query}").parse().unwrap();
        Pagina::parse(Query::try_from_uri(&uri).unwrap().0)
    }

    #[test]
    fn a_page_has_one_to_a_hundred_payments_and_fifty_unless_told() {
        assert_eq!(
            pagina(""),
            Ok(Pagina {
                limite: 50,
                cursor: None,
                id_cliente: None
            })
        );
        assert_eq!(pagina("limite=100&cursor=5.p-1&idCliente=c-1").unwrap().limite, 100);
        for bad in ["0", "101", "-1", "x", "", "1.5"] {
            assert_eq!(pagina(&format!("limite={bad}")).unwrap_err().len(), 1, "{bad}");
        }
        assert_eq!(pagina("limite=0&cursor=x&idCliente=").unwrap_err().len(), 3);
    }

    #[test]
    fn a_chargeback_without_a_payment_is_about_nothing() {
        for body in [
            "",
            " \n",
            "{}",
            r#"{"idCorrelacion": null}"#,
            r#"{"otra": 1}"#,
            r#"{"motivo": "x"}"#,
        ] {
            assert_eq!(Aviso::parse(body.as_bytes()), Ok(None), "{body}");
        }
    }

    #[test]
    fn a_malformed_chargeback_gets_a_sentence_for_each_rule() {
        for body in [
            "{",
            "[]",
            "5",
            "\"p-1\"",
            r#"{"idCorrelacion": 5}"#,
            r#"{"idCorrelacion": "No Es"}"#,
        ] {
            assert_eq!(Aviso::parse(body.as_bytes()).unwrap_err().len(), 1, "{body}");
        }
        let long = "x".repeat(257);
        let body = format!(r#"{{"idCorrelacion": "", "motivo": "{long}"}}"#);
        assert_eq!(Aviso::parse(body.as_bytes()).unwrap_err().len(), 2);
    }

    #[test]
    fn a_chargeback_without_words_gets_ours() {
        let id = IdCorrelacion::parse("p-1").unwrap();
        let read = |body: &str| Aviso::parse(body.as_bytes()).unwrap().unwrap();
        assert_eq!(
            read(r#"{"idCorrelacion": "p-1"}"#),
            Aviso {
                id: id.clone(),
                motivo: MOTIVO.into()
            }
        );
        assert_eq!(
            read(r#"{"idCorrelacion": "p-1", "motivo": " Fraude "}"#),
            Aviso {
                id,
                motivo: "Fraude".into()
            }
        );
    }
}
