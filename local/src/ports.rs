//! Where everything listens, from one base.

use seedwork::contrato::App;

/// The base that keeps our services on their documented ports.
pub const DEFAULT_BASE: u16 = 17000;

/// The ports of one local system: 100 in a row from the base, and the documented ports of the six services while the
/// base is the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    base: u16,
}

/// The five ports of one sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SidecarPorts {
    /// Dapr's HTTP API.
    pub http: u16,
    /// Dapr's gRPC API.
    pub grpc: u16,
    /// Where other sidecars call.
    pub internal_grpc: u16,
    /// Prometheus metrics.
    pub metrics: u16,
    /// Health without a token.
    pub public: u16,
}

/// The base leaves no room for the ports above it, or takes privileged ones.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("PORT_BASE={0} does not work: it must be between 1024 and 65435")]
pub struct BaseOutOfRange(pub u16);

// === impl Ports ===

impl Ports {
    /// The ports from `base` on.
    pub fn from_base(base: u16) -> Result<Self, BaseOutOfRange> {
        if (1024..=65435).contains(&base) {
            Ok(Self { base })
        } else {
            Err(BaseOutOfRange(base))
        }
    }

    /// The base.
    pub fn base(self) -> u16 {
        self.base
    }

    /// etcd, for its client.
    pub fn etcd(self) -> u16 {
        self.base + 1
    }

    /// etcd, for the peers it does not have.
    pub fn etcd_peer(self) -> u16 {
        self.base + 2
    }

    /// kube-apiserver.
    pub fn kube_apiserver(self) -> u16 {
        self.base + 3
    }

    /// Redis.
    pub fn redis(self) -> u16 {
        self.base + 4
    }

    /// Jaeger: traces in, OTLP over gRPC.
    pub fn otlp_grpc(self) -> u16 {
        self.base + 5
    }

    /// Jaeger: traces in, OTLP over HTTP.
    pub fn otlp_http(self) -> u16 {
        self.base + 6
    }

    /// Jaeger: traces out, HTTP.
    pub fn jaeger_query(self) -> u16 {
        self.base + 7
    }

    /// Jaeger: traces out, gRPC.
    pub fn jaeger_query_grpc(self) -> u16 {
        self.base + 8
    }

    /// Jaeger: health.
    pub fn jaeger_admin(self) -> u16 {
        self.base + 9
    }

    /// Jaeger listens on more than anybody here uses; its nth other port, 0 to 9.
    pub fn jaeger_other(self, nth: u16) -> u16 {
        self.base + 10 + nth
    }

    /// The sidecar of an application.
    pub fn sidecar(self, app: App) -> SidecarPorts {
        let first = self.base
            + match app {
                App::Operator => 20,
                App::Bff => 30,
                App::GestionClientes => 40,
                App::IntegracionPagos => 50,
                App::Notificaciones => 60,
            };
        SidecarPorts {
            http: first,
            grpc: first + 1,
            internal_grpc: first + 2,
            metrics: first + 3,
            public: first + 4,
        }
    }

    /// The HTTP port of an application.
    pub fn app(self, app: App) -> u16 {
        let (documented, offset) = match app {
            App::Bff => (8003, 81),
            App::GestionClientes => (5001, 82),
            App::IntegracionPagos => (7000, 83),
            App::Notificaciones => (6000, 84),
            App::Operator => (8080, 86),
        };
        self.service(documented, offset)
    }

    /// The HTTP port of the simulated gateway.
    pub fn pasarela(self) -> u16 {
        self.service(7100, 85)
    }

    fn service(self, documented: u16, offset: u16) -> u16 {
        if self.base == DEFAULT_BASE {
            documented
        } else {
            self.base + offset
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(ports: Ports) -> Vec<u16> {
        let mut all = vec![
            ports.etcd(),
            ports.etcd_peer(),
            ports.kube_apiserver(),
            ports.redis(),
            ports.otlp_grpc(),
            ports.otlp_http(),
            ports.jaeger_query(),
            ports.jaeger_query_grpc(),
            ports.jaeger_admin(),
            ports.pasarela(),
        ];
        all.extend((0..10).map(|nth| ports.jaeger_other(nth)));
        for app in App::ALL {
            let SidecarPorts {
                http,
                grpc,
                internal_grpc,
                metrics,
                public,
            } = ports.sidecar(app);
            all.extend([ports.app(app), http, grpc, internal_grpc, metrics, public]);
        }
        all
    }

    #[test]
    fn the_default_base_keeps_the_documented_ports() {
        let ports = Ports::from_base(DEFAULT_BASE).unwrap();
        assert_eq!(App::ALL.map(|app| ports.app(app)), [8080, 8003, 5001, 7000, 6000]);
        assert_eq!(
            (ports.pasarela(), ports.kube_apiserver(), ports.redis()),
            (7100, 17003, 17004)
        );
        assert_eq!(ports.sidecar(App::Notificaciones).public, 17064);
    }

    #[test]
    fn no_two_listeners_share_a_port_and_two_bases_share_none() {
        let mut seen = BTreeSet::new();
        for base in [DEFAULT_BASE, 17100, 20000, 65435] {
            for port in all(Ports::from_base(base).unwrap()) {
                assert!(seen.insert(port), "{port} is used twice");
            }
        }
    }

    #[test]
    fn another_base_moves_the_services_too() {
        let ports = Ports::from_base(20000).unwrap();
        assert_eq!(App::ALL.map(|app| ports.app(app)), [20086, 20081, 20082, 20083, 20084]);
        assert_eq!(ports.pasarela(), 20085);
    }

    #[test]
    fn a_base_without_room_above_it_is_refused() {
        assert_eq!(Ports::from_base(65436), Err(BaseOutOfRange(65436)));
        assert_eq!(Ports::from_base(80), Err(BaseOutOfRange(80)));
    }
}
