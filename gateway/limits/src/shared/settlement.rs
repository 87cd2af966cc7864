//! What is corrected in Redis after the fact, and the leases of requests in flight.
//!
//! Nothing here is waited for: corrections stand in a bounded queue, and one task sends them in batches of one slot.
//! While Redis is down they wait; beyond [`MOST_WAITING`] they are dropped and counted. Dropping errs to the safe side:
//! what was taken stays taken until it drains, and a lease ends by itself.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rampart_store::{Arg, Key, Redis, Script};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use super::scripts::{Parameters, whole};
use crate::micros::Micros;

/// Corrections that wait at most.
const MOST_WAITING: usize = 65_536;

/// Corrections in one script at most: it holds up the server while it runs.
const BATCH: usize = 64;

/// How long a lease waits for its end if nobody knows whether it was taken: whatever took it is through by then, on
/// whichever connection it went.
const UNCERTAIN: Duration = Duration::from_millis(300);

/// A correction of one count.
#[derive(Debug, Clone)]
pub(super) struct Correction {
    pub(super) key: Key,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Units to add, or to give back where they are negative, that were taken at `at`.
    Units { parameters: Parameters, units: i64, at: Micros },
    /// A request in flight has ended.
    End { lease: u64 },
    /// A request is still in flight.
    Renew { lease: u64, parameters: Parameters },
}

/// What is counted about corrections. Clones count into the same series.
#[derive(Debug, Clone, Default)]
pub(crate) struct SettlementMetrics {
    sent: Counter,
    dropped: Counter,
    failed: Counter,
    waiting: Gauge,
    leases: Gauge,
}

#[derive(Debug)]
pub(super) struct Settlement {
    queue: Mutex<VecDeque<Correction>>,
    /// Ends of leases that may not have been taken, and when they are due.
    uncertain: Mutex<VecDeque<(Instant, Correction)>>,
    /// By their number: where each stands.
    leases: Mutex<HashMap<u64, (Key, Parameters)>>,
    pub(super) arrived: Notify,
    metrics: SettlementMetrics,
    /// Names this gateway in the members of leases.
    gateway: String,
    script: Script,
}

impl SettlementMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("rampart_quota_settlement");
        registry.register("sent", "Corrections of shared counts that were made", self.sent.clone());
        registry.register("dropped", "Corrections of shared counts without room to wait", self.dropped.clone());
        registry.register("failed", "Corrections of shared counts that the store did not take", self.failed.clone());
        registry.register("waiting", "Corrections of shared counts that wait", self.waiting.clone());
        registry.register("leases", "Requests in flight that are counted in the store", self.leases.clone());
    }
}

impl Correction {
    fn args(&self, gateway: &str) -> [Arg; 6] {
        let none = Parameters { algorithm: 0, a: 0, b: 0, c: 0 };
        let (what, parameters, units, at, lease) = match self.what {
            What::Units { parameters, units, at } => (parameters.algorithm, parameters, units, at, None),
            What::End { lease } => (4, none, 0, Micros(0), Some(lease)),
            What::Renew { lease, parameters } => (5, parameters, 0, Micros(0), Some(lease)),
        };
        let lease = lease.map_or_else(String::new, |lease| member(gateway, lease));
        [Arg::Int(what), whole(parameters.a), whole(parameters.b), Arg::Int(units), whole(at.0), Arg::from(lease)]
    }
}

/// A lease as it stands in Redis.
pub(super) fn member(gateway: &str, lease: u64) -> String {
    format!("{gateway}:{lease:x}")
}

impl Settlement {
    pub(super) fn new(gateway: String, metrics: SettlementMetrics) -> Self {
        Self {
            queue: Mutex::default(),
            uncertain: Mutex::default(),
            leases: Mutex::default(),
            arrived: Notify::new(),
            metrics,
            gateway,
            script: super::scripts::settle(),
        }
    }

    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    pub(super) fn push(&self, correction: Correction) {
        let mut queue = self.queue.lock();
        if queue.len() >= MOST_WAITING {
            self.metrics.dropped.inc();
            return;
        }
        queue.push_back(correction);
        self.waiting(queue.len());
        drop(queue);
        self.arrived.notify_one();
    }

    /// From now on the lease is renewed.
    pub(super) fn begin(&self, lease: u64, key: Key, parameters: Parameters) {
        let mut leases = self.leases.lock();
        leases.insert(lease, (key, parameters));
        self.metrics.leases.set(i64::try_from(leases.len()).unwrap_or(i64::MAX));
    }

    /// Ends a lease; nothing, if it has ended.
    pub(super) fn end(&self, lease: u64) {
        let mut leases = self.leases.lock();
        let ended = leases.remove(&lease);
        self.metrics.leases.set(i64::try_from(leases.len()).unwrap_or(i64::MAX));
        drop(leases);
        if let Some((key, _)) = ended {
            self.push(Correction { key, what: What::End { lease } });
        }
    }

    /// Ends a lease of which nobody knows whether it was taken.
    pub(super) fn end_uncertain(&self, lease: u64, key: Key) {
        let mut uncertain = self.uncertain.lock();
        if uncertain.len() >= MOST_WAITING {
            self.metrics.dropped.inc();
            return;
        }
        uncertain.push_back((Instant::now() + UNCERTAIN, Correction { key, what: What::End { lease } }));
    }

    fn move_due(&self) {
        let now = Instant::now();
        while let Some((_, correction)) = self.uncertain.lock().pop_front_if(|(due, _)| *due <= now) {
            self.push(correction);
        }
    }

    /// Sends what waits. Stops where Redis cannot be used: the rest waits on.
    pub(super) async fn send(&self, redis: &Redis) {
        self.move_due();
        while redis.usable() {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            self.run(redis, &batch).await;
        }
    }

    /// Makes the leases of all requests in flight last on. A lease that ends meanwhile ends afterwards: both are sent
    /// from one task.
    pub(super) async fn renew(&self, redis: &Redis) {
        let mut held: Vec<Correction> = self
            .leases
            .lock()
            .iter()
            .map(|(lease, (key, parameters))| Correction {
                key: key.clone(),
                what: What::Renew { lease: *lease, parameters: *parameters },
            })
            .collect();
        held.sort_by_key(|correction| correction.key.slot());
        let same_slot = |a: &Correction, b: &Correction| a.key.slot() == b.key.slot();
        for batch in held.chunk_by(same_slot).flat_map(|slot| slot.chunks(BATCH)) {
            // Those that ended since must not come back.
            let batch: Vec<_> = batch.iter().filter(|correction| self.is_in_flight(correction)).cloned().collect();
            if !batch.is_empty() && redis.usable() {
                self.run(redis, &batch).await;
            }
        }
    }

    fn is_in_flight(&self, correction: &Correction) -> bool {
        matches!(correction.what, What::Renew { lease, .. } if self.leases.lock().contains_key(&lease))
    }

    async fn run(&self, redis: &Redis, batch: &[Correction]) {
        let keys: Vec<_> = batch.iter().map(|correction| correction.key.clone()).collect();
        let args: Vec<_> = batch.iter().flat_map(|correction| correction.args(&self.gateway)).collect();
        let count = batch.len() as u64;
        match redis.eval(&self.script, &keys, &args).await {
            Ok(_) => self.metrics.sent.inc_by(count),
            Err(error) => {
                // It may have been carried out: to send it again could count twice.
                log::debug!("limits: {count} corrections lost: {error}");
                self.metrics.failed.inc_by(count)
            }
        };
    }

    /// The oldest corrections of one slot.
    fn next_batch(&self) -> Vec<Correction> {
        let mut queue = self.queue.lock();
        let Some(slot) = queue.front().map(|first| first.key.slot()) else { return Vec::new() };
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(next) = queue.pop_front_if(|next| next.key.slot() == slot)
        {
            batch.push(next);
        }
        self.waiting(queue.len());
        batch
    }

    fn waiting(&self, count: usize) {
        self.metrics.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
