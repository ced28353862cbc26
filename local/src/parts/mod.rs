//! The parts of the system, as data.

mod broker;
mod cluster;
mod services;
mod sidecar;
mod tracing;

use std::collections::BTreeMap;
use std::path::PathBuf;

use seedwork::contrato::App;

use crate::credentials::{ServerFiles, Tokens};
use crate::error::Result;
use crate::layout::{self, Layout};
use crate::part::{Part, to_json};
use crate::render;
use crate::settings::Settings;
use crate::status::write_atomically;
use crate::tools::Tools;

/// What the parts are made from.
pub struct Context {
    /// How the system is to be.
    pub settings: Settings,
    /// Where things are.
    pub layout: Layout,
    /// Programs that are not ours.
    pub tools: Tools,
    /// The folder of our own binaries.
    pub ours: PathBuf,
    /// Secrets between the parts.
    pub tokens: Tokens,
    /// The API server's files.
    pub server: ServerFiles,
    /// What it is told, as files.
    pub manifests: Vec<PathBuf>,
}

// === impl Context ===

impl Context {
    /// One whose programs, keys and files only have names: enough to say what the parts would be. For tests.
    pub fn of_names(settings: Settings, layout: Layout) -> Self {
        let file = |name: &str| PathBuf::from(name);
        Self {
            settings,
            layout,
            tools: Tools {
                etcd: file("etcd"),
                kube_apiserver: file("kube-apiserver"),
                jaeger: file("jaeger"),
                daprd: file("daprd"),
                redis: file("redis-server"),
            },
            ours: file("target"),
            tokens: Tokens {
                dapr_api: "d".to_owned(),
                app_api: "a".to_owned(),
                redis: "r".to_owned(),
            },
            server: ServerFiles {
                ca: file("ca.crt"),
                certificate: file("apiserver.crt"),
                key: file("apiserver.key"),
                service_account_key: file("service-account.key"),
                service_account_public: file("service-account.pub"),
            },
            manifests: Vec::new(),
        }
    }
}

/// Every part, in the order people read them: what others need comes first.
pub fn all(context: &Context) -> Vec<Part> {
    let mut parts = vec![
        cluster::etcd(context),
        cluster::kube_apiserver(context),
        broker::redis(context),
        tracing::jaeger(context),
        services::pasarela(context),
    ];
    for app in App::ALL {
        parts.push(services::app(context, app));
        parts.push(sidecar::daprd(context, app));
    }
    parts
}

/// Writes what the parts read when they start, and the list itself for the supervisor.
pub fn write(context: &Context, parts: &[Part]) -> Result<()> {
    let layout = &context.layout;
    render::render(layout, &values(context))?;
    write_atomically(&layout.redis_config(), broker::config(context).as_bytes())?;
    write_atomically(&layout::parts_file(layout.state()), &to_json(parts)?)
}

/// Whether what the parts read and the list itself are as [`write`] would leave them.
pub fn are_written(context: &Context, parts: &[Part]) -> Result<bool> {
    let list = std::fs::read(layout::parts_file(context.layout.state())).ok();
    Ok(list == Some(to_json(parts)?) && render::is_rendered(&context.layout, &values(context))?)
}

fn values(context: &Context) -> BTreeMap<String, String> {
    render::values(&context.settings, context.layout.state(), &context.tokens.redis)
}

/// The URL of a local port.
fn local_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// `127.0.0.1:port`, as Go programs want it.
fn local_address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::ports::Ports;
    use crate::settings::{Auth, Profile};

    fn context(base: u16) -> Context {
        let settings = Settings::of(Profile::Demo, Ports::from_base(base).unwrap());
        Context::of_names(settings, Layout::new(Path::new("/checkout"), Profile::Demo))
    }

    #[test]
    fn every_need_is_a_part_further_up() {
        let mut above = BTreeSet::new();
        for part in all(&context(17000)) {
            for need in &part.needs {
                assert!(
                    above.contains(need.part()),
                    "{} needs {}, which is not above it",
                    part.name,
                    need.part()
                );
            }
            assert!(above.insert(part.name.clone()), "{} is there twice", part.name);
        }
        assert_eq!(above.len(), 15);
    }

    #[test]
    fn no_two_parts_listen_on_one_port_and_two_bases_share_none() {
        let mut seen = BTreeSet::new();
        for base in [17000, 17100] {
            for part in all(&context(base)) {
                for port in part.ports {
                    assert!(seen.insert(port), "{} listens on {port}, which is taken", part.name);
                }
            }
        }
    }

    #[test]
    fn a_stock_cluster_is_told_where_it_is_and_not_how_to_be_fast() {
        let mut context = context(17000);
        let tuned = all(&context);
        context.settings.stock_cluster = true;
        let stock = all(&context);
        for (tuned, stock) in tuned.iter().zip(&stock) {
            let ours = ["etcd", "kube-apiserver"].contains(&stock.name.as_str());
            assert_eq!(tuned != stock, ours, "{}", stock.name);
            assert!(!ours || stock.env.is_empty() && stock.args.len() < tuned.args.len());
            assert!(
                !stock
                    .args
                    .iter()
                    .any(|arg| arg.contains("admission") || arg.contains("fairness"))
            );
        }
    }

    #[test]
    fn who_asks_is_asked_where_people_ask() {
        let mut context = context(17000);
        for (auth, name) in [(Auth::None, "none"), (Auth::Jwt, "jwt")] {
            context.settings.auth = auth;
            let asking = |part: &Part| part.env.get("AUTH").is_some_and(|mode| mode == name);
            let asking: Vec<_> = all(&context).into_iter().filter(asking).map(|part| part.name).collect();
            assert_eq!(
                asking,
                ["bff", "gestion-clientes", "integracion-pagos", "notificaciones"]
            );
        }
    }

    #[test]
    fn what_is_passed_on_reaches_its_own_service_and_no_other() {
        let mut context = context(17000);
        let shell = |name: &str| Some(format!("my {name}"));
        context.settings = Settings::of(Profile::Up, context.settings.ports).passing_on(shell);
        for (name, service) in [
            ("REINTENTOS", "gestion-clientes"),
            ("SMTP_PASSWORD", "notificaciones"),
            ("STRIPE_SECRET_KEY", "integracion-pagos"),
        ] {
            let having = |part: &Part| part.env.get(name).is_some_and(|value| *value == format!("my {name}"));
            let having: Vec<_> = all(&context).into_iter().filter(having).map(|part| part.name).collect();
            assert_eq!(having, [service], "{name}");
        }
    }

    #[test]
    fn the_demo_undoes_a_payment_whose_notification_failed() {
        let operator = all(&context(17000))
            .into_iter()
            .find(|part| part.name == "operator")
            .unwrap();
        assert_eq!(operator.env["POLITICA_NOTIFICACION"], "Compensate");
        assert_eq!(operator.env["TTL_SECONDS"], "120");
        assert_eq!(operator.env["KUBECONFIG"], "/checkout/.local/demo/operator.kubeconfig");
        assert_eq!(
            operator.env["DATABASE_URL"],
            "sqlite:///checkout/.local/demo/data/operator.db?mode=rwc"
        );
    }
}
