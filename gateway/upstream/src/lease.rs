//! An endpoint, and one request's hold on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::metrics::{AddressMetrics, Failure};

/// Tells the endpoints of one pool apart. An endpoint that leaves the pool and returns gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub(crate) u64);

/// One socket address behind a configured address. A name has as many as it resolves to.
#[derive(Debug)]
pub struct Endpoint {
    id: EndpointId,
    address: Arc<Address>,
    socket: SocketAddr,
    in_flight: AtomicU32,
    /// In flight at all endpoints of the pool.
    pool_in_flight: Arc<AtomicU32>,
    metrics: Arc<AddressMetrics>,
}

impl Endpoint {
    pub(crate) fn new(
        id: EndpointId,
        address: Arc<Address>,
        socket: SocketAddr,
        pool_in_flight: Arc<AtomicU32>,
        metrics: Arc<AddressMetrics>,
    ) -> Self {
        Self { id, address, socket, in_flight: AtomicU32::new(0), pool_in_flight, metrics }
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
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes note of an answer to the question of the health check, good or bad.
    pub fn probed(&self, good: bool, now: Instant) {
        let _ = (good, now);
    }

    pub(crate) fn is_at(&self, address: &Address, socket: SocketAddr) -> bool {
        self.socket == socket && *self.address == *address
    }
}

/// One request's hold on an endpoint: the request counts as in flight until the lease is dropped.
#[derive(Debug)]
pub struct Lease {
    endpoint: Arc<Endpoint>,
}

impl Lease {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        endpoint.pool_in_flight.fetch_add(1, Ordering::Relaxed);
        endpoint.metrics.active.inc();
        endpoint.metrics.picks.inc();
        Self { endpoint }
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
    }

    /// Notes that the header of the (final) response arrived, with this status, and how long after the request was sent off.
    pub fn responded(&self, status: u16, elapsed: Duration, now: Instant) {
        let _ = (status, now);
        self.endpoint.metrics.response_seconds.observe(elapsed.as_secs_f64());
    }

    /// Notes that the request failed at this endpoint.
    pub fn failed(&self, failure: Failure, now: Instant) {
        let _ = now;
        self.endpoint.metrics.failed(failure);
    }

    /// Ends the hold without a verdict on the endpoint: the client left, or the gateway itself refused. The same as
    /// dropping the lease before anything was noted.
    pub fn abandoned(self) {}
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.pool_in_flight.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.metrics.active.dec();
    }
}
