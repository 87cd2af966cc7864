//! `identity = { ... }` of a route, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::issuer::RawStrings;

/// Who may use a route, and what the upstream is told about them. A request without a good credential is answered 401,
/// one whose caller lacks a scope or a claim 403; neither reaches the upstream.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAccess {
    /// The `[issuer.NAME]` tables whose tokens are taken.
    #[serde(default)]
    pub issuers: RawStrings,

    /// Take the keys of `[[api_key]]`, from `X-Api-Key` or `Authorization: Bearer rk_...`.
    #[serde(default)]
    pub api_keys: bool,

    /// Refuse requests without a credential. With `false` they are anonymous, while a credential that is there still has
    /// to be good: an expired token is refused, not taken for none.
    #[serde(default = "yes")]
    pub required: bool,

    /// What a caller has to be allowed: every one of these scopes.
    #[serde(default)]
    pub scopes: Vec<String>,

    /// What a caller has to be allowed: at least one of these scopes.
    #[serde(default)]
    pub any_scope: Vec<String>,

    /// What claims of the token have to be: `{ role = ["admin", "owner"], email_verified = true }`. One of several values is
    /// enough; of a claim that is a list, one item. `"/realm_access/roles"` is the claim `roles` within the claim
    /// `realm_access`. An API key has no claims, so it never fits.
    #[serde(default)]
    pub claims: BTreeMap<String, RawClaim>,

    /// Headers that tell the upstream who the caller is, as `{ "X-User" = "subject" }`: `subject`, `tenant`, `scopes`
    /// (with spaces between), `kind` (`jwt` or `api_key`), `via` (`jwt:ISSUER` or `api_key:NAME`), or `claim:NAME`. What
    /// the client sends under these names is removed, also where the caller is anonymous, and also with `_` for `-`.
    #[serde(default)]
    pub forward: BTreeMap<String, String>,

    /// Whether the upstream sees the credential. Default: tokens yes, since many upstreams read them again; API keys no.
    pub keep_credentials: Option<bool>,

    /// The `realm` of `WWW-Authenticate`.
    #[serde(default = "default_realm")]
    #[schemars(length(min = 1, max = 64))]
    pub realm: String,
}

/// What a claim has to be: a value, or one of several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawClaim {
    /// This value.
    One(RawClaimValue),
    /// One of these values.
    Many(Vec<RawClaimValue>),
}

/// A value of a claim. Types count: `"42"` is not `42`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RawClaimValue {
    /// A truth value.
    Truth(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

fn yes() -> bool {
    true
}

fn default_realm() -> String {
    "rampart".to_owned()
}
