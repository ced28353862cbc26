//! The simulated gateway, over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Url, redirect};
use seedwork::{Declive, Dinero, Fault, IdCorrelacion, MedioPago, Moneda, Reason};
use seedwork_runtime::serve::StartupError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::field::Empty;

use super::{Pagina, Pasarela, Respuesta};
use crate::domain::conciliacion::{Cuenta, Partida};
use crate::domain::{Cobro, IdAutorizacion, IdCargo, IdReembolso, NombrePasarela, Operacion};

/// The gateway at a base address.
pub struct PasarelaSimulada {
    http: reqwest::Client,
    base: Url,
}

/// How many references a page of them holds.
const PAGINA: &str = "200";

/// Refusals (other than a decline, 402) that say for certain that the call did nothing. A list of what is allowed: a
/// code that we do not know is an unknown outcome. `ClaveReutilizada` is not here: it says that the key did something.
const DEFINITE: [&str; 6] = [
    "SolicitudInvalida",
    "AutorizacionAnulada",
    "AutorizacionCapturada",
    "CapturaExcedida",
    "ReembolsoExcedido",
    "ReembolsoImposible",
];

#[derive(Deserialize)]
struct AutorizadaWire {
    id: IdAutorizacion,
    referencia: String,
}

#[derive(Deserialize)]
struct CapturadaWire {
    id: IdCargo,
    referencia: String,
    monto: i64,
    moneda: Moneda,
}

#[derive(Deserialize)]
struct AnuladaWire {
    estado: String,
}

#[derive(Deserialize)]
struct ReembolsadaWire {
    id: IdReembolso,
}

#[derive(Deserialize)]
struct ReferenciasWire {
    referencias: Vec<ReferenciaWire>,
    siguiente: Option<String>,
}

#[derive(Deserialize)]
struct ReferenciaWire {
    referencia: String,
    #[serde(rename = "movidaMs")]
    movida_ms: i64,
    autorizaciones: Vec<PromesaWire>,
    cargos: Vec<CargoWire>,
}

#[derive(Deserialize)]
struct PromesaWire {
    id: String,
    estado: String,
}

#[derive(Deserialize)]
struct CargoWire {
    id: String,
    autorizacion: String,
    monto: i64,
    moneda: Moneda,
    reembolsado: i64,
    contracargado: bool,
}

#[derive(Deserialize)]
struct ErrorWire {
    error: DetalleWire,
}

#[derive(Deserialize)]
struct DetalleWire {
    codigo: String,
    mensaje: String,
    /// Of a decline: whether the same may succeed on another day.
    suave: Option<bool>,
}

// === impl PasarelaSimulada ===

impl PasarelaSimulada {
    /// The gateway at `url`; an answer that takes longer than `timeout` is an unknown outcome.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, StartupError> {
        let base = Url::parse(url).map_err(|error| StartupError::new("PASARELA_URL is no address", error))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            // Without the address, which may hold a password.
            return Err(StartupError::told("PASARELA_URL must be like http://127.0.0.1:7100"));
        }
        let http = seedwork_runtime::http::client()
            .timeout(timeout)
            // A redirected POST would become a GET, whose answer would say nothing about the call.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| StartupError::new("the HTTP client cannot be made", error))?;
        Ok(Self { http, base })
    }

    async fn pedir<T: DeserializeOwned>(
        &self,
        operacion: Operacion,
        id: &IdCorrelacion,
        path: &[&str],
        cuerpo: &Value,
    ) -> Respuesta<T> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Ids of the gateway's are escaped here, whatever they hold.
            segments.pop_if_empty().extend(path);
        }
        let mut request = self
            .http
            .post(url)
            .header("Idempotency-Key", operacion.clave(id))
            .json(cuerpo);
        if let Some(traceparent) = seedwork_runtime::telemetry::current_traceparent() {
            request = request.header("traceparent", traceparent);
        }
        let respuesta = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                tracing::Span::current().record("http.response.status_code", status);
                match response.bytes().await {
                    Ok(body) => juzgar(status, &body),
                    Err(error) => silencio(&error),
                }
            }
            Err(error) => silencio(&error),
        };
        if let Respuesta::Incierto(motivo) = &respuesta {
            tracing::Span::current().record("otel.status_code", "ERROR");
            tracing::warn!(%id, %operacion, %motivo, "the gateway gave no definite answer");
        }
        respuesta
    }
}

#[async_trait]
impl Pasarela for PasarelaSimulada {
    fn nombre(&self) -> NombrePasarela {
        NombrePasarela::Simulada
    }

    #[tracing::instrument(name = "autorizar", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn autorizar(&self, id: &IdCorrelacion, medio_pago: MedioPago, dinero: Dinero) -> Respuesta<IdAutorizacion> {
        let cuerpo = json!({
            "referencia": id, "monto": dinero.minor(), "moneda": dinero.moneda(), "medioPago": medio_pago,
        });
        self.pedir(Operacion::Autorizar, id, &["autorizaciones"], &cuerpo)
            .await
            .leer(
                |AutorizadaWire {
                     id: autorizacion,
                     referencia,
                 }| (referencia == id.as_str()).then_some(autorizacion),
            )
    }

    #[tracing::instrument(name = "capturar", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn capturar(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion, dinero: Dinero) -> Respuesta<Cobro> {
        let path = ["autorizaciones", autorizacion.as_str(), "captura"];
        self.pedir(Operacion::Capturar, id, &path, &json!({ "monto": dinero.minor() }))
            .await
            .leer(
                |CapturadaWire {
                     id: cargo,
                     referencia,
                     monto,
                     moneda,
                 }| {
                    let dinero = Dinero::from_minor(monto, moneda).ok()?;
                    (referencia == id.as_str()).then_some(Cobro {
                        autorizacion: autorizacion.clone(),
                        cargo,
                        dinero,
                    })
                },
            )
    }

    #[tracing::instrument(name = "anular", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn anular(&self, id: &IdCorrelacion, autorizacion: &IdAutorizacion) -> Respuesta<()> {
        let path = ["autorizaciones", autorizacion.as_str(), "anulacion"];
        self.pedir(Operacion::Anular, id, &path, &json!({}))
            .await
            .leer(|AnuladaWire { estado }| (estado == "anulada").then_some(()))
    }

    #[tracing::instrument(name = "reembolsar", skip_all, fields(otel.kind = "client", id_correlacion = %id, http.response.status_code = Empty, otel.status_code = Empty))]
    async fn reembolsar(&self, id: &IdCorrelacion, cargo: &IdCargo, dinero: Dinero) -> Respuesta<IdReembolso> {
        let path = ["cargos", cargo.as_str(), "reembolso"];
        self.pedir(Operacion::Reembolsar, id, &path, &json!({ "monto": dinero.minor() }))
            .await
            .leer(|ReembolsadaWire { id }| Some(id))
    }

    async fn cuentas(&self, desde_ms: i64, cursor: Option<&str>) -> Result<Pagina, Fault> {
        let fault = |error: reqwest::Error| Fault::unavailable("failed to list the gateway's references", error);
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("referencias");
        }
        url.query_pairs_mut()
            .append_pair("movidasDesde", &desde_ms.max(0).to_string())
            .append_pair("limite", PAGINA);
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("despuesDe", cursor);
        }
        let response = self.http.get(url).send().await.map_err(fault)?;
        let page: ReferenciasWire = response
            .error_for_status()
            .map_err(fault)?
            .json()
            .await
            .map_err(fault)?;
        Ok(Pagina {
            cuentas: page.referencias.into_iter().map(ReferenciaWire::cuenta).collect(),
            siguiente: page.siguiente,
        })
    }
}

// === impl ReferenciaWire ===

impl ReferenciaWire {
    fn cuenta(self) -> Cuenta {
        let Self {
            referencia,
            movida_ms,
            autorizaciones,
            cargos,
        } = self;
        let mut cuenta = Cuenta::vacia(referencia, movida_ms);
        let abierta = |promesa: &&PromesaWire| {
            promesa.estado != "anulada" && !cargos.iter().any(|cargo| cargo.autorizacion == promesa.id)
        };
        cuenta.promesas_abiertas = u32::try_from(autorizaciones.iter().filter(abierta).count()).unwrap_or(u32::MAX);
        for cargo in cargos {
            let CargoWire {
                id,
                autorizacion: _,
                monto,
                moneda,
                reembolsado,
                contracargado,
            } = cargo;
            cuenta.cargos.push(Partida::new(id, monto, moneda));
            cuenta.devuelto = cuenta.devuelto.saturating_add(reembolsado);
            cuenta.contracargada |= contracargado;
        }
        cuenta
    }
}

/// What an answer means. Only a readable success is one, and only a readable, known refusal is one.
fn juzgar<T: DeserializeOwned>(status: u16, body: &[u8]) -> Respuesta<T> {
    if (200..300).contains(&status) {
        return serde_json::from_slice(body).map_or_else(|_| ilegible(), Respuesta::Hecho);
    }
    match serde_json::from_slice(body) {
        Ok(ErrorWire {
            error: DetalleWire { codigo, mensaje, suave },
        }) => {
            let definite = status == 402 || (matches!(status, 400 | 409) && DEFINITE.contains(&codigo.as_str()));
            // Of itself the saga says this of a participant that never answered, and asks it until it does.
            let codigo = if codigo == "SinRespuesta" {
                "PasarelaSinRespuesta".to_owned()
            } else {
                codigo
            };
            let declive = suave.map(|suave| if suave { Declive::Suave } else { Declive::Duro });
            let motivo = Reason::new(codigo, mensaje).with_declive(declive.filter(|_| status == 402));
            if definite {
                Respuesta::Rechazado(motivo)
            } else {
                Respuesta::Incierto(motivo)
            }
        }
        Err(_) => Respuesta::Incierto(Reason::new(
            "PasarelaNoDisponible",
            format!("La pasarela contestó con el código {status}"),
        )),
    }
}

fn silencio<T>(error: &reqwest::Error) -> Respuesta<T> {
    let mensaje = if error.is_timeout() {
        "La pasarela no contestó a tiempo"
    } else {
        "No hay conexión con la pasarela"
    };
    Respuesta::Incierto(Reason::new("PasarelaSinRespuesta", mensaje))
}

fn ilegible<T>() -> Respuesta<T> {
    Respuesta::Incierto(Reason::new(
        "RespuestaIlegible",
        "La pasarela contestó algo que no se puede leer",
    ))
}

// === impl Respuesta ===

impl<T> Respuesta<T> {
    /// Turns what was done into our words; what does not fit is an unknown outcome.
    fn leer<U>(self, leer: impl FnOnce(T) -> Option<U>) -> Respuesta<U> {
        match self {
            Self::Hecho(valor) => leer(valor).map_or_else(ilegible, Respuesta::Hecho),
            Self::Rechazado(motivo) => Respuesta::Rechazado(motivo),
            Self::Incierto(motivo) => Respuesta::Incierto(motivo),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> Respuesta<Value> {
        juzgar(status, body.as_bytes())
    }

    fn error(codigo: &str) -> String {
        json!({"error": {"codigo": codigo, "mensaje": "…"}}).to_string()
    }

    #[test]
    fn only_what_is_known_to_be_definite_is_a_refusal() {
        let definite = [
            (402, "FondosInsuficientes"),
            (402, "OtroDeclive"),
            (400, "SolicitudInvalida"),
            (409, "ReembolsoImposible"),
            (409, "AutorizacionAnulada"),
        ];
        for (status, codigo) in definite {
            assert!(
                matches!(judged(status, &error(codigo)), Respuesta::Rechazado(reason) if reason.motivo == codigo),
                "{status} {codigo}"
            );
        }
        let unknown = [
            (409, "ClaveEnCurso"),
            (409, "AlgoNuevo"),
            (422, "ClaveReutilizada"),
            (404, "NoEncontrado"),
            (401, "SinPermiso"),
            (429, "Despacio"),
            (500, "ErrorInterno"),
            (503, "SolicitudInvalida"),
            (302, "SolicitudInvalida"),
        ];
        for (status, codigo) in unknown {
            assert!(
                matches!(judged(status, &error(codigo)), Respuesta::Incierto(reason) if reason.motivo == codigo),
                "{status} {codigo}"
            );
        }
        for status in [400, 402, 409, 502] {
            assert!(
                matches!(judged(status, "<html>"), Respuesta::Incierto(_)),
                "{status} of a proxy"
            );
        }
    }

    #[test]
    fn no_code_of_a_gateway_is_taken_for_the_sagas_own() {
        let answer = judged(402, &error("SinRespuesta"));
        assert!(matches!(answer, Respuesta::Rechazado(reason) if reason.motivo == "PasarelaSinRespuesta"));
    }

    #[test]
    fn a_decline_is_soft_or_hard_as_the_gateway_says() {
        for (status, suave, declive) in [
            (402, json!(true), Some(Declive::Suave)),
            (402, json!(false), Some(Declive::Duro)),
            (402, Value::Null, None),
            (409, json!(true), None),
        ] {
            let codigo = "AutorizacionAnulada";
            let body = json!({"error": {"codigo": codigo, "mensaje": "…", "suave": suave}}).to_string();
            let answer = judged(status, &body);
            assert!(
                matches!(&answer, Respuesta::Rechazado(reason) if reason.declive == declive),
                "{status} {suave}: {answer:?}"
            );
        }
        assert!(matches!(judged(402, &error("X")), Respuesta::Rechazado(reason) if reason.declive.is_none()));
    }

    #[test]
    fn a_success_that_cannot_be_read_is_an_unknown_outcome() {
        assert!(matches!(judged(201, "{"), Respuesta::Incierto(_)));
        let answer = judged(201, r#"{"estado":"otra"}"#).leer(|_| None::<()>);
        assert!(matches!(answer, Respuesta::Incierto(reason) if reason.motivo == "RespuestaIlegible"));
    }

    #[test]
    fn an_address_that_cannot_be_called_is_refused_at_start() {
        for bad in ["", "no", "ftp://ana:secreta@x", "ana:secreta@x", "mailto:a@b"] {
            let refused = PasarelaSimulada::new(bad, Duration::from_secs(1)).err();
            let sentence = refused.map(|error| error.chain()).unwrap_or_default();
            assert!(sentence.contains("PASARELA_URL"), "{bad}: {sentence}");
            assert!(!sentence.contains("secreta"), "{sentence}");
        }
    }
}
