//! The state stores: one per application, a version per key. First write wins.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use seedwork::App;
use seedwork_runtime::sidecar::Stored;
use seedwork_runtime::{Expect, sidecar::SidecarError};

use crate::lock;

/// The documents of every application.
#[derive(Default)]
pub struct Stores(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    values: BTreeMap<(App, String), (Vec<u8>, u64)>,
    versions: u64,
}

// === impl Stores ===

impl Stores {
    /// Reads a value.
    pub fn get(&self, app: App, key: &str) -> Option<Stored> {
        let inner = self.inner();
        let (value, version) = inner.values.get(&(app, key.to_owned()))?;
        Some(Stored {
            value: value.clone(),
            etag: version.to_string(),
        })
    }

    /// Writes a value if what is there is what is expected.
    pub fn put(&self, app: App, key: &str, value: Vec<u8>, expect: &Expect) -> Result<(), SidecarError> {
        let mut inner = self.inner();
        let place = (app, key.to_owned());
        let holds = match (expect, inner.values.get(&place)) {
            (Expect::Absent, None) => true,
            (Expect::Version(etag), Some((_, version))) => version.to_string() == *etag,
            (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
        };
        if !holds {
            return Err(SidecarError::Conflict { key: key.to_owned() });
        }
        inner.versions += 1;
        let version = inner.versions;
        inner.values.insert(place, (value, version));
        Ok(())
    }

    /// The judge's look: every document of an application under a prefix, by the rest of its key.
    pub fn all(&self, app: App, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let inner = self.inner();
        let mine = inner.values.iter().filter(|((owner, _), _)| *owner == app);
        mine.filter_map(|((_, key), (value, _))| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
            .collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }
}
