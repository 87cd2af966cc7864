//! What an operator sees of a failing upstream: in `/ready`, in the admin interface and in the log.

use rampart_tests::wait::eventually_some;
use rampart_tests::{Gateway, Mood, MoodyOrigin, eventually, shape};
use serde_json::{Value, json};

use super::before;

async fn shown(gateway: &Gateway) -> Value {
    let ready = gateway.probe("/ready").await;
    assert_eq!(ready.status, 200, "what a dependency lacks does not make the gateway unready: {}", ready.text());
    ready.json()["dependencies"]["upstreams"][0].clone()
}

/// Waits until `/ready` shows these members of the upstream.
async fn becomes(gateway: &Gateway, expect: Value) {
    let what = format!("/ready shows {expect}");
    eventually_some(&what, async || {
        let shown = shown(gateway).await;
        expect.as_object()?.iter().all(|(name, value)| shown[name] == *value).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_fail_their_checks_are_counted_and_none_left_is_said() {
    let origins = MoodyOrigin::several(2).await;
    let keys = "health = { path = \"/health\", every = \"100ms\", deadline = \"100ms\", healthy_after = 1, \
                unhealthy_after = 1 }";
    let gateway = before(&origins, keys).await;
    becomes(&gateway, json!({ "status": "known", "endpoints": 2, "usable": 2, "unhealthy": 0 })).await;
    origins[0].turn(Mood::Status(503));
    becomes(&gateway, json!({ "status": "known", "endpoints": 2, "usable": 1, "unhealthy": 1 })).await;
    origins[1].turn(Mood::Status(503));
    becomes(&gateway, json!({ "status": "unusable", "endpoints": 2, "usable": 0, "unhealthy": 2 })).await;
    gateway.get("/").await.expect_problem(503, "upstream_unavailable");
    origins[1].turn(Mood::Well);
    becomes(&gateway, json!({ "status": "known", "usable": 1, "unhealthy": 1 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn breakers_and_ejections_are_told_of() {
    let origins = MoodyOrigin::several(2).await;
    let keys = "breaker = { consecutive = 4, open_for = \"1s\" }\nejection = { consecutive_gateway = 2, for = \"5s\" }";
    let gateway = before(&origins, keys).await;
    let log = || gateway.read("stderr");
    for origin in &origins {
        origin.turn(Mood::Status(503));
    }
    let post = shape::post("/", "application/json", b"[1]");
    for _ in 0..30 {
        gateway.ask(&post).await;
    }
    let said =
        |text: &str| origins.iter().filter(|origin| log().contains(&format!("{} {text}", origin.address))).count();
    // One of two may be out, so the other one's breaker opens.
    becomes(&gateway, json!({ "endpoints": 2, "unhealthy": 0, "ejected": 1 })).await;
    let upstreams = gateway.admin("GET", "/admin/upstreams").await.json();
    let ejected_for = upstreams[0]["endpoints"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|endpoint| endpoint["ejected_for_s"].as_f64().map(|seconds| seconds.to_string()))
        .unwrap_or_else(|| panic!("{upstreams}"));
    let digits = ejected_for.split_once('.').map_or(0, |(_, digits)| digits.len());
    assert!(digits <= 3, "{ejected_for}");
    eventually("the ejection is told of", || said("is ejected for ") == 1).await;
    eventually("the breaker is told of", || said("gets no requests: its breaker is open") >= 1).await;

    for origin in &origins {
        origin.turn(Mood::Well);
    }
    eventually("the end of the ejection is told of", || said("is back: its ejection is over") == 1).await;
    eventually_some("the end of the breaker is told of", async || {
        gateway.ask(&post).await;
        (said("gets requests again: its breaker is closed") >= 1).then_some(())
    })
    .await;
    becomes(&gateway, json!({ "status": "known", "usable": 2, "ejected": 0, "breakers_open": 0 })).await;
}
