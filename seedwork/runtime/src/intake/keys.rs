//! The idempotency keys of the requests that are being answered now, in this replica.
//!
//! Of two requests under one key at the same moment the second is told to come back, and is then answered as the first
//! was. That is for its own good alone: between replicas the row's unique key decides, and whoever loses there reads what
//! the other wrote.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The keys, by the identity that each stands for.
#[derive(Debug, Default)]
pub struct Keys(Mutex<HashSet<String>>);

/// A key whose request is being answered; dropped, it is free.
#[derive(Debug)]
pub struct Held {
    keys: Arc<Keys>,
    id: String,
}

/// A request under the same key is being answered. Displays as a sentence for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "otra petición con esta Idempotency-Key se está atendiendo; repita la suya en {} s",
    Self::RETRY_AFTER
)]
pub struct KeyInUse;

// === impl KeyInUse ===

impl KeyInUse {
    /// When the request should come back, in seconds.
    pub const RETRY_AFTER: u64 = 1;
}

// === impl Keys ===

impl Keys {
    /// Holds the key that stands for `id` until what is returned is dropped.
    ///
    /// # Errors
    /// When somebody else holds it.
    pub fn hold(self: &Arc<Self>, id: impl Into<String>) -> Result<Held, KeyInUse> {
        let id = id.into();
        if !self.lock().insert(id.clone()) {
            return Err(KeyInUse);
        }
        let keys = Arc::clone(self);
        Ok(Held { keys, id })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_request_s_at_a_time_and_free_afterwards() {
        let keys = Arc::<Keys>::default();
        let first = keys.hold("a").unwrap();
        assert_eq!(keys.hold("a").err(), Some(KeyInUse));
        assert!(keys.hold("b").is_ok());
        drop(first);
        assert!(keys.hold("a").is_ok());
        assert!(keys.lock().is_empty());
    }
}
