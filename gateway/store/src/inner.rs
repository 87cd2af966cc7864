//! What the pool's tasks and its callers share.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use fred::interfaces::ClientLike;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::RedisConfig;
use crate::key::Key;
use crate::metrics::{ConnectionCounts, Metrics};
use crate::pool::Connection;
use crate::random::random;
use crate::redis::State;

type CountConnections = dyn Fn() -> ConnectionCounts + Send + Sync;

pub(crate) struct Inner {
    pub(crate) config: RedisConfig,
    pub(crate) metrics: Metrics,
    pub(crate) state: watch::Sender<State>,
    /// What this gateway is called among the others: random, made at the start.
    pub(crate) id: String,
    /// Gateways that are alive, as last counted.
    pub(crate) instances: AtomicU32,
    /// Set once; later than the start only where files of TLS cannot be read at first.
    pool: OnceLock<Arc<[Connection]>>,
    next: AtomicUsize,
    /// Why the last attempt to connect failed; empty where none did since Redis was up.
    why: Mutex<String>,
    /// Kept for the metrics, which hold it weakly.
    counting: OnceLock<Arc<CountConnections>>,
}

// === impl Inner ===

impl Inner {
    pub(crate) fn new(config: RedisConfig, metrics: Metrics) -> Self {
        let instances = config.instances.unwrap_or(1);
        metrics.instances.set(instances.into());
        Self {
            config,
            metrics,
            state: watch::Sender::new(State::Connecting),
            id: format!("{:016x}{:016x}", random(), random()),
            instances: AtomicU32::new(instances),
            pool: OnceLock::new(),
            next: AtomicUsize::new(0),
            why: Mutex::default(),
            counting: OnceLock::new(),
        }
    }

    pub(crate) fn set_pool(&self, connections: Vec<Connection>) {
        let pool: &Arc<[Connection]> = self.pool.get_or_init(|| connections.into());
        let counted = Arc::clone(pool);
        let counting = self.counting.get_or_init(|| Arc::new(move || count(&counted)));
        self.metrics.count_connections(Arc::downgrade(counting));
    }

    /// Notes why a connection ended, or could not be had.
    pub(crate) fn note(&self, why: &str) {
        let mut held = self.why.lock();
        why.clone_into(&mut held);
    }

    /// What was noted last, and forgets it.
    pub(crate) fn take_why(&self) -> String {
        std::mem::take(&mut self.why.lock())
    }

    pub(crate) fn connections(&self) -> &[Connection] {
        self.pool.get().map_or(&[], |pool| pool)
    }

    pub(crate) fn count_connections(&self) -> ConnectionCounts {
        ConnectionCounts { total: self.config.pool, ..count(self.connections()) }
    }

    /// The next usable connection in turn.
    pub(crate) fn pick(&self) -> Option<&Connection> {
        let connections = self.connections();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % connections.len().max(1);
        let (before, from) = connections.split_at_checked(first)?;
        from.iter().chain(before).find(|connection| connection.is_usable())
    }

    /// A command missed its deadline: what holds one connection up holds the others up as well, so all are probed
    /// before they are used again, and no other request has to find out.
    pub(crate) fn trip_all(&self, key: Option<&Key>) {
        let tripped = self.connections().iter().filter(|connection| connection.trip(key)).count();
        if tripped > 0 {
            self.metrics.tripped("deadline");
            log::debug!("redis: no answer within {:?}", self.config.command_deadline);
        }
        self.refresh();
    }

    /// A connection ended under a command. The others find out by themselves, at once.
    pub(crate) fn trip(&self, connection: &Connection, key: Option<&Key>) {
        if connection.trip(key) {
            self.metrics.tripped("lost");
        }
        self.refresh();
    }

    /// Works the state out anew, and tells who watches if it changed.
    pub(crate) fn refresh(&self) {
        let connections = self.connections();
        let usable = connections.iter().any(Connection::is_usable);
        let open = connections.iter().filter(|connection| !connection.breaker.lock().is_closed()).count();
        self.metrics.up.set(usable.into());
        self.metrics.breaker_open.set(i64::try_from(open).unwrap_or(i64::MAX));
        self.state.send_if_modified(|state| {
            let next = match (usable, *state) {
                (true, _) => State::Up,
                (false, State::Up) => State::Down { since: SystemTime::now() },
                (false, same) => same,
            };
            let changed = next != *state;
            *state = next;
            changed
        });
    }
}

fn count(connections: &[Connection]) -> ConnectionCounts {
    let open = connections.iter().filter(|connection| connection.client.is_connected());
    let (active, idle): (Vec<_>, Vec<_>) = open.partition(|connection| connection.is_active());
    ConnectionCounts { active: active.len(), idle: idle.len(), total: connections.len() }
}
