//! Real servers of Redis behind the gateway: one, with Sentinels, or a Cluster, and what can befall each.
//!
//! They are the starters that the gateway's own Redis layer is tested with; nothing else of it is used here.

pub use rampart_store::testing::{CLUSTER_KEY, Cluster, Options, Redis, Sentinel, Wire};
