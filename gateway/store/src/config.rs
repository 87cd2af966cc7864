//! `[redis]` as it is used: checked, with nothing left to be wrong.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rampart_secrets::{Secret, SecretRef, weakness};
use rampart_settings::{Duration as RawDuration, Place};

use crate::address::{Address, InvalidAddress};
use crate::cluster_key::{ClusterKey, SHORTEST};
use crate::raw::{RawMode, RawRedis, RawTls};

/// Looks a secret up; reports at the place why it cannot be had.
pub type SecretLookup<'a> = &'a dyn Fn(&SecretRef, &Place<'_>) -> Option<Arc<Secret>>;

/// Servers that configuration names at most.
const MAX_URLS: usize = 32;
const MAX_POOL: u8 = 32;
const MAX_INSTANCES: u32 = 1_000;
const MAX_PREFIX: usize = 32;
const COMMAND_DEADLINES: (RawDuration, RawDuration) = (RawDuration::millis(10), RawDuration::secs(1));
const CONNECT_DEADLINES: (RawDuration, RawDuration) = (RawDuration::millis(100), RawDuration::secs(30));

/// How to reach Redis, and how to use it. Two that are equal need no new connections.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisConfig {
    /// What the servers are.
    pub(crate) servers: Servers,
    pub(crate) database: Option<u8>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Arc<Secret>>,
    /// `None`: plain TCP.
    pub(crate) tls: Option<Tls>,
    pub(crate) pool: usize,
    pub(crate) command_deadline: Duration,
    pub(crate) connect_deadline: Duration,
    pub(crate) cluster_key: ClusterKey,
    pub(crate) prefix: Arc<str>,
    pub(crate) instances: Option<u32>,
}

/// Where to begin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Servers {
    Single(Address),
    Sentinel { hosts: Vec<Address>, name: String, username: Option<String>, password: Option<Arc<Secret>> },
    Cluster(Vec<Address>),
}

/// Files in PEM, read whenever a pool starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key of this gateway.
    pub identity: Option<(PathBuf, PathBuf)>,
}

// === impl RedisConfig ===

impl RedisConfig {
    /// Checks `raw`, which stands at `place`, and reports everything that is wrong with it. `None` where there is no
    /// server to go to or no key to protect values with; otherwise a value that is used only if nothing was reported as
    /// an error.
    pub fn compile(raw: &RawRedis, secret: SecretLookup<'_>, place: &Place<'_>) -> Option<Self> {
        let mode = compile_mode(raw, place);
        let addresses = compile_addresses(raw, mode, place);
        let cluster_key = compile_cluster_key(raw, secret, place);
        let tls = compile_tls(raw.tls.as_ref(), &addresses, place);
        let look = |reference: &Option<SecretRef>, place: &Place<'_>| {
            let place = place.key("password");
            let password = reference.as_ref().and_then(|reference| secret(reference, &place))?;
            if password.expose_str().is_none() {
                place.error("the secret is not text (UTF-8)");
            }
            Some(password)
        };
        let password = look(&raw.password, place);
        if raw.username.is_some() && raw.password.is_none() {
            place.key("username").error_help("an ACL user signs in with a password", "add password = \"secret://...\"");
        }
        let database = compile_database(&addresses, mode, place);
        let command_deadline = bounded(raw.command_deadline, COMMAND_DEADLINES, &place.key("command_deadline"));
        let connect_deadline = bounded(raw.connect_deadline, CONNECT_DEADLINES, &place.key("connect_deadline"));
        let mut addresses = addresses;
        let servers = match (mode, &raw.sentinel) {
            (RawMode::Sentinel, Some(sentinel)) => Servers::Sentinel {
                name: sentinel.name.clone(),
                username: sentinel.username.clone(),
                password: look(&sentinel.password, &place.key("sentinel")),
                hosts: addresses,
            },
            (RawMode::Cluster, _) => Servers::Cluster(addresses),
            (RawMode::Single | RawMode::Sentinel, _) if addresses.is_empty() => return None,
            (RawMode::Single | RawMode::Sentinel, _) => Servers::Single(addresses.swap_remove(0)),
        };
        let config = Self {
            servers,
            database,
            username: raw.username.clone(),
            password,
            tls,
            pool: compile_pool(raw.pool, &place.key("pool")),
            command_deadline,
            connect_deadline,
            cluster_key: cluster_key?,
            prefix: compile_prefix(&raw.prefix, &place.key("prefix")),
            instances: compile_instances(raw.instances, &place.key("instances")),
        };
        (config.servers.count() > 0).then_some(config)
    }

    /// Reads the files that TLS needs, as [`Redis::start`](crate::Redis::start) will, and reports what is wrong with
    /// them. `place` is where `[redis]` stands.
    pub fn check_files(&self, place: &Place<'_>) {
        if let Some(Err(error)) = self.tls.as_ref().map(crate::tls::connector) {
            place.key("tls").error(error.to_string());
        }
    }

    /// What the servers are, in one word: `single`, `sentinel` or `cluster`.
    pub fn mode(&self) -> &'static str {
        match self.servers {
            Servers::Single(_) => "single",
            Servers::Sentinel { .. } => "sentinel",
            Servers::Cluster(_) => "cluster",
        }
    }

    /// The servers to begin with, for messages: `host:port`, separated by commas.
    pub fn authority(&self) -> String {
        let show = |address: &Address| format!("{}:{}", address.host, address.port);
        match &self.servers {
            Servers::Single(address) => show(address),
            Servers::Sentinel { hosts, .. } | Servers::Cluster(hosts) => {
                hosts.iter().map(show).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// What is sent to sign in, and stands in no message.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        let sentinel = match &self.servers {
            Servers::Sentinel { password, .. } => password.as_deref(),
            Servers::Single(_) | Servers::Cluster(_) => None,
        };
        self.password.as_deref().into_iter().chain(sentinel).collect()
    }

    /// How long one command may take.
    pub fn command_deadline(&self) -> Duration {
        self.command_deadline
    }

    /// The secret that the gateways share.
    pub fn cluster_key(&self) -> &ClusterKey {
        &self.cluster_key
    }
}

impl Servers {
    /// Whether the first of them is called by a name.
    pub(crate) fn have_names(&self) -> bool {
        let first = match self {
            Self::Single(address) => Some(address),
            Self::Sentinel { hosts, .. } | Self::Cluster(hosts) => hosts.first(),
        };
        first.is_some_and(|address| address.host.parse::<IpAddr>().is_err())
    }

    fn count(&self) -> usize {
        match self {
            Self::Single(_) => 1,
            Self::Sentinel { hosts, .. } | Self::Cluster(hosts) => hosts.len(),
        }
    }
}

fn compile_mode(raw: &RawRedis, place: &Place<'_>) -> RawMode {
    let count = usize::from(raw.url.is_some()) + raw.urls.len();
    let derived = match raw.sentinel {
        Some(_) => RawMode::Sentinel,
        None if count > 1 => RawMode::Cluster,
        None => RawMode::Single,
    };
    let mode = raw.mode.unwrap_or(derived);
    match (mode, &raw.sentinel) {
        (RawMode::Sentinel, None) => {
            place.key("mode").error_help("Sentinels watch a master by name", "add sentinel = { name = \"mymaster\" }");
        }
        (RawMode::Single | RawMode::Cluster, Some(_)) => {
            place.key("sentinel").error_help("only with mode = \"sentinel\"", "remove the table, or `mode`");
        }
        _ => {}
    }
    if raw.url.is_some() && !raw.urls.is_empty() {
        place.key("urls").error_help(
            "either `url` or `urls`, not both",
            "keep `url` for one server; for a cluster or Sentinels write all of them into `urls`",
        );
    } else if mode == RawMode::Single && count > 1 {
        place.key("urls").error_help(
            format!("mode = \"single\" has one server, not {count}"),
            "several gateways that each use another server would not act as one; for replicas use Sentinel or a cluster",
        );
    }
    mode
}

fn compile_addresses(raw: &RawRedis, mode: RawMode, place: &Place<'_>) -> Vec<Address> {
    if raw.url.is_none() && raw.urls.is_empty() {
        place.error_help("there is no server to go to", "add url = \"redis://127.0.0.1:6379\"");
    }
    if raw.urls.len() > MAX_URLS {
        place.key("urls").error(format!("{} servers are more than {MAX_URLS}: some are enough", raw.urls.len()));
    }
    let port = if mode == RawMode::Sentinel { 26_379 } else { 6_379 };
    let one = raw.url.iter().map(|text| (text, place.key("url")));
    let many = raw.urls.iter().take(MAX_URLS).enumerate().map(|(index, text)| (text, place.key("urls").index(index)));
    let mut addresses: Vec<Address> = Vec::new();
    for (text, place) in one.chain(many) {
        match Address::parse(text, port) {
            Ok(address) => {
                if addresses.first().is_some_and(|first| first.tls != address.tls) {
                    place.error("either all servers speak TLS (rediss://) or none does");
                }
                addresses.push(address);
            }
            Err(error @ InvalidAddress::Credentials) => {
                place
                    .error_help(error.to_string(), "username = \"...\" and password = \"secret://env/REDIS_PASSWORD\"");
            }
            Err(error) => place.error_help(error.to_string(), "such as \"redis://127.0.0.1:6379\""),
        }
    }
    addresses
}

fn compile_database(addresses: &[Address], mode: RawMode, place: &Place<'_>) -> Option<u8> {
    let database = addresses.iter().find_map(|address| address.database);
    if mode == RawMode::Cluster && database.is_some_and(|database| database > 0) {
        place.error("a cluster has one database: remove the path from the URL");
        return None;
    }
    database
}

fn compile_cluster_key(raw: &RawRedis, secret: SecretLookup<'_>, place: &Place<'_>) -> Option<ClusterKey> {
    let good = |reference: &SecretRef, place: &Place<'_>| {
        let secret = secret(reference, place)?;
        let advice = "make one: openssl rand -base64 32";
        if secret.len() < SHORTEST {
            place.error_help(format!("{} bytes are too few: at least {SHORTEST}", secret.len()), advice);
        } else if let Some(weakness) = weakness(secret.expose()) {
            place.error_help(format!("the secret {weakness}"), advice);
        }
        Some(secret)
    };
    let current = good(&raw.cluster_key, &place.key("cluster_key"));
    let previous_place = place.key("cluster_key_previous");
    let previous = raw.cluster_key_previous.as_ref().and_then(|reference| secret(reference, &previous_place));
    if current.is_some() && current == previous {
        previous_place.warn("the same as cluster_key", "remove it: the rotation is over");
    }
    Some(ClusterKey::new(current?, previous))
}

fn compile_tls(raw: Option<&RawTls>, addresses: &[Address], place: &Place<'_>) -> Option<Tls> {
    let place = place.key("tls");
    let used = addresses.iter().any(|address| address.tls);
    let Some(raw) = raw else { return used.then(Tls::default) };
    if !used && !addresses.is_empty() {
        place.error_help("no server speaks TLS", "write the URL with rediss://, or remove the table");
    }
    let identity = match (&raw.cert_file, &raw.key_file) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => {
            place.error("cert_file and key_file go together");
            None
        }
    };
    used.then(|| Tls { ca_file: raw.ca_file.clone(), identity })
}

fn compile_pool(given: u8, place: &Place<'_>) -> usize {
    if !(1..=MAX_POOL).contains(&given) {
        place.error(format!("from 1 to {MAX_POOL} connections, not {given}"));
    }
    usize::from(given.clamp(1, MAX_POOL))
}

fn compile_prefix(given: &str, place: &Place<'_>) -> Arc<str> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if given.is_empty() || given.len() > MAX_PREFIX || !given.bytes().all(good) {
        place.error(format!("1 to {MAX_PREFIX} letters, digits, `_`, `-` and `.`"));
    }
    given.into()
}

fn compile_instances(given: Option<u32>, place: &Place<'_>) -> Option<u32> {
    if given.is_some_and(|count| !(1..=MAX_INSTANCES).contains(&count)) {
        place.error(format!("from 1 to {MAX_INSTANCES}"));
    }
    given.map(|count| count.clamp(1, MAX_INSTANCES))
}

fn bounded(given: RawDuration, (least, most): (RawDuration, RawDuration), place: &Place<'_>) -> Duration {
    if given < least {
        place.error(format!("{given} is too short: at least {least}"));
    } else if given > most {
        place.error(format!("{given} is too long: at most {most}"));
    }
    given.clamp(least, most).get()
}

#[cfg(test)]
mod tests;
