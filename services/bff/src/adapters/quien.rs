//! Who asks, with the words they said it in: what is asked of another service for them is asked in their name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use seedwork::IdCliente;
use seedwork_runtime::Caller;
use seedwork_runtime::problem::Problem;

use super::limits::{Key, Usage};
use crate::config::Network;

/// Who asks. No `Debug`: it may hold a token.
#[derive(Clone)]
pub(crate) struct Quien {
    caller: Caller,
    authorization: Option<String>,
}

/// A request's sender.
pub(crate) struct Visita {
    quien: Result<Quien, Problem>,
    peer: Option<SocketAddr>,
    forwarded: Vec<String>,
}

// === impl Quien ===

impl Quien {
    /// A caller that was judged, and the `Authorization` it was judged by.
    pub(crate) fn new(caller: Caller, authorization: Option<&str>) -> Self {
        // What nobody judged is passed on to nobody.
        let shown = match caller {
            Caller::Cliente { .. } | Caller::Operador { .. } => authorization,
            Caller::Anyone | Caller::App(_) => None,
        };
        Self {
            authorization: shown.map(str::to_owned),
            caller,
        }
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The header to ask other services with.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// Whether it may pay for this client; a refusal is a sentence. Other applications of the platform read: what is
    /// paid, somebody asked for.
    pub(crate) fn pays_for(&self, id: &IdCliente) -> Result<(), String> {
        match &self.caller {
            Caller::App(app) => Err(format!("{app} solo puede leer: esto lo pide un cliente o un operador")),
            Caller::Anyone | Caller::Cliente { .. } | Caller::Operador { .. } => {
                self.caller.require(id).map_err(|problem| problem.detail())
            }
        }
    }

    /// Whether it may see what is this client's.
    pub(crate) fn sees(&self, id: &IdCliente) -> bool {
        self.caller.may_act_for(id)
    }

    /// The one client whose things it sees; `None`: it sees all.
    pub(crate) fn only(&self) -> Option<&IdCliente> {
        self.caller.only()
    }

    /// Completes when its token ends.
    pub(crate) async fn expired(self) {
        self.caller.expired().await;
    }

    /// Whose use a request of its is. Another application of ours is not counted.
    pub(crate) fn usage(&self, address: IpAddr) -> Usage {
        let shows_a_token = matches!(self.caller, Caller::Cliente { .. } | Caller::Operador { .. });
        Usage {
            own: self.key(address),
            address: shows_a_token.then(|| Key::address(address)),
        }
    }

    /// Under what its streams are counted: who it is where that is known, else the address.
    pub(crate) fn key(&self, address: IpAddr) -> Option<Key> {
        match &self.caller {
            Caller::Anyone => Some(Key::address(address)),
            Caller::Cliente { id, .. } => Some(Key::Cliente(id.clone())),
            Caller::Operador { subject, .. } => Some(Key::Operador(subject.clone())),
            Caller::App(_) => None,
        }
    }
}

// === impl Visita ===

impl Visita {
    /// Who asks, or 401.
    pub(crate) fn quien(&self) -> Result<&Quien, Problem> {
        self.quien.as_ref().map_err(Clone::clone)
    }

    /// Whose use the request is: of who has not said who they are, the address's alone.
    pub(crate) fn usage(&self, address: IpAddr) -> Usage {
        match &self.quien {
            Ok(quien) => quien.usage(address),
            Err(_) => Usage {
                own: None,
                address: Some(Key::address(address)),
            },
        }
    }

    /// Where it comes from: the peer; or, if that is a proxy we trust, the last hop before those we trust.
    pub(crate) fn address(&self, proxies: &[Network]) -> IpAddr {
        // Without a socket (a test) there is no address: one for all.
        let peer = self.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let trusted = |address: IpAddr| proxies.iter().any(|network| network.holds(address));
        let mut address = peer;
        let hops = self.forwarded.iter().rev().flat_map(|value| value.rsplit(','));
        for hop in hops.map(str::trim) {
            if !trusted(address) {
                break;
            }
            // What is no address was not written by a proxy of ours: the hop that passed it on stands for it.
            let Some(before) = hop_address(hop) else { break };
            address = before;
        }
        address.to_canonical()
    }
}

fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port)
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

impl<S: Send + Sync> FromRequestParts<S> for Visita {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let caller = <Caller as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        Ok(Self {
            quien: caller.map(|caller| Quien::new(caller, authorization(&parts.headers))),
            peer: parts.extensions.get().map(|ConnectInfo(peer)| *peer),
            forwarded: parts.headers.get_all("x-forwarded-for").iter().map(text).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, forwarded: &[&str]) -> Visita {
        Visita {
            quien: Ok(Quien::new(Caller::Anyone, None)),
            peer: Some(SocketAddr::new(peer.parse().unwrap(), 1)),
            forwarded: forwarded.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    #[test]
    fn who_is_not_a_proxy_of_ours_cannot_say_where_it_comes_from() {
        let ours = ["10.0.0.0/8".parse().unwrap()];
        for (peer, forwarded, address) in [
            ("8.8.8.8", vec!["1.1.1.1"], "8.8.8.8"),
            ("10.0.0.1", vec!["1.1.1.1"], "1.1.1.1"),
            // The caller wrote the first; our proxies the rest.
            ("10.0.0.1", vec!["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", vec!["6.6.6.6", "1.1.1.1:4711"], "1.1.1.1"),
            ("10.0.0.1", vec!["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", vec!["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("::ffff:10.0.0.1", vec!["10.0.0.3"], "10.0.0.3"),
        ] {
            let expected: IpAddr = address.parse().unwrap();
            assert_eq!(from(peer, &forwarded).address(&ours), expected, "{peer} {forwarded:?}");
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!(from(&peer.to_string(), &forwarded).address(&[]), peer.to_canonical());
        }
    }
}
