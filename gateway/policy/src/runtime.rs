//! What survives reloads: state that is keyed by name rather than by snapshot.

use std::sync::Arc;

use rampart_upstream::{Metrics, Pool, Pools, Resolved};

use crate::snapshot::Snapshot;

/// State beside the snapshot. A reload changes it in place; requests in flight keep what they hold.
#[derive(Debug, Default)]
pub struct Runtime {
    pools: Pools,
}

impl Runtime {
    /// An empty runtime whose pools count into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { pools: Pools::new(metrics) }
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
    }
}
