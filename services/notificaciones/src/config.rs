//! What this service is told.

use std::sync::Arc;
use std::time::Duration;

use seedwork_runtime::serve::StartupError;
use seedwork_runtime::{AuthArgs, Secret, ServiceArgs};

use crate::adapters::mensajeria::{Conexion, Mensajeria, Proveedor, Reparto, Smtp};

/// The settings of notificaciones.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Who may ask.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// Who delivers messages.
    #[command(flatten)]
    pub proveedor: ProveedorArgs,

    /// Who delivers mails, if it is another.
    #[command(flatten)]
    pub smtp: SmtpArgs,
}

/// Who delivers messages.
#[derive(Debug, Clone, clap::Args)]
pub struct ProveedorArgs {
    /// Address of the message provider, `http://…` or `https://…`.
    #[arg(long, env = "PROVEEDOR_URL")]
    pub proveedor_url: String,

    /// How long one call to the message provider may take, in milliseconds.
    #[arg(long, env = "PROVEEDOR_TIMEOUT_MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub proveedor_timeout_ms: u64,
}

/// A mail server. Without `SMTP_URL` mails go to the message provider, like the rest.
#[derive(Debug, Clone, clap::Args)]
pub struct SmtpArgs {
    /// The mail server: `smtp://host:1025`, `smtp://host?tls=required` (STARTTLS) or `smtps://host`.
    #[arg(long, env = "SMTP_URL")]
    pub smtp_url: Option<String>,

    /// Who logs in there; without one nobody does.
    #[arg(long, env = "SMTP_USER")]
    pub smtp_user: Option<String>,

    /// The password for that.
    #[arg(long, env = "SMTP_PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<Secret>,

    /// Whom mails are from, such as `SaludTech <avisos@example.com>`; needed with `SMTP_URL`.
    #[arg(long, env = "REMITENTE")]
    pub remitente: Option<String>,

    /// How long one mail may take, in milliseconds.
    #[arg(long, env = "SMTP_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub smtp_timeout_ms: u64,
}

// === impl Args ===

impl Args {
    /// Who delivers what.
    pub(crate) fn mensajeria(&self) -> Result<Arc<dyn Mensajeria>, StartupError> {
        let ProveedorArgs {
            proveedor_url,
            proveedor_timeout_ms,
        } = &self.proveedor;
        let proveedor = Proveedor::new(proveedor_url, Duration::from_millis(*proveedor_timeout_ms))?;
        let resto: Arc<dyn Mensajeria> = Arc::new(proveedor);
        Ok(match self.smtp.open()? {
            None => resto,
            Some(smtp) => Arc::new(Reparto {
                correo: Arc::new(smtp),
                resto,
            }),
        })
    }
}

// === impl SmtpArgs ===

impl SmtpArgs {
    /// The mail server that is set, if one is. An empty setting is none: charts and shells cannot leave one out.
    fn open(&self) -> Result<Option<Smtp>, StartupError> {
        let Self {
            smtp_url,
            smtp_user,
            smtp_password,
            remitente,
            smtp_timeout_ms,
        } = self;
        let set = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let password = smtp_password.clone().filter(|secret| !secret.expose().is_empty());
        let cuenta = match (set(smtp_user), password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user, password)),
            (Some(_), None) => return Err(StartupError::told("SMTP_USER needs more: set SMTP_PASSWORD")),
            (None, Some(_)) => return Err(StartupError::told("SMTP_PASSWORD needs more: set SMTP_USER")),
        };
        let Some(url) = set(smtp_url) else { return Ok(None) };
        let remitente = set(remitente)
            .ok_or_else(|| StartupError::told("SMTP_URL needs more: set REMITENTE, whom mails are from"))?;
        Smtp::new(Conexion {
            url,
            cuenta,
            remitente,
            timeout: Duration::from_millis(*smtp_timeout_ms),
        })
        .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Medio;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        own: Args,
    }

    fn args(flags: &[&str]) -> Args {
        let base = [
            "notificaciones",
            "--port=1",
            "--database-url=sqlite::memory:",
            "--proveedor-url=http://127.0.0.1:1",
        ];
        <Cli as clap::Parser>::parse_from(base.iter().chain(flags)).own
    }

    fn opened(flags: &[&str]) -> Result<bool, String> {
        let args = args(flags);
        args.mensajeria().map_err(|error| error.chain())?;
        args.smtp
            .open()
            .map(|smtp| smtp.is_some())
            .map_err(|error| error.chain())
    }

    #[test]
    fn a_mail_server_needs_a_sender_and_a_login_is_whole() {
        assert_eq!(opened(&[]), Ok(false));
        assert_eq!(
            opened(&["--smtp-url=", "--smtp-user=", "--smtp-password=", "--remitente="]),
            Ok(false)
        );
        let named = ["--smtp-url=smtps://mail", "--remitente=avisos@x.co"];
        assert_eq!(opened(&named), Ok(true));
        assert_eq!(
            opened(&[named[0], named[1], "--smtp-user=ana", "--smtp-password=x"]),
            Ok(true)
        );
        for (flags, word) in [
            (&[named[0]][..], "REMITENTE"),
            (&[named[0], named[1], "--smtp-user=ana"], "SMTP_PASSWORD"),
            (&[named[0], named[1], "--smtp-password=x"], "SMTP_USER"),
            (&["--smtp-url=mail", named[1]], "SMTP_URL"),
        ] {
            assert!(opened(flags).unwrap_err().contains(word), "{flags:?}");
        }
    }

    #[test]
    fn a_mail_is_one_process_s_alone_for_as_long_as_its_server_may_take() {
        let turno = |flags: &[&str], medio| args(flags).mensajeria().unwrap().turno(medio);
        let smtp = [
            "--smtp-url=smtps://mail",
            "--remitente=avisos@x.co",
            "--smtp-timeout-ms=7000",
        ];
        assert_eq!(turno(&smtp, Medio::Correo), Some(Duration::from_secs(7)));
        // The provider knows keys.
        assert_eq!(turno(&smtp, Medio::Sms), None);
        assert_eq!(turno(&[], Medio::Correo), None);
    }
}
