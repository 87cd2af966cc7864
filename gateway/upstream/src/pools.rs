//! The pools of all upstreams, by name. This is what lives on while snapshots come and go.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::address::{Address, Host};
use crate::metrics::Metrics;
use crate::pool::{Pool, Resolved};
use crate::upstream::Upstream;

type ByName = HashMap<Arc<str>, Arc<Pool>>;

/// One pool for each upstream of the configuration in force.
#[derive(Debug, Default)]
pub struct Pools {
    by_name: ArcSwap<ByName>,
    metrics: Metrics,
    /// Held while a reload changes the pools, so that two reloads come one after the other.
    reload: Mutex<()>,
}

impl Pools {
    /// No pools yet; those to come count into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// The pool of an upstream.
    pub fn get(&self, name: &str) -> Option<Arc<Pool>> {
        self.by_name.load().get(name).cloned()
    }

    /// All pools, in no order.
    pub fn all(&self) -> Vec<Arc<Pool>> {
        self.by_name.load().values().cloned().collect()
    }

    /// The names in `upstreams` of which no pool has a resolution: those to resolve before [`Pools::reconcile`], if
    /// the first request after a reload is not to find them unknown.
    pub fn names_to_resolve(&self, upstreams: &[Upstream]) -> Vec<Arc<Address>> {
        let by_name = self.by_name.load();
        let mut missing: Vec<Arc<Address>> = Vec::new();
        for upstream in upstreams {
            let endpoints = by_name.get(&upstream.name).map(|pool| pool.endpoints()).unwrap_or_default();
            for address in upstream.addresses.iter().map(|weighted| &weighted.address) {
                let resolved = endpoints.iter().any(|endpoint| *endpoint.address() == **address);
                let listed = missing.iter().any(|other| other.authority() == address.authority());
                if matches!(address.host(), Host::Name(_)) && !resolved && !listed {
                    missing.push(Arc::clone(address));
                }
            }
        }
        missing
    }

    /// Makes the pools those of `upstreams`: the pool of a name that stays is changed in place, new names get a pool,
    /// the pools of the others end (requests in flight there keep what they hold).
    pub fn reconcile(&self, upstreams: &[Upstream], resolved: &Resolved) {
        let _one_at_a_time = self.reload.lock();
        let before = self.by_name.load_full();
        let after: ByName = upstreams
            .iter()
            .map(|upstream| {
                let pool = match before.get(&upstream.name) {
                    Some(pool) => {
                        pool.reconcile(upstream, resolved);
                        Arc::clone(pool)
                    }
                    None => Arc::new(Pool::new(upstream, resolved, &self.metrics)),
                };
                (Arc::clone(&upstream.name), pool)
            })
            .collect();
        let after = Arc::new(after);
        self.by_name.store(Arc::clone(&after));
        for (_, pool) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            pool.forget();
        }
    }
}
