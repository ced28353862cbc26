//! What this service is told.

use std::sync::Arc;
use std::time::Duration;

use seedwork_runtime::config::duration;
use seedwork_runtime::serve::StartupError;
use seedwork_runtime::{AuthArgs, Secret, ServiceArgs};

use crate::adapters::conciliacion::Plan;
use crate::adapters::pasarela::stripe::{Conexion, MetodosFijos};
use crate::adapters::pasarela::{Pasarela, PasarelaSimulada, PasarelaStripe};

/// The settings of integración-pagos.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What every service is told.
    #[command(flatten)]
    pub service: ServiceArgs,

    /// Who may ask.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// Where the money is taken.
    #[command(flatten)]
    pub pasarela: PasarelaArgs,

    /// How Stripe is reached.
    #[command(flatten)]
    pub stripe: StripeArgs,

    /// How our books are compared with the gateway's.
    #[command(flatten)]
    pub conciliacion: ConciliacionArgs,
}

/// A gateway to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Eleccion {
    /// The simulator.
    Simulada,
    /// Stripe.
    Stripe,
}

/// Where the money is taken.
#[derive(Debug, Clone, clap::Args)]
pub struct PasarelaArgs {
    /// The gateway. A payment stays with the one it began at: change it when none is under way.
    #[arg(long, env = "PASARELA", default_value = "simulada")]
    pub pasarela: Eleccion,

    /// Where the simulated gateway listens.
    #[arg(long, env = "PASARELA_URL", default_value = "http://127.0.0.1:7100")]
    pub pasarela_url: String,

    /// How long the gateway may take to answer, in milliseconds; after that the outcome is unknown and the call is
    /// repeated. Stripe needs more than the simulator: 20000 is a good value.
    #[arg(long, env = "PASARELA_TIMEOUT_MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub pasarela_timeout_ms: u64,

    /// How long after a call it may still be repeated, in seconds: less than the gateway remembers its idempotency
    /// keys (24 hours is common). Past it, a person must compare with the gateway.
    #[arg(long, env = "CLAVES_VIGENCIA_SECONDS", default_value_t = 82_800, value_parser = clap::value_parser!(u64).range(1..))]
    pub claves_vigencia_seconds: u64,
}

/// How Stripe is reached.
#[derive(Debug, Clone, clap::Args)]
pub struct StripeArgs {
    /// The secret key of the Stripe account (sk_… or rk_…); needed with PASARELA=stripe.
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    pub stripe_secret_key: Option<Secret>,

    /// Where Stripe is.
    #[arg(long, env = "STRIPE_URL", default_value = "https://api.stripe.com")]
    pub stripe_url: String,

    /// The version of Stripe's interface: the one that the adapter was tested with.
    #[arg(long, env = "STRIPE_API_VERSION", default_value = "2026-08-26.dahlia")]
    pub stripe_api_version: String,

    /// The stored payment method that pays, for tests and trials.
    #[arg(long, env = "STRIPE_PAYMENT_METHOD", default_value = "pm_card_visa")]
    pub stripe_payment_method: String,

    /// The one for TarjetaCredito, if it is another.
    #[arg(long, env = "STRIPE_PAYMENT_METHOD_TARJETA_CREDITO")]
    pub stripe_payment_method_tarjeta_credito: Option<String>,

    /// The one for TarjetaDebito, if it is another.
    #[arg(long, env = "STRIPE_PAYMENT_METHOD_TARJETA_DEBITO")]
    pub stripe_payment_method_tarjeta_debito: Option<String>,

    /// The one for PSE, which Stripe does not have: without it such a payment is refused.
    #[arg(long, env = "STRIPE_PAYMENT_METHOD_PSE")]
    pub stripe_payment_method_pse: Option<String>,

    /// The signing secret of the webhook endpoint (whsec_…); two, with a comma, while it is being changed. Without one
    /// no webhook is taken.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", value_delimiter = ',', hide_env_values = true)]
    pub stripe_webhook_secret: Vec<Secret>,
}

/// How our books are compared with the gateway's.
#[derive(Debug, Clone, clap::Args)]
pub struct ConciliacionArgs {
    /// How often they are compared by themselves, such as 24h, 90m or 30s; 0 for only when asked.
    #[arg(long, env = "RECONCILIATION_EVERY", default_value = "24h", value_parser = duration)]
    pub reconciliation_every: Duration,

    /// How far back, such as 30d.
    #[arg(long, env = "RECONCILIATION_WINDOW", default_value = "30d", value_parser = duration)]
    pub reconciliation_window: Duration,

    /// What moved this recently is left to the next time.
    #[arg(long, env = "RECONCILIATION_MARGIN", default_value = "10m", value_parser = duration)]
    pub reconciliation_margin: Duration,
}

/// The gateway that was chosen; as Stripe too, when it is.
pub(crate) type Elegida = (Arc<dyn Pasarela>, Option<Arc<PasarelaStripe>>);

// === impl PasarelaArgs ===

impl PasarelaArgs {
    /// Opens the gateway that is chosen.
    pub(crate) fn open(&self, stripe: &StripeArgs) -> Result<Elegida, StartupError> {
        let Self {
            pasarela,
            pasarela_url,
            pasarela_timeout_ms,
            claves_vigencia_seconds: _,
        } = self;
        let timeout = Duration::from_millis(*pasarela_timeout_ms);
        match pasarela {
            Eleccion::Simulada => Ok((Arc::new(PasarelaSimulada::new(pasarela_url, timeout)?), None)),
            Eleccion::Stripe => {
                let stripe = Arc::new(stripe.open(timeout)?);
                let pasarela: Arc<dyn Pasarela> = stripe.clone();
                Ok((pasarela, Some(stripe)))
            }
        }
    }
}

// === impl StripeArgs ===

impl StripeArgs {
    fn open(&self, timeout: Duration) -> Result<PasarelaStripe, StartupError> {
        let Self {
            stripe_secret_key,
            stripe_url,
            stripe_api_version,
            stripe_payment_method,
            stripe_payment_method_tarjeta_credito,
            stripe_payment_method_tarjeta_debito,
            stripe_payment_method_pse,
            stripe_webhook_secret: _,
        } = self;
        let secreto = stripe_secret_key
            .clone()
            .ok_or_else(|| StartupError::told("PASARELA=stripe needs more: set STRIPE_SECRET_KEY"))?;
        let metodos = MetodosFijos::new(
            stripe_payment_method,
            stripe_payment_method_tarjeta_credito.as_deref(),
            stripe_payment_method_tarjeta_debito.as_deref(),
            stripe_payment_method_pse.as_deref(),
        )?;
        if secreto.expose().contains("_live_") && metodos.son_de_prueba() {
            return Err(StartupError::told(
                "a live STRIPE_SECRET_KEY cannot charge Stripe's test cards; set STRIPE_PAYMENT_METHOD to a stored one",
            ));
        }
        if self.webhook_secrets()?.is_empty() {
            tracing::warn!("without STRIPE_WEBHOOK_SECRET no chargeback of Stripe's will be heard");
        }
        let conexion = Conexion {
            url: stripe_url.clone(),
            secreto,
            version: stripe_api_version.clone(),
            timeout,
        };
        PasarelaStripe::new(conexion, Arc::new(metodos))
    }

    /// What webhooks are signed with; an empty entry is none. One that was pasted with a space or a line end would fit no
    /// signature, and every chargeback would be answered 400 until somebody wonders.
    pub(crate) fn webhook_secrets(&self) -> Result<Vec<Secret>, StartupError> {
        let given = self.stripe_webhook_secret.iter();
        let secretos: Vec<Secret> = given.filter(|secreto| !secreto.expose().is_empty()).cloned().collect();
        let legal = |secreto: &Secret| secreto.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if !secretos.iter().all(legal) {
            return Err(StartupError::new(
                "STRIPE_WEBHOOK_SECRET is no secret",
                "it must be like whsec_…, or two of them with a comma, and nothing else: no space, no line end",
            ));
        }
        Ok(secretos)
    }
}

/// The accounts that a reconciliation holds: a hundred megabytes.
const CUENTAS: usize = 200_000;

// === impl ConciliacionArgs ===

impl ConciliacionArgs {
    /// As a plan.
    pub(crate) fn plan(&self) -> Plan {
        let Self {
            reconciliation_every,
            reconciliation_window,
            reconciliation_margin,
        } = self;
        Plan {
            cada: *reconciliation_every,
            ventana: *reconciliation_window,
            margen: *reconciliation_margin,
            cuentas: CUENTAS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        own: Args,
    }

    fn parsed(flags: &[&str]) -> Args {
        let base = ["integracion-pagos", "--port=1", "--database-url=sqlite::memory:"];
        <Cli as clap::Parser>::parse_from(base.iter().chain(flags)).own
    }

    fn open(flags: &[&str]) -> Result<Elegida, StartupError> {
        let args = parsed(flags);
        args.pasarela.open(&args.stripe)
    }

    #[test]
    fn stripe_needs_a_key_and_a_live_key_no_test_card() {
        assert!(open(&[]).is_ok_and(|(_, stripe)| stripe.is_none()));
        let sentence = |flags: &[&str]| open(flags).err().map(|error| error.chain()).unwrap_or_default();
        assert!(sentence(&["--pasarela=stripe"]).contains("STRIPE_SECRET_KEY"));
        assert!(open(&["--pasarela=stripe", "--stripe-secret-key=sk_test_1"]).is_ok());
        let live = ["--pasarela=stripe", "--stripe-secret-key=sk_live_1"];
        assert!(sentence(&live).contains("test cards"));
        let stored = [live[0], live[1], "--stripe-payment-method=pm_1"];
        assert!(open(&stored).is_ok());
    }

    #[test]
    fn a_webhook_secret_that_fits_no_signature_is_refused_and_an_empty_one_is_none() {
        let flag = |text: &str| format!("--stripe-webhook-secret={text}");
        let known = |text: &str| parsed(&[flag(text).as_str()]).stripe.webhook_secrets();
        for (text, count) in [
            ("", 0),
            (",", 0),
            ("whsec_1", 1),
            ("whsec_1,", 1),
            ("whsec_1,whsec_2", 2),
        ] {
            assert!(known(text).is_ok_and(|secrets| secrets.len() == count), "{text:?}");
        }
        let stripe = ["--pasarela=stripe", "--stripe-secret-key=sk_test_1"];
        for text in [
            "whsec_hush\n",
            " whsec_hush",
            "whsec_1, whsec_hush",
            "whsec_hush ",
            "whsec_hush,\u{f1}",
        ] {
            let refused = open(&[stripe[0], stripe[1], flag(text).as_str()]).err();
            let sentence = refused.map(|error| error.chain()).unwrap_or_default();
            assert!(sentence.contains("STRIPE_WEBHOOK_SECRET"), "{text:?}: {sentence}");
            assert!(!sentence.contains("hush"), "{sentence}");
        }
    }
}
