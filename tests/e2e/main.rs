//! End-to-end tests: the real `rampart` binary between real sockets. One module per promise of the contract; the
//! harness is the library of this crate.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a broken expectation must stop the test where it broke"
)]

mod admin_limits;
mod advisories;
mod architecture;
mod balance;
mod bans;
mod body_before_upstream;
mod client_address;
mod commands;
mod conformance;
mod cors;
mod forwarding;
mod hostile;
mod identity;
mod limits;
mod listeners;
mod process;
mod proxy_protocol;
mod query;
mod quotas;
mod records;
mod redis_chaos;
mod refusals;
mod reload;
mod resilience;
mod response_inspection;
mod routing;
mod smuggling;
mod streaming;
mod upstreams;
