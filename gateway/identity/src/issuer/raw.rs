//! `[issuer.NAME]` of the rules, as it is written.

use std::path::PathBuf;

use rampart_secrets::SecretRef;
use rampart_settings::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who signs tokens, how they are checked, and what is read from them. A route names it in `identity.issuers`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawIssuer {
    /// What the claim `iss` has to be, letter for letter. Without it the claim is not looked at, and every token that
    /// one of the keys signed is taken, whoever it was made for.
    pub issuer: Option<String>,

    /// What the claim `aud` has to name: one of these. Without it tokens that were made for other services are taken.
    #[serde(default)]
    pub audience: RawStrings,

    /// The algorithms that are taken, whatever a token says: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`,
    /// `ES256`, `ES384`, `EdDSA`; or, with `key`, `HS256`, `HS384`, `HS512`.
    #[schemars(length(min = 1))]
    pub algorithms: Vec<String>,

    /// Where the issuer publishes its keys, such as `"https://login.example.com/.well-known/jwks.json"`. Fetched when
    /// the gateway starts, every `refresh`, and when a token names a key that is not there.
    pub jwks_url: Option<String>,

    /// A file of keys as a JSON Web Key Set. Read with the configuration. A relative path is relative to the folder of
    /// config.toml, not to the rules file.
    pub jwks_file: Option<PathBuf>,

    /// The key that both sides share, for `HS256` (32 bytes at least), `HS384` (48) or `HS512` (64):
    /// `"secret://env/NAME"`. Its bytes are taken as they are; where the secret's own text begins with `base64:` or
    /// `base64url:`, what follows is decoded.
    pub key: Option<SecretRef>,

    /// A PEM file with one public key: `-----BEGIN PUBLIC KEY-----`. A relative path is relative to the folder of
    /// config.toml, not to the rules file.
    pub public_key_file: Option<PathBuf>,

    /// Certificate authorities to trust for `jwks_url` instead of the system's: a PEM file. A relative path is relative
    /// to the folder of config.toml.
    pub ca_file: Option<PathBuf>,

    /// Allows a `jwks_url` of plain `http` to other hosts than this one. Who can change what is on the way can then
    /// sign tokens.
    #[serde(default)]
    pub allow_http: bool,

    /// By how much clocks may differ: a token is taken so long before its `nbf` and after its `exp`. At most 5 minutes.
    #[serde(default = "default_leeway")]
    pub leeway: Duration,

    /// Claims that have to be there.
    #[serde(default = "default_require")]
    pub require: Vec<String>,

    /// How old a token may be by its claim `iat`, which then has to be there. Default: as old as its `exp` allows.
    pub max_age: Option<Duration>,

    /// What the header's `typ` has to be, such as `"at+jwt"` (RFC 9068). Default: anything. Set it where the issuer
    /// signs tokens for several purposes with the same keys.
    pub typ: Option<String>,

    /// Where the token is: `header:authorization` (after `Bearer`), `header:NAME`, `cookie:NAME`. Default:
    /// `["header:authorization"]`. A token may stand in several of them; two different ones are refused.
    #[serde(default = "default_token")]
    #[schemars(length(min = 1, max = 4))]
    pub token: Vec<String>,

    /// The claim that says who the caller is.
    #[serde(default = "default_subject")]
    pub subject: String,

    /// The claim that says which tenant the caller belongs to; it then has to be there. Default: the name of this
    /// table, so that every caller of this issuer is one tenant.
    pub tenant: Option<String>,

    /// The claim that lists what the caller may do: a string with spaces between, or a list.
    #[serde(default = "default_scopes")]
    pub scopes: String,

    /// How often the keys of `jwks_url` are fetched again. From 1 minute to 24 hours.
    #[serde(default = "default_refresh")]
    pub refresh: Duration,

    /// After a fetch for an unknown key brought nothing new, or failed: how long none is made for such a reason. From 1
    /// second to 1 hour.
    #[serde(default = "default_cooldown")]
    pub cooldown: Duration,

    /// How long the last good keys are used while `jwks_url` cannot be fetched. Then tokens are refused with 503. From
    /// `refresh` to 30 days.
    #[serde(default = "default_stale")]
    pub stale: Duration,
}

/// One string, or a list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawStrings {
    /// Nothing.
    #[default]
    #[serde(skip)]
    None,
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl RawStrings {
    /// All of them.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

fn default_leeway() -> Duration {
    Duration::secs(30)
}

fn default_require() -> Vec<String> {
    vec!["exp".to_owned()]
}

fn default_token() -> Vec<String> {
    vec!["header:authorization".to_owned()]
}

fn default_subject() -> String {
    "sub".to_owned()
}

fn default_scopes() -> String {
    "scope".to_owned()
}

fn default_refresh() -> Duration {
    Duration::minutes(10)
}

fn default_cooldown() -> Duration {
    Duration::secs(10)
}

fn default_stale() -> Duration {
    Duration::hours(24)
}
