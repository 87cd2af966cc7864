//! An endpoint, and one request's hold on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::address::Address;
use crate::breaker::ProbeId;
use crate::common::Common;
use crate::condition::{Condition, Standing};
use crate::metrics::{AddressMetrics, Failure};
use crate::outcome::{Outcome, Streaks};
use crate::state::{EndpointState, Force, RequestBody};

/// How long after its header a response that breaks off takes back that it was good. What breaks off later began well
/// beyond doubt, and counts as a failure of its own.
const TAKEN_BACK_WITHIN: Duration = Duration::from_secs(10);

/// Tells the endpoints of one pool apart. An endpoint that leaves the pool and returns gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub(crate) u64);

/// One socket address behind a configured address. A name has as many as it resolves to.
#[derive(Debug)]
pub struct Endpoint {
    id: EndpointId,
    address: Arc<Address>,
    socket: SocketAddr,
    pub(crate) condition: Condition,
    common: Arc<Common>,
    metrics: Arc<AddressMetrics>,
}

impl Endpoint {
    /// A new endpoint; `joins` where others are in the pool already.
    pub(crate) fn new(
        id: EndpointId,
        (address, socket): (Arc<Address>, SocketAddr),
        joins: bool,
        force: Force,
        common: Arc<Common>,
        metrics: Arc<AddressMetrics>,
    ) -> Self {
        let condition = Condition::new(id, joins, force, Arc::clone(&common), Arc::clone(&metrics));
        Self { id, address, socket, condition, common, metrics }
    }

    /// Its identity within the pool, for the list of those already tried.
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// The configured address that it belongs to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The same, to keep.
    pub fn shared_address(&self) -> Arc<Address> {
        Arc::clone(&self.address)
    }

    /// Where to connect.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Requests in flight.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.condition.glance.in_flight.load(Ordering::Relaxed)
    }

    /// Takes note of an answer to the question of the health check, good or bad. Without effect where no check is
    /// configured (any more).
    pub fn probed(&self, good: bool, now: Instant) {
        self.condition.answered(good, now);
    }

    /// The endpoint as it stands, for operators.
    pub fn state(&self, now: Instant) -> EndpointState {
        self.condition.state(self, now)
    }

    /// Whether it may be given a request now; the probe of its breaker is one.
    pub fn is_usable(&self, now: Instant) -> bool {
        matches!(self.condition.standing(RequestBody::InHand, false, now), Standing::Usable(_))
    }

    pub(crate) fn is_at(&self, address: &Address, socket: SocketAddr) -> bool {
        self.socket == socket && *self.address == *address
    }
}

/// One request's hold on an endpoint: the request counts as in flight until the lease is dropped. What it notes decides
/// about the endpoint's breaker and ejection; a lease that is dropped before anything was noted says nothing about it.
#[derive(Debug)]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The request is the probe of the endpoint's breaker and has had no outcome yet.
    probe: Option<ProbeId>,
    reused: bool,
    answered: Option<Answered>,
    failed: bool,
    /// Nothing of what follows says anything about the endpoint.
    excused: bool,
}

#[derive(Debug, Clone, Copy)]
struct Answered {
    at: Instant,
    outcome: Outcome,
    before: Streaks,
}

impl Lease {
    pub(crate) fn new(endpoint: Arc<Endpoint>, probe: Option<ProbeId>) -> Self {
        endpoint.condition.glance.in_flight.fetch_add(1, Ordering::Relaxed);
        endpoint.common.in_flight.fetch_add(1, Ordering::Relaxed);
        endpoint.metrics.active.inc();
        endpoint.metrics.picks.inc();
        Self { endpoint, progress: Mutex::new(Progress { probe, ..Progress::default() }) }
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Notes that a connection was opened, and how long that took, the TLS handshake included.
    pub fn connected(&self, elapsed: Duration) {
        self.endpoint.metrics.connections_new.inc();
        self.endpoint.metrics.connect_seconds.observe(elapsed.as_secs_f64());
    }

    /// Notes that a connection of an earlier request was used again.
    pub fn reused(&self) {
        self.endpoint.metrics.connections_reused.inc();
        self.progress.lock().reused = true;
    }

    /// Notes that the header of the (final) response arrived, with this status, and how long after the request was sent off.
    /// The first counts.
    pub fn responded(&self, status: u16, elapsed: Duration, now: Instant) {
        self.endpoint.metrics.response_seconds.observe(elapsed.as_secs_f64());
        let mut progress = self.progress.lock();
        if progress.answered.is_none() && !progress.failed && !progress.excused {
            let outcome = Outcome::of_status(status);
            let before = self.endpoint.condition.record(outcome, progress.probe.take(), now);
            progress.answered = Some(Answered { at: now, outcome, before });
        }
    }

    /// Notes that the request failed at this endpoint. The first failure counts for the endpoint's condition, except that a
    /// kept connection was closed meanwhile, and what a client that reads slowly can bring about.
    pub fn failed(&self, failure: Failure, now: Instant) {
        self.endpoint.metrics.failed(failure);
        let mut progress = self.progress.lock();
        if std::mem::replace(&mut progress.failed, true) || progress.excused {
            return;
        }
        let condition = &self.endpoint.condition;
        match progress.answered {
            None => {
                if let Some(outcome) = Outcome::of_failure(failure, progress.reused) {
                    condition.record(outcome, progress.probe.take(), now);
                }
            }
            Some(Answered { at, outcome: Outcome::Good, before }) => match Outcome::of_late_failure(failure) {
                Some(_) if now.saturating_duration_since(at) <= TAKEN_BACK_WITHIN => condition.record_late(before, now),
                Some(outcome) => {
                    condition.record(outcome, None, now);
                }
                None => {}
            },
            Some(_) => {}
        }
    }

    /// Excuses the endpoint from here on: it waits for a client that owes part of the request, and whatever comes of that is no
    /// verdict on it. If the request is the probe of the breaker, another may be. Metrics still count what is noted.
    pub fn excuse(&self) {
        let mut progress = self.progress.lock();
        progress.excused = true;
        if let Some(probe) = progress.probe.take() {
            self.endpoint.condition.give_back(probe);
        }
    }

    /// Ends the hold without a verdict on the endpoint: the client left, or the gateway itself refused. The same as
    /// dropping the lease before anything was noted.
    pub fn abandoned(self) {}
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(probe) = self.progress.get_mut().probe.take() {
            self.endpoint.condition.give_back(probe);
        }
        self.endpoint.condition.glance.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.common.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.metrics.active.dec();
    }
}
