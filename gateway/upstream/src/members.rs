//! The endpoints of a pool at one time, with what the balancing needs computed in advance. Immutable: a change builds
//! a new list, in which endpoints that stay keep their counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::balance::{Load, Ring, Schedule, least_loaded};
use crate::lease::{Endpoint, EndpointId};
use crate::raw::Balance;

/// One endpoint and its weight.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) weight: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Members {
    list: Box<[Member]>,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    RoundRobin(Schedule),
    LeastConnections(Schedule),
    ConsistentHash(Ring),
}

impl Default for Plan {
    fn default() -> Self {
        Self::RoundRobin(Schedule::new(&[]))
    }
}

impl Members {
    pub(crate) fn new(balance: Balance, list: Vec<Member>) -> Self {
        let schedule = || Schedule::new(&list.iter().map(|member| member.weight).collect::<Vec<_>>());
        let plan = match balance {
            Balance::RoundRobin => Plan::RoundRobin(schedule()),
            Balance::LeastConnections => Plan::LeastConnections(schedule()),
            Balance::ConsistentHash => {
                let names: Vec<String> = list.iter().map(|member| ring_name(&member.endpoint)).collect();
                let weights = list.iter().map(|member| member.weight);
                Plan::ConsistentHash(Ring::new(names.iter().map(String::as_str).zip(weights)))
            }
        };
        Self { list: list.into(), plan }
    }

    pub(crate) fn list(&self) -> &[Member] {
        &self.list
    }

    /// The endpoint for the next request, none of those in `exclude`. `turn` counts requests, `pool_in_flight` those in
    /// flight at all endpoints.
    pub(crate) fn choose(
        &self,
        key: impl FnOnce() -> u64,
        turn: &AtomicU64,
        pool_in_flight: u32,
        exclude: &[EndpointId],
    ) -> Option<&Arc<Endpoint>> {
        let load = |index: usize| self.admits(index, exclude);
        let next_turn = || turn.fetch_add(1, Ordering::Relaxed);
        let index = match &self.plan {
            Plan::RoundRobin(schedule) => schedule.starting_at(next_turn()).find(|&index| load(index).is_some()),
            Plan::LeastConnections(schedule) => {
                let start = schedule.starting_at(next_turn()).next()?;
                least_loaded(self.list.len(), start, load)
            }
            Plan::ConsistentHash(ring) => ring.choose(key(), u64::from(pool_in_flight), self.list.len(), load),
        }?;
        self.list.get(index).map(|member| &member.endpoint)
    }

    /// The load of an endpoint that may be given a request. The one place that says which may not: so far those that
    /// the request has tried already.
    fn admits(&self, index: usize, exclude: &[EndpointId]) -> Option<Load> {
        let Member { endpoint, weight } = self.list.get(index)?;
        if exclude.contains(&endpoint.id()) {
            return None;
        }
        Some(Load { in_flight: endpoint.in_flight(), weight: *weight })
    }
}

/// The same in every gateway with this address; two names that resolve to the same host have points of their own.
fn ring_name(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.address().authority(), endpoint.socket())
}
