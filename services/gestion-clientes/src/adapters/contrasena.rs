//! Passwords: kept as Argon2id, never read back.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use seedwork::Fault;
use seedwork_runtime::Secret;
use seedwork_runtime::serve::StartupError;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// What is kept of a password: its hash with salt and parameters, in the PHC string format.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Huella(String);

/// Makes hashes, a few at a time.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
}

/// Memory of one hash in KiB, passes over it, lanes: the OWASP minimum for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How many hashes are made at once: each takes 19 MiB, some of which the allocator keeps for a while, and a burst of registrations
/// must stay well under a pod's 256 MiB.
const TURNS: usize = 2;

// === impl Huella ===

impl fmt::Debug for Huella {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Huella(…)")
    }
}

// === impl Hasher ===

impl Hasher {
    pub(crate) fn new() -> Result<Self, StartupError> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
            .map_err(|error| StartupError::new("the parameters of the password hash are not usable", error))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self {
            argon2,
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    /// Hashes with a new random salt, off the threads that serve requests.
    pub(crate) async fn hash(&self, contrasena: Secret) -> Result<Huella, Fault> {
        let hash = move |argon2: &Argon2<'_>| {
            let hash = argon2.hash_password(contrasena.expose().as_bytes());
            hash.map(|hash| Huella(hash.to_string()))
        };
        let failed = |error: argon2::password_hash::Error| Fault::bug("failed to hash a password", error);
        self.in_turn(hash).await?.map_err(failed)
    }

    /// Whether this is the password of which `huella` was kept.
    pub(crate) async fn matches(&self, contrasena: Secret, huella: Huella) -> Result<bool, Fault> {
        let verify = move |argon2: &Argon2<'_>| {
            argon2
                .verify_password(contrasena.expose().as_bytes(), huella.0.as_str())
                .is_ok()
        };
        self.in_turn(verify).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'_>) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Fault::bug("failed to hash a password", error);
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|error| failed(error.into()))?;
        let argon2 = self.argon2.clone();
        let work = move || {
            let done = work(&argon2);
            drop(turn); // held by the work, not by the request: a caller who hangs up frees no memory
            done
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| failed(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_with_its_own_salt() {
        let hasher = Hasher::new().unwrap();
        let secret = || Secret::from("abcd".to_owned());
        let (one, two) = (
            hasher.hash(secret()).await.unwrap(),
            hasher.hash(secret()).await.unwrap(),
        );
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, two);
        assert!(hasher.matches(secret(), one.clone()).await.unwrap());
        let other = Secret::from("abce".to_owned());
        assert!(!hasher.matches(other, one.clone()).await.unwrap());
        assert!(!format!("{one:?}").contains("argon2"));
    }
}
