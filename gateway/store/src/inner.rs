//! What the pool's tasks and its callers share.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use fred::error::Error;
use fred::interfaces::ClientLike;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::RedisConfig;
use crate::error::reason;
use crate::key::Key;
use crate::metrics::{ConnectionCounts, Metrics};
use crate::pool::Connection;
use crate::redis::State;
use crate::roll::{self, Census};

type CountConnections = dyn Fn() -> ConnectionCounts + Send + Sync;

pub(crate) struct Inner {
    pub(crate) config: RedisConfig,
    pub(crate) metrics: Metrics,
    pub(crate) state: watch::Sender<State>,
    /// What this gateway is called among the others: made at the start.
    pub(crate) member: String,
    /// Whether this gateway is on its way out: it no longer says that it is alive.
    pub(crate) leaving: AtomicBool,
    /// Gateways that share, as configured or last counted.
    instances: AtomicU32,
    /// Gateways with the same prefix and another cluster key, as last counted.
    other_keys: AtomicU32,
    begun: Instant,
    /// Set once; later than the start only where files of TLS cannot be read at first.
    pool: OnceLock<Arc<[Connection]>>,
    next: AtomicUsize,
    /// Why a connection ended or could not be had, or why it is not used; the last such reason since Redis was up.
    why: Mutex<Option<String>>,
    /// Kept for the metrics, which hold it weakly.
    counting: OnceLock<Arc<CountConnections>>,
}

// === impl Inner ===

impl Inner {
    pub(crate) fn new(config: RedisConfig, metrics: Metrics) -> Self {
        let instances = config.instances.unwrap_or(1);
        metrics.instances.set(instances.into());
        let member = roll::member(&config.cluster_key);
        Self {
            config,
            metrics,
            leaving: AtomicBool::new(false),
            state: watch::Sender::new(State::Connecting),
            member,
            instances: AtomicU32::new(instances),
            other_keys: AtomicU32::new(0),
            begun: Instant::now(),
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
    pub(crate) fn note(&self, error: &Error) {
        self.note_text(reason(error, &self.config.secrets()));
    }

    pub(crate) fn note_text(&self, why: String) {
        *self.why.lock() = Some(why);
    }

    /// Why Redis cannot be used; `None` while it can, or before the first attempt to connect ended.
    pub(crate) fn why(&self) -> Option<String> {
        if *self.state.borrow() == State::Up { None } else { self.why.lock().clone() }
    }

    pub(crate) fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed).max(1)
    }

    pub(crate) fn other_keys(&self) -> u32 {
        self.other_keys.load(Ordering::Relaxed)
    }

    /// The gateways were counted.
    pub(crate) fn counted(&self, census: Census) {
        self.other_keys.store(census.other, Ordering::Relaxed);
        self.metrics.gateways(census);
        if self.config.instances.is_none() {
            self.instances.store(census.own, Ordering::Relaxed);
            self.metrics.instances.set(census.own.into());
        }
    }

    /// Whether each connection was tried once, or could have been.
    fn is_tried(&self) -> bool {
        let connections = self.connections();
        let failed = !connections.is_empty() && connections.iter().all(Connection::has_failed);
        failed || self.begun.elapsed() >= self.config.connect_deadline
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
            self.note_text(format!("no answer within {:?}", self.config.command_deadline));
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
                (false, State::Connecting) if self.is_tried() => State::Down { since: SystemTime::now() },
                (false, same) => same,
            };
            let changed = next != *state;
            if changed && next == State::Up {
                *self.why.lock() = None;
            }
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
