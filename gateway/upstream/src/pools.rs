//! The pools of all upstreams, by name. This is what lives on while snapshots come and go.
//!
//! A pool whose upstream leaves the configuration can be had until the reload after that: requests that began under
//! the old configuration, and those that begin between the change here and the swap of the snapshot, still ask for it.
//! Who holds a pool longer than that (a body that is slow to arrive) keeps the `Arc` it got at the start.

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
    known: ArcSwap<Known>,
    metrics: Metrics,
    /// Held while a reload changes the pools, so that two reloads come one after the other.
    reload: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    current: ByName,
    /// Those of the configuration before, as far as they are not in this one.
    leaving: ByName,
}

impl Known {
    fn get(&self, name: &str) -> Option<&Arc<Pool>> {
        self.current.get(name).or_else(|| self.leaving.get(name))
    }
}

impl Pools {
    /// No pools yet; those to come count into `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// The pool of an upstream of the configuration in force or of the one before it.
    pub fn get(&self, name: &str) -> Option<Arc<Pool>> {
        self.known.load().get(name).cloned()
    }

    /// The pools of the configuration in force, in no order.
    pub fn all(&self) -> Vec<Arc<Pool>> {
        self.known.load().current.values().cloned().collect()
    }

    /// The names in `upstreams` of which no pool has a resolution: those to resolve before [`Pools::reconcile`], if
    /// the first request after a reload is not to find them unknown.
    pub fn names_to_resolve(&self, upstreams: &[Upstream]) -> Vec<Arc<Address>> {
        let known = self.known.load();
        let mut missing: Vec<Arc<Address>> = Vec::new();
        for upstream in upstreams {
            let endpoints = known.get(&upstream.name).map(|pool| pool.endpoints()).unwrap_or_default();
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
    /// those of the others leave. Requests in flight keep what they hold.
    pub fn reconcile(&self, upstreams: &[Upstream], resolved: &Resolved) {
        let _one_at_a_time = self.reload.lock();
        let before = self.known.load_full();
        let pool = |upstream: &Upstream| match before.get(&upstream.name) {
            Some(pool) => {
                pool.reconcile(upstream, resolved);
                Arc::clone(pool)
            }
            None => Arc::new(Pool::new(upstream, resolved, &self.metrics)),
        };
        let current: ByName = upstreams.iter().map(|upstream| (Arc::clone(&upstream.name), pool(upstream))).collect();
        let without = |pools: &ByName| -> ByName {
            let gone = pools.iter().filter(|(name, _)| !current.contains_key(*name));
            gone.map(|(name, pool)| (Arc::clone(name), Arc::clone(pool))).collect()
        };
        let (leaving, gone) = (without(&before.current), without(&before.leaving));
        self.known.store(Arc::new(Known { current, leaving }));
        for pool in gone.values() {
            pool.forget();
        }
    }
}
