//! The one Redis layer: connections, deadlines, breaker, health, and the key that hashes and seals.
//!
//! Redis (single, behind Sentinel, or a Cluster; Valkey too) is how several gateways act as one. It is never needed:
//! [`Redis::start`] does not fail, every call ends within one command deadline, and after the first deadline that is
//! missed no call waits at all until a probe was answered ([`Redis::usable`]). What happens then is the caller's to
//! say: a quota falls back to its own memory, a cache misses.
//!
//! - [`RedisConfig`]: `[redis]` of config.toml, checked.
//! - [`Redis`]: the pool. [`Redis::eval`] runs a versioned [`Script`] on [`Key`]s of one slot.
//! - [`ClusterKey`]: names that tell nothing, values that only gateways can have written.
//!
//! Never here: what a key means, retries of a command whose fate is unknown (a script that counts must not count
//! twice), or anything from a request in clear text.

mod address;
mod breaker;
mod cluster_key;
mod config;
mod error;
mod inner;
mod key;
mod metrics;
mod pool;
mod random;
mod raw;
mod redis;
mod roll;
mod script;
mod sentinel;
mod tasks;
mod telling;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod value;

pub use cluster_key::{ClusterKey, NoRandom, OpenError, SEAL_BYTES};
pub use config::{RedisConfig, SecretLookup, Tls};
pub use error::Unavailable;
pub use key::{Key, SLOTS, slot_of};
pub use metrics::{ConnectionCounts, Metrics};
pub use raw::{RawMode, RawRedis, RawSentinel, RawTls};
pub use redis::{Redis, State};
pub use script::Script;
pub use value::{Arg, Value};
