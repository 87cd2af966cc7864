use std::net::Ipv4Addr;
use std::time::Duration;

use rampart_message::Version::Http11;
use rampart_message::{Head, Headers};
use rampart_policy::{Embedded, Environment, LoadOptions, Secrets, Snapshot, load_embedded};
use rampart_upstream::Resolved;

use super::*;
use crate::Origin;

const CONFIG: &str = r#"
version = 1
[listener.main]
address = "127.0.0.1:0"
[upstream.agents]
addresses = ["http://127.0.0.1:9"]
"#;

const RULES: &str = r#"
version = 1
[profile.off]
mode = "off"
[quota.auth]
algorithm = "sliding_log"
limit = 2
per = "60s"
[quota.tenant]
limit = 1
per = "60s"
key = "tenant"
[quota.dry]
limit = 1
per = "60s"
mode = "shadow"
[cors.web]
origins = ["https://app.example"]
methods = ["GET", "POST"]
[[api_key]]
name = "ci"
digest = "KEY_DIGEST"
tenant = "acme"
scopes = ["agents:read"]
[[route]]
name = "login"
match = { path = "/login" }
upstream = "agents"
inspection = "off"
quotas = ["auth"]
[[route]]
name = "protected"
match = { path = "/protected" }
upstream = "agents"
inspection = "off"
quotas = ["tenant", "auth"]
identity = { api_keys = true }
cors = "web"
[[route]]
name = "scoped"
match = { path = "/scoped" }
upstream = "agents"
inspection = "off"
identity = { api_keys = true, scopes = ["agents:write"] }
[[route]]
name = "dry"
match = { path = "/dry" }
upstream = "agents"
inspection = "off"
quotas = ["dry"]
"#;

struct World {
    snapshot: Snapshot,
    runtime: Runtime,
    key: String,
}

impl World {
    fn new() -> Self {
        let key = rampart_identity::NewKey::make(|bytes| {
            bytes.fill(7);
            Ok::<(), ()>(())
        })
        .unwrap();
        let rules = RULES.replace("KEY_DIGEST", &key.digest().unwrap().to_string());
        let rules_files = [("rules.toml", rules.as_str())];
        let embedded = Embedded { config: ("config.toml", CONFIG), rules: &rules_files };
        let options = LoadOptions {
            config: "config.toml".into(),
            environment: Environment::default(),
            secrets: Secrets::Require,
        };
        let (report, snapshot) = load_embedded(&embedded, &options);
        let snapshot = snapshot.unwrap_or_else(|| panic!("{:#?}", report.into_sorted()));
        let runtime = Runtime::default();
        runtime.reconcile(&snapshot, &Resolved::default());
        Self { snapshot, runtime, key: key.expose().to_owned() }
    }

    /// What becomes of a request, and its entry.
    fn ask(&self, line: &str, fields: &[(&str, &str)], client: u8, second: u64) -> (Step, Entry) {
        let (method, path) = line.split_once(' ').unwrap();
        let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let head = Head {
            method: method.as_bytes(),
            target: path.as_bytes(),
            version: Http11,
            authority: None,
            headers: Headers::new(&fields),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second);
        let client = Ipv4Addr::new(192, 0, 2, client);
        let connection =
            rampart_inspection::Connection { client: (client, 1).into(), server: (Ipv4Addr::LOCALHOST, 80).into() };
        let request = Request::new(head, Origin { connection, request_id: "id", now });
        let route = self.snapshot.routes.iter().find(|route| format!("/{}", route.name) == path).unwrap();
        let asking = Asking {
            route,
            request: &request,
            client: client.into(),
            host: b"api.example",
            declared: Declared::Nothing,
        };
        let beside = Beside { runtime: &self.runtime, now, micros: Micros((1_800_000_000 + second) * 1_000_000) };
        let mut entry = Entry::default();
        (entry.proceed(asking, beside), entry)
    }

    #[track_caller]
    fn check(&self, line: &str, fields: &[(&str, &str)], client: u8, second: u64, expect: Option<Code>) -> Entry {
        let (step, entry) = self.ask(line, fields, client, second);
        let code = match step {
            Step::Passed => None,
            Step::Refused(refusal) => Some(refusal.code),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(code, expect, "{line}");
        entry
    }
}

#[test]
fn a_spent_quota_refuses_and_says_until_when() {
    let world = World::new();
    world.check("POST /login", &[], 1, 0, None);
    let entry = world.check("POST /login", &[], 1, 10, None);
    assert_eq!(entry.fields()[0], ("RateLimit-Policy", "\"auth\";q=2;w=60".to_owned()));
    let (step, entry) = world.ask("POST /login", &[], 1, 20);
    let Step::Refused(refusal) = step else { panic!("{step:?}") };
    assert_eq!((refusal.code, refusal.status, refusal.retry_after_s), (Code::RateLimited, 429, Some(40)));
    assert_eq!(entry.fields()[1], ("RateLimit", "\"auth\";r=0;t=40".to_owned()));
    world.check("POST /login", &[], 2, 20, None);
    world.check("POST /login", &[], 1, 60, None);
    world.check("POST /login", &[], 1, 61, Some(Code::RateLimited));
}

#[test]
fn a_shadow_quota_refuses_nobody() {
    let world = World::new();
    for _ in 0..3 {
        let entry = world.check("GET /dry", &[], 1, 0, None);
        assert!(entry.fields().is_empty());
    }
}

/// A client whose credential has just ended is no attacker: the code is one that no ban counts unless it is told to.
#[test]
fn what_may_have_been_genuine_has_a_code_of_its_own() {
    let world = World::new();
    let revoked = rampart_identity::NewKey::make(|bytes| {
        bytes.fill(8);
        Ok::<(), ()>(())
    })
    .unwrap();
    let expect =
        [(revoked.expose(), Code::IdentityExpired, "unknown_key"), ("rk_wrong", Code::IdentityInvalid, "malformed")];
    for (key, code, reason) in expect {
        let entry = world.check("GET /scoped", &[("X-Api-Key", key)], 1, 0, Some(code));
        assert_eq!(entry.note().and_then(|note| note.reason.as_deref()), Some(reason), "{code:?}");
    }
}

#[test]
fn guesses_are_counted_before_they_are_looked_at() {
    let world = World::new();
    let wrong = [("X-Api-Key", "rk_wrong")];
    world.check("GET /protected", &[], 1, 0, Some(Code::IdentityMissing));
    world.check("GET /protected", &wrong, 1, 0, Some(Code::IdentityInvalid));
    world.check("GET /protected", &wrong, 1, 0, Some(Code::RateLimited));
    let right = [("X-Api-Key", world.key.as_str())];
    world.check("GET /protected", &right, 1, 0, Some(Code::RateLimited));
    let mut entry = world.check("GET /protected", &right, 2, 0, None);
    let note = entry.take_note().unwrap();
    assert_eq!((note.kind, note.via.as_deref()), (AccessKind::SignIn, Some("api_key:ci")));
    assert_eq!(&*entry.principal().unwrap().tenant, "acme");
    // The tenant has one request in its time, from whatever address.
    world.check("GET /protected", &right, 3, 0, Some(Code::RateLimited));
}

#[test]
fn a_known_caller_without_the_scope_is_named_in_the_note() {
    let world = World::new();
    let mut entry = world.check("GET /scoped", &[("X-Api-Key", &world.key)], 1, 0, Some(Code::IdentityForbidden));
    let note = entry.take_note().unwrap();
    assert_eq!((note.kind, note.reason.as_deref()), (AccessKind::Refused, Some("scope")));
    assert_eq!(entry.principal().unwrap().api_key(), Some("ci"));
}

#[test]
fn a_refusal_for_want_of_identity_challenges() {
    let world = World::new();
    let (step, _) = world.ask("GET /scoped", &[], 1, 0);
    let Step::Refused(refusal) = step else { panic!("{step:?}") };
    assert!(refusal.fields.iter().any(|(name, _)| *name == "WWW-Authenticate"), "{:?}", refusal.fields);
}

#[test]
fn preflights_need_no_identity_and_only_refused_ones_cost_a_quota() {
    let world = World::new();
    let from = |origin| [("Origin", origin), ("Access-Control-Request-Method", "POST")];
    for _ in 0..5 {
        let (step, _) = world.ask("OPTIONS /protected", &from("https://app.example"), 1, 0);
        assert!(matches!(step, Step::Preflight(_)), "{step:?}");
    }
    world.check("OPTIONS /protected", &from("https://evil.example"), 1, 0, Some(Code::CorsRefused));
    world.check("OPTIONS /protected", &from("https://evil.example"), 1, 0, Some(Code::CorsRefused));
    world.check("OPTIONS /protected", &from("https://evil.example"), 1, 0, Some(Code::RateLimited));
}

#[test]
fn a_banned_address_is_turned_away_first() {
    let world = World::new();
    let at = Micros(1_800_000_000 * 1_000_000);
    world.runtime.limits().bans().add([192, 0, 2, 9].into(), Duration::from_secs(90), "by hand", at);
    let (step, entry) = world.ask("POST /login", &[], 9, 30);
    let Step::Refused(refusal) = step else { panic!("{step:?}") };
    assert_eq!((refusal.code, refusal.retry_after_s), (Code::Banned, Some(60)));
    assert!(entry.states().is_empty());
    world.check("POST /login", &[], 9, 91, None);
}
