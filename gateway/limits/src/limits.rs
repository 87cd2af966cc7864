//! All quotas of one gateway: the state beside the snapshot.
//!
//! Counts are kept under what a quota is ([`Quota::fingerprint`]), not in the quota, so a reload needs to tell nobody
//! which keys are whose: those of quotas that did not change go on, those of others are never asked again and give way
//! once they are idle.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use smallvec::SmallVec;

use crate::key::{KeyHash, KeyHasher};
use crate::local::Local;
use crate::metrics::Metrics;
use crate::micros::Micros;
use crate::quota::{LimitsConfig, Quota};
use crate::state::{Actual, Charge, Held, QuotaState, Reservation, Settled, Source};

/// All quotas of one gateway. Clones are the same limits.
#[derive(Debug, Clone)]
pub struct Limits {
    inner: Arc<Inner>,
}

/// Who knows what to do with what a request took.
pub(crate) trait Settle: fmt::Debug + Send + Sync {
    /// Replaces what was taken by what it cost, and frees concurrency.
    fn settle(&self, held: &[Held], actual: &Actual, now: Micros);
    /// Frees concurrency and leaves the rest.
    fn abandon(&self, held: &[Held]);
}

#[derive(Debug)]
struct Inner {
    local: Local,
    hasher: ArcSwap<KeyHasher>,
    metrics: Metrics,
}

impl Limits {
    /// Limits without keys yet: memory is taken as they come.
    pub fn new(config: &LimitsConfig, metrics: Metrics) -> Self {
        let local = Local::new(config.memory_bytes, metrics.clone());
        let hasher = ArcSwap::from_pointee(KeyHasher::random());
        Self { inner: Arc::new(Inner { local, hasher, metrics }) }
    }

    /// What hashes keys. A request hashes all of its keys with one hasher.
    pub fn hasher(&self) -> Arc<KeyHasher> {
        self.inner.hasher.load_full()
    }

    /// Takes over the quotas of a new snapshot: series of quotas that left are dropped. Counts need no telling.
    pub fn reconcile(&self, quotas: &[Arc<Quota>]) {
        self.inner.metrics.reconcile(quotas);
    }

    /// Decides about a request by the memory of this gateway: all of its quotas are charged, or none.
    pub fn take(&self, demand: &[Charge], now: Micros) -> Settled {
        let (states, held) = self.inner.local.take(demand, 1, Source::Local, now);
        self.inner.metrics.count(&states);
        Settled { states, reservation: self.reservation(held) }
    }

    /// Settles a request after its answer: bytes and tokens as they came out to be, nothing for a cache hit where the
    /// quota says so, and its concurrency is free again.
    pub fn settle(&self, reservation: Reservation, actual: &Actual, now: Micros) {
        reservation.settle(actual, now);
    }

    /// Where a key of a quota stands in the memory of this gateway; takes nothing.
    pub fn peek(&self, quota: &Arc<Quota>, key: KeyHash, now: Micros) -> QuotaState {
        self.inner.local.peek(quota, key, now)
    }

    /// Bytes that the keys of this gateway take, and how many there are: idle ones included until they give way.
    pub fn occupancy(&self) -> Occupancy {
        self.inner.local.occupancy()
    }

    fn reservation(&self, held: SmallVec<[Held; 4]>) -> Option<Reservation> {
        let settler: Arc<dyn Settle> = self.inner.clone();
        Reservation::new(held, &settler)
    }
}

/// How full the memory for keys is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Keys in memory, idle ones included.
    pub keys: usize,
    /// Bytes taken for them from the allocator.
    pub bytes: usize,
    /// Bytes at most.
    pub bound_bytes: usize,
}

impl Settle for Inner {
    fn settle(&self, held: &[Held], actual: &Actual, now: Micros) {
        for held in held {
            self.local.settle(held, actual, now);
        }
    }

    fn abandon(&self, held: &[Held]) {
        for held in held {
            self.local.abandon(held);
        }
    }
}
