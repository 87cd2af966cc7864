//! Quotas of who the caller proved to be: the tenant of an API key, whatever the address and whichever the key.

use std::process::{Command, Stdio};

use rampart_tests::announce::plain_from;
use rampart_tests::process::binary;
use rampart_tests::quota::shown;
use rampart_tests::{CountingOrigin, Gateway, Response, shape};

use super::quotas;

const RULES: &str = r#"
[[route]]
name = "work"
match = { path = "/work" }
upstream = "agents"
identity = { api_keys = true, required = true }
quotas = ["tenant", "door"]

[[route]]
name = "open"
match = { path = "/open" }
upstream = "agents"
identity = { api_keys = true, required = false }
quotas = ["tenant"]

[quota.tenant]
limit = 2
per = "1h"
key = "tenant"

[quota.door]
algorithm = "sliding_log"
limit = 6
per = "1h"
"#;

/// A key made by the command line, and the table of the rules for it.
fn new_key(name: &str, tenant: &str) -> (String, String) {
    let arguments = ["apikey", "new", "--json", "--name", name, "--tenant", tenant];
    let output = Command::new(binary()).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |key: &str| made[key].as_str().expect("a text").to_owned();
    (text("key"), text("table") + "\n")
}

async fn ask(gateway: &Gateway, peer: &str, target: &str, key: Option<&str>) -> Response {
    let fields: Vec<(&str, &str)> = key.into_iter().map(|key| ("X-Api-Key", key)).collect();
    plain_from(peer, gateway.addresses.plain).await.ask(&shape::head("GET", target, &fields)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_one_quota_whatever_its_keys_and_addresses() {
    let origin = CountingOrigin::start().await;
    let (one, one_table) = new_key("ci", "acme");
    let (two, two_table) = new_key("laptop", "acme");
    let (other, other_table) = new_key("robot", "umbrella");
    let rules = [&one_table, &two_table, &other_table, RULES].join("\n");
    let gateway = quotas(&origin, &rules).start().await;
    let (a, b) = ("127.0.0.2", "127.0.0.3");

    let first = ask(&gateway, a, "/work", Some(&one)).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(shown(&first, "tenant").unwrap().remaining, 1);
    assert_eq!(shown(&first, "door").unwrap().remaining, 5);
    assert_eq!(ask(&gateway, b, "/work", Some(&two)).await.status, 200);
    let refused = ask(&gateway, b, "/work", Some(&one)).await;
    assert_eq!(refused.expect_problem(429, "rate_limited")["error"], "The quota \"tenant\" is spent");
    let event = gateway.event(refused.header("x-request-id").unwrap()).await;
    assert_eq!(event["identity"], "api_key:ci", "{event}");
    assert_eq!(ask(&gateway, a, "/work", Some(&other)).await.status, 200, "another tenant");

    // Without a key the address stands for the tenant, so that leaving it out gains nothing.
    let statuses = [
        ask(&gateway, a, "/open", None).await.status,
        ask(&gateway, a, "/open", None).await.status,
        ask(&gateway, a, "/open", None).await.status,
        ask(&gateway, b, "/open", None).await.status,
    ];
    assert_eq!(statuses, [200, 200, 429, 200]);

    let state = gateway.admin("GET", "/admin/quotas/tenant?tenant=acme").await.json();
    assert_eq!(state["remaining"], 0, "{state}");
    let state = gateway.admin("GET", "/admin/quotas/tenant?tenant=umbrella").await.json();
    assert_eq!(state["remaining"], 1, "{state}");
}

/// Guessing keys is counted before a key is looked at: the quota by address ends it, right key or not.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_counted_before_they_are_looked_at() {
    let origin = CountingOrigin::start().await;
    let (key, table) = new_key("ci", "acme");
    let gateway = quotas(&origin, &[&table, RULES].join("\n")).start().await;
    for _ in 0..3 {
        ask(&gateway, "127.0.0.2", "/work", None).await.expect_problem(401, "identity_missing");
        let guess = ask(&gateway, "127.0.0.2", "/work", Some("rk_0123456789abcdef_guess")).await;
        let problem = guess.expect_problem(401, "identity_invalid");
        assert!(shown(&guess, "door").is_some() && shown(&guess, "tenant").is_none(), "{problem}");
    }
    let late = ask(&gateway, "127.0.0.2", "/work", Some(&key)).await;
    assert_eq!(late.expect_problem(429, "rate_limited")["error"], "The quota \"door\" is spent");
    assert_eq!(ask(&gateway, "127.0.0.3", "/work", Some(&key)).await.status, 200);
    assert_eq!(origin.requests(), 1);
}
