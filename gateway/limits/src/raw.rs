//! `[quota.NAME]` of the rules directory and `[limits]` of config.toml, as they are written.

use rampart_settings::{Duration, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a client may ask for. Routes refer to it by `quotas = ["NAME"]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawQuota {
    /// How it is counted. Not with `concurrency`.
    pub algorithm: Option<RawAlgorithm>,

    /// Units allowed in each `per`: requests, unless `cost` says otherwise.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub limit: Option<u64>,

    /// The time that `limit` is for: `"60s"`; with `algorithm = "window"` also `"hour"`, `"day"` and `"month"`, which
    /// begin when they do in UTC.
    pub per: Option<RawPer>,

    /// Units that may come at once with `algorithm = "gcra"`. Default: `limit`, so that nearly twice `limit` can pass in
    /// the first `per`: the burst, and the rate that refills it.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub burst: Option<u64>,

    /// Requests in flight at the same time, instead of `limit` and `per`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,

    /// Who has a quota of his own: `client_address` (default), `header:NAME`, `cookie:NAME`, `query:NAME`,
    /// `claim:NAME`, `subject`, `tenant`, `api_key`, `route`, `method`, or a list of them. A request that lacks a part
    /// counts under its client's address, so that leaving a part out gains nothing.
    pub key: Option<RawKey>,

    /// IPv6 addresses alike in so many first bits are one client: 64 by default, since whoever has one address has
    /// the network.
    #[schemars(range(min = 1, max = 128))]
    pub ipv6_prefix: Option<u8>,

    /// What a request costs: `request` (default: 1), a number, `request_bytes`, `response_bytes`, `bytes` (both), or
    /// `llm_tokens`. What is known only after the answer is charged then.
    pub cost: Option<RawCost>,

    /// Units taken before an answer whose cost is not known yet; settled after it. Default 1. Only with `cost`
    /// `response_bytes`, `bytes` or `llm_tokens`.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub reserve: Option<u64>,

    /// Whether an answer from a cache costs what another one does. `false`: it costs nothing.
    #[serde(default = "yes")]
    pub count_cache_hits: bool,

    /// `enforce` (default) refuses; `shadow` only counts and reports what it would have refused.
    #[serde(default)]
    pub mode: Mode,

    /// What decides while the shared store cannot be asked: `local` (this gateway's share of the limit), `allow` or
    /// `deny`. Default: `deny` with `cost = "llm_tokens"`, which is paid for; else `local`.
    pub on_store_failure: Option<OnStoreFailure>,

    /// What a new key gets when the memory for keys is full and none is idle: `deny`, or `shared` (one bucket for all
    /// of them). Default: `deny` where the key names an identity, else `shared`.
    pub at_bound: Option<AtBound>,

    /// `shared` (default): all gateways on one Redis count together; without Redis, each for itself. `instance`: each
    /// for itself.
    #[serde(default)]
    pub scope: Scope,

    /// Whether it applies to all routes, not only to those that name it.
    #[serde(default)]
    pub every_route: bool,
}

/// How a quota is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawAlgorithm {
    /// A steady rate with an exact burst (generic cell rate algorithm); costs the least memory. In a span of `per` up to
    /// `limit` and `burst` together can pass; for at most `limit` in any span there is `sliding_log`.
    #[default]
    Gcra,
    /// In any span of `per`, wherever it begins, at most `limit`. For small counts: at most 10,000.
    SlidingLog,
    /// From fixed moments on: each minute, hour, day or month anew.
    Window,
}

/// The time that a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawPer {
    /// A span of the calendar, in UTC.
    Calendar(RawCalendar),
    /// A length of time.
    Every(Duration),
}

/// A span of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawCalendar {
    /// From minute 0 to minute 0.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// One part of a key, or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawKey {
    /// One part.
    One(String),
    /// Several parts: requests that are alike in all of them count together.
    Several(Vec<String>),
}

/// What a request costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawCost {
    /// So many units.
    Units(u64),
    /// What the request or its answer says.
    Kind(RawCostKind),
}

/// What the cost of a request is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawCostKind {
    /// 1.
    Request,
    /// The bytes of its body.
    RequestBytes,
    /// The bytes of the answer's body.
    ResponseBytes,
    /// The bytes of both bodies.
    Bytes,
    /// The tokens that the answer of a language model reports.
    LlmTokens,
}

/// Whether a quota refuses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It refuses.
    #[default]
    Enforce,
    /// It counts, and reports what it would have refused.
    Shadow,
}

/// What decides while the shared store cannot be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreFailure {
    /// The memory of this gateway, with its share of the limit.
    #[default]
    Local,
    /// Nothing: requests pass.
    Allow,
    /// Nothing: requests are refused.
    Deny,
}

/// What a new key gets when the memory for keys is full and none is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AtBound {
    /// A refusal.
    Deny,
    /// A bucket that all such keys of the quota share.
    Shared,
}

/// Which gateways count together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All on one store.
    #[default]
    Shared,
    /// Each for itself.
    Instance,
}

/// What all quotas of a gateway share.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    /// Memory for the keys of all quotas at most; a million keys take less than 64 MB. When it is full, idle keys give
    /// way first, then each quota's `at_bound` decides. 1MiB to 64GiB; a change needs a restart.
    #[serde(default = "default_memory")]
    pub memory: Size,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self { memory: default_memory() }
    }
}

fn default_memory() -> Size {
    Size::mib(64)
}

fn yes() -> bool {
    true
}
