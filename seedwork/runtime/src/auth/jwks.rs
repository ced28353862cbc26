//! The issuer's public keys (JWK Set, RFC 7517): cached, fetched again when they grow old and when a token names one
//! that is not here, so that the issuer rotates them without anyone restarting anything.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};
use reqwest::Url;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::token::Algorithm;
use crate::serve::StartupError;

/// How old keys may grow: how long a key that the issuer withdrew is still taken.
const REFRESH: Duration = Duration::from_secs(600);

/// Strangers make up key names for nothing; the issuer is asked for them no more often than this.
const LEAST_BETWEEN: Duration = Duration::from_secs(30);

/// How long the issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest set that is read, in bytes.
const LARGEST: usize = 256 * 1024;

/// The shortest RSA modulus that is taken, in bytes (2048 bits).
const SHORTEST_RSA: usize = 256;

/// The keys of one issuer.
pub(super) struct Keys {
    source: Source,
    allowed: Vec<Algorithm>,
    /// `None` until they were had once.
    known: RwLock<Option<Arc<Vec<Arc<Key>>>>>,
    /// When they were last asked for. Held while they are: one at a time.
    asked: Mutex<Option<Instant>>,
}

/// A public key and what it may verify.
pub(super) struct Key {
    kid: String,
    algorithms: Vec<Algorithm>,
    pub(super) decoding: DecodingKey,
}

/// What there is of a name.
pub(super) enum Found {
    Key(Arc<Key>),
    Unknown,
    /// A key of this name that does not sign this way.
    OtherAlgorithm,
    /// The issuer has not answered yet.
    NoKeysYet,
}

enum Source {
    Web(reqwest::Client, Url),
    File(PathBuf),
}

/// A set whose keys may be of kinds that we do not know.
#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

type FetchError = Box<dyn std::error::Error + Send + Sync>;

// === impl Keys ===

impl Keys {
    /// The keys published at `url`, fetched once, and kept fresh as long as they are held.
    pub(super) async fn open(url: &str, allowed: &[Algorithm]) -> Result<Arc<Self>, StartupError> {
        let keys = Arc::new(Self {
            source: Source::parse(url)?,
            allowed: allowed.to_vec(),
            known: RwLock::new(None),
            asked: Mutex::new(None),
        });
        match (keys.refresh().await, &keys.source) {
            (Ok(()), _) => {}
            (Err(error), Source::File(_)) => {
                return Err(StartupError::new(
                    format!("cannot read the keys at JWKS_URL={url}"),
                    error,
                ));
            }
            // The issuer may start after us; until it answers, tokens are answered with 503.
            (Err(error), Source::Web(..)) => {
                tracing::warn!(url, error, "the issuer's keys cannot be had yet; check JWKS_URL");
            }
        }
        let weak = Arc::downgrade(&keys);
        let mut are_fresh = keys.known().is_some();
        tokio::spawn(async move {
            loop {
                // An issuer that is away just then must not have a withdrawn key taken for as long again.
                let pause = if are_fresh { REFRESH } else { LEAST_BETWEEN };
                tokio::time::sleep(pause).await;
                let Some(keys) = weak.upgrade() else { return };
                let refreshed = keys.refresh().await;
                are_fresh = refreshed.is_ok();
                if let Err(error) = refreshed {
                    tracing::warn!(error, "unable to refresh the issuer's keys; those known stay");
                }
            }
        });
        Ok(keys)
    }

    /// Keys that are published nowhere.
    #[cfg(any(test, feature = "test-support"))]
    pub(super) fn of(keys: Vec<serde_json::Value>, allowed: &[Algorithm]) -> Arc<Self> {
        let known = Self {
            source: Source::File(PathBuf::new()),
            allowed: allowed.to_vec(),
            known: RwLock::new(None),
            asked: Mutex::new(None),
        };
        known.replace(Set { keys });
        Arc::new(known)
    }

    /// The key of this name for this algorithm. One that is not here is asked for, now and then.
    pub(super) async fn find(&self, kid: &str, algorithm: Algorithm) -> Found {
        match self.look(kid, algorithm) {
            Found::Unknown | Found::NoKeysYet => {}
            found @ (Found::Key(_) | Found::OtherAlgorithm) => return found,
        }
        let mut asked = self.asked.lock().await;
        // Whoever held the lock may have brought it.
        let found = self.look(kid, algorithm);
        let lately = asked.is_some_and(|at| at.elapsed() < LEAST_BETWEEN);
        if lately || matches!(found, Found::Key(_)) {
            return found;
        }
        if let Err(error) = self.fetch(&mut asked).await {
            tracing::warn!(
                error,
                "unable to ask the issuer for a key that is not known; those known stay"
            );
        }
        self.look(kid, algorithm)
    }

    /// Fetches the keys; what was known stays when that fails.
    pub(super) async fn refresh(&self) -> Result<(), String> {
        let mut asked = self.asked.lock().await;
        self.fetch(&mut asked).await
    }

    async fn fetch(&self, asked: &mut Option<Instant>) -> Result<(), String> {
        // First, so that a caller who leaves meanwhile counts too.
        *asked = Some(Instant::now());
        let read = async {
            let bytes = self.source.read().await?;
            Ok::<Set, FetchError>(serde_json::from_slice(&bytes)?)
        };
        let set = read.await.map_err(|error| seedwork::fault::chain(&*error))?;
        self.replace(set);
        Ok(())
    }

    /// What the issuer says is all there is: a key that it no longer publishes is withdrawn.
    fn replace(&self, set: Set) {
        let usable: Vec<_> = set
            .keys
            .into_iter()
            .filter_map(|key| self.usable(key))
            .map(Arc::new)
            .collect();
        if usable.is_empty() {
            tracing::warn!("the issuer publishes no key that JWT_ALGORITHMS allows: every token is refused");
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(usable));
    }

    fn known(&self) -> Option<Arc<Vec<Arc<Key>>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self, kid: &str, algorithm: Algorithm) -> Found {
        let Some(known) = self.known() else {
            return Found::NoKeysYet;
        };
        let mut named = known.iter().filter(|key| key.kid == kid).peekable();
        if named.peek().is_none() {
            return Found::Unknown;
        }
        let fits = named.find(|key| key.algorithms.contains(&algorithm));
        fits.map_or(Found::OtherAlgorithm, |key| Found::Key(Arc::clone(key)))
    }

    /// A key that may sign tokens for us. What it may verify comes from its own type and its own `alg`, never from a
    /// token.
    fn usable(&self, key: serde_json::Value) -> Option<Key> {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let kid = jwk.common.key_id.clone()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let mut algorithms: Vec<_> = by_type(&jwk.algorithm).to_vec();
        if let Some(own) = jwk.common.key_algorithm {
            let own = jsonwebtoken::Algorithm::try_from(own).ok().and_then(Algorithm::of);
            algorithms.retain(|algorithm| Some(*algorithm) == own);
        }
        algorithms.retain(|algorithm| self.allowed.contains(algorithm));
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let short = match decoding.kind() {
            DecodingKeyKind::RsaModulusExponent { n, .. } => n.len() < SHORTEST_RSA,
            DecodingKeyKind::SecretOrDer(_) => false,
        };
        (!algorithms.is_empty() && !short).then_some(Key {
            kid,
            algorithms,
            decoding,
        })
    }
}

/// What a key of this type can verify. A shared secret in a public set is no key.
fn by_type(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match parameters {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::Other(_)
        | _ => &[],
    }
}

// === impl Source ===

impl Source {
    fn parse(url: &str) -> Result<Self, StartupError> {
        let wrong = || format!("JWKS_URL={url} must be an https://, http:// or file:/// address");
        let parsed = Url::parse(url).map_err(|error| StartupError::new(wrong(), error))?;
        match parsed.scheme() {
            "file" => {
                let path = parsed.to_file_path().map_err(|()| StartupError::told(wrong()))?;
                Ok(Self::File(path))
            }
            "https" | "http" => {
                let client = crate::http::client()
                    .timeout(PATIENCE)
                    // A redirect could lead from https to anywhere.
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(|error| StartupError::new("the HTTP client cannot be made", error))?;
                Ok(Self::Web(client, parsed))
            }
            _ => Err(StartupError::told(wrong())),
        }
    }

    async fn read(&self) -> Result<Vec<u8>, FetchError> {
        let (client, url) = match self {
            Self::File(path) => return Ok(tokio::fs::read(path).await?),
            Self::Web(client, url) => (client, url),
        };
        let mut response = client.get(url.clone()).send().await?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("the issuer answers {status} at {url}").into());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST {
                return Err(format!("the answer at {url} is larger than {LARGEST} bytes").into());
            }
        }
        Ok(bytes)
    }
}
