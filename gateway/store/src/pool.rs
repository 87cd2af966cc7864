//! The connections: each with its client, its breaker, and the commands under way on it.
//!
//! The client (fred) reconnects by itself. What it is told here: no command is sent twice (its fate would be unknown,
//! and a script that counts must not count twice); no redirection is followed (fred 10.1 sends `ASKING` into a
//! connection with other commands under way and takes the next answer for its own, so that every later command gets
//! its neighbour's answer); a connection that stays silent is given up and opened anew.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::{
    ClusterDiscoveryPolicy, Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig,
    TcpConfig, TlsConfig, TlsHostMapping, UnresponsiveConfig,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::address::Address;
use crate::breaker::Breaker;
use crate::config::{RedisConfig, Servers};
use crate::key::Key;
use crate::tls::{self, TlsError};

/// A connection is given up when nothing came for this long, beyond the command deadline, after something was sent.
/// Shorter than the shortest of the longest pauses between two probes: each probe starts the wait anew.
const SILENCE: Duration = Duration::from_millis(300);
/// How often silence is looked for.
const SILENCE_INTERVAL: Duration = Duration::from_millis(50);
/// Commands that wait inside one client at most; more fail at once.
const MAX_WAITING: usize = 10_000;
const RECONNECT_FIRST_MS: u32 = 20;
const RECONNECT_LONGEST_MS: u32 = 1_000;
const RECONNECT_JITTER_MS: u32 = 60;

/// One of the pool. In a cluster it is one connection to each master.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) breaker: Mutex<Breaker>,
    /// Told whenever the breaker opens or a probe is due earlier than before.
    pub(crate) wake: Notify,
    in_flight: AtomicUsize,
    failed: AtomicBool,
}

/// A command under way; ends when dropped, also when the request that asked is gone.
pub(crate) struct Busy<'a>(&'a AtomicUsize);

// === impl Connection ===

impl Connection {
    pub(crate) fn is_usable(&self) -> bool {
        self.client.is_connected() && self.breaker.lock().is_closed()
    }

    pub(crate) fn begin(&self) -> Busy<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(&self.in_flight)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// An attempt to connect failed, or what was connected ended.
    pub(crate) fn failed(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether that happened since the start.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// A new connection is there.
    pub(crate) fn reconnected(&self) {
        self.breaker.lock().reconnected(Instant::now());
        self.wake.notify_one();
    }

    /// True if it was closed.
    pub(crate) fn trip(&self, key: Option<&Key>) -> bool {
        let tripped = self.breaker.lock().trip(key, Instant::now());
        if tripped {
            self.wake.notify_one();
        }
        tripped
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections of `config`, none of them open yet.
pub(crate) fn build(config: &RedisConfig) -> Result<Vec<Connection>, TlsError> {
    let tls = config.tls.as_ref().map(tls::connector).transpose()?;
    let client_config = Config {
        // The first connection is tried for ever, like every later one.
        fail_fast: false,
        username: config.username.clone(),
        password: config.password.as_deref().and_then(|secret| secret.expose_str()).map(str::to_owned),
        server: servers(&config.servers),
        database: config.database.filter(|database| *database > 0),
        tls: tls.map(|connector| TlsConfig { connector, hostnames: host_mapping(&config.servers) }),
        ..Config::default()
    };
    let performance =
        PerformanceConfig { default_command_timeout: config.command_deadline, ..PerformanceConfig::default() };
    let connection = connection_config(config);
    let spread = u32::try_from(config.pool).unwrap_or(1);
    Ok((0..spread)
        .map(|index| {
            // Not all at the same moment: fred cuts its jitter off at the longest pause.
            let longest = RECONNECT_LONGEST_MS - index * RECONNECT_LONGEST_MS / (2 * spread);
            let mut policy = ReconnectPolicy::new_exponential(0, RECONNECT_FIRST_MS, longest, 2);
            policy.set_jitter(RECONNECT_JITTER_MS);
            Connection {
                client: Client::new(
                    client_config.clone(),
                    Some(performance.clone()),
                    Some(connection.clone()),
                    Some(policy),
                ),
                breaker: Mutex::default(),
                wake: Notify::new(),
                in_flight: AtomicUsize::new(0),
                failed: AtomicBool::new(false),
            }
        })
        .collect())
}

fn connection_config(config: &RedisConfig) -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: config.connect_deadline,
        internal_command_timeout: config.connect_deadline,
        max_command_attempts: 1,
        max_redirections: 0,
        max_command_buffer_len: MAX_WAITING,
        reconnect_on_auth_error: true,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(config.command_deadline + SILENCE),
            interval: SILENCE_INTERVAL,
        },
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    }
}

pub(crate) fn server(address: &Address) -> Server {
    let name = address.tls.then(|| address.host.to_string());
    Server::new_with_tls(address.host.to_string(), address.port, name)
}

/// The nodes of a cluster call each other by address. Where configuration calls them by name, that name is what their
/// certificates are checked for.
fn host_mapping(servers: &Servers) -> TlsHostMapping {
    match servers {
        Servers::Cluster(_) if servers.have_names() => TlsHostMapping::DefaultHost,
        Servers::Single(_) | Servers::Sentinel { .. } | Servers::Cluster(_) => TlsHostMapping::None,
    }
}

fn servers(servers: &Servers) -> ServerConfig {
    match servers {
        Servers::Single(address) => ServerConfig::Centralized { server: server(address) },
        Servers::Sentinel { hosts, name, username, password } => ServerConfig::Sentinel {
            hosts: hosts.iter().map(server).collect(),
            service_name: name.clone(),
            username: username.clone(),
            password: password.as_deref().and_then(|secret| secret.expose_str()).map(str::to_owned),
        },
        Servers::Cluster(hosts) => ServerConfig::Clustered {
            hosts: hosts.iter().map(server).collect(),
            // Nodes that configuration does not name are asked as well when those that it names are gone.
            policy: ClusterDiscoveryPolicy::UseCache,
        },
    }
}
