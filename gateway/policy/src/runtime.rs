//! What survives reloads: state that is keyed by name rather than by snapshot.

use std::sync::Arc;

use rampart_identity::{AccessMetrics, Issuers, SignIns};
use rampart_limits::{Limits, LimitsConfig};
use rampart_upstream::{Pool, Pools, Resolved};

use crate::snapshot::Snapshot;

/// State beside the snapshot. A reload changes it in place; requests in flight keep what they hold.
#[derive(Debug)]
pub struct Runtime {
    pools: Pools,
    limits: Limits,
    issuers: Issuers,
    sign_ins: SignIns,
    access_metrics: AccessMetrics,
}

impl Default for Runtime {
    /// State that nobody measures.
    fn default() -> Self {
        let limits = Limits::new(&LimitsConfig::default(), rampart_limits::Metrics::default());
        Self::new(Pools::default(), limits, Issuers::new())
    }
}

impl Runtime {
    /// State that is empty so far.
    pub fn new(pools: Pools, limits: Limits, issuers: Issuers) -> Self {
        Self { pools, limits, issuers, sign_ins: SignIns::default(), access_metrics: AccessMetrics::default() }
    }

    /// Quotas, concurrency and bans.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The key sets of all issuers.
    pub const fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// What is counted about callers.
    pub const fn access_metrics(&self) -> &AccessMetrics {
        &self.access_metrics
    }

    /// Which callers are known already.
    pub const fn sign_ins(&self) -> &SignIns {
        &self.sign_ins
    }

    /// The pools of all upstreams.
    pub const fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The pool of an upstream.
    pub fn pool(&self, upstream: &str) -> Option<Arc<Pool>> {
        self.pools.get(upstream)
    }

    /// Makes the state that of `snapshot`: what keeps its name keeps its state. `resolved` holds the names that were
    /// resolved before (`Pools::names_to_resolve` says which). Call it before the snapshot is swapped in, so that no
    /// request finds an upstream without its pool.
    pub fn reconcile(&self, snapshot: &Snapshot, resolved: &Resolved) {
        self.pools.reconcile(&snapshot.upstreams, resolved);
        self.limits.reconcile(&snapshot.callers.quotas, &snapshot.callers.bans);
        self.issuers.reconcile(&snapshot.callers.issuers);
    }
}
