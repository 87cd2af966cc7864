//! Which address of an upstream gets the next request, and what is counted about it.
//!
//! An operator writes `[upstream.NAME]` ([`RawUpstream`]); [`Upstream::compile`] checks it. For each upstream there is
//! one [`Pool`], kept by name in [`Pools`]: it survives reloads, so that requests in flight stay counted. A pool knows
//! the *endpoints* (socket addresses) behind the configured *addresses* (host and port), because whoever runs it
//! resolves names and hands the results in. [`Pool::pick`] chooses an endpoint by round robin, least connections or
//! consistent hash and returns a [`Lease`], which counts the request as in flight until it is dropped and takes note of
//! how it went.
//!
//! Who fails is left alone. Each endpoint has a breaker, an ejection by its answers (passive health), the answers to the health
//! check (active health) and a slow start; each is a state machine of its own, `condition` puts them together, and
//! `members::Members::admits` is the one place that says who may get a request. Each upstream has a line in front of it
//! ([`Pool::admit`], shedding) and a budget of retries ([`Pool::withdraw_retry`]); a route's [`Resilience`] says which attempts
//! are followed by another.
//!
//! | what goes wrong | what happens |
//! |---|---|
//! | gateway errors in a row, or a great share of them | the breaker opens: 503 at once, one request probes it later |
//! | an endpoint answers worse than the others | it is ejected for a time; of two or more, one always stays |
//! | an endpoint does not answer the health check | it gets nothing until it does |
//! | all that remain are ejected | they get requests (passive signs are better than nothing, open breakers are not) |
//! | more in flight than allowed | a bounded wait in line, then 503 with `Retry-After` |
//! | an attempt fails | another where that is harmless, allowed, and within the budget |
//!
//! A choice takes no lock and allocates nothing: members are an immutable list behind an atomic pointer, counts are
//! atomic integers, metric handles are looked up when the list is built. What a request came to is noted under a lock of its
//! endpoint alone, held for a few comparisons; shedding, where configured, has one lock for each upstream.
//!
//! Never here: sockets, DNS queries, timers, clocks, randomness. Connections are opened and kept by `proxy`, health checks sent
//! by `server`; times and random numbers are arguments.

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
pub use state::{BreakerState, EndpointState, Force, ProbedHealth, RequestBody};
pub use upstream::{Deadlines, HostHeader, MAX_ADDRESSES, MAX_WEIGHT, Tls, Upstream, WeightedAddress};
