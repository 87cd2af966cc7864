//! What the endpoints of one pool have in common: rules, the room for ejections, and a beginning of time.
//!
//! Times that the hot path looks at are kept as microseconds since the first time that the pool has seen, because an
//! [`Instant`] does not fit an atomic. What is before that counts as that.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::breaker::BreakerRules;
use crate::ejection::{EjectionRules, Ejections};
use crate::health::HealthCheck;
use crate::upstream::Upstream;

#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Requests in flight at all endpoints, those that have left the pool included.
    pub(crate) in_flight: AtomicU32,
    pub(crate) ejections: Mutex<Ejections>,
    /// Endpoints in the pool.
    pub(crate) members: AtomicUsize,
    slow_start_us: AtomicU64,
    rules: ArcSwap<Rules>,
    epoch: OnceLock<Instant>,
}

/// By what endpoints are judged.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) breaker: Option<BreakerRules>,
    pub(crate) ejection: Option<EjectionRules>,
    pub(crate) health: Option<Arc<HealthCheck>>,
}

impl Common {
    pub(crate) fn set_rules(&self, upstream: &Upstream) {
        self.slow_start_us.store(micros(upstream.slow_start), Ordering::Relaxed);
        self.rules.store(Arc::new(Rules {
            breaker: upstream.breaker.clone(),
            ejection: upstream.ejection.clone(),
            health: upstream.health.clone(),
        }));
    }

    pub(crate) fn rules(&self) -> Guard<Arc<Rules>> {
        self.rules.load()
    }

    /// How long a slow start takes, in microseconds; 0: there is none.
    pub(crate) fn slow_start_us(&self) -> u64 {
        self.slow_start_us.load(Ordering::Relaxed)
    }

    /// Time begins now, unless it has begun. To be called before anything that lies ahead is written down: the beginning
    /// must not be later than what is.
    pub(crate) fn begin(&self, now: Instant) {
        self.epoch.get_or_init(|| now);
    }

    /// Microseconds from the first time seen to this one.
    pub(crate) fn micros(&self, time: Instant) -> u64 {
        micros(time.saturating_duration_since(*self.epoch.get_or_init(|| time)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
