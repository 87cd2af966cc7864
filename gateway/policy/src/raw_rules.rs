//! A file of the rules directory as admins write it, before it is checked.

use std::collections::BTreeMap;

use rampart_identity::{RawAccess, RawApiKey, RawCors, RawIssuer};
use rampart_inspection::{RawCase, RawExclusion, RawProfile, RawRule};
use rampart_limits::{RawBan, RawQuota};
use rampart_message::RawPathPolicy;
use rampart_settings::{Duration, Size};
use rampart_upstream::{RawDeadlines, RawResilience};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::query::{RawParameter, RawUnknown};

/// A Rampart rules file: any number of routes, rules, cases, exclusions and profiles. Files and folders are named as
/// you like; names of routes, rules and profiles are shared by all files of the directory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rampart rules file")]
pub struct RawRulesFile {
    /// Version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// What happens to a request for some place: where it goes, and how it is inspected.
    #[serde(default)]
    pub route: Vec<RawRoute>,
    /// A pattern of attack.
    #[serde(default)]
    pub rule: Vec<RawRule>,
    /// Strings that a rule must match, and strings that it must not.
    #[serde(default)]
    pub case: Vec<RawCase>,
    /// On some routes, some rules do not judge some values.
    #[serde(default)]
    pub exclusion: Vec<RawExclusion>,
    /// How strictly requests are inspected: `[profile.NAME]`. Routes refer to it by `inspection`.
    #[serde(default)]
    pub profile: BTreeMap<String, RawProfile>,
    /// How much a client may ask for: `[quota.NAME]`. Routes refer to it by `quotas`.
    #[serde(default)]
    pub quota: BTreeMap<String, RawQuota>,
    /// Addresses whose requests are refused too often are turned away for a time, on every route: `[ban.NAME]`.
    #[serde(default)]
    pub ban: BTreeMap<String, RawBan>,
    /// Whose tokens say who is calling: `[issuer.NAME]`. Routes refer to it by `identity`.
    #[serde(default)]
    pub issuer: BTreeMap<String, RawIssuer>,
    /// A caller known by a key of its own; `rampart apikey new` makes one.
    #[serde(default)]
    pub api_key: Vec<RawApiKey>,
    /// Which web pages may call from a browser: `[cors.NAME]`. Routes refer to it by `cors`.
    #[serde(default)]
    pub cors: BTreeMap<String, RawCors>,
    /// When a request is tried again: `[resilience.NAME]`. Routes refer to it by `resilience`.
    #[serde(default)]
    pub resilience: BTreeMap<String, RawResilience>,
}

/// What happens to a request for some place.
///
/// Of several routes that match, the most specific is taken: host exact, then wildcard, then any; path exact, then the
/// longer literal prefix, then fewer wildcards; then more header and query conditions; then listed methods.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRoute {
    /// Its name in logs, metrics and exclusions; unique.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Which requests take it.
    #[serde(rename = "match")]
    pub matches: RawRouteMatch,
    /// The `[upstream.NAME]` of config.toml that the request goes to.
    #[serde(default)]
    pub upstream: Option<String>,
    /// Answer with a redirect instead.
    #[serde(default)]
    pub redirect: Option<RawRedirect>,
    /// A prefix of the path, of whole segments, that the upstream does not see.
    #[serde(default)]
    pub strip_prefix: Option<String>,
    /// How the path changes on the way to the upstream, after `strip_prefix`.
    #[serde(default)]
    pub rewrite: Option<RawRewrite>,
    /// The `[quota.NAME]` tables that count the request, beside those with `every_route`.
    #[serde(default)]
    pub quotas: Vec<String>,
    /// Who may call. Without it anybody may.
    #[serde(default)]
    pub identity: Option<RawAccess>,
    /// The `[cors.NAME]` that says which web pages may call.
    #[serde(default)]
    pub cors: Option<String>,
    /// The `[resilience.NAME]` that says when the request is tried again.
    #[serde(default)]
    pub resilience: Option<String>,
    /// The `[profile.NAME]` that inspects the request.
    #[serde(default = "default_profile")]
    pub inspection: String,
    /// What happens to the body, if not what the profile says: `"buffer"` (inspected whole), `"prefix:64KiB"` (only the
    /// beginning is inspected) or `"stream"` (not inspected).
    #[serde(default)]
    #[schemars(extend("examples" = ["buffer", "prefix:64KiB", "stream"]))]
    pub body: Option<String>,
    /// The largest body, if not what the profile says. With `stream` there is no limit unless this sets one.
    #[serde(default)]
    pub body_limit: Option<Size>,
    /// From the request head to the last byte of the body, if not what the listener says.
    #[serde(default)]
    pub body_deadline: Option<Duration>,
    /// What is odd about a path but taken on this route.
    #[serde(default)]
    pub allow: Vec<RawPathPolicy>,
    /// What query parameters have to be, by name.
    #[serde(default)]
    pub query: BTreeMap<String, RawParameter>,
    /// What happens to query parameters that `query` does not name.
    #[serde(default)]
    pub query_unknown: RawUnknown,
    /// Deadlines towards the upstream, if not the upstream's own.
    #[serde(default)]
    pub deadlines: Option<RawDeadlines>,
    /// Let requests become WebSockets. What is said on the socket is not inspected.
    #[serde(default)]
    pub websocket: bool,
    /// Changes to the header that the upstream sees.
    #[serde(default)]
    pub request_headers: RawHeaderEdits,
    /// Changes to the header that the client sees.
    #[serde(default)]
    pub response_headers: RawHeaderEdits,
}

/// Which requests take a route. All that is given must hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRouteMatch {
    /// The path: `/a/b` exactly; `/a/**` is `/a` and all below; `*` stands for one segment. Case and a trailing slash
    /// matter.
    #[schemars(extend("examples" = ["/api/v1/agents", "/auth/**", "/users/*/posts"]))]
    pub path: String,
    /// Hosts: `api.example.com`, or `*.example.com` for all names below. Without it any host.
    #[serde(default)]
    pub host: RawNames,
    /// Methods; `GET` includes `HEAD`. A request for the place with another method gets 405. Without it any method.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Conditions on request headers, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, RawCondition>,
    /// Conditions on query parameters, by name.
    #[serde(default)]
    pub query: BTreeMap<String, RawCondition>,
}

/// One name or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawNames {
    /// One name.
    One(String),
    /// Several names.
    Many(Vec<String>),
}

impl Default for RawNames {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// What a header or query parameter has to be: a text that it equals, or one of the keys. Of several values of one
/// name, one that fits is enough.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawCondition {
    /// It equals this text.
    Equals(String),
    /// It fits each of the keys given.
    Test(RawTest),
}

/// What a header or query parameter has to be.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawTest {
    /// It is there (`true`), or it is not (`false`).
    pub present: Option<bool>,
    /// It is one of these texts.
    pub one_of: Option<Vec<String>>,
    /// It begins with this text.
    pub prefix: Option<String>,
    /// It holds this text.
    pub contains: Option<String>,
    /// This regular expression matches somewhere in it; write `^...$` for the whole value.
    pub regex: Option<String>,
}

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRedirect {
    /// Where to: a path (`/new`) or a URL (`https://example.com/new`).
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "permanent")]
    #[schemars(range(min = 301, max = 308))]
    pub status: u16,
    /// Append the request's query.
    #[serde(default = "yes")]
    pub keep_query: bool,
}

/// How a path changes on the way to the upstream: either key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawRewrite {
    /// Put in front of the path.
    pub add_prefix: Option<String>,
    /// What to look for in the path; replaced by `to` at its first match.
    pub regex: Option<String>,
    /// What stands in its place; `$1` and `${name}` are groups of the expression.
    pub to: Option<String>,
}

/// Changes to a header.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawHeaderEdits {
    /// Fields that get this value, whatever was there.
    pub set: BTreeMap<String, String>,
    /// Fields that are taken out.
    pub remove: Vec<String>,
}

fn default_profile() -> String {
    "default".to_owned()
}

const fn permanent() -> u16 {
    308
}

const fn yes() -> bool {
    true
}
