//! The process around the gateway: its stages, its end, its own log, its limits and metrics, and what it tells the
//! service manager.

pub(crate) mod descriptors;
pub(crate) mod drain;
pub(crate) mod lifecycle;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod signals;
pub(crate) mod usage;
