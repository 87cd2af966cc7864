//! What is shown of an endpoint, and what an operator may order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::lease::EndpointId;

/// Whether all of a request is in the gateway's hand when its endpoint is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestBody {
    /// There is no body, or all of it has arrived: how long the request takes is up to the endpoint.
    InHand,
    /// More comes from the client, which takes its time: an upload that streams, a WebSocket.
    ToCome,
}

/// What an operator orders of a breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Force {
    /// Nothing: it opens and closes by what happens.
    #[default]
    Auto,
    /// Open: the endpoint gets no requests.
    Open,
    /// Closed: the endpoint gets requests whatever happens.
    Closed,
}

/// How a breaker stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    #[default]
    Closed,
    /// None passes.
    Open,
    /// One passes, to see whether the endpoint is well.
    HalfOpen,
}

/// What an endpoint answers when it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProbedHealth {
    /// Nothing yet, or it is not asked; it gets requests.
    #[default]
    Unknown,
    /// It answers well.
    Healthy,
    /// It does not; it gets no requests.
    Unhealthy,
}

/// An endpoint as it is at one time.
#[derive(Debug, Clone)]
pub struct EndpointState {
    /// Which.
    pub id: EndpointId,
    /// The configured address that it belongs to.
    pub address: Arc<Address>,
    /// Where to connect.
    pub socket: SocketAddr,
    /// Requests in flight.
    pub in_flight: u32,
    /// How its breaker stands.
    pub breaker: BreakerState,
    /// What an operator has ordered of it.
    pub force: Force,
    /// How long the breaker stays open, where it is open of itself.
    pub open_for: Option<Duration>,
    /// What it answers when it is asked.
    pub health: ProbedHealth,
    /// How long it stays taken out because of its answers; `None`: it is not.
    pub ejected_for: Option<Duration>,
    /// Percent of its share that it gets while it starts slowly; 100 otherwise.
    pub ramp_percent: u8,
    /// Whether it may be given a request now (a probe counts).
    pub usable: bool,
}

impl Force {
    /// Its name in the admin interface and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }

    /// Reads that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Auto, Self::Open, Self::Closed].into_iter().find(|force| force.as_str() == text)
    }
}

impl BreakerState {
    /// All states, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl ProbedHealth {
    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}
