//! The process around the gateway: its own log, its limits, its metrics, and what it tells the service manager.

pub(crate) mod descriptors;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod usage;
