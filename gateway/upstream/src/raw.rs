//! `[upstream.NAME]` of config.toml, as it is written.

use std::path::PathBuf;

use rampart_settings::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::breaker::RawBreaker;
use crate::ejection::RawEjection;
use crate::health::RawHealth;
use crate::shedding::RawShedding;

/// A backend: its addresses, how requests are spread over them, and how it is spoken to.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawUpstream {
    /// Where the backend is: `"http://127.0.0.1:9000"`, `"https://api.example.com"` or `"host:port"`, or a table with a
    /// weight: `{ address = "http://10.0.0.2:9000", weight = 2 }`. A name may stand for several hosts. At most 64.
    #[schemars(length(min = 1, max = 64))]
    pub addresses: Vec<RawAddress>,

    /// How requests are spread over the addresses.
    #[serde(default)]
    pub balance: Balance,

    /// What `balance = "consistent_hash"` hashes: `client_address` (default), `header:NAME`, `cookie:NAME` or `path`.
    /// A request without the header or cookie is spread by its client's address.
    pub hash_on: Option<String>,

    /// The version of HTTP.
    #[serde(default)]
    pub protocol: Protocol,

    /// TLS to the backend. Where this table is there, an address without a scheme is `https`.
    pub tls: Option<RawTls>,

    /// The `Host` that the backend sees: `preserve` (default: the client's), `upstream` (that of the address), or a
    /// name.
    #[serde(default = "preserve")]
    pub host_header: String,

    /// Deadlines of a request to this backend. A route may set its own.
    #[serde(default)]
    pub deadlines: RawDeadlines,

    /// How long an unused connection is kept for the next request. Should be shorter than the backend's own idle time.
    #[serde(default = "default_idle")]
    pub idle: Duration,

    /// Requests at the same time on one HTTP/2 connection, 1 to 1,000.
    #[serde(default = "default_max_streams")]
    #[schemars(range(min = 1, max = 1_000))]
    pub max_streams: u32,

    /// How often names are resolved. If a resolution fails, the last good one stays.
    #[serde(default = "default_resolve_every")]
    pub resolve_every: Duration,

    /// When an endpoint that fails is left alone. Each host of a name has a breaker of its own.
    #[serde(default)]
    pub breaker: RawBreaker,

    /// A question that every endpoint is asked, again and again. Without this table none is asked.
    pub health: Option<RawHealth>,

    /// When an endpoint is taken out for a while because of its answers, as long as there are others.
    #[serde(default)]
    pub ejection: RawEjection,

    /// How much the upstream is given at once.
    #[serde(default)]
    pub shedding: RawShedding,

    /// How long an endpoint that joins or comes back takes to get its full share. `"0s"`: it gets it at once.
    #[serde(default)]
    pub slow_start: Duration,
}

/// An address, or an address with a weight.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawAddress {
    /// An address of weight 1.
    Plain(String),
    /// An address with a weight.
    Weighted(RawWeightedAddress),
}

/// An address with a weight.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWeightedAddress {
    /// `"http://host:port"`, `"https://host"` or `"host:port"`.
    pub address: String,
    /// Its share of the requests beside the other addresses, 1 to 100. Each host of a name has this weight.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub weight: u32,
}

/// How requests are spread over endpoints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, each as often as its weight says.
    #[default]
    RoundRobin,
    /// To the endpoint with the fewest requests in flight for its weight.
    LeastConnections,
    /// Requests alike in `hash_on` to the same endpoint, as long as it is not overloaded beside the others.
    ConsistentHash,
}

/// The version of HTTP spoken to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2; without TLS by prior knowledge. gRPC needs it.
    Http2,
    /// Over TLS what the backend chooses (ALPN), else HTTP/1.1.
    Auto,
}

/// TLS to a backend.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// Whether the certificate has to be good: trusted, in date, and of the right name.
    #[serde(default = "yes")]
    pub verify: bool,
    /// The name that is asked for and has to stand in the certificate. Default: the host of the address.
    pub sni: Option<String>,
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Deadlines of a request to a backend; what is not set is inherited.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDeadlines {
    /// Until a connection is open, TLS handshake included. Default 5s.
    pub connect: Option<Duration>,
    /// Between two pieces of a response. Default 60s.
    pub read: Option<Duration>,
    /// Until a piece of a request is taken. Default 60s.
    pub write: Option<Duration>,
    /// From the choice of an address to the end of the response. Default 120s. Does not end responses on routes whose
    /// body mode is `stream` (server-sent events, sockets, gRPC, large downloads): there `read` alone counts.
    pub total: Option<Duration>,
}

fn preserve() -> String {
    "preserve".to_owned()
}

fn default_idle() -> Duration {
    Duration::secs(60)
}

fn default_max_streams() -> u32 {
    100
}

fn default_resolve_every() -> Duration {
    Duration::secs(30)
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}
