//! All quotas of one gateway: the state beside the snapshot.
//!
//! Counts are kept under what a quota is ([`Quota::fingerprint`]), not in the quota, so a reload needs to tell nobody
//! which keys are whose: those of quotas that did not change go on, those of others are never asked again and give way
//! once they are idle.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rampart_store::Redis;
use smallvec::SmallVec;

use crate::bans::{Ban, Bans};
use crate::key::{KeyHash, KeyHasher};
use crate::local::Local;
use crate::metrics::Metrics;
use crate::micros::Micros;
use crate::quota::{LimitsConfig, Quota};
use crate::shared::Shared;
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
    shared: Shared,
    bans: Bans,
    hasher: ArcSwap<KeyHasher>,
    metrics: Metrics,
}

impl Limits {
    /// Limits without keys yet: memory is taken as they come.
    pub fn new(config: &LimitsConfig, metrics: Metrics) -> Self {
        let local = Local::new(config.memory_bytes, metrics.clone());
        let hasher = ArcSwap::from_pointee(KeyHasher::random());
        let shared = Shared::new(metrics.settlement.clone());
        let bans = Bans::new(metrics.bans.clone());
        Self { inner: Arc::new(Inner { local, shared, bans, hasher, metrics }) }
    }

    /// Counts shared quotas and bans in `redis` from now on; with `None`, each gateway for itself. Keys are hashed with
    /// what all gateways derive from their cluster key, so counts begin anew. Corrections, leases and bans need
    /// [`Limits::run`].
    pub fn attach(&self, redis: Option<Redis>) {
        let hasher = redis.as_ref().map_or_else(KeyHasher::random, |redis| {
            KeyHasher::with_secret(redis.cluster_key().hash("quota keys", &[]))
        });
        self.inner.hasher.store(Arc::new(hasher));
        self.inner.shared.attach(redis);
    }

    /// What has to go on in the background while there is a store: corrects counts after answers, renews the leases of
    /// requests in flight, and exchanges bans with the other gateways. Never ends.
    pub async fn run(&self, clock: impl Fn() -> Micros) {
        let bans = self.inner.bans.run(|| self.inner.shared.redis(), clock);
        // On the heap: scripts and their arguments make them large.
        tokio::join!(Box::pin(self.inner.shared.run()), Box::pin(bans));
    }

    /// Sends the corrections that wait: for a gateway that is about to stop, after its last answer.
    pub async fn flush(&self) {
        self.inner.shared.flush().await;
    }

    /// Who is banned.
    pub fn bans(&self) -> &Bans {
        &self.inner.bans
    }

    /// What hashes keys. A request hashes all of its keys with one hasher.
    pub fn hasher(&self) -> Arc<KeyHasher> {
        self.inner.hasher.load_full()
    }

    /// Takes over the quotas and bans of a new snapshot: series of those that left are dropped. Counts need no telling.
    pub fn reconcile(&self, quotas: &[Arc<Quota>], bans: &[Arc<Ban>]) {
        self.inner.metrics.reconcile(quotas);
        self.inner.bans.reconcile(bans);
    }

    /// Whether [`Limits::take_shared`] has to be asked about `demand`: some quota is shared, and a store is attached.
    /// Otherwise [`Limits::take`] decides, which waits for nothing.
    pub fn waits(&self, demand: &[Charge]) -> bool {
        demand.iter().any(|charge| charge.quota.is_shared()) && self.inner.shared.is_attached()
    }

    /// Decides about a request by the counts that gateways have in common, and by this gateway's own for quotas of
    /// scope `instance`: all are charged, or none. Takes one round trip where the shared quotas lie in one slot, at most
    /// one command deadline where the store does not answer (then each quota's `on_store_failure` decides), and no time
    /// while its breaker is open. Where a quota refuses that is decided without the store, those that were not asked
    /// have no state.
    pub async fn take_shared(&self, demand: &[Charge], now: Micros) -> Settled {
        let (states, held) = self.inner.shared.take(&self.inner.local, demand, now).await.into_parts();
        self.inner.metrics.count(&states);
        Settled { states, reservation: self.reservation(held) }
    }

    /// Where a key of a shared quota stands in the store; takes nothing. `None` where there is no store, or it does not
    /// answer.
    pub async fn peek_shared(&self, quota: &Arc<Quota>, key: KeyHash) -> Option<QuotaState> {
        self.inner.shared.peek(quota, key).await
    }

    /// Decides about a request by the memory of this gateway: all of its quotas are charged, or none.
    pub fn take(&self, demand: &[Charge], now: Micros) -> Settled {
        let (states, held) = self.inner.local.take(demand, 1, Source::Local, now);
        self.inner.metrics.count(&states);
        Settled { states, reservation: self.reservation(held) }
    }

    /// Counts the decisions about a request of `route`, once for each request.
    pub fn count_route(&self, route: &Arc<str>, settled: &Settled) {
        self.inner.metrics.count_route(route, &settled.states);
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
            match held.source {
                Source::Redis => self.shared.settle(held, actual),
                Source::Local | Source::Fallback => self.local.settle(held, actual, now),
            }
        }
    }

    fn abandon(&self, held: &[Held]) {
        for held in held {
            match held.source {
                Source::Redis => self.shared.abandon(held),
                Source::Local | Source::Fallback => self.local.abandon(held),
            }
        }
    }
}
