//! `config.toml` as operators write it, before it is checked.
//!
//! Named tables only, no arrays of tables: so every key has a name that an environment variable can override
//! (`RAMPART__LISTENER__MAIN__ADDRESS`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use rampart_limits::RawLimits;
use rampart_record::{RawLog, RawStorage};
use rampart_secrets::SecretRef;
use rampart_settings::{Duration, Size};
use rampart_store::RawRedis;
use rampart_upstream::RawUpstream;
use schemars::JsonSchema;
use serde::Deserialize;

/// Rampart's `config.toml`: what operators set. Every key can be overridden by an environment variable: `RAMPART__`,
/// then the keys joined by two underscores. Relative paths are relative to the folder of this file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rampart config.toml")]
pub struct RawConfig {
    /// Version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The directory of rule files; every `*.toml` in it and below is read.
    #[serde(default = "rules")]
    pub rules: PathBuf,
    /// Directories that a profile's `seclang` files, and what they include, may be read from. Links are followed and
    /// must lead to such a place too.
    #[serde(default = "anywhere")]
    pub seclang_roots: Vec<PathBuf>,
    /// The process as a whole.
    #[serde(default)]
    pub process: RawProcess,
    /// Addresses that traffic arrives at, by name: `[listener.main]`.
    #[serde(default)]
    pub listener: BTreeMap<String, RawListener>,
    /// The admin listener: dashboard and calls that change state. Without this table there is none.
    #[serde(default)]
    pub admin: Option<RawAdmin>,
    /// The probe listener: `/health`, `/ready`, `/metrics`. Without this table there is none.
    #[serde(default)]
    pub probe: Option<RawProbe>,
    /// Backends by name: `[upstream.agents]`. Routes refer to them.
    #[serde(default)]
    pub upstream: BTreeMap<String, RawUpstream>,
    /// Redis, over which several gateways act as one: quotas, bans. Without this table each is on its own.
    #[serde(default)]
    pub redis: Option<RawRedis>,
    /// The memory of quotas.
    #[serde(default)]
    pub limits: RawLimits,
    /// What is written down, and where to.
    #[serde(default)]
    pub log: RawLog,
    /// The embedded store of security events and admin actions. Without this table there is none.
    #[serde(default)]
    pub storage: Option<RawStorage>,
}

/// The process as a whole.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawProcess {
    /// Threads that serve requests; 0 is one for each processor.
    #[schemars(range(min = 0, max = 1024))]
    pub threads: u16,
    /// How long requests may go on after the process was told to stop.
    pub grace: Duration,
    /// The Unix socket over which a new process takes the listening sockets from the old one.
    pub upgrade_socket: Option<PathBuf>,
    /// Where the process writes its id.
    pub pid_file: Option<PathBuf>,
    /// Connections at the same time on all listeners together; more are closed at once.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_connections: u32,
    /// Request bodies that may be held in memory at the same time, all requests together. A request that does not fit
    /// gets 503.
    pub buffer_budget: Size,
    /// Proxies in front of this gateway, as addresses or networks: their word about a client's address is believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for RawProcess {
    fn default() -> Self {
        Self {
            threads: 0,
            grace: Duration::secs(30),
            upgrade_socket: None,
            pid_file: None,
            max_connections: 20_000,
            buffer_budget: Size::mib(256),
            trusted_proxies: Vec::new(),
        }
    }
}

/// An address that traffic arrives at, and its limits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawListener {
    /// IP address and port, such as `127.0.0.1:8080`, `0.0.0.0:80` or `[::]:443`.
    pub address: String,
    /// TLS; without this table the listener is plain HTTP/1.
    #[serde(default)]
    pub tls: Option<RawListenerTls>,
    /// `"require"`: every connection begins with a header of the PROXY protocol, version 1 or 2, in which a load balancer
    /// names its client. Connections of others than `trusted_proxies` are closed.
    #[serde(default)]
    pub proxy_protocol: RawProxyProtocol,
    /// Answer every request with a redirect to the same place under `https`: `true` for port 443, or the port.
    #[serde(default)]
    pub redirect_to_https: RawHttpsPort,
    /// From a connection, or the first byte of a request head, to the head's last byte.
    #[serde(default = "seconds::<10>")]
    pub header_deadline: Duration,
    /// From a connection to the end of its TLS handshake.
    #[serde(default = "seconds::<10>")]
    pub handshake_deadline: Duration,
    /// From a request head to the last byte of its body. A route may set its own.
    #[serde(default = "seconds::<60>")]
    pub body_deadline: Duration,
    /// From a response to the next request on the same connection.
    #[serde(default = "seconds::<75>")]
    pub idle: Duration,
    /// How long one write of a response may wait for a client that does not read.
    #[serde(default = "seconds::<60>")]
    pub write_deadline: Duration,
    /// Connections on this listener at the same time; more are closed at once.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_connections: u32,
    /// Requests on one HTTP/1 connection before it is closed. Default: no limit.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_requests: Option<u32>,
    /// HTTP/2: requests at the same time on one connection.
    #[serde(default = "default_streams")]
    #[schemars(range(min = 1, max = 10_000))]
    pub http2_streams: u32,
}

/// Whether connections begin with a header of the PROXY protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawProxyProtocol {
    /// They do not; one that does is not understood.
    #[default]
    Off,
    /// All of them do.
    Require,
}

/// Whether, and to which port, plain requests are redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawHttpsPort {
    /// `true`: to port 443.
    Switch(bool),
    /// To this port.
    Port(#[schemars(range(min = 1, max = 65535))] u16),
}

impl Default for RawHttpsPort {
    fn default() -> Self {
        Self::Switch(false)
    }
}

/// TLS of a listener. Certificates are read again at every reload.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawListenerTls {
    /// PEM file of the certificate chain, the server's own first.
    pub cert_file: PathBuf,
    /// PEM file of the private key.
    pub key_file: PathBuf,
    /// Certificates for particular names: `[listener.main.tls.sni."api.example.com"]`, or `"*.example.com"`.
    #[serde(default)]
    pub sni: BTreeMap<String, RawCertificate>,
    /// Protocols offered in the handshake, best first.
    #[serde(default = "both")]
    #[schemars(length(min = 1))]
    pub alpn: Vec<RawProtocol>,
}

/// A certificate chain and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCertificate {
    /// PEM file of the certificate chain, the server's own first.
    pub cert_file: PathBuf,
    /// PEM file of the private key.
    pub key_file: PathBuf,
}

/// An ALPN protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum RawProtocol {
    /// HTTP/2.
    #[serde(rename = "h2")]
    Http2,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
}

/// The admin listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAdmin {
    /// IP address and port; keep it on loopback or a management network.
    #[serde(default = "admin_address")]
    pub address: String,
    /// Where the token is that callers have to show, such as `secret://env/RAMPART_ADMIN_TOKEN`.
    pub token: SecretRef,
}

/// The probe listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawProbe {
    /// IP address and port; may be the admin listener's.
    #[serde(default = "admin_address")]
    pub address: String,
}

pub(crate) fn anywhere() -> Vec<PathBuf> {
    vec![PathBuf::from("/")]
}

fn rules() -> PathBuf {
    PathBuf::from("rules")
}

const fn seconds<const N: u64>() -> Duration {
    Duration::secs(N)
}

const fn ten_thousand() -> u32 {
    10_000
}

const fn default_streams() -> u32 {
    128
}

fn both() -> Vec<RawProtocol> {
    vec![RawProtocol::Http2, RawProtocol::Http1]
}

fn admin_address() -> String {
    "127.0.0.1:9090".to_owned()
}
