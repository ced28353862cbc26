//! The provider over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{StatusCode, Url};
use seedwork::Reason;
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::telemetry::current_traceparent;
use serde::{Deserialize, Serialize};
use tracing::{Instrument as _, Span, field::Empty};

use super::{Entrega, Mensajeria};
use crate::domain::Mensaje;

/// A message provider at a URL.
pub struct Proveedor {
    http: reqwest::Client,
    mensajes: Url,
}

/// `POST /mensajes`.
#[derive(Serialize)]
struct Cuerpo<'a> {
    referencia: &'a str,
    medio: &'a str,
    destino: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    asunto: Option<&'a str>,
    texto: &'a str,
}

#[derive(Deserialize)]
struct Aceptado {
    estado: String,
}

#[derive(Deserialize)]
struct Negado {
    error: Detalle,
}

#[derive(Deserialize)]
struct Detalle {
    codigo: String,
    #[serde(default)]
    mensaje: String,
}

// === impl Proveedor ===

impl Proveedor {
    /// A provider under `base` (`http://…`), each call to which takes at most `timeout`.
    pub fn new(base: &str, timeout: Duration) -> Result<Self, StartupError> {
        let rule = "PROVEEDOR_URL must be the http:// or https:// address of the message provider";
        let mensajes = Url::parse(&format!("{}/mensajes", base.trim_end_matches('/')))
            .map_err(|error| StartupError::new(rule, error))?;
        // Of `user:password@host` the user would be the scheme: nothing of what was set is told.
        if !matches!(mensajes.scheme(), "http" | "https") {
            return Err(StartupError::told(rule));
        }
        let http = seedwork_runtime::http::client()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| StartupError::new("the HTTP client cannot be made", error))?;
        Ok(Self { http, mensajes })
    }

    async fn llamar(&self, mensaje: &Mensaje) -> Result<(StatusCode, Vec<u8>), reqwest::Error> {
        let Mensaje {
            id: _,
            clave,
            referencia,
            medio,
            destino,
            asunto,
            texto,
        } = mensaje;
        let asunto = asunto.as_deref();
        let mut request = self
            .http
            .post(self.mensajes.clone())
            .header("idempotency-key", clave)
            .json(&Cuerpo {
                referencia,
                medio: medio.as_str(),
                destino,
                asunto,
                texto,
            });
        if let Some(traceparent) = current_traceparent() {
            request = request.header("traceparent", traceparent);
        }
        let response = request.send().await?;
        let status = response.status();
        Span::current().record("http.response.status_code", status.as_u16());
        Ok((status, response.bytes().await?.to_vec()))
    }
}

#[async_trait]
impl Mensajeria for Proveedor {
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega {
        let span = tracing::info_span!(
            "mensajeria",
            otel.name = "POST /mensajes",
            otel.kind = "client",
            medio = %mensaje.medio,
            clave = mensaje.clave,
            http.response.status_code = Empty,
        );
        match self.llamar(mensaje).instrument(span).await {
            Ok((status, body)) => leer(status, &body),
            Err(error) => {
                // Also when we could not even connect: what was asked before this call is not known either.
                tracing::debug!(%error, "the message provider gave no answer");
                let como = if error.is_timeout() {
                    "no respondió a tiempo"
                } else {
                    "no respondió"
                };
                incierto(como)
            }
        }
    }
}

/// Definite is only what the provider says in its own words; anything else may come from something in between.
fn leer(status: StatusCode, body: &[u8]) -> Entrega {
    if status.is_success() {
        return match serde_json::from_slice::<Aceptado>(body) {
            Ok(Aceptado { estado }) if estado == "entregado" => Entrega::Entregado,
            Ok(_) | Err(_) => incierto(&format!("respondió HTTP {} sin decir entregado", status.as_u16())),
        };
    }
    if let Ok(Negado {
        error: Detalle { codigo, mensaje },
    }) = serde_json::from_slice(body)
    {
        let refused = status == StatusCode::UNPROCESSABLE_ENTITY && codigo == "MedioRechazado";
        // It can never take this message, e.g. an address longer than it allows: no repeat will help.
        let unusable = status == StatusCode::BAD_REQUEST && codigo == "SolicitudInvalida";
        if refused || unusable {
            return Entrega::Rechazado(Reason::new(codigo, mensaje));
        }
    }
    incierto(&format!("respondió HTTP {}", status.as_u16()))
}

fn incierto(como: &str) -> Entrega {
    Entrega::Incierto(Reason::new(
        "MensajeriaNoDisponible",
        format!("el proveedor de mensajes {como}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_providers_own_words_are_definite() {
        let uncertain = [
            (200, ""),
            (201, "{}"),
            (201, r#"{"estado":"en cola"}"#),
            (204, ""),
            (302, r#"{"estado":"entregado"}"#),
            (400, "<html>"),
            (400, r#"{"error":{"codigo":"MedioRechazado"}}"#),
            (404, r#"{"error":{"codigo":"NoEncontrado","mensaje":"m"}}"#),
            (409, r#"{"error":{"codigo":"ClaveEnCurso","mensaje":"m"}}"#),
            (422, ""),
            (422, r#"{"error":{"codigo":"ClaveReutilizada","mensaje":"m"}}"#),
            (429, r#"{"error":{"codigo":"MedioRechazado","mensaje":"m"}}"#),
            (500, r#"{"error":{"codigo":"ErrorInterno","mensaje":"m"}}"#),
            (503, r#"{"error":{"codigo":"MedioRechazado","mensaje":"m"}}"#),
        ];
        for (status, body) in uncertain {
            let entrega = leer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert!(matches!(entrega, Entrega::Incierto(_)), "{status} {body}: {entrega:?}");
        }
        let delivered = leer(StatusCode::CREATED, br#"{"id":"men_1","estado":"entregado"}"#);
        assert_eq!(delivered, Entrega::Entregado);
        for (status, codigo) in [(422, "MedioRechazado"), (400, "SolicitudInvalida")] {
            let body = format!(r#"{{"error":{{"codigo":"{codigo}","mensaje":"m"}}}}"#);
            let refused = leer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(refused, Entrega::Rechazado(Reason::new(codigo, "m")));
        }
    }

    #[test]
    fn an_address_that_cannot_be_called_is_refused_at_the_start() {
        let build = |url: &str| Proveedor::new(url, Duration::from_secs(1));
        for bad in [
            "",
            "localhost:7100",
            "ftp://proveedor",
            "smtp://ana:secreta@proveedor",
            "ana:secreta@proveedor",
        ] {
            let sentence = build(bad).err().unwrap().chain();
            assert!(sentence.contains("PROVEEDOR_URL"), "{bad}: {sentence}");
            assert!(!sentence.contains("ana") && !sentence.contains("secreta"), "{sentence}");
        }
        for good in ["http://127.0.0.1:7100", "http://127.0.0.1:7100/"] {
            assert_eq!(build(good).unwrap().mensajes.as_str(), "http://127.0.0.1:7100/mensajes");
        }
        let mensajes = build("https://proveedor/v1/").unwrap().mensajes;
        assert_eq!(mensajes.as_str(), "https://proveedor/v1/mensajes");
    }
}
