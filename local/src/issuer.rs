//! The issuer of tokens of a local system that runs with `AUTH=jwt`: a key of its own per state dir, whose public half
//! the services read from a file. A real deployment names an identity provider instead.

use std::fs;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::error::{During, Result};
use crate::layout::Layout;
use crate::status::{write_atomically, write_durably};

/// The `iss` of its tokens.
pub const ISSUER: &str = "local";

/// The `aud` of its tokens.
pub const AUDIENCE: &str = "pagos";

/// How it signs.
const ALGORITHM: Algorithm = Algorithm::ES256;

/// Whoever shows a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A client: its `idCliente`.
    Cliente(String),
    /// One who acts for every client: a name.
    Operador(String),
}

/// An issuer of tokens.
///
/// No `Debug`: it holds a key.
pub struct Issuer {
    key: EncodingKey,
    public: Jwk,
}

// === impl Issuer ===

impl Issuer {
    /// The issuer of this state dir, made when it is not there; its public key is published either way.
    pub fn of(layout: &Layout) -> Result<Self> {
        let file = layout.token_key();
        if !file.exists() {
            write_durably(&file, KeyPair::generate()?.serialize_pem().as_bytes())?;
        }
        let issuer = Self::read(layout)?;
        let published = json!({"keys": [issuer.public]});
        write_atomically(&layout.jwks(), format!("{published:#}\n").as_bytes())?;
        Ok(issuer)
    }

    /// The issuer of this state dir, if it was ever made.
    pub fn found(layout: &Layout) -> Result<Option<Self>> {
        layout.token_key().exists().then(|| Self::read(layout)).transpose()
    }

    fn read(layout: &Layout) -> Result<Self> {
        let file = layout.token_key();
        let pem = fs::read(&file).during(format!("read {}", file.display()))?;
        let key = EncodingKey::from_ec_pem(&pem)?;
        let mut public = Jwk::from_encoding_key(&key, ALGORITHM)?;
        public.common.key_id = Some(public.thumbprint(ThumbprintHash::SHA256)?);
        Ok(Self { key, public })
    }

    /// A token, good for so long from now.
    pub fn token(&self, subject: &Subject, lasts: Duration) -> Result<String> {
        let mut header = Header::new(ALGORITHM);
        header.kid.clone_from(&self.public.common.key_id);
        let now = get_current_timestamp();
        Ok(encode(&header, &claims(subject, now, lasts), &self.key)?)
    }
}

/// What a token says, at `now` in seconds since the Unix epoch.
fn claims(subject: &Subject, now: u64, lasts: Duration) -> Value {
    let (sub, roles) = match subject {
        Subject::Cliente(id) => (id, json!([])),
        Subject::Operador(name) => (name, json!(["operador"])),
    };
    let exp = now.saturating_add(lasts.as_secs());
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "roles": roles, "iat": now, "nbf": now, "exp": exp})
}

#[cfg(test)]
mod tests {
    use seedwork_runtime::auth::{Auth, AuthArgs, Caller, Mode};

    use super::*;
    use crate::settings::Profile;

    /// The services' own judge takes them.
    #[tokio::test]
    async fn its_tokens_hold_and_say_who_asks() {
        let checkout = tempfile::tempdir().unwrap();
        let layout = Layout::new(checkout.path(), Profile::Up);
        layout.create().unwrap();
        assert!(Issuer::found(&layout).unwrap().is_none());
        Issuer::of(&layout).unwrap();
        // Made once.
        let issuer = Issuer::of(&layout).unwrap();
        let args = AuthArgs {
            auth: Mode::Jwt,
            jwt_issuer: Some(ISSUER.to_owned()),
            jwt_audience: Some(AUDIENCE.to_owned()),
            jwks_url: Some(layout.jwks_url()),
            ..AuthArgs::default()
        };
        let token = "app".to_owned().into();
        let auth = Auth::open(&args, Some(&token)).await.unwrap();
        let hour = Duration::from_secs(3600);
        let shown = async |subject: Subject| {
            let token = issuer.token(&subject, hour).unwrap();
            auth.judge_bearer(&format!("Bearer {token}")).await.unwrap()
        };
        let Caller::Cliente { id, .. } = shown(Subject::Cliente("c-1".to_owned())).await else {
            panic!("a client")
        };
        assert_eq!(id.as_str(), "c-1");
        let Caller::Operador { subject, .. } = shown(Subject::Operador("olga".to_owned())).await else {
            panic!("an operator")
        };
        assert_eq!(subject, "olga");
    }
}
