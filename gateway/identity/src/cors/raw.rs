//! `[cors.NAME]` of the rules, as it is written.

use rampart_settings::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which pages of other origins may use a route from a browser. A route names it as `cors = "NAME"`. What the upstream
/// itself says about this is removed from its answers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCors {
    /// The origins: `"https://app.example.com"`, with a port where it is not the scheme's own, or
    /// `"https://*.example.com"` for all names below (the name itself is another origin). `"*"` alone is every page of
    /// the world, and never with credentials. `"null"` is every page without an origin, sandboxed frames and local files
    /// among them; it is only allowed where it is written.
    #[schemars(length(min = 1, max = 256))]
    pub origins: Vec<String>,

    /// The methods that pages may use. `GET`, `HEAD` and `POST` need no leave of a browser, so to forbid them takes
    /// the route's own `methods`.
    #[serde(default = "default_methods")]
    #[schemars(length(max = 32))]
    pub methods: Vec<String>,

    /// The request headers that pages may set, such as `["Authorization", "Content-Type"]`. No `*`: list them.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub headers: Vec<String>,

    /// The response headers that pages may read, besides the few that they always may. Of a 429 they read when to come
    /// again only where this lists `Retry-After` and `RateLimit`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub expose: Vec<String>,

    /// Pages may send cookies and other credentials that the browser keeps, and read the answers. Every origin listed can
    /// then act as the user.
    #[serde(default)]
    pub credentials: bool,

    /// How long browsers remember the answer. They cap it at 2 to 24 hours.
    #[serde(default = "default_max_age")]
    pub max_age: Duration,

    /// Pages of a public network may reach this gateway in a private one (Private Network Access).
    #[serde(default)]
    pub private_network: bool,

    /// Refuse requests of other origins (403), instead of answering them without leave to read the answer. Requests
    /// without an `Origin`, and those of the gateway's own host, pass.
    #[serde(default)]
    pub enforce: bool,
}

fn default_methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(str::to_owned).to_vec()
}

fn default_max_age() -> Duration {
    Duration::minutes(10)
}
