//! How much one caller may ask for: so many operations a second, so many streams at a time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota};
use seedwork::IdCliente;
use seedwork_runtime::problem::Problem;

use crate::config::LimitArgs;

/// Under what a caller's use is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Whoever comes from there. IPv6 by its network: who has one address has the 2^64 beside it.
    Address(IpAddr),
    /// A client.
    Cliente(IdCliente),
    /// One of us.
    Operador(String),
}

/// Whose use a request is: the caller's, and that of the address it comes from. An address without a token is the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) own: Option<Key>,
    pub(crate) address: Option<Key>,
}

/// The limits of this process. Another replica counts for itself.
pub(crate) struct Limits {
    own: Rates,
    address: Rates,
    places: Arc<Places>,
}

/// How often.
struct Rates {
    writes: Option<Bucket>,
    reads: Option<Bucket>,
}

/// Too much was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    /// Too often: come back after this time, in whole seconds.
    #[error("demasiadas solicitudes; vuelva a intentarlo en {0} s")]
    Rate(u64),
    /// The caller has too many streams open.
    #[error("tiene demasiados flujos de eventos abiertos; cierre alguno")]
    Streams,
    /// All callers together have.
    #[error("hay demasiados flujos de eventos abiertos; vuelva a intentarlo en {RETRY_STREAM} s")]
    Full,
}

struct Bucket {
    limiter: DefaultKeyedRateLimiter<Key>,
    burst: NonZeroU32,
}

/// The places for streams.
struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_key: HashMap<Key, usize>,
}

/// A stream's place; dropped, it is free again.
pub(crate) struct Place {
    places: Arc<Places>,
    key: Option<Key>,
}

/// A page asks for several things to show one that it changes.
const READS_PER_WRITE: u32 = 4;

/// When a caller without a place should come back, in seconds.
const RETRY_STREAM: u64 = 10;

/// How often the callers that have rested are forgotten.
const FORGET: Duration = Duration::from_secs(10);

// === impl Key ===

impl Key {
    pub(crate) fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Address(address.into()),
            IpAddr::V6(address) => Self::Address(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
        }
    }
}

// === impl Limits ===

impl Limits {
    /// The limits of these settings; what they keep of callers that have rested is forgotten in the background.
    pub(crate) fn start(args: &LimitArgs) -> Arc<Self> {
        let LimitArgs {
            rate_per_second,
            rate_burst,
            rate_address_factor,
            streams_per_caller,
            streams,
            trusted_proxies: _,
        } = args;
        let limits = Arc::new(Self {
            own: Rates::new(*rate_per_second, *rate_burst, 1),
            address: Rates::new(*rate_per_second, *rate_burst, *rate_address_factor),
            places: Arc::new(Places {
                most: *streams,
                most_of_one: *streams_per_caller,
                taken: Mutex::default(),
            }),
        });
        tokio::spawn(forget(Arc::downgrade(&limits)));
        limits
    }

    /// Counts a request.
    pub(crate) fn read(&self, usage: &Usage) -> Result<(), Excess> {
        take(self.own.reads.as_ref(), usage.own.as_ref(), 1)?;
        take(self.address.reads.as_ref(), usage.address.as_ref(), 1)
    }

    /// Counts `count` changes.
    pub(crate) fn write(&self, usage: &Usage, count: u32) -> Result<(), Excess> {
        take(self.own.writes.as_ref(), usage.own.as_ref(), count)?;
        take(self.address.writes.as_ref(), usage.address.as_ref(), count)
    }

    /// A place for a stream of whoever that is; it becomes a caller's own by [`Place::give_to`].
    pub(crate) fn place(&self) -> Result<Place, Excess> {
        let mut taken = self.places.lock();
        if taken.all >= self.places.most {
            return Err(Excess::Full);
        }
        taken.all += 1;
        Ok(Place {
            places: Arc::clone(&self.places),
            key: None,
        })
    }
}

/// `None` is nobody that is counted.
fn take(bucket: Option<&Bucket>, key: Option<&Key>, count: u32) -> Result<(), Excess> {
    let (Some(Bucket { limiter, burst }), Some(key)) = (bucket, key) else {
        return Ok(());
    };
    // More than ever fits at once counts as all that fits.
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN).min(*burst);
    match limiter.check_key_n(key, count) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(not_yet)) => {
            let wait = not_yet.wait_time_from(limiter.clock().now());
            Err(Excess::Rate(wait.as_secs() + 1))
        }
        Err(_) => Err(Excess::Rate(1)), // never: no count is above the burst
    }
}

/// Forgets callers whose use has worn off, so that the memory held is that of the callers of some seconds.
async fn forget(limits: Weak<Limits>) {
    loop {
        tokio::time::sleep(FORGET).await;
        let Some(limits) = limits.upgrade() else { return };
        limits.forget();
    }
}

impl Limits {
    fn forget(&self) {
        let Self { own, address, .. } = self;
        let buckets = [&own.writes, &own.reads, &address.writes, &address.reads];
        for Bucket { limiter, .. } in buckets.into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

// === impl Rates ===

impl Rates {
    /// `callers` callers' worth.
    fn new(per_second: u32, burst: u32, callers: u32) -> Self {
        let reads = |n: u32| n.saturating_mul(READS_PER_WRITE);
        let (per_second, burst) = (per_second.saturating_mul(callers), burst.saturating_mul(callers));
        Self {
            writes: Bucket::new(per_second, burst),
            reads: Bucket::new(reads(per_second), reads(burst)),
        }
    }
}

// === impl Bucket ===

impl Bucket {
    fn new(per_second: u32, burst: u32) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let limiter = DefaultKeyedRateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst));
        Some(Self { limiter, burst })
    }
}

// === impl Places ===

impl Places {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Place ===

impl Place {
    /// Counts the place as this caller's, and no longer as another's.
    pub(crate) fn give_to(&mut self, key: Option<Key>) -> Result<(), Excess> {
        if key == self.key {
            return Ok(());
        }
        let mut taken = self.places.lock();
        if let Some(key) = &key {
            let own = taken.by_key.get(key).copied().unwrap_or_default();
            if own >= self.places.most_of_one {
                return Err(Excess::Streams);
            }
            taken.by_key.insert(key.clone(), own + 1);
        }
        taken.give_back(self.key.as_ref());
        drop(taken);
        self.key = key;
        Ok(())
    }

    /// The same item; whoever hands items on by this keeps the place.
    pub(crate) fn holding<T>(&self, item: T) -> T {
        item
    }
}

// === impl Taken ===

impl Taken {
    fn give_back(&mut self, key: Option<&Key>) {
        let Some(key) = key else { return };
        if let Some(own) = self.by_key.get_mut(key) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                self.by_key.remove(key);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        taken.give_back(self.key.as_ref());
    }
}

// === impl Excess ===

impl From<Excess> for Problem {
    fn from(excess: Excess) -> Self {
        let seconds = match excess {
            Excess::Rate(seconds) => seconds,
            Excess::Streams | Excess::Full => RETRY_STREAM,
        };
        Self::of(StatusCode::TOO_MANY_REQUESTS, excess.to_string())
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }
}

#[cfg(test)]
mod tests;
