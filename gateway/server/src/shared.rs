//! What the parts of the running process share: the reload, the admin listener, the signals and the end.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use rampart_policy::{Runtime, Snapshot};
use rampart_record::Records;
use rampart_store::Redis;
use tokio::runtime::Handle;

use crate::process::lifecycle::Lifecycle;
use crate::reload::status::Status;

/// One running gateway.
pub(crate) struct Shared {
    /// The configuration in force.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    /// What survives reloads.
    pub(crate) runtime: Arc<Runtime>,
    /// Redis, once it was asked to connect; empty where there is none.
    pub(crate) redis: OnceLock<Redis>,
    /// Where its connections live.
    pub(crate) redis_runtime: OnceLock<Handle>,
    /// What is counted about it.
    pub(crate) store_metrics: rampart_store::Metrics,
    /// The writers of logs and store.
    pub(crate) records: Arc<Records>,
    /// The store's file, for queries; `None` when nothing is kept.
    pub(crate) store: Option<PathBuf>,
    /// How reloads went.
    pub(crate) status: Status,
    /// Every metric of every crate.
    pub(crate) registry: Registry,
    /// Where the process is in its life.
    pub(crate) lifecycle: Lifecycle,
}
