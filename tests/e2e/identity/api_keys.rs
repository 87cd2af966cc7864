//! API keys: made by the command line, pasted into the rules, used, outlived and revoked.

use rampart_tests::{CountingOrigin, Gateway, shape};
use serde_json::{Value, json};

use super::{before, challenges, rampart, text};

const ROUTES: &str = r#"
[[route]]
name = "keyed"
match = { path = "/keyed/**" }
upstream = "agents"
identity = { api_keys = true, forward = { "X-Caller" = "subject", "X-Tenant" = "tenant", "X-Kind" = "kind" } }

[[route]]
name = "scoped"
match = { path = "/scoped/**" }
upstream = "agents"
identity = { api_keys = true, scopes = ["agents:write"] }

[[route]]
name = "open"
match = { path = "/open/**" }
upstream = "agents"
"#;

async fn start() -> (Gateway, CountingOrigin) {
    let origin = CountingOrigin::start().await;
    let gateway = before(&origin).routes(ROUTES).tls().start().await;
    (gateway, origin)
}

/// `rampart apikey new`: the key, and the table to paste.
fn make(gateway: &Gateway, arguments: &[&str]) -> (String, String) {
    let output = rampart(gateway, &[&["apikey", "new"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let (key, table) = said.split_once('\n').unwrap();
    assert!(key.starts_with("rk_") && table.contains("[[api_key]]"), "{said}");
    assert!(!table.contains(key) && !text(&output.stderr).contains(key), "the key is said once");
    (key.to_owned(), table.to_owned())
}

/// Pastes tables into a file of the rules directory, and has it read.
async fn paste(gateway: &Gateway, tables: &str) {
    gateway.replace("rules/api-keys.toml", &format!("version = 1\n{tables}"));
    let done = gateway.admin("POST", "/admin/reload").await;
    assert_eq!(done.status, 200, "{}", done.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_made_is_pasted_used_and_never_passed_on() {
    let (gateway, origin) = start().await;
    let (key, table) = make(&gateway, &["--name", "ci", "--scope", "agents:read", "--tenant", "acme"]);
    let (bearer, tabbed) = (format!("Bearer {key}"), format!("Bearer\t{key}"));
    let (scheme, misplaced) = (format!("ApiKey {key}"), format!("Token token=\"{key}\""));
    let ask = async |target: &str, fields: &[(&str, &str)]| gateway.ask(&shape::head("GET", target, fields)).await;
    let early = ask("/keyed/a", &[("X-Api-Key", &key)]).await;
    early.expect_problem(401, "identity_expired");
    assert_eq!(challenges(&early), ["ApiKey realm=\"rampart\", header=\"x-api-key\""]);

    paste(&gateway, &table).await;
    let forged = [("X-Caller", "root"), ("X_Caller", "root"), ("X-Kind", "jwt")];
    for credential in [
        vec![("X-Api-Key", key.as_str())],
        vec![("Authorization", &bearer)],
        vec![("Authorization", &tabbed)],
        vec![("Authorization", &scheme)],
        vec![("X-Api-Key", &key), ("Authorization", &misplaced)],
        vec![("X-Api-Key", &key), ("Authorization", &bearer)],
        vec![("X-Api-Key", &key), ("X-Api-Key", &key)],
        vec![("X-Api-Key", &key), ("X_Api_Key", &key)],
    ] {
        let response = ask("/keyed/a", &[&credential[..], &forged].concat()).await;
        assert_eq!(response.status, 200, "{credential:?}: {}", response.text());
        let seen = origin.last();
        let all = format!("{:?}", seen.headers);
        assert!(!all.contains(&key) && !all.contains("root"), "{seen:?}");
        assert_eq!(seen.all("x-caller"), ["ci"]);
        assert_eq!((seen.header("x-tenant"), seen.header("x-kind")), (Some("acme"), Some("api_key")));
    }
    // What is no key in Authorization is the upstream's business.
    let basic = "Basic YWxpY2U6aHVudGVyMg==";
    assert_eq!(ask("/keyed/a", &[("X-Api-Key", &key), ("Authorization", basic)]).await.status, 200);
    assert_eq!(origin.last().header("authorization"), Some(basic));

    let scoped = ask("/scoped/a", &[("X-Api-Key", &key)]).await;
    scoped.expect_problem(403, "identity_forbidden");
    let event = gateway.event(scoped.header("x-request-id").unwrap()).await;
    assert_eq!(event["identity"], "api_key:ci");
    assert_eq!(event["access"], json!({"kind": "refused", "via": "api_key:ci", "reason": "scope"}));
    gateway.get("/keyed/a").await.expect_problem(401, "identity_missing");
    for file in ["access.log", "events.log", "stderr", "stdout", "config.toml", "rules/api-keys.toml"] {
        let text = gateway.read(file);
        assert!(!text.contains(&key[20..]), "the secret part of the key in {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_do_not_hold() {
    let (gateway, origin) = start().await;
    let (key, table) = make(&gateway, &["--name", "ci"]);
    let (other, _) = make(&gateway, &["--name", "ci"]);
    paste(&gateway, &table).await;
    // Our id before another key's secret: its checksum does not fit.
    let spliced = format!("{}{}", &key[..20], &other[20..]);
    let mut typo = key.clone().into_bytes();
    typo[30] = if typo[30] == b'a' { b'b' } else { b'a' };
    let typo = String::from_utf8(typo).unwrap();
    for (what, sent, reason) in [
        ("a key that is not there", other.as_str(), "unknown_key"),
        ("another secret", &spliced, "malformed"),
        ("a typo", &typo, "malformed"),
        ("its beginning", &key[..40], "malformed"),
        ("in capitals", &key.to_uppercase(), "malformed"),
        ("nothing", "", "malformed"),
        ("the digest", table.split('"').find(|part| part.starts_with("sha256:")).unwrap(), "malformed"),
    ] {
        let response = gateway.ask(&shape::head("GET", "/keyed/a", &[("X-Api-Key", sent)])).await;
        let code = if reason == "unknown_key" { "identity_expired" } else { "identity_invalid" };
        response.expect_problem(401, code);
        let event = gateway.event(response.header("x-request-id").unwrap()).await;
        assert_eq!(event["access"]["reason"], reason, "{what}");
        assert_eq!(event["identity"], Value::Null, "{what}");
        if sent.len() > 20 {
            assert!(!event.to_string().contains(&sent[20..]), "{what}: {event}");
        }
    }
    let two = shape::head("GET", "/keyed/a", &[("X-Api-Key", &key), ("X-Api-Key", &other)]);
    gateway.ask(&two).await.expect_problem(401, "identity_invalid");
    origin.expect_untouched();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_end_by_their_date_and_by_reload() {
    let (gateway, origin) = start().await;
    let (old, old_table) = make(&gateway, &["--name", "old", "--expires", "2020-01-01"]);
    let (later, later_table) = make(&gateway, &["--name", "later"]);
    let (kept, kept_table) = make(&gateway, &["--name", "kept", "--expires", "2999-01-01T12:00:00Z"]);
    let (leaked, leaked_table) = make(&gateway, &["--name", "leaked"]);
    paste(&gateway, &format!("{old_table}\n{later_table}not_before = \"2998-01-01\"\n{kept_table}\n{leaked_table}"))
        .await;
    let ask = async |key: &str| gateway.ask(&shape::head("GET", "/keyed/a", &[("X-Api-Key", key)])).await;
    for (key, via, reason) in [(&old, "api_key:old", "expired"), (&later, "api_key:later", "not_yet")] {
        let response = ask(key).await;
        response.expect_problem(401, "identity_expired");
        let event = gateway.event(response.header("x-request-id").unwrap()).await;
        assert_eq!(event["access"], json!({"kind": "refused", "via": via, "reason": reason}));
    }
    assert_eq!((ask(&kept).await.status, ask(&leaked).await.status), (200, 200));
    assert_eq!(origin.requests(), 2);
    // `check` says which have had their time.
    let check = rampart(&gateway, &["check", "--config", "config.toml"]);
    assert!(text(&check.stderr).contains("the key \"old\" has expired"), "{}", text(&check.stderr));

    // One leaks; its table goes, and from the answer of the reload on it opens nothing.
    paste(&gateway, &kept_table).await;
    ask(&leaked).await.expect_problem(401, "identity_expired");
    assert_eq!(ask(&kept).await.status, 200);
    assert_eq!(origin.requests(), 3);
}
