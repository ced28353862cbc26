//! The connection: one request, one answer, nothing decided.

use std::time::Duration;

use reqwest::{RequestBuilder, Url, redirect};
use seedwork::Reason;
use seedwork_runtime::Secret;
use seedwork_runtime::serve::StartupError;
use serde::de::DeserializeOwned;

use super::wire::{Detalle, Error};

/// Where Stripe is and who we are there.
#[derive(Debug, Clone)]
pub struct Conexion {
    /// Its address, without the version.
    pub url: String,
    /// The secret key.
    pub secreto: Secret,
    /// The version of its interface that we speak.
    pub version: String,
    /// How long an answer may take; after that the outcome is unknown.
    pub timeout: Duration,
}

/// Stripe's interface.
pub(super) struct Api {
    http: reqwest::Client,
    base: Url,
    secreto: Secret,
    version: String,
}

/// Why there is no object.
#[derive(Debug)]
pub(super) enum Fallo {
    /// An answer that is not 2xx.
    Contestado {
        status: u16,
        detalle: Box<Detalle>,
        /// Stripe's stored answer to an earlier call under this key.
        repetida: bool,
        /// What Stripe's support asks for.
        request_id: String,
    },
    /// No answer.
    Silencio(Reason),
    /// An answer that cannot be read.
    Ilegible(Reason),
}

// === impl Api ===

impl Api {
    pub(super) fn new(conexion: Conexion) -> Result<Self, StartupError> {
        let Conexion {
            url,
            secreto,
            version,
            timeout,
        } = conexion;
        let base = Url::parse(&url).map_err(|error| StartupError::new("STRIPE_URL is no address", error))?;
        // In the clear only to this machine: the secret key travels with each request.
        let loopback = matches!(base.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if base.cannot_be_a_base() || !(base.scheme() == "https" || base.scheme() == "http" && loopback) {
            // Without the address, which may hold a password.
            return Err(StartupError::told(
                "STRIPE_URL must be https (http only to 127.0.0.1, for tests)",
            ));
        }
        if secreto.expose().is_empty() || !secreto.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(StartupError::new(
                "STRIPE_SECRET_KEY is no key",
                "it must be like sk_test_… or rk_live_…",
            ));
        }
        let http = seedwork_runtime::http::client()
            .timeout(timeout)
            // A redirected POST would become a GET, whose answer would say nothing about the call.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| StartupError::new("the HTTP client cannot be made", error))?;
        Ok(Self {
            http,
            base,
            secreto,
            version,
        })
    }

    /// `POST`, under an idempotency key, form-encoded.
    pub(super) async fn pedir<T: DeserializeOwned>(
        &self,
        path: &[&str],
        clave: &str,
        campos: &[(&str, String)],
    ) -> Result<T, Fallo> {
        let request = self
            .http
            .post(self.url(path))
            .header("Idempotency-Key", clave)
            .form(campos);
        self.enviar(request).await
    }

    /// `GET`.
    pub(super) async fn leer<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, Fallo> {
        self.enviar(self.http.get(self.url(path)).query(query)).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Ids of Stripe's are escaped here, whatever they hold.
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn enviar<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Fallo> {
        let request = request
            .bearer_auth(self.secreto.expose())
            .header("Stripe-Version", self.version.as_str());
        let response = request.send().await.map_err(|error| silencio(&error))?;
        let status = response.status().as_u16();
        tracing::Span::current().record("http.response.status_code", status);
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (repetida, request_id) = (header("idempotent-replayed") == "true", header("request-id"));
        let body = response.bytes().await.map_err(|error| silencio(&error))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body).map_err(|error| {
                let mensaje = format!("La pasarela contestó algo que no se puede leer: {error}");
                Fallo::Ilegible(Reason::new("RespuestaIlegible", mensaje))
            });
        }
        // A proxy's page has no detail, and so decides nothing.
        let detalle = serde_json::from_slice::<Error>(&body).map_or_else(|_| Detalle::default(), |error| error.error);
        Err(Fallo::Contestado {
            status,
            detalle: Box::new(detalle),
            repetida,
            request_id,
        })
    }
}

fn silencio(error: &reqwest::Error) -> Fallo {
    let mensaje = if error.is_timeout() {
        "La pasarela no contestó a tiempo"
    } else {
        "No hay conexión con la pasarela"
    };
    Fallo::Silencio(Reason::new("PasarelaSinRespuesta", mensaje))
}

// === impl Fallo ===

impl Fallo {
    /// In words.
    pub(super) fn motivo(&self) -> Reason {
        match self {
            Self::Contestado { status, detalle, .. } => {
                let mensaje = detalle.message.as_deref().unwrap_or("sin detalle");
                Reason::new("PasarelaNoDisponible", format!("Stripe contestó {status}: {mensaje}"))
            }
            Self::Silencio(motivo) | Self::Ilegible(motivo) => motivo.clone(),
        }
    }

    /// Stripe's name of the request; empty when there is none.
    pub(super) fn request_id(&self) -> &str {
        match self {
            Self::Contestado { request_id, .. } => request_id,
            Self::Silencio(_) | Self::Ilegible(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why it does not open; nothing when it does.
    fn refusal(url: &str, secreto: &str) -> String {
        let conexion = Conexion {
            url: url.to_owned(),
            secreto: Secret::from(secreto.to_owned()),
            version: "v".to_owned(),
            timeout: Duration::from_secs(1),
        };
        Api::new(conexion).err().map(|error| error.chain()).unwrap_or_default()
    }

    #[test]
    fn the_secret_key_never_travels_in_the_clear() {
        assert_eq!(refusal("https://api.stripe.com", "sk_test_1"), "");
        assert_eq!(refusal("http://127.0.0.1:12111", "sk_test_1"), "");
        for bad in [
            "http://api.stripe.com",
            "http://localhost.evil.com",
            "http://ana:hush@api.stripe.com",
            "ana:hush@api.stripe.com",
            "ftp://127.0.0.1",
            "",
            "mailto:a@b",
        ] {
            let sentence = refusal(bad, "sk_test_1");
            assert!(sentence.contains("STRIPE_URL"), "{bad}: {sentence}");
            assert!(!sentence.contains("hush"), "{sentence}");
        }
        for bad in ["", "sk hush", "sk_hush\n"] {
            let sentence = refusal("https://api.stripe.com", bad);
            assert!(sentence.contains("STRIPE_SECRET_KEY"), "{bad:?}: {sentence}");
            assert!(!sentence.contains("hush"), "{sentence}");
        }
    }
}
