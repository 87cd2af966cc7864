//! The endpoints of a pool at one time, with what the balancing needs computed in advance. Immutable: a change builds
//! a new list, in which endpoints that stay keep their counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::balance::{Load, Ring, Schedule, least_loaded};
use crate::condition::{Entry, Standing};
use crate::lease::{Endpoint, EndpointId, Lease};
use crate::pool::NoEndpoint;
use crate::ramp;
use crate::raw::Balance;
use crate::state::RequestBody;

/// How often a choice is made anew because another request was faster to become the probe of a breaker. Each time one
/// endpoint less is to be had, so more than a few in a row need as many endpoints that wait for their probe.
const MAX_RACES: usize = 8;

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

    /// A hold on the endpoint for the next request, none of those in `exclude`. `turn` counts requests, `pool_in_flight`
    /// those in flight at all endpoints.
    ///
    /// Three times a wider circle is asked: endpoints as far as they take part by their slow start; all that are usable;
    /// and in need, when the pool has none that is usable, those that are out because of their answers (by passive signs
    /// only: an endpoint that stands out is better than none). An open breaker and a health check that fails are final.
    /// That a request has tried all that are usable is no such need: to try one of them again is better.
    pub(crate) fn choose(
        &self,
        key: impl FnOnce() -> u64,
        turn: &AtomicU64,
        pool_in_flight: u32,
        exclude: &[EndpointId],
        body: RequestBody,
        now: Instant,
    ) -> Result<Lease, NoEndpoint> {
        let about = match &self.plan {
            Plan::RoundRobin(_) | Plan::LeastConnections(_) => turn.fetch_add(1, Ordering::Relaxed),
            Plan::ConsistentHash(_) => key(),
        };
        for circle in [Circle::TakingPart, Circle::Usable, Circle::InNeed] {
            if circle == Circle::InNeed && self.any_usable(body, now) {
                break;
            }
            let asked = Asked { about, exclude, circle, body, now };
            for _ in 0..MAX_RACES {
                let Some(endpoint) = self.pick(&asked, pool_in_flight) else { break };
                let probe = match endpoint.condition.enter(body, circle == Circle::InNeed, now) {
                    Entry::Free => None,
                    Entry::AsProbe(probe) => Some(probe),
                    Entry::Refused => continue,
                };
                return Ok(Lease::new(Arc::clone(endpoint), probe));
            }
        }
        Err(self.reason(exclude, body, now))
    }

    fn any_usable(&self, body: RequestBody, now: Instant) -> bool {
        let standing = |member: &Member| member.endpoint.condition.standing(body, false, now);
        self.list.iter().any(|member| matches!(standing(member), Standing::Usable(_)))
    }

    fn pick(&self, asked: &Asked<'_>, pool_in_flight: u32) -> Option<&Arc<Endpoint>> {
        let load = |index: usize| self.admits(index, asked);
        let index = match &self.plan {
            Plan::RoundRobin(schedule) => schedule.choose(asked.about, self.list.len(), |index| load(index).is_some()),
            Plan::LeastConnections(schedule) => {
                let start = schedule.starting_at(asked.about).next()?;
                least_loaded(self.list.len(), start, load)
            }
            Plan::ConsistentHash(ring) => ring.choose(asked.about, u64::from(pool_in_flight), self.list.len(), load),
        }?;
        self.list.get(index).map(|member| &member.endpoint)
    }

    /// The load of an endpoint that may be given a request. The one place that says which may not: those that the request
    /// has tried already, and those of whose condition that follows.
    #[inline]
    fn admits(&self, index: usize, asked: &Asked<'_>) -> Option<Load> {
        let Member { endpoint, weight } = self.list.get(index)?;
        if !asked.exclude.is_empty() && asked.exclude.contains(&endpoint.id()) {
            return None;
        }
        let admitted = endpoint.condition.is_well() || takes_part(endpoint, asked);
        admitted.then(|| Load { in_flight: endpoint.in_flight(), weight: *weight })
    }

    /// Why there is no endpoint to be had.
    fn reason(&self, exclude: &[EndpointId], body: RequestBody, now: Instant) -> NoEndpoint {
        if self.list.is_empty() {
            return NoEndpoint::Unresolved;
        }
        let untried = self.list.iter().filter(|member| !exclude.contains(&member.endpoint.id()));
        let mut reason = NoEndpoint::Exhausted;
        for member in untried {
            match member.endpoint.condition.standing(body, false, now) {
                // Where it would be usable, others have been faster to probe it.
                Standing::Broken | Standing::Usable(_) => return NoEndpoint::BreakerOpen,
                Standing::Unhealthy => reason = NoEndpoint::Unhealthy,
                Standing::Ejected => {}
            }
        }
        reason
    }
}

/// Who is asked for a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circle {
    TakingPart,
    Usable,
    InNeed,
}

/// One choice.
struct Asked<'a> {
    /// The turn or the key.
    about: u64,
    exclude: &'a [EndpointId],
    circle: Circle,
    body: RequestBody,
    now: Instant,
}

/// Whether an endpoint with which something is the matter may be chosen all the same.
#[inline(never)]
fn takes_part(endpoint: &Endpoint, asked: &Asked<'_>) -> bool {
    match endpoint.condition.standing(asked.body, asked.circle == Circle::InNeed, asked.now) {
        Standing::Usable(share) => {
            asked.circle != Circle::TakingPart || ramp::takes_part(share, asked.about, endpoint.id().0)
        }
        Standing::Unhealthy | Standing::Broken | Standing::Ejected => false,
    }
}

/// The same in every gateway with this address; two names that resolve to the same host have points of their own.
fn ring_name(endpoint: &Endpoint) -> String {
    format!("{} {}", endpoint.address().authority(), endpoint.socket())
}
