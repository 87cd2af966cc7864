//! `config.toml` as it is used: checked, with nothing left to be wrong.

mod compile;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rampart_identity::TrustedProxies;
use rampart_limits::LimitsConfig;
use rampart_record::RecordConfig;
use rampart_secrets::Secret;
use rampart_store::RedisConfig;

pub(crate) use compile::{Attached, Checks, check_name, compile};

/// What operators set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of rule files.
    pub rules: PathBuf,
    /// Directories that SecLang files may be read from.
    pub seclang_roots: Vec<PathBuf>,
    /// The process as a whole.
    pub process: Process,
    /// Where traffic arrives, by name; at least one.
    pub listeners: Vec<Listener>,
    /// The admin listener.
    pub admin: Option<Admin>,
    /// The probe listener's address; may be the admin listener's.
    pub probe: Option<SocketAddr>,
    /// Proxies whose word about a client's address is believed.
    pub trusted_proxies: TrustedProxies,
    /// Over which several gateways act as one.
    pub redis: Option<RedisConfig>,
    /// The memory of quotas.
    pub limits: LimitsConfig,
    /// What is written down, and where to.
    pub records: RecordConfig,
}

/// The process as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Threads that serve requests; `None` is one for each processor.
    pub threads: Option<usize>,
    /// How long requests may go on after the process was told to stop.
    pub grace: Duration,
    /// Over which a new process takes the listening sockets.
    pub upgrade_socket: Option<PathBuf>,
    /// Where the process writes its id.
    pub pid_file: Option<PathBuf>,
    /// Connections at the same time on all listeners together.
    pub max_connections: usize,
    /// Bytes of request bodies that may be held at the same time.
    pub buffer_budget_bytes: u64,
}

/// An address that traffic arrives at, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// TLS, if it is not plain.
    pub tls: Option<ListenerTls>,
    /// Whether each connection begins with a PROXY header, which only trusted proxies may send.
    pub proxy_protocol: bool,
    /// The port of the `https` place that every request is redirected to.
    pub redirect_to_https: Option<u16>,
    /// From a connection, or the first byte of a head, to the head's last byte.
    pub header_deadline: Duration,
    /// From a connection to the end of its TLS handshake.
    pub handshake_deadline: Duration,
    /// From a head to the last byte of its body, unless the route says otherwise.
    pub body_deadline: Duration,
    /// From a response to the next request.
    pub idle: Duration,
    /// How long one write to the client may wait.
    pub write_deadline: Duration,
    /// Connections on this listener at the same time.
    pub max_connections: usize,
    /// Requests on one HTTP/1 connection.
    pub max_requests: Option<u32>,
    /// HTTP/2 settings.
    pub http2: Http2,
}

/// HTTP/2 on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2 {
    /// Requests at the same time on one connection.
    pub streams: u32,
}

/// TLS of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// The certificates; the first is for every name that no other entry has.
    pub certificates: Vec<CertificateFiles>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// A certificate chain and its key. At load both were read, and found to belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The name that it is for, in lower case, or `*.` and a name; `None` for all others.
    pub server_name: Option<String>,
    /// PEM, the server's own certificate first.
    pub cert_file: PathBuf,
    /// PEM.
    pub key_file: PathBuf,
}

/// The admin listener.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens.
    pub address: SocketAddr,
    /// What callers have to show. `None` only where secrets that cannot be had are [warnings](crate::Secrets::Warn).
    pub token: Option<Arc<Secret>>,
}
