//! The real binary: the commands that run to their end, and the demo. (What the gateway does to traffic is tested by the
//! crate in `tests/`.)
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are tests, which the lints' own exception for tests does not see"
)]

mod apikey;
mod commands;
mod conformance;
mod demo;
mod running;
mod service;
