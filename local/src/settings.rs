//! What a person may choose about a local system.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use seedwork::contrato::App;

use crate::ports::Ports;

/// A local system with a state dir of its own. `Up` and `Demo` use the same ports, so one of them runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// For working on the system: payments stay for an hour, a failed notification does not undo a payment.
    Up,
    /// For `make demo`: payments leave soon, a failed notification undoes the payment, as in the original system.
    Demo,
    /// For the tests of the whole system: everything that is waited for comes soon.
    Test,
    /// For `make campaign`: payments leave while it runs, a failed notification undoes the payment.
    Campaign,
    /// For `make bench`: as `up`, and nothing of the caller's environment reaches it.
    Bench,
}

impl Profile {
    /// Those that a command means that names none. A campaign and a bench end their own systems; else these must be
    /// named: `status` shows them and `down` says how.
    pub const ALL: [Self; 3] = [Self::Up, Self::Demo, Self::Test];

    /// Its name, which is also its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Demo => "demo",
            Self::Test => "test",
            Self::Campaign => "campaign",
            Self::Bench => "bench",
        }
    }

    /// What a person types to start it on other ports.
    pub fn moved(self, base: u16) -> String {
        let variable = match self {
            Self::Up | Self::Demo | Self::Campaign | Self::Bench => "PORT_BASE",
            Self::Test => "TEST_PORT_BASE",
        };
        format!("{variable}={base} make {}", self.name())
    }

    /// Whether it runs on ports of its own, so that it does not stand in the way of a system people work with.
    pub fn has_own_ports(self) -> bool {
        match self {
            Self::Up | Self::Demo => false,
            Self::Test | Self::Campaign | Self::Bench => true,
        }
    }
}

/// What happens to a payment whose notification failed on every medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoliticaNotificacion {
    /// It is undone.
    Compensate,
    /// It stands.
    Continue,
}

impl PoliticaNotificacion {
    /// As the operator's environment spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compensate => "Compensate",
            Self::Continue => "Continue",
        }
    }
}

/// Whether callers must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Auth {
    /// They are not asked.
    #[default]
    None,
    /// Each request carries a token; `local token` makes one.
    Jwt,
}

impl Auth {
    /// As the services' environment spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Jwt => "jwt",
        }
    }
}

/// A part of the traces: a number from 0 (none) to 1 (all), as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplingRate(String);

impl SamplingRate {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SamplingRate {
    fn default() -> Self {
        Self("1".to_owned())
    }
}

impl FromStr for SamplingRate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate: Option<f64> = text.parse().ok();
        let rate = rate.filter(|rate| (0.0..=1.0).contains(rate));
        rate.map(|_| Self(text.to_owned()))
            .ok_or("the sampling rate must be a number from 0 to 1")
    }
}

/// How a local system is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Which one.
    pub profile: Profile,
    /// Where everything listens.
    pub ports: Ports,
    /// How long a finished payment stays in the cluster.
    pub ttl_seconds: u32,
    /// What a failed notification does to its payment.
    pub politica_notificacion: PoliticaNotificacion,
    /// How long a client may go untold of a reversal.
    pub aviso_deadline_seconds: u32,
    /// How long an undo may fail before its payment is shown as Stalled.
    pub stall_after_seconds: u32,
    /// Which part of the traces that nobody decided about the sidecars keep.
    pub sampling_rate: SamplingRate,
    /// Whether callers must prove who they are.
    pub auth: Auth,
    /// Log filter of our own binaries (`RUST_LOG`).
    pub log_filter: String,
    /// etcd and kube-apiserver as they come, without the settings that make them cheap here: to compare.
    pub stock_cluster: bool,
    /// Variables of whoever starts the system that reach its services ([`PASSED_ON`]): a mail server, a gateway, when
    /// clients are reminded.
    pub passed_on: PassedOn,
}

/// Variables by their names. Passwords are among them, so it does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PassedOn(BTreeMap<String, String>);

impl PassedOn {
    /// The variable of this name, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for PassedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The application and the variables that reach it from whoever starts the system. Everything else does not: what
/// happens to be set in a shell must change nothing.
pub const PASSED_ON: [(App, &[&str]); 3] = [
    (
        App::GestionClientes,
        &[
            "RECORDATORIO_DIAS_ANTES",
            "RECORDATORIO_DIAS_DESPUES",
            "RECORDATORIO_CADA",
            "REINTENTOS",
            "REINTENTO_DIAS",
            "REINTENTO_CADA",
        ],
    ),
    (
        App::Notificaciones,
        &["SMTP_URL", "SMTP_USER", "SMTP_PASSWORD", "SMTP_TIMEOUT_MS", "REMITENTE"],
    ),
    (
        App::IntegracionPagos,
        &[
            "PASARELA",
            "PASARELA_TIMEOUT_MS",
            "CLAVES_VIGENCIA_SECONDS",
            "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRET",
            "STRIPE_URL",
            "STRIPE_API_VERSION",
            "STRIPE_PAYMENT_METHOD",
            "STRIPE_PAYMENT_METHOD_TARJETA_CREDITO",
            "STRIPE_PAYMENT_METHOD_TARJETA_DEBITO",
            "STRIPE_PAYMENT_METHOD_PSE",
            "RECONCILIATION_EVERY",
            "RECONCILIATION_WINDOW",
            "RECONCILIATION_MARGIN",
        ],
    ),
];

impl Settings {
    /// The settings of a profile, before anything a person chose.
    pub fn of(profile: Profile, ports: Ports) -> Self {
        let (ttl_seconds, politica_notificacion, aviso_deadline_seconds, stall_after_seconds) = match profile {
            Profile::Up | Profile::Bench => (3600, PoliticaNotificacion::Continue, 60, 600),
            Profile::Demo => (120, PoliticaNotificacion::Compensate, 4, 600),
            // Soon, and not before a check on a busy machine has seen how a payment ended.
            Profile::Test => (5, PoliticaNotificacion::Compensate, 4, 600),
            Profile::Campaign => (20, PoliticaNotificacion::Compensate, 60, 60),
        };
        Self {
            profile,
            ports,
            ttl_seconds,
            politica_notificacion,
            aviso_deadline_seconds,
            stall_after_seconds,
            sampling_rate: SamplingRate::default(),
            auth: Auth::None,
            log_filter: "info".to_owned(),
            stock_cluster: false,
            passed_on: PassedOn::default(),
        }
    }

    /// With the variables that are passed on and set, as `read` finds them. The demo and the tests take none: they
    /// play what they know.
    #[must_use]
    pub fn passing_on(mut self, read: impl Fn(&str) -> Option<String>) -> Self {
        if self.profile == Profile::Up {
            let names = PASSED_ON.iter().flat_map(|(_, names)| names.iter());
            let set = names.filter_map(|name| Some(((*name).to_owned(), read(name).filter(|text| !text.is_empty())?)));
            self.passed_on.0.extend(set);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_and_set_is_passed_on_and_only_where_a_person_works() {
        let shell = |name: &str| match name {
            "SMTP_PASSWORD" => Some("secreta".to_owned()),
            "PASARELA" => Some(String::new()),
            "STRIPE_URL" => None,
            _ => Some("x".to_owned()),
        };
        let ports = Ports::from_base(20_000).unwrap();
        let settings = Settings::of(Profile::Up, ports).passing_on(shell);
        let passed = &settings.passed_on;
        assert_eq!(
            (passed.get("SMTP_PASSWORD"), passed.get("REMITENTE")),
            (Some("secreta"), Some("x"))
        );
        for name in ["PASARELA", "STRIPE_URL", "DATABASE_URL", "PATH"] {
            assert_eq!(passed.get(name), None, "{name}");
        }
        assert!(!format!("{settings:?}").contains("secreta"));
        for profile in [Profile::Demo, Profile::Test, Profile::Campaign, Profile::Bench] {
            let settings = Settings::of(profile, ports).passing_on(shell);
            assert_eq!(settings.passed_on, PassedOn::default(), "{profile:?}");
        }
    }

    #[test]
    fn a_sampling_rate_is_a_part_of_the_whole() {
        for good in ["0", "1", "0.25"] {
            assert_eq!(good.parse::<SamplingRate>().unwrap().as_str(), good);
        }
        for bad in ["", "-0.1", "1.01", "NaN", "all"] {
            assert!(bad.parse::<SamplingRate>().is_err(), "{bad}");
        }
    }
}
