//! Who asks. With `AUTH=jwt` a request carries a token (JWT, RFC 7519) of the issuer that the deployment names; with
//! `AUTH=none` nobody is asked.
//!
//! ```text
//! Authorization: Bearer … ──▶ layer ──▶ token (form, algorithm, signature, claims) ──▶ Caller ──▶ handler
//!                                          └──▶ jwks: the issuer's public keys, cached, rotated
//! dapr-api-token (ours)   ──▶ layer ──▶ Caller::App
//! ```
//!
//! Architecture invariant: a handler that asks for a [`Caller`] gets none that was not judged: without the layer,
//! without a token where one is needed, or with one that does not hold, it answers 401.

mod caller;
#[cfg(any(test, feature = "test-support"))]
pub mod issuer;
mod jwks;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use seedwork::App;

use self::jwks::Keys;
use self::token::{Refusal, Rules};
use crate::config::Secret;
use crate::problem::Problem;
use crate::serve::StartupError;

pub use self::caller::{Caller, Deadline};
pub use self::token::Algorithm;

/// Who may ask, and how they prove who they are.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthArgs {
    /// Whether callers must prove who they are.
    #[arg(long, env = "AUTH", default_value = "none")]
    pub auth: Mode,

    /// Who must have issued a token: the value of its `iss`.
    #[arg(long, env = "JWT_ISSUER")]
    pub jwt_issuer: Option<String>,

    /// For whom a token must be: a value of its `aud`.
    #[arg(long, env = "JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,

    /// Where the issuer publishes its keys: `https://…`, `http://…` within a cluster, `file:///…` in development.
    #[arg(long, env = "JWKS_URL")]
    pub jwks_url: Option<String>,

    /// How a token may be signed.
    #[arg(
        long,
        env = "JWT_ALGORITHMS",
        value_delimiter = ',',
        default_value = "RS256,ES256,EdDSA"
    )]
    pub jwt_algorithms: Vec<Algorithm>,

    /// The claim that holds the client's `idCliente`.
    #[arg(long, env = "JWT_CLIENT_CLAIM", default_value = "sub")]
    pub jwt_client_claim: String,

    /// The claim that lists the caller's roles; `a.b` is `b` within `a`.
    #[arg(long, env = "JWT_ROLES_CLAIM", default_value = "roles")]
    pub jwt_roles_claim: String,

    /// The role of those who may act for every client.
    #[arg(long, env = "JWT_OPERATOR_ROLE", default_value = "operador")]
    pub jwt_operator_role: String,
}

/// Whether callers must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// They are not asked: anyone who reaches the port acts for everyone.
    #[default]
    None,
    /// Each request carries a token.
    Jwt,
}

/// The judge of requests.
pub struct Auth {
    judge: Judge,
    app_token: Option<Secret>,
}

enum Judge {
    Nobody,
    Jwt { rules: Rules, keys: Arc<Keys> },
}

/// What was found out about a request: who asks, `None` for nobody, or why that is not believed.
#[derive(Clone)]
struct Judged(Result<Option<Caller>, Problem>);

/// Puts the [`Caller`] of each request where handlers find it. That there must be one, and that its token holds, is for
/// the handlers that ask for a `Caller`: a route that asks nobody answers whatever it is shown.
pub fn layer(router: Router, auth: Arc<Auth>) -> Router {
    router.layer(middleware::from_fn_with_state(auth, identify))
}

async fn identify(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    let judged = Judged(auth.look(request.headers()).await);
    request.extensions_mut().insert(judged);
    next.run(request).await
}

// === impl AuthArgs ===

impl Default for AuthArgs {
    /// Nobody is asked.
    fn default() -> Self {
        Self {
            auth: Mode::None,
            jwt_issuer: None,
            jwt_audience: None,
            jwks_url: None,
            jwt_algorithms: vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
            jwt_client_claim: "sub".to_owned(),
            jwt_roles_claim: "roles".to_owned(),
            jwt_operator_role: "operador".to_owned(),
        }
    }
}

// === impl Auth ===

impl Auth {
    /// The judge that the settings ask for. With `AUTH=jwt` the issuer's keys are fetched once before this returns; an
    /// issuer that does not answer yet is asked again in the background, a file must be there. Call within a tokio
    /// runtime.
    pub async fn open(args: &AuthArgs, app_api_token: Option<&Secret>) -> Result<Arc<Self>, StartupError> {
        match args.auth {
            Mode::None => {
                tracing::warn!(
                    "AUTH=none: nobody is asked who they are, anyone who reaches this port acts for every client; \
                     set AUTH=jwt, JWT_ISSUER, JWT_AUDIENCE and JWKS_URL to ask"
                );
                Ok(Self::none())
            }
            Mode::Jwt => Self::jwt(args, app_api_token).await,
        }
    }

    /// The judge that asks nobody.
    pub fn none() -> Arc<Self> {
        Arc::new(Self {
            judge: Judge::Nobody,
            app_token: None,
        })
    }

    /// The judge that takes the tokens of a test's issuer.
    #[cfg(any(test, feature = "test-support"))]
    pub fn trusting(issuer: &issuer::Issuer, app_api_token: Option<&Secret>) -> Arc<Self> {
        let AuthArgs {
            jwt_algorithms: algorithms,
            jwt_client_claim: client_claim,
            jwt_roles_claim: roles_claim,
            jwt_operator_role: operator_role,
            ..
        } = AuthArgs::default();
        let keys = Keys::of(vec![issuer.jwk().clone()], &algorithms);
        let rules = Rules {
            issuer: issuer::ISSUER.to_owned(),
            audience: issuer::AUDIENCE.to_owned(),
            algorithms,
            client_claim,
            roles_claim,
            operator_role,
        };
        Arc::new(Self {
            judge: Judge::Jwt { rules, keys },
            app_token: app_api_token.cloned(),
        })
    }

    async fn jwt(args: &AuthArgs, app_api_token: Option<&Secret>) -> Result<Arc<Self>, StartupError> {
        let AuthArgs {
            auth: _,
            jwt_issuer,
            jwt_audience,
            jwks_url,
            jwt_algorithms,
            jwt_client_claim,
            jwt_roles_claim,
            jwt_operator_role,
        } = args;
        let mut missing = Vec::new();
        let mut needed = |name: &'static str, value: &Option<String>| {
            let value = value.as_deref().unwrap_or_default().trim().to_owned();
            if value.is_empty() {
                missing.push(name);
            }
            value
        };
        let issuer = needed("JWT_ISSUER (the iss of tokens)", jwt_issuer);
        let audience = needed("JWT_AUDIENCE (their aud)", jwt_audience);
        let url = needed("JWKS_URL (where the issuer publishes its keys)", jwks_url);
        let token = app_api_token.map(|token| token.expose().to_owned());
        // Without it events could be forged at /inbox, and services could not ask each other.
        needed("APP_API_TOKEN (what the sidecar shows us)", &token);
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(StartupError::told(format!("AUTH=jwt needs more: set {missing}")));
        }
        let rules = Rules {
            issuer,
            audience,
            algorithms: jwt_algorithms.clone(),
            client_claim: jwt_client_claim.clone(),
            roles_claim: jwt_roles_claim.clone(),
            operator_role: jwt_operator_role.clone(),
        };
        let keys = Keys::open(&url, jwt_algorithms).await?;
        tracing::info!(issuer = rules.issuer, audience = rules.audience, "AUTH=jwt");
        Ok(Arc::new(Self {
            judge: Judge::Jwt { rules, keys },
            app_token: app_api_token.cloned(),
        }))
    }

    /// Who sent a request with these headers: 401 for nobody or a token that does not hold, 403 for a token that names
    /// no client, 503 while the issuer's keys cannot be had.
    pub async fn judge(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        self.look(headers).await?.ok_or_else(nobody)
    }

    /// Who shows this: the text of an `Authorization` header that came another way (`connection_init` of a
    /// WebSocket).
    pub async fn judge_bearer(&self, authorization: &str) -> Result<Caller, Problem> {
        let (rules, keys) = match &self.judge {
            Judge::Nobody => return Ok(Caller::Anyone),
            Judge::Jwt { rules, keys } => (rules, keys),
        };
        let token = match authorization.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                return Err(unauthorized(
                    "la cabecera Authorization debe ser: Bearer, un espacio, un token",
                ));
            }
        };
        token::judge(token, rules, keys).await.map_err(Problem::from)
    }

    async fn look(&self, headers: &HeaderMap) -> Result<Option<Caller>, Problem> {
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        match (&self.judge, shown.next(), shown.next()) {
            (_, None, _) if self.comes_from_a_sidecar(headers) => Ok(application(headers).map(Caller::App)),
            (Judge::Nobody, _, _) => Ok(Some(Caller::Anyone)),
            (Judge::Jwt { .. }, None, _) => Ok(None),
            (Judge::Jwt { .. }, Some(_), Some(_)) => Err(unauthorized("envíe una sola cabecera Authorization")),
            (Judge::Jwt { .. }, Some(value), None) => {
                let text = value.to_str().unwrap_or_default();
                self.judge_bearer(text).await.map(Some)
            }
        }
    }

    fn comes_from_a_sidecar(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get("dapr-api-token");
        let ours = self.app_token.as_ref();
        shown
            .zip(ours)
            .is_some_and(|(shown, ours)| ours.matches(shown.as_bytes()))
    }
}

/// The application whose sidecar passed this on. daprd adds its name to what the caller wrote there: two names are none.
fn application(headers: &HeaderMap) -> Option<App> {
    let mut names = headers.get_all("dapr-caller-app-id").iter();
    let (Some(name), None) = (names.next(), names.next()) else {
        return None;
    };
    App::from_id(name.to_str().ok()?)
}

fn unauthorized(sentence: impl Into<String>) -> Problem {
    Problem::of(StatusCode::UNAUTHORIZED, sentence).with_header(
        header::WWW_AUTHENTICATE,
        header::HeaderValue::from_static(r#"Bearer realm="pagos", error="invalid_token""#),
    )
}

fn nobody() -> Problem {
    let sentence = "envíe un token: Authorization: Bearer …";
    Problem::of(StatusCode::UNAUTHORIZED, sentence).with_header(
        header::WWW_AUTHENTICATE,
        header::HeaderValue::from_static(r#"Bearer realm="pagos""#),
    )
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        tracing::debug!(?refusal, "a token was refused");
        match refusal {
            Refusal::NoKeys => Self::of(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string()),
            Refusal::NoClient(_) => Self::of(StatusCode::FORBIDDEN, refusal.to_string()),
            Refusal::Unreadable
            | Refusal::Algorithm
            | Refusal::Purpose
            | Refusal::Critical
            | Refusal::NoKid
            | Refusal::UnknownKid
            | Refusal::Signature
            | Refusal::Issuer
            | Refusal::Audience
            | Refusal::NoEnd
            | Refusal::Expired
            | Refusal::NotYet
            | Refusal::Claim(_) => unauthorized(refusal.to_string()),
        }
    }
}
