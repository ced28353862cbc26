//! Mail over SMTP (RFC 5321).
//!
//! SMTP knows no idempotency key: when the answer to a mail is lost, or we die before we have recorded it, the mail is
//! sent again. What keeps that rare and harmless: the notification is recorded as Preparada before the first try, one
//! process at a time tries, each try says the same, and each carries the same `Message-ID`, which derives from the
//! notification's id, so that a mailbox can tell a repeat. At least once, then; never a mail that was not recorded
//! before.
//!
//! A connection is made for each mail. A pooled one that is left half-way (we give up waiting) would answer the next
//! mail with what was meant for this one.

use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use lettre::address::{Address, Envelope};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use reqwest::Url;
use seedwork::Reason;
use seedwork_runtime::Secret;
use seedwork_runtime::serve::StartupError;
use tracing::{Instrument as _, Span, field::Empty};

use super::{Entrega, Mensajeria};
use crate::domain::{Medio, Mensaje};

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    seguridad: Seguridad,
    credenciales: Option<Credentials>,
    remitente: Mailbox,
    timeout: Duration,
}

/// How a mail server is reached.
#[derive(Debug, Clone)]
pub struct Conexion {
    /// `smtp://host:port`, `smtp://host?tls=required` (STARTTLS) or `smtps://host` (TLS from the first byte).
    pub url: String,
    /// Who logs in, and with what; `None` for a server that asks nobody.
    pub cuenta: Option<(String, Secret)>,
    /// Whom mails are from: `avisos@example.com` or `Name <avisos@example.com>`.
    pub remitente: String,
    /// How long one mail may take, from the connection to the server's last word.
    pub timeout: Duration,
}

enum Seguridad {
    Ninguna,
    StartTls(TlsParameters),
    Tls(TlsParameters),
}

/// Why a mail was not taken.
enum Fallo {
    /// The server was not even told of it.
    Conexion(Error),
    /// The server's word on it, or none.
    Mensaje(Error),
}

/// How long the server's good-bye is waited for once it has taken the mail.
const DESPEDIDA: Duration = Duration::from_secs(1);

/// 5xx answers that are about us (a login, a command), not about the mail: the next mail would get them too, so they
/// refuse none.
const SOBRE_NOSOTROS: [u16; 10] = [500, 501, 502, 503, 504, 521, 530, 534, 535, 538];

// === impl Smtp ===

impl Smtp {
    /// A mail server. Nothing is sent yet, not even a greeting: it may be down now and up when the first mail goes.
    pub fn new(conexion: Conexion) -> Result<Self, StartupError> {
        let Conexion {
            url,
            cuenta,
            remitente,
            timeout,
        } = conexion;
        let rule = "SMTP_URL must be smtp://host:port, smtp://host?tls=required or smtps://host";
        let url = Url::parse(url.trim()).map_err(|error| StartupError::new(rule, error))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(StartupError::told(
                "SMTP_URL must hold no login: set SMTP_USER and SMTP_PASSWORD",
            ));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let mut query = url.query_pairs();
        let tls = query.next();
        let tls = tls.as_ref().map(|(name, value)| (name.as_ref(), value.as_ref()));
        if host.is_empty() || query.next().is_some() || !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(StartupError::told(rule));
        }
        let parameters = || {
            TlsParameters::new(host.clone())
                .map_err(|error| StartupError::new("TLS towards the mail server cannot be set up", error))
        };
        let (seguridad, port) = match (url.scheme(), tls) {
            ("smtp", None) => (Seguridad::Ninguna, 25),
            ("smtp", Some(("tls", "required"))) => (Seguridad::StartTls(parameters()?), 587),
            ("smtps", None) => (Seguridad::Tls(parameters()?), 465),
            _ => return Err(StartupError::told(rule)),
        };
        if cuenta.is_some() && matches!(seguridad, Seguridad::Ninguna) && !es_local(&host) {
            return Err(StartupError::told(
                "SMTP_PASSWORD would travel in the clear: make SMTP_URL smtps://… or smtp://…?tls=required",
            ));
        }
        let remitente = Mailbox::from_str(remitente.trim()).map_err(|error| {
            StartupError::new(
                "REMITENTE must be whom mails are from, such as SaludTech <avisos@example.com>",
                error,
            )
        })?;
        Ok(Self {
            port: url.port().unwrap_or(port),
            host,
            seguridad,
            credenciales: cuenta.map(|(user, password)| Credentials::new(user, password.expose().to_owned())),
            remitente,
            timeout,
        })
    }

    /// The mail, as it is written each time that it is sent; `None` when its address can be none.
    fn redactar(&self, mensaje: &Mensaje) -> Option<Message> {
        let Mensaje {
            id,
            clave: _,
            referencia: _,
            medio: _,
            destino,
            asunto,
            texto,
        } = mensaje;
        let to = Mailbox::new(None, Address::from_str(destino).ok()?);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.remitente.clone())
            .to(to)
            .subject(asunto.as_deref().unwrap_or("Aviso de SaludTech"))
            .message_id(Some(format!("<{id}@{}>", self.remitente.email.domain())))
            // No out-of-office note answers it (RFC 3834).
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(format!("{texto}\n"))
            .ok()
    }

    async fn conectar(&self) -> Result<AsyncSmtpConnection, Error> {
        let hello = ClientId::Domain(self.remitente.email.domain().to_owned());
        let wrapper = match &self.seguridad {
            Seguridad::Tls(parameters) => Some(parameters.clone()),
            Seguridad::Ninguna | Seguridad::StartTls(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &hello, wrapper, None).await?;
        if let Seguridad::StartTls(parameters) = &self.seguridad {
            connection.starttls(parameters.clone(), &hello).await?;
        }
        if let Some(credentials) = &self.credenciales {
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
                .await?;
        }
        Ok(connection)
    }

    async fn enviar(&self, envelope: &Envelope, mail: &[u8]) -> Result<AsyncSmtpConnection, Fallo> {
        let mut connection = self.conectar().await.map_err(Fallo::Conexion)?;
        connection.send(envelope, mail).await.map_err(Fallo::Mensaje)?;
        Ok(connection)
    }

    async fn intentar(&self, mensaje: &Mensaje) -> Entrega {
        let Some(mail) = self.redactar(mensaje) else {
            return rechazado("el correo no es una dirección de correo electrónico");
        };
        let text = mail.formatted();
        match tokio::time::timeout(self.timeout, self.enviar(mail.envelope(), &text)).await {
            Ok(Ok(mut connection)) => {
                // It has the mail: that is recorded first. Whether it says good-bye changes nothing.
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(DESPEDIDA, connection.quit()).await;
                });
                Entrega::Entregado
            }
            Ok(Err(Fallo::Conexion(error))) => {
                // Nobody's address was said yet, so the error may be told whole.
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "unable to reach the mail server");
                incierto("no está disponible")
            }
            Ok(Err(Fallo::Mensaje(error))) => juzgar(&error),
            Err(_) => incierto("no respondió a tiempo"),
        }
    }
}

#[async_trait]
impl Mensajeria for Smtp {
    async fn entregar(&self, mensaje: &Mensaje) -> Entrega {
        let span = tracing::info_span!(
            "mensajeria",
            otel.name = "SMTP",
            otel.kind = "client",
            medio = %mensaje.medio,
            clave = mensaje.clave,
            server.address = self.host,
            smtp.response.status_code = Empty,
        );
        self.intentar(mensaje).instrument(span).await
    }

    fn turno(&self, _medio: Medio) -> Option<Duration> {
        Some(self.timeout)
    }
}

/// What the server's word on a mail means. Its texts tend to name the address: they go into our document, never into a
/// log.
fn juzgar(error: &Error) -> Entrega {
    let Some(code) = error.status().map(u16::from) else {
        // The two things that lettre itself refuses: this server can write to no such address.
        return if error.is_client() {
            rechazado("el servidor de correo no admite esta dirección")
        } else {
            incierto("no respondió")
        };
    };
    Span::current().record("smtp.response.status_code", code);
    if !error.is_permanent() {
        return incierto(&format!("respondió {code}"));
    }
    if SOBRE_NOSOTROS.contains(&code) {
        tracing::warn!(
            code,
            "the mail server refuses us; check SMTP_URL, SMTP_USER and SMTP_PASSWORD"
        );
        return incierto(&format!("respondió {code}"));
    }
    let text = std::error::Error::source(error).map(ToString::to_string);
    rechazado(format!("{code} {}", text.unwrap_or_default()).trim())
}

fn rechazado(motivo: &str) -> Entrega {
    Entrega::Rechazado(Reason::new("MedioRechazado", motivo))
}

fn incierto(como: &str) -> Entrega {
    Entrega::Incierto(Reason::new(
        "MensajeriaNoDisponible",
        format!("el servidor de correo {como}"),
    ))
}

/// Whether a password sent there never leaves this machine.
fn es_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conexion(url: &str) -> Conexion {
        Conexion {
            url: url.to_owned(),
            cuenta: None,
            remitente: "SaludTech <avisos@saludtech.co>".to_owned(),
            timeout: Duration::from_secs(1),
        }
    }

    fn sentence(conexion: Conexion) -> String {
        Smtp::new(conexion).err().map(|error| error.chain()).unwrap_or_default()
    }

    #[test]
    fn a_server_is_named_by_its_url_and_has_the_port_of_its_kind() {
        for (url, host, port) in [
            ("smtp://mail", "mail", 25),
            ("smtp://mail:1025", "mail", 1025),
            ("smtp://mail?tls=required", "mail", 587),
            ("smtp://mail:25/?tls=required", "mail", 25),
            ("smtps://mail.example.com", "mail.example.com", 465),
            ("smtp://[::1]:1025", "::1", 1025),
        ] {
            let smtp = Smtp::new(conexion(url)).unwrap();
            assert_eq!((smtp.host.as_str(), smtp.port), (host, port), "{url}");
        }
        for bad in [
            "",
            "mail:25",
            "http://mail",
            "smtp://",
            "smtp://mail/path",
            "smtp://mail?tls=opportunistic",
            "smtp://mail?tls=required&tls=none",
            "smtps://mail?tls=none",
            "smtp://mail?TLS=required",
        ] {
            assert!(sentence(conexion(bad)).contains("SMTP_URL"), "{bad}");
        }
    }

    #[test]
    fn a_login_has_its_own_settings_and_never_travels_in_the_clear() {
        assert!(sentence(conexion("smtp://ana:secreta@mail")).contains("SMTP_USER"));
        let with = |url| Conexion {
            cuenta: Some(("ana".to_owned(), "secreta".to_owned().into())),
            ..conexion(url)
        };
        for bad in ["smtp://mail", "smtp://10.0.0.1", "smtp://localhost.example.com"] {
            let sentence = sentence(with(bad));
            assert!(
                sentence.contains("in the clear") && !sentence.contains("secreta"),
                "{bad}"
            );
        }
        for good in [
            "smtps://mail",
            "smtp://mail?tls=required",
            "smtp://localhost",
            "smtp://127.0.0.1",
            "smtp://[::1]",
        ] {
            assert!(Smtp::new(with(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_sender_that_is_none_is_refused_at_the_start() {
        for bad in ["", "SaludTech", "avisos@", "a@x.co\r\nBcc: b@x.co", "a@x.co, b@x.co"] {
            let conexion = Conexion {
                remitente: bad.to_owned(),
                ..conexion("smtp://mail")
            };
            assert!(sentence(conexion).contains("REMITENTE"), "{bad}");
        }
    }
}
