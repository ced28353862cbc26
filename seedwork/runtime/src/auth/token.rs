//! What a token must be. The order is the point: form, algorithm, key, signature; only then is a claim believed.

use jsonwebtoken::{Validation, decode, decode_header};
use seedwork::IdCliente;
use serde_json::{Map, Value};

use super::caller::{Caller, Deadline};
use super::jwks::{Found, Keys};

/// How far the issuer's clock and ours may be apart, in seconds.
pub(super) const LEEWAY_SECONDS: i64 = 60;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// A way to sign, with a key pair. Shared secrets (`HS256`) and no signature (`none`) cannot even be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    #[value(name = "RS256")]
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    #[value(name = "RS384")]
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    #[value(name = "RS512")]
    RS512,
    /// RSA PSS with SHA-256.
    #[value(name = "PS256")]
    PS256,
    /// RSA PSS with SHA-384.
    #[value(name = "PS384")]
    PS384,
    /// RSA PSS with SHA-512.
    #[value(name = "PS512")]
    PS512,
    /// ECDSA on P-256 with SHA-256.
    #[value(name = "ES256")]
    ES256,
    /// ECDSA on P-384 with SHA-384.
    #[value(name = "ES384")]
    ES384,
    /// Ed25519.
    #[value(name = "EdDSA")]
    EdDSA,
}

/// What a deployment asks of a token.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) client_claim: String,
    pub(super) roles_claim: String,
    pub(super) operator_role: String,
}

/// Why a token is refused. The sentences are for whoever sent it: in Spanish, they name the
/// rule, never what we hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("el token no se puede leer: debe ser un JWT firmado de {LONGEST} bytes como máximo")]
    Unreadable,
    #[error("el token está firmado de una forma que aquí no se acepta")]
    Algorithm,
    #[error("el token es de otra clase: su typ debe ser JWT o at+jwt")]
    Purpose,
    #[error("el token pide extensiones (crit) que aquí no se conocen")]
    Critical,
    #[error("el token no dice con qué clave se firmó (kid)")]
    NoKid,
    #[error("el emisor no tiene ninguna clave con el kid y el alg del token")]
    UnknownKid,
    #[error("las claves del emisor no se pueden obtener ahora; intente de nuevo")]
    NoKeys,
    #[error("la firma del token no es válida")]
    Signature,
    #[error("el token es de otro emisor (iss)")]
    Issuer,
    #[error("el token es para otro destinatario (aud)")]
    Audience,
    #[error("el token no tiene fin (exp)")]
    NoEnd,
    #[error("el token ha terminado (exp)")]
    Expired,
    #[error("el token todavía no vale (nbf)")]
    NotYet,
    #[error("{0} del token no es un número de segundos")]
    Claim(&'static str),
    #[error("el token no nombra a ningún cliente: su campo {0} debe ser un idCliente")]
    NoClient(String),
}

/// Who shows this token.
pub(super) async fn judge(token: &str, rules: &Rules, keys: &Keys) -> Result<Caller, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::Unreadable);
    }
    // Fails for `none` too: it has no name here.
    let header = decode_header(token).map_err(|_| Refusal::Unreadable)?;
    let algorithm = Algorithm::of(header.alg).ok_or(Refusal::Algorithm)?;
    if !rules.algorithms.contains(&algorithm) {
        return Err(Refusal::Algorithm);
    }
    if !header.typ.as_deref().is_none_or(is_access_token) {
        return Err(Refusal::Purpose);
    }
    if header.crit.is_some() {
        return Err(Refusal::Critical);
    }
    let kid = header.kid.ok_or(Refusal::NoKid)?;
    let key = match keys.find(&kid, algorithm).await {
        Found::Key(key) => key,
        Found::Unknown => return Err(Refusal::UnknownKid),
        Found::OtherAlgorithm => return Err(Refusal::Algorithm),
        Found::NoKeysYet => return Err(Refusal::NoKeys),
    };
    // The signature alone: the claims are judged below, by our clock.
    let mut validation = Validation::new(algorithm.into());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let data = decode::<Map<String, Value>>(token, &key.decoding, &validation).map_err(|_| Refusal::Signature)?;
    believe(&data.claims, rules, crate::now_ms())
}

/// Reads the claims of a token whose signature holds.
pub(super) fn believe(claims: &Map<String, Value>, rules: &Rules, now_ms: i64) -> Result<Caller, Refusal> {
    if claims.get("iss").and_then(Value::as_str) != Some(&rules.issuer) {
        return Err(Refusal::Issuer);
    }
    let ours = |value: &Value| value.as_str() == Some(&rules.audience);
    let audience = claims.get("aud").ok_or(Refusal::Audience)?;
    if !ours(audience) && !audience.as_array().is_some_and(|list| list.iter().any(ours)) {
        return Err(Refusal::Audience);
    }
    let exp = seconds(claims, "exp")?.ok_or(Refusal::NoEnd)?;
    let until = Deadline::at_ms(exp.saturating_add(LEEWAY_SECONDS).saturating_mul(1000));
    if until <= Deadline::at_ms(now_ms) {
        return Err(Refusal::Expired);
    }
    // Optional in RFC 7519, and many issuers leave it out.
    let not_before = seconds(claims, "nbf")?.unwrap_or(i64::MIN);
    if not_before.saturating_sub(LEEWAY_SECONDS).saturating_mul(1000) > now_ms {
        return Err(Refusal::NotYet);
    }
    let operator = |role: &Value| role.as_str() == Some(&rules.operator_role);
    let roles = claim(claims, &rules.roles_claim).and_then(Value::as_array);
    let subject = claims.get("sub").and_then(Value::as_str);
    if roles.is_some_and(|roles| roles.iter().any(operator)) {
        let subject = subject.unwrap_or_default().to_owned();
        return Ok(Caller::Operador { subject, until });
    }
    let id = claim(claims, &rules.client_claim).and_then(Value::as_str);
    match id.map(IdCliente::parse) {
        Some(Ok(id)) => Ok(Caller::Cliente { id, until }),
        Some(Err(_)) | None => Err(Refusal::NoClient(rules.client_claim.clone())),
    }
}

/// A claim by its name; a name with dots that no claim has is a path.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        claim(claims.get(outer)?.as_object()?, inner)
    })
}

/// A NumericDate, without its fraction.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let number = value.as_number().ok_or(Refusal::Claim(name))?;
    let whole = || {
        number
            .as_f64()
            .and_then(|number| format!("{:.0}", number.floor()).parse().ok())
    };
    let seconds = number.as_i64().or_else(whole).ok_or(Refusal::Claim(name))?;
    Ok(Some(seconds))
}

/// Tokens of other kinds (a log-out, say) are signed with the same keys.
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

// === impl Algorithm ===

impl Algorithm {
    pub(super) fn of(algorithm: jsonwebtoken::Algorithm) -> Option<Self> {
        use jsonwebtoken::Algorithm as Named;
        Some(match algorithm {
            Named::RS256 => Self::RS256,
            Named::RS384 => Self::RS384,
            Named::RS512 => Self::RS512,
            Named::PS256 => Self::PS256,
            Named::PS384 => Self::PS384,
            Named::PS512 => Self::PS512,
            Named::ES256 => Self::ES256,
            Named::ES384 => Self::ES384,
            Named::EdDSA => Self::EdDSA,
            Named::HS256 | Named::HS384 | Named::HS512 | _ => return None,
        })
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::RS256,
            Algorithm::RS384 => Self::RS384,
            Algorithm::RS512 => Self::RS512,
            Algorithm::PS256 => Self::PS256,
            Algorithm::PS384 => Self::PS384,
            Algorithm::PS512 => Self::PS512,
            Algorithm::ES256 => Self::ES256,
            Algorithm::ES384 => Self::ES384,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}
