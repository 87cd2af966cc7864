//! Quotas, concurrency and bans, on one instance and on many.
//!
//! An admin writes `[quota.NAME]` ([`RawQuota`]); [`Quota::compile`] checks it. For a request, each quota of its route
//! gives a key ([`Quota::key`], a hash) and a cost; together they are its demand. [`Limits`] decides about the whole
//! demand at once: all of its quotas are charged, or none. What is known only after the answer (bytes, tokens, whether
//! a cache gave it) is settled then; a [`Reservation`] that is dropped frees what it held of concurrency.
//!
//! - `algorithm`: how it is counted, as pure functions. Exact, in integers.
//! - `local`: the counts of one gateway, within a bound of memory.
//! - `shared`: the counts that several gateways have in common, and what decides while they cannot be asked.
//! - `bans`: addresses that offended too often.
//! - [`fields()`]: what clients are told.
//!
//! Never here: HTTP, routes, clocks (`now` is an argument), or a key in clear text that outlives the call.

mod algorithm;
mod bans;
mod fields;
mod key;
mod limits;
mod local;
mod metrics;
mod micros;
mod quota;
mod raw;
mod shared;
mod state;

pub use algorithm::{Calendar, Rule, Span};
pub use bans::{Ban, BanState, Bans, MAX_AFTER, MAX_BANS, Origin, RawBan};
pub use fields::{Fields, fields};
pub use key::{Described, InvalidDescription, InvalidKeyPart, KeyHash, KeyHasher, KeyPart, KeySource};
pub use limits::{Limits, Occupancy};
pub use metrics::Metrics;
pub use micros::Micros;
pub use quota::{Cost, LimitsConfig, MAX_KEY_PARTS, MAX_SLIDING_LOG, Quota};
pub use raw::{
    AtBound, Mode, OnStoreFailure, RawAlgorithm, RawCalendar, RawCost, RawCostKind, RawKey, RawLimits, RawPer,
    RawQuota, Scope,
};
pub use state::{Actual, Charge, Demand, Held, Outcome, QuotaState, Reservation, Settled, Source};
