//! An issuer of tokens with a key of its own, for tests.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The `iss` of its tokens.
pub const ISSUER: &str = "https://issuer.example.com";

/// The `aud` of its tokens.
pub const AUDIENCE: &str = "pagos";

/// An issuer with an ES256 key.
pub struct Issuer {
    key: EncodingKey,
    jwk: Value,
    kid: String,
}

// === impl Issuer ===

impl Issuer {
    /// An issuer whose one key is called `kid`.
    pub fn new(kid: &str) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap_or_else(|error| panic!("no key: {error}"));
        let key = EncodingKey::from_ec_der(pair.serialized_der());
        let jwk = Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::ES256);
        let jwk = jwk.unwrap_or_else(|error| panic!("no public key: {error}"));
        let mut jwk = json!(jwk);
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        Self {
            key,
            jwk,
            kid: kid.to_owned(),
        }
    }

    /// Its public key, as a JWK.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// An `Authorization` header of a client, good for an hour.
    pub fn cliente(&self, id: &str) -> String {
        format!("Bearer {}", self.sign(&self.header(), &claims(json!({"sub": id}))))
    }

    /// An `Authorization` header of an operator, good for an hour.
    pub fn operador(&self, name: &str) -> String {
        let own = json!({"sub": name, "roles": ["operador"]});
        format!("Bearer {}", self.sign(&self.header(), &claims(own)))
    }

    /// The header of its tokens.
    pub fn header(&self) -> Header {
        let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        header
    }

    /// Any token, signed.
    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap_or_else(|error| panic!("not signed: {error}"))
    }
}

/// Claims that hold for an hour, with those of `own` added or put in their place; `null` takes one away.
pub fn claims(own: Value) -> Value {
    let now = crate::now_ms() / 1000;
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 3600});
    if let (Some(all), Value::Object(own)) = (claims.as_object_mut(), own) {
        all.extend(own);
        all.retain(|_, value| !value.is_null());
    }
    claims
}
