//! Which address of an upstream gets the next request, and what is counted about it.
//!
//! An operator writes `[upstream.NAME]` ([`RawUpstream`]); [`Upstream::compile`] checks it. For each upstream there is
//! one [`Pool`], kept by name in [`Pools`]: it survives reloads, so that requests in flight stay counted. A pool knows
//! the *endpoints* (socket addresses) behind the configured *addresses* (host and port), because whoever runs it
//! resolves names and hands the results in. [`Pool::pick`] chooses an endpoint by round robin, least connections or
//! consistent hash and returns a [`Lease`], which counts the request as in flight until it is dropped and takes note of
//! how it went.
//!
//! The hot path takes no lock and allocates nothing: members are an immutable list behind an atomic pointer, counts are
//! atomic integers, metric handles are looked up when the list is built.
//!
//! Never here: sockets, DNS queries, timers, clocks. Connections are opened and kept by `proxy`; elapsed times are
//! arguments. Health, breaker and retry budget will be state of an [`Endpoint`], asked in one place
//! (`members::Members::admits`).

mod address;
mod balance;
mod breaker;
mod budget;
mod common;
mod condition;
mod ejection;
mod hash;
mod health;
mod lease;
mod members;
mod metrics;
mod outcome;
mod pool;
mod pools;
mod ramp;
mod raw;
mod resilience;
mod share;
mod shedding;
mod state;
mod upstream;

pub use address::{Address, Host, InvalidAddress, Scheme};
pub use breaker::{BreakerRules, RawBreaker};
pub use ejection::{EjectionRules, RawEjection};
pub use hash::{HashOn, InvalidHashOn, KeySource, hash_key};
pub use health::{HealthCheck, RawHealth, RawStatus};
pub use lease::{Endpoint, EndpointId, Lease};
pub use metrics::{Failure, Metrics};
pub use pool::{MAX_ENDPOINTS, MAX_RESOLVED_PER_NAME, NoEndpoint, Pool, ProbePlan, Resolution, Resolved};
pub use pools::Pools;
pub use raw::{Balance, Protocol, RawAddress, RawDeadlines, RawTls, RawUpstream};
pub use resilience::{Cause, MAX_ATTEMPTS, RawCause, RawResilience, Resilience};
pub use share::{RawShare, Share};
pub use shedding::{Admit, RawShedding, SheddingRules, Slot, Waiter};
pub use state::{BreakerState, EndpointState, Force, ProbedHealth};
pub use upstream::{Deadlines, HostHeader, MAX_ADDRESSES, MAX_WEIGHT, Tls, Upstream, WeightedAddress};
