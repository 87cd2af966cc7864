//! Who may come in: tokens and API keys at the real binary, what the upstream learns of the caller, and what is recorded.

mod api_keys;
mod checking;
mod claims;
mod forwarding;
mod keys;
mod quotas;
mod recorded;
mod tokens;
mod ways_in;

use std::process::{Output, Stdio};

use rampart_tests::token::claims;
use rampart_tests::{CountingOrigin, Gateway, KeyServer, Response, Setup, SigningKey, shape};
use serde_json::Value;

/// Routes of one issuer, whose keys a [`KeyServer`] publishes, and of API keys.
const ROUTES: &str = r#"
[[route]]
name = "open"
match = { path = "/open/**" }
upstream = "agents"

[[route]]
name = "protected"
match = { path = "/protected/**" }
upstream = "agents"
identity = { issuers = ["main"] }

[[route]]
name = "optional"
match = { path = "/optional/**" }
upstream = "agents"
identity = { issuers = ["main"], required = false, forward = { "X-User" = "subject", "X-Tenant" = "tenant" } }

[[route]]
name = "scoped"
match = { path = "/scoped/**" }
upstream = "agents"
identity = { issuers = ["main"], scopes = ["agents:read", "agents:write"] }

[[route]]
name = "any-scope"
match = { path = "/any-scope/**" }
upstream = "agents"
identity = { issuers = ["main"], any_scope = ["agents:read", "agents:admin"] }

[[route]]
name = "claimed"
match = { path = "/claimed/**" }
upstream = "agents"
identity = { issuers = ["main"], claims = { role = ["admin", "owner"], email_verified = true, "/realm/level" = 3 } }

[[route]]
name = "told"
match = { path = "/told/**" }
upstream = "agents"

[route.identity]
issuers = ["main"]
forward = { "X-User" = "subject", "X-Tenant" = "tenant", "X-Scopes" = "scopes", "X-Via" = "via", "X-Role" = "claim:role" }
"#;

/// A gateway, the origin behind it, and the issuer that it trusts.
struct World {
    gateway: Gateway,
    origin: CountingOrigin,
    issuer: KeyServer,
    key: SigningKey,
}

impl World {
    async fn start() -> Self {
        Self::of("", ROUTES).await
    }

    /// With these keys of `[issuer.main]`, and these routes and other tables.
    async fn of(keys: &str, routes: &str) -> Self {
        Self::with_files(keys, routes, &[]).await
    }

    /// The same, and these files in the gateway's folder.
    async fn with_files(keys: &str, routes: &str, files: &[(&str, &str)]) -> Self {
        let key = SigningKey::es256("first");
        let issuer = KeyServer::start(&[&key]).await;
        let origin = CountingOrigin::start().await;
        let rules = format!("{}\n{routes}", issuer_table("main", &issuer, keys));
        let setup = before(&origin).routes(&rules).tls();
        let gateway = files.iter().fold(setup, |setup, (path, text)| setup.file(path, text)).start().await;
        Self { gateway, origin, issuer, key }
    }

    /// A good token of this subject.
    fn token(&self, subject: &str) -> String {
        self.key.token(&claims(subject))
    }

    /// A GET with this token.
    async fn get(&self, target: &str, token: &str) -> Response {
        self.gateway.ask(&bearing(target, token)).await
    }

    /// The security event of a response.
    async fn event(&self, response: &Response) -> Value {
        self.gateway.event(response.header("x-request-id").unwrap()).await
    }
}

/// A gateway before this origin.
fn before(origin: &CountingOrigin) -> Setup {
    Setup::bare().upstream("agents", &format!("addresses = [\"http://{}\"]", origin.address))
}

/// `[issuer.NAME]` of what [`claims`] makes, with more keys.
fn issuer_table(name: &str, server: &KeyServer, keys: &str) -> String {
    format!(
        "[issuer.{name}]\nissuer = \"{}\"\naudience = \"{}\"\nalgorithms = [\"ES256\"]\njwks_url = \"{}\"\n{keys}\n",
        rampart_tests::token::ISSUER,
        rampart_tests::token::AUDIENCE,
        server.url(),
    )
}

/// A GET with a bearer token.
fn bearing(target: &str, token: &str) -> Vec<u8> {
    shape::head("GET", target, &[("Authorization", &format!("Bearer {token}"))])
}

/// Every `WWW-Authenticate` of an answer.
fn challenges(response: &Response) -> Vec<&str> {
    let named = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("www-authenticate"));
    named.map(|(_, value)| value.as_str()).collect()
}

/// Runs `rampart` with these arguments in the gateway's folder.
fn rampart(gateway: &Gateway, arguments: &[&str]) -> Output {
    std::process::Command::new(rampart_tests::process::binary())
        .args(arguments)
        .current_dir(gateway.folder())
        .env("RAMPART_ADMIN_TOKEN", rampart_tests::setup::ADMIN_TOKEN)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
