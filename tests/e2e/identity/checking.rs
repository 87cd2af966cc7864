//! What `rampart check` says of rules about callers, with file and line, and what `rampart explain` says is missing.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rampart_tests::process::binary;
use serde_json::Value;
use tempfile::TempDir;

use super::text;

const CONFIG: &str = "version = 1\nrules = \"rules\"\n[listener.main]\naddress = \"127.0.0.1:0\"\n[upstream.agents]\naddresses = [\"http://127.0.0.1:9\"]\n";

fn folder(config: &str, rules: &str) -> TempDir {
    let folder = TempDir::with_prefix("rampart-callers-").unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/routes.toml"), rules).unwrap();
    folder
}

fn rampart(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(folder).envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

/// The line of `text` in which `part` stands, from 1.
fn line_of(text: &str, part: &str) -> u64 {
    let line = text.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part} in {text}"));
    line as u64 + 1
}

struct Checked {
    found: Vec<Value>,
    shown: String,
    code: Option<i32>,
}

fn check(config: &str, rules: &str, environment: &[(&str, &str)]) -> Checked {
    let folder = folder(config, rules);
    let json = rampart(folder.path(), &["check", "--config", "config.toml", "--json"], environment);
    let human = rampart(folder.path(), &["check", "--config", "config.toml"], environment);
    let said: Value =
        serde_json::from_slice(&json.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&json.stdout)));
    let found = said.as_array().or_else(|| said["diagnostics"].as_array()).expect("a list of diagnostics").clone();
    Checked { found, shown: format!("{}{}", text(&human.stdout), text(&human.stderr)), code: json.status.code() }
}

impl Checked {
    #[track_caller]
    fn expect(&self, severity: &str, file: &str, line: u64, part: &str) {
        let is = |one: &&Value| {
            one["file"].as_str().is_some_and(|have| have.ends_with(file))
                && one["line"] == line
                && one["message"].as_str().is_some_and(|message| message.contains(part))
        };
        let one = self.found.iter().find(is);
        let one = one.unwrap_or_else(|| panic!("{file}:{line}: {part:?} is not in {:#?}", self.found));
        assert_eq!(one["severity"], severity, "{one}");
        let place = format!("{file}:{line}");
        let shown = self.shown.lines().any(|line| line.contains(&place));
        assert!(shown && self.shown.contains(part), "{place} and {part:?} for people, too: {}", self.shown);
    }
}

const DOUBTFUL: &str = r#"version = 1
[profile.default]

[issuer.careless]
algorithms = ["RS256"]
jwks_url = "https://login.test/jwks.json"
require = ["sub"]

[quota.tenant]
limit = 100
per = "60s"
key = "tenant"

[quota.never]
limit = 5
per = "60s"
cost = 6

[quota.burst]
limit = 5
per = "60s"
burst = 0

[quota.chosen]
limit = 5
per = "60s"
key = "header:x-session"

[cors.loose]
origins = ["http://app.example.com", "null"]
credentials = true

[[route]]
name = "unknown-callers"
match = { path = "/tenant" }
upstream = "agents"
quotas = ["tenant", "never", "burst", "chosen"]
cors = "loose"

[[route]]
name = "protected"
match = { path = "/admin/**" }
upstream = "agents"
identity = { issuers = ["careless"] }

[[route]]
name = "forgotten"
match = { path = "/admin/export" }
upstream = "agents"

[[route]]
name = "keyed"
match = { path = "/keyed" }
upstream = "agents"
identity = { api_keys = true }

[[route]]
name = "half"
match = { path = "/half" }
upstream = "agents"
identity = { issuers = ["careless"], required = false, scopes = ["a"] }
"#;

#[test]
fn check_warns_of_rules_that_protect_less_than_they_seem_to() {
    let checked = check(CONFIG, DOUBTFUL, &[]);
    assert_eq!(checked.code, Some(0), "{}", checked.shown);
    let at = |part: &str| line_of(DOUBTFUL, part);
    let warns = |line: u64, part: &str| checked.expect("warning", "rules/routes.toml", line, part);
    warns(at("[issuer.careless]"), "takes tokens whatever their claim `iss` is");
    warns(at("[issuer.careless]"), "takes tokens that were made for other services");
    warns(at("require = "), "a token without `exp` is good for ever");
    warns(at("cost = 6"), "at most 5 can be had at once: each is refused");
    warns(at("burst = 0"), "cannot be met");
    warns(at("header:x-session"), "the client chooses this key");
    warns(at("quotas = [\"tenant\""), "counts by identity, and this route asks for none");
    warns(at("/admin/export"), "asks for no identity, and lies within \"protected\"");
    warns(at("api_keys = true"), "no [[api_key]] is defined");
    warns(at("required = false"), "only those who show one are checked");
    warns(at("origins = ["), "can act as the user");
    warns(at("origins = ["), "any page can make itself one");
}

const WRONG: &str = r#"version = 1
[profile.default]

[issuer.shared]
issuer = "https://login.test"
audience = "agents"
algorithms = ["HS256"]
key = "secret://env/TOKEN_KEY"

[issuer.confused]
issuer = "https://login.test"
audience = "agents"
algorithms = ["RS256", "HS256"]
jwks_url = "https://login.test/jwks.json"

[issuer.open]
algorithms = ["none"]
jwks_url = "https://login.test/jwks.json"

[issuer.plain]
issuer = "https://login.test"
audience = "agents"
algorithms = ["RS256"]
jwks_url = "http://login.test/jwks.json"

[cors.any]
origins = ["*"]
credentials = true

[[route]]
name = "nobody"
match = { path = "/nobody" }
upstream = "agents"
cors = "any"
identity = { required = true }

[[route]]
name = "shared"
match = { path = "/shared" }
upstream = "agents"
identity = { issuers = ["shared", "sharde"] }
"#;

const REDIS: &str = "[redis]\nurl = \"redis://127.0.0.1:6379\"\ncluster_key = \"secret://env/CLUSTER_KEY\"\n";

#[test]
fn check_refuses_keys_and_rules_that_protect_nothing() {
    const GOOD: &str = "b53f1c0a9e7d42688c1de07f93ab5d14ce2f6079a8b4d3e1";
    let config = format!("{CONFIG}{REDIS}");
    let at = |part: &str| line_of(WRONG, part);
    for (key, part) in [
        ("changeme-changeme-changeme-changeme", "is a placeholder"),
        ("your-256-bit-secret-your-256-bit-secret", "is a placeholder"),
        ("kX9v2LqT7mZc4RbW", "16 bytes"),
    ] {
        let checked = check(&config, WRONG, &[("TOKEN_KEY", key), ("CLUSTER_KEY", key)]);
        assert_eq!(checked.code, Some(1), "{}", checked.shown);
        checked.expect("error", "rules/routes.toml", at("secret://env/TOKEN_KEY"), part);
        checked.expect("error", "config.toml", line_of(&config, "cluster_key"), part);
        assert!(!checked.shown.contains(key), "the secret itself is not shown: {}", checked.shown);
    }
    let checked = check(&config, WRONG, &[("TOKEN_KEY", GOOD), ("CLUSTER_KEY", GOOD)]);
    assert_eq!(checked.code, Some(1), "{}", checked.shown);
    let wrong = |line: u64, part: &str| checked.expect("error", "rules/routes.toml", line, part);
    wrong(at("algorithms = [\"RS256\", \"HS256\"]"), "needs a shared secret, and these are public keys");
    wrong(at("algorithms = [\"none\"]"), "a token without a signature is whoever's who writes it");
    wrong(at("http://login.test"), "can be changed on the way");
    wrong(at("origins = [\"*\"]"), "would let every page of the world act as the user");
    wrong(at("identity = { required = true }"), "nobody can show who they are");
    wrong(at("sharde"), "sharde");
    let secrets = checked.found.iter().filter(|one| one.to_string().contains("the secret"));
    assert_eq!(secrets.count(), 0, "nothing is said of good keys: {:#?}", checked.found);
}

const EXPLAINED: &str = r#"version = 1
[profile.default]

[issuer.main]
issuer = "https://login.test"
audience = "agents"
algorithms = ["RS256"]
jwks_url = "https://login.test/jwks.json"

[[api_key]]
name = "ci"
digest = "DIGEST"
tenant = "acme"
scopes = ["agents:read"]

[quota.guessing]
limit = 5
per = "60s"

[cors.app]
origins = ["https://app.test"]

[[route]]
name = "protected"
match = { path = "/protected" }
upstream = "agents"
quotas = ["guessing"]
cors = "app"
identity = { issuers = ["main"], api_keys = true, scopes = ["agents:read", "agents:write"] }

[[route]]
name = "read"
match = { path = "/read" }
upstream = "agents"
identity = { api_keys = true, any_scope = ["agents:read", "agents:admin"] }
"#;

#[test]
fn explain_says_what_is_missing() {
    let scratch = folder(CONFIG, EXPLAINED);
    let made = rampart(scratch.path(), &["apikey", "new", "--name", "ci", "--json"], &[]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = made["key"].as_str().unwrap();
    let folder = folder(CONFIG, &EXPLAINED.replace("DIGEST", made["digest"].as_str().unwrap()));
    let explain = |arguments: &[&str]| {
        let output = rampart(folder.path(), &[&["explain", "--config", "config.toml"], arguments].concat(), &[]);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!said.contains(key), "{said}");
        (output.status.code(), said)
    };
    let expect = |arguments: &[&str], code: i32, parts: &[&str]| {
        let (status, said) = explain(arguments);
        assert_eq!(status, Some(code), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} is missing in {said}");
        }
    };
    let header = format!("X-Api-Key: {key}");
    expect(
        &["/protected"],
        1,
        &["401", "identity_missing", "main", "API key", "agents:read", "agents:write", "missing"],
    );
    expect(&["/protected", "-H", &header], 1, &["403", "identity_forbidden", "api_key:ci", "scope", "agents:write"]);
    expect(&["/protected", "-H", "X-Api-Key: rk_x"], 1, &["401", "identity_invalid", "malformed"]);
    expect(&["/read", "-H", &header], 0, &["pass", "api_key:ci, tenant acme"]);
    let preflight = ["-X", "OPTIONS", "-H", "Origin: https://app.test", "-H", "Access-Control-Request-Method: GET"];
    expect(
        &[&["/protected"][..], &preflight].concat(),
        0,
        &["204 from the gateway", "a preflight: the gateway answers it itself"],
    );
    expect(
        &["/protected"],
        1,
        &["quota    guessing: takes 1 of 5 (what the running gateway has counted is not looked at)"],
    );
    let (_, said) = explain(&["/protected", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["status"], &said["code"]), (&401.into(), &"identity_missing".into()), "{said}");
    assert_eq!(said["reason"], "missing", "{said}");
    assert_eq!(said["quotas"], serde_json::json!([{ "name": "guessing", "takes": 1, "of": 5 }]), "{said}");
    assert!(said["needs"].as_str().unwrap().contains("agents:write"), "{said}");
}
