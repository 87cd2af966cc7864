//! The pool of one upstream: who is in it, and who is next.
//!
//! A pool lives as long as its upstream's name is in the configuration. A reload changes it in place
//! ([`Pool::reconcile`]), a resolution changes what stands behind a name ([`Pool::set_addresses`]); in both an endpoint
//! that stays keeps its requests in flight, its identity and the place of the round. Changes are rare and take a lock
//! among themselves; a choice takes none.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::address::{Address, Host};
use crate::budget::RetryBudget;
use crate::common::Common;
use crate::health::HealthCheck;
use crate::lease::{Endpoint, EndpointId, Lease};
use crate::members::{Member, Members};
use crate::metrics::{AddressMetrics, Metrics, PoolMetrics};
use crate::raw::Balance;
use crate::resilience::{Cause, Resilience};
use crate::shedding::{Admit, Gate};
use crate::state::{EndpointState, Force, RequestBody};
use crate::upstream::{Upstream, WeightedAddress};

/// Endpoints behind one name at most; of a name that resolves to more, the rest is left out (in the order of their
/// addresses, so that every gateway leaves out the same).
pub const MAX_RESOLVED_PER_NAME: usize = 256;

/// Endpoints of a pool at most; what the configuration lists last is left out.
pub const MAX_ENDPOINTS: usize = 1_024;

/// The endpoints of one upstream.
#[derive(Debug)]
pub struct Pool {
    name: Arc<str>,
    members: ArcSwap<Members>,
    turn: AtomicU64,
    common: Arc<Common>,
    budget: RetryBudget,
    sources: Mutex<Sources>,
    gate: Arc<Gate>,
    own_metrics: PoolMetrics,
    metrics: Metrics,
}

/// What the members are built from.
#[derive(Debug)]
struct Sources {
    balance: Balance,
    addresses: Vec<AddressState>,
    /// What was ordered of all breakers.
    force: Force,
    next_id: u64,
}

/// A configured address and what is known about it.
#[derive(Debug)]
struct AddressState {
    address: Arc<Address>,
    weight: u32,
    /// The last good resolution, sorted; empty until there was one.
    sockets: Vec<SocketAddr>,
    metrics: Arc<AddressMetrics>,
}

/// Why no endpoint can take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoEndpoint {
    /// No name of the upstream has been resolved yet.
    #[error("no address of the upstream is known yet")]
    Unresolved,
    /// All were tried.
    #[error("every endpoint of the upstream was tried")]
    Exhausted,
    /// None of those left is healthy, by what they answer when they are asked.
    #[error("no endpoint of the upstream is healthy")]
    Unhealthy,
    /// Those left have failed and are left alone for now.
    #[error("the breakers of the upstream are open")]
    BreakerOpen,
}

impl NoEndpoint {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 4] = [Self::Unresolved, Self::Exhausted, Self::Unhealthy, Self::BreakerOpen];

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Exhausted => "exhausted",
            Self::Unhealthy => "unhealthy",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

/// What a resolution changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The pool has no such name (any more).
    Unknown,
    /// The resolution gave nothing; the last good set stays.
    Kept,
    /// The same set as before.
    Unchanged,
    /// Another set.
    Changed {
        /// Endpoints of the pool now.
        endpoints: usize,
        /// Socket addresses left out because of [`MAX_RESOLVED_PER_NAME`] and [`MAX_ENDPOINTS`].
        left_out: usize,
    },
}

/// What a prober has to do for a pool.
#[derive(Debug, Clone)]
pub struct ProbePlan {
    /// What is asked, and how often.
    pub check: Arc<HealthCheck>,
    /// Who is asked; [`Endpoint::probed`] takes the answers.
    pub endpoints: Vec<Arc<Endpoint>>,
}

/// Resolutions made before a reload, by `host:port`: a new name can then serve from the first request on.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    by_authority: HashMap<Box<str>, Vec<SocketAddr>>,
}

impl Resolved {
    /// Adds the result for a name with its port ([`Address::authority`]).
    pub fn insert(&mut self, authority: &str, sockets: Vec<SocketAddr>) {
        self.by_authority.insert(authority.into(), sockets);
    }

    fn get(&self, authority: &str) -> &[SocketAddr] {
        self.by_authority.get(authority).map_or(&[], Vec::as_slice)
    }
}

// === impl Pool ===

impl Pool {
    /// The pool of an upstream. Names not in `resolved` have no endpoints until [`Pool::set_addresses`].
    pub fn new(upstream: &Upstream, resolved: &Resolved, metrics: &Metrics) -> Self {
        let pool = Self {
            name: Arc::clone(&upstream.name),
            members: ArcSwap::default(),
            turn: AtomicU64::new(0),
            common: Arc::default(),
            budget: RetryBudget::default(),
            sources: Mutex::new(Sources {
                balance: upstream.balance,
                addresses: Vec::new(),
                force: Force::Auto,
                next_id: 0,
            }),
            gate: Arc::new(Gate::new(metrics.shedding(&upstream.name))),
            own_metrics: metrics.pool(&upstream.name),
            metrics: metrics.clone(),
        };
        pool.reconcile(upstream, resolved);
        pool
    }

    /// The upstream's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Asks for a place among the requests in flight; to be called once for each request, before the first
    /// [`Pool::pick`]. The request counts for the budget of retries.
    pub fn admit(&self, now: Instant) -> Admit {
        self.budget.count_request(self.second(now));
        self.gate.admit(now)
    }

    /// Takes another attempt from the budget of retries, after [`Resilience::may_retry`] has agreed. False: there is no
    /// budget, the failure stands.
    pub fn withdraw_retry(&self, resilience: &Resilience, cause: Cause, now: Instant) -> bool {
        let Resilience { budget, budget_min_per_second, .. } = resilience;
        let granted = self.budget.withdraw(*budget, *budget_min_per_second, self.second(now));
        self.own_metrics.retry(cause, granted);
        granted
    }

    /// The endpoint for a request, counted as in flight until the lease is dropped. `key` is asked under consistent
    /// hashing only; `exclude` holds the endpoints that this request has tried; `body` decides whether it may probe a breaker.
    pub fn pick(
        &self,
        key: impl FnOnce() -> u64,
        exclude: &[EndpointId],
        body: RequestBody,
        now: Instant,
    ) -> Result<Lease, NoEndpoint> {
        let members = self.members.load();
        let chosen = members.choose(key, &self.turn, self.in_flight(), exclude, body, now);
        chosen.inspect_err(|reason| self.own_metrics.no_endpoint(*reason))
    }

    /// Seconds for `Retry-After` where [`Pool::pick`] found no endpoint: until the first that is left alone may be tried
    /// again. 1 to 60.
    pub fn retry_after_s(&self, now: Instant) -> u32 {
        let now_us = self.common.micros(now);
        let members = self.members.load();
        let first = members.list().iter().filter_map(|member| member.endpoint.condition.returns_at_us()).min();
        let left_s = first.unwrap_or(now_us).saturating_sub(now_us).div_ceil(1_000_000);
        u32::try_from(left_s.clamp(1, 60)).unwrap_or(60)
    }

    /// Requests in flight at all endpoints, those that have left the pool included.
    pub fn in_flight(&self) -> u32 {
        self.common.in_flight.load(Ordering::Relaxed)
    }

    /// The endpoints as they are now.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.members.load().list().iter().map(|member| Arc::clone(&member.endpoint)).collect()
    }

    /// The endpoints as they stand, for operators.
    pub fn states(&self, now: Instant) -> Vec<EndpointState> {
        self.endpoints().iter().map(|endpoint| endpoint.state(now)).collect()
    }

    /// Orders the breaker of one endpoint, or of all (and of those to come), to be open, closed, or as it would be. Gives
    /// the number of endpoints that it was ordered of.
    pub fn force_breaker(&self, force: Force, endpoint: Option<SocketAddr>) -> usize {
        // Held to the end: no endpoint may join between the order and the look at those that are there.
        let mut sources = self.sources.lock();
        if endpoint.is_none() {
            sources.force = force;
        }
        let mut endpoints = self.endpoints();
        endpoints.retain(|candidate| endpoint.is_none_or(|socket| candidate.socket() == socket));
        for endpoint in &endpoints {
            endpoint.condition.force(force);
        }
        endpoints.len()
    }

    /// What is to be asked of whom, where a health check is configured.
    pub fn probe_plan(&self) -> Option<ProbePlan> {
        let check = Arc::clone(self.common.rules().health.as_ref()?);
        Some(ProbePlan { check, endpoints: self.endpoints() })
    }

    /// Brings up to date what changes with time alone (an ejection that is over), so that metrics say so without a
    /// request that comes by. To be called about once a second.
    pub fn refresh(&self, now: Instant) {
        for member in self.members.load().list() {
            member.endpoint.condition.refresh(now);
        }
    }

    /// The addresses whose names have to be resolved, again and again.
    pub fn names(&self) -> Vec<Arc<Address>> {
        self.sources.lock().addresses.iter().filter(|state| state.is_name()).map(AddressState::shared).collect()
    }

    /// The addresses without any endpoint: names that never resolved.
    pub fn unresolved(&self) -> Vec<Arc<Address>> {
        self.sources
            .lock()
            .addresses
            .iter()
            .filter(|state| state.sockets.is_empty())
            .map(AddressState::shared)
            .collect()
    }

    /// Takes over an upstream's configuration after a reload. An address that stays keeps its endpoints, its last good
    /// resolution (unless `resolved` has a newer one) and its counts.
    pub fn reconcile(&self, upstream: &Upstream, resolved: &Resolved) {
        let mut sources = self.sources.lock();
        let mut before = std::mem::take(&mut sources.addresses);
        sources.balance = upstream.balance;
        self.gate.set_rules(upstream.shedding.as_ref());
        self.common.set_rules(upstream);
        if upstream.ejection.is_none() {
            self.common.ejections.lock().keep(|_| false);
        }
        for WeightedAddress { address, weight } in &upstream.addresses {
            let known = before.iter().position(|state| state.address == *address).map(|at| before.swap_remove(at));
            let mut state = known.unwrap_or_else(|| self.address_state(address));
            state.weight = *weight;
            state.take(resolved.get(address.authority()));
            sources.addresses.push(state);
        }
        self.rebuild(&mut sources);
        let rules = self.common.rules();
        for member in self.members.load().list() {
            member.endpoint.condition.apply(&rules);
        }
        let stays = |authority: &str| sources.addresses.iter().any(|state| state.address.authority() == authority);
        for state in before.iter().filter(|state| !stays(state.address.authority())) {
            self.metrics.forget_address(&self.name, &state.address.shared_authority());
        }
    }

    /// Takes over a resolution of the name in `authority` (`host:port`, [`Address::authority`]). The port is the
    /// address's own, whatever the sockets say. An empty result leaves the last good one in place.
    pub fn set_addresses(&self, authority: &str, sockets: &[SocketAddr]) -> Resolution {
        let mut sources = self.sources.lock();
        let (mut known, mut changed, mut left_out) = (false, false, 0);
        for state in &mut sources.addresses {
            if state.is_name() && state.address.authority() == authority {
                known = true;
                let counter =
                    if sockets.is_empty() { &state.metrics.resolution_failed } else { &state.metrics.resolved };
                counter.inc();
                let taken = state.take(sockets);
                changed |= taken.changed;
                left_out += taken.left_out;
            }
        }
        match (known, changed) {
            (false, _) => Resolution::Unknown,
            (true, false) if sockets.is_empty() => Resolution::Kept,
            (true, false) => Resolution::Unchanged,
            (true, true) => {
                left_out += self.rebuild(&mut sources);
                Resolution::Changed { endpoints: self.members.load().list().len(), left_out }
            }
        }
    }

    /// Drops the pool's series, when its upstream leaves the configuration.
    pub(crate) fn forget(&self) {
        for state in &self.sources.lock().addresses {
            self.metrics.forget_address(&self.name, &state.address.shared_authority());
        }
        self.metrics.forget_pool(&self.name);
    }

    fn address_state(&self, address: &Arc<Address>) -> AddressState {
        AddressState {
            address: Arc::clone(address),
            weight: 1,
            sockets: address.socket().into_iter().collect(),
            metrics: Arc::new(self.metrics.address(&self.name, &address.shared_authority())),
        }
    }

    /// Builds the members anew, with the endpoints that were there before where they still belong. Gives the number of
    /// endpoints left out.
    fn rebuild(&self, sources: &mut Sources) -> usize {
        let before = self.members.load();
        let mut known: HashMap<SocketAddr, Vec<&Arc<Endpoint>>> = HashMap::new();
        for member in before.list() {
            known.entry(member.endpoint.socket()).or_default().push(&member.endpoint);
        }
        let joins = !before.list().is_empty();
        let Sources { balance, addresses, force, next_id } = sources;
        let mut list = Vec::new();
        let mut left_out = 0;
        for state in &*addresses {
            let free = MAX_ENDPOINTS - list.len();
            let used = state.sockets.len().min(free);
            left_out += state.sockets.len() - used;
            state.metrics.endpoints.set(i64::try_from(used).unwrap_or(i64::MAX));
            list.extend(state.sockets.iter().take(used).map(|&socket| {
                let same = known.get(&socket).into_iter().flatten().find(|known| known.is_at(&state.address, socket));
                let endpoint = same.map_or_else(
                    || {
                        let id = EndpointId(*next_id);
                        *next_id += 1;
                        self.endpoint(id, (state, socket), joins, *force)
                    },
                    |known| Arc::clone(known),
                );
                Member { endpoint, weight: state.weight }
            }));
        }
        self.common.members.store(list.len(), Ordering::Relaxed);
        let ids: HashSet<EndpointId> = list.iter().map(|member| member.endpoint.id()).collect();
        self.common.ejections.lock().keep(|id| ids.contains(&id));
        self.members.store(Arc::new(Members::new(*balance, list)));
        left_out
    }

    fn endpoint(
        &self,
        id: EndpointId,
        (state, socket): (&AddressState, SocketAddr),
        joins: bool,
        force: Force,
    ) -> Arc<Endpoint> {
        let (common, metrics) = (Arc::clone(&self.common), Arc::clone(&state.metrics));
        Arc::new(Endpoint::new(id, (state.shared(), socket), joins, force, common, metrics))
    }

    fn second(&self, now: Instant) -> u64 {
        self.common.micros(now) / 1_000_000
    }
}

// === impl AddressState ===

/// What a resolution did to an address.
struct Taken {
    changed: bool,
    left_out: usize,
}

impl AddressState {
    fn is_name(&self) -> bool {
        matches!(self.address.host(), Host::Name(_))
    }

    fn shared(&self) -> Arc<Address> {
        Arc::clone(&self.address)
    }

    /// Takes over a resolution, unless it is empty or the address needs none.
    fn take(&mut self, sockets: &[SocketAddr]) -> Taken {
        let port = self.address.port();
        let mut sockets: Vec<SocketAddr> = sockets
            .iter()
            .map(|socket| SocketAddr::new(socket.ip().to_canonical(), port))
            .filter(|socket| !socket.ip().is_unspecified())
            .collect();
        sockets.sort_unstable();
        sockets.dedup();
        let left_out = sockets.len().saturating_sub(MAX_RESOLVED_PER_NAME);
        sockets.truncate(MAX_RESOLVED_PER_NAME);
        let changed = self.is_name() && !sockets.is_empty() && sockets != self.sockets;
        if changed {
            self.sockets = sockets;
        }
        Taken { changed, left_out }
    }
}

#[cfg(test)]
mod tests;
