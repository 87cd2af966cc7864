//! `[redis]` of config.toml, as it is written.

use std::path::PathBuf;

use rampart_secrets::SecretRef;
use rampart_settings::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Redis or Valkey, through which several gateways act as one. Without it a gateway keeps everything to itself. No
/// request fails because it is down: each quota says what happens then.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRedis {
    /// The server: `"redis://127.0.0.1:6379"`, with a database `"redis://host:6379/1"`, with TLS `"rediss://host:6380"`.
    pub url: Option<String>,

    /// Several servers instead of one: the nodes of a cluster to begin with, or all Sentinels. At most 32.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub urls: Vec<String>,

    /// What the servers are. Without it: `sentinel` where there is a table `sentinel`, `cluster` where there is more
    /// than one URL, otherwise `single`.
    pub mode: Option<RawMode>,

    /// The master that Sentinels watch.
    pub sentinel: Option<RawSentinel>,

    /// The ACL user. Without it: the default user. What it needs: `~PREFIX:* +@read +@write +@scripting +@connection
    /// +time +info`, with Sentinel `+role`, with a cluster `+cluster|slots +cluster|info`.
    pub username: Option<String>,

    /// Where the password is, such as `secret://env/REDIS_PASSWORD`.
    pub password: Option<SecretRef>,

    /// TLS to the servers. Without this table `rediss://` trusts the system's authorities.
    pub tls: Option<RawTls>,

    /// Connections to each server, 1 to 32.
    #[serde(default = "default_pool")]
    #[schemars(range(min = 1, max = 32))]
    pub pool: u8,

    /// How long one command may take, and so what an outage costs the requests that meet it first: 10ms to 1s.
    #[serde(default = "default_command_deadline")]
    pub command_deadline: Duration,

    /// How long it may take to connect, TLS and sign-in included: 100ms to 30s.
    #[serde(default = "default_connect_deadline")]
    pub connect_deadline: Duration,

    /// Where the secret is that all gateways of the cluster share: 32 random bytes or more, for example from
    /// `openssl rand -base64 32`. Keys are hashed and values sealed with it.
    pub cluster_key: SecretRef,

    /// Where the last `cluster_key` is, during a rotation: it still opens what it sealed.
    pub cluster_key_previous: Option<SecretRef>,

    /// What every key begins with: 1 to 32 letters, digits, `_`, `-` and `.`. Gateways with the same prefix act as one.
    #[serde(default = "default_prefix")]
    pub prefix: String,

    /// How many gateways share the quotas, 1 to 1000. Without it they count each other through Redis.
    #[schemars(range(min = 1, max = 1_000))]
    pub instances: Option<u32>,
}

/// What the servers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawMode {
    /// One server.
    Single,
    /// Sentinels, which know the master.
    Sentinel,
    /// Redis Cluster.
    Cluster,
}

/// The master that Sentinels watch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSentinel {
    /// Its name, as in `sentinel monitor NAME ...`.
    pub name: String,
    /// The ACL user at the Sentinels.
    pub username: Option<String>,
    /// Where the password of the Sentinels is.
    pub password: Option<SecretRef>,
}

/// TLS to the servers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// Certificate authorities to trust instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// This gateway's certificate, in PEM, where the servers ask for one.
    pub cert_file: Option<PathBuf>,
    /// Its key, in PEM.
    pub key_file: Option<PathBuf>,
}

fn default_pool() -> u8 {
    4
}

fn default_command_deadline() -> Duration {
    Duration::millis(30)
}

fn default_connect_deadline() -> Duration {
    Duration::secs(2)
}

fn default_prefix() -> String {
    "rampart".to_owned()
}
