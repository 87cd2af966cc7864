//! What a request costs: a number, its bytes, the bytes of its answer.

use rampart_tests::quota::shown;
use rampart_tests::wait::eventually_some;
use rampart_tests::{Answer, CountingOrigin, Gateway, shape};
use serde_json::Value;

use super::{quotas, route};

/// What is left of a quota for this client.
async fn left(gateway: &Gateway, quota: &str) -> u64 {
    let state = gateway.admin("GET", &format!("/admin/quotas/{quota}?client_address=127.0.0.1")).await;
    assert_eq!(state.status, 200, "{}", state.text());
    state.json()["remaining"].as_u64().expect("a number")
}

async fn becomes(gateway: &Gateway, quota: &str, units: u64) {
    let what = format!("{units} are left of {quota}");
    eventually_some(&what, async || (left(gateway, quota).await == units).then_some(())).await;
}

const QUOTAS: &str = r#"
[quota.heavy]
algorithm = "window"
limit = 100
per = "day"
cost = 40

[quota.sent]
algorithm = "window"
limit = 10_000
per = "day"
cost = "request_bytes"

[quota.received]
algorithm = "window"
limit = 10_000
per = "day"
cost = "response_bytes"
reserve = 100

[quota.moved]
algorithm = "window"
limit = 10_000
per = "day"
cost = "bytes"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_charged_as_they_came_out_to_be() {
    let origin = CountingOrigin::scripted(|_| Answer::json(vec![b' '; 3_000])).await;
    let names = ["heavy", "sent", "received", "moved"];
    let rules: String = names.iter().map(|name| route(name, &[name])).chain([QUOTAS.to_owned()]).collect();
    let gateway = quotas(&origin, &rules).start().await;
    let post = |target: &str, bytes: usize| shape::post(target, "text/plain", &vec![b'a'; bytes]);

    let first = gateway.get("/heavy").await;
    assert_eq!(shown(&first, "heavy").unwrap().remaining, 60);
    assert_eq!(shown(&gateway.get("/heavy").await, "heavy").unwrap().remaining, 20);
    gateway.get("/heavy").await.expect_problem(429, "rate_limited");
    assert_eq!(left(&gateway, "heavy").await, 20, "what cannot be had is not taken");

    // Known beforehand where the length is declared.
    let response = gateway.ask(&post("/sent", 4_000)).await;
    assert_eq!(response.header("ratelimit-policy"), Some("\"sent\";q=10000;qu=\"content-bytes\";w=86400"));
    becomes(&gateway, "sent", 6_000).await;
    gateway.ask(&post("/sent", 6_001)).await.expect_problem(429, "rate_limited");
    assert_eq!(gateway.ask(&post("/sent", 5_000)).await.status, 200);
    becomes(&gateway, "sent", 1_000).await;
    // Counted afterwards where it is not; who then went beyond waits for it.
    let chunked = shape::post_chunked("/sent", "text/plain", &[b'a'; 3_000], 500);
    assert_eq!(gateway.ask(&chunked).await.status, 200);
    becomes(&gateway, "sent", 0).await;
    gateway.ask(&post("/sent", 1)).await.expect_problem(429, "rate_limited");

    let response = gateway.get("/received").await;
    assert_eq!(shown(&response, "received").unwrap().remaining, 9_900, "the reserve, until the answer is known");
    becomes(&gateway, "received", 7_000).await;
    assert_eq!(gateway.ask(&post("/moved", 2_000)).await.status, 200);
    becomes(&gateway, "moved", 5_000).await;
    let refused = gateway.admin("GET", "/admin/quotas/nonsense").await;
    assert_eq!((refused.status, &refused.json()["code"]), (404, &Value::from("unknown_quota")));
}
